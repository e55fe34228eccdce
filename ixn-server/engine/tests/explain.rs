//! Why an interaction is where it is, in every place where one can wait.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::{CONFIGURATION, Server, accept, reject};
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_proto::client_envelope::Request;
use ixn_proto::{
    ClientType, ConditionResult, ExplainInteractionResponse, Obstacle, RequestDoNotDisturbOn, RequestHold,
    RequestNotReadyForMedia, RequestPlaceInQueue,
};

fn explain(server: &mut Server, id: &str) -> ExplainInteractionResponse {
    match server.inspect(InspectionRequest::Explain(id.to_owned())) {
        InspectionResponse::Explain(Some(explanation)) => *explanation,
        other => panic!("{other:?}"),
    }
}

fn obstacles(explanation: &ExplainInteractionResponse) -> Vec<(&str, Obstacle)> {
    let targets = explanation.routing.iter().flat_map(|routing| &routing.targets);
    targets.map(|target| (target.agent_id.as_str(), target.obstacle())).collect()
}

#[test]
fn for_each_agent_of_the_step_it_says_why_not() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let first = server.submit(media, "hello");
    let second = server.submit(media, "hello again");
    let nobody = explain(&mut server, &second);
    let why = "strategy 'rest' looks for an agent, at step 1 of 1: none of the agents whom it reaches (3) is logged in";
    assert_eq!(nobody.explanation, why);
    let routing = nobody.routing.clone().unwrap();
    assert_eq!((routing.waiting_before, routing.target_count, routing.step_ends_at), (1, 3, 0));
    assert!(routing.routing_ends_at > 0);
    let results: Vec<_> = nobody.views.iter().map(|view| (&*view.view_name, view.result())).collect();
    assert_eq!(results, [("billing", ConditionResult::False), ("rest", ConditionResult::True)]);

    let bob = server.log_in("bob");
    let offer = server.invitation(bob);
    assert_eq!(offer.interaction.as_ref().unwrap().interaction_id, first);
    let offered = explain(&mut server, &first);
    assert_eq!(offered.explanation, "it is offered to agent 'bob', who has not answered yet");
    assert!(obstacles(&offered).contains(&("bob", Obstacle::Invited)));
    server.ack(bob, accept(&offer));
    assert_eq!(explain(&mut server, &first).explanation, "agent 'bob' handles it");

    let alice = server.log_in("alice");
    let offer = server.invitation(alice);
    server.ack(alice, reject(&offer));
    let carol = server.log_in("carol");
    let offer = server.invitation(carol);
    server.ack(carol, reject(&offer));
    let waiting = explain(&mut server, &second);
    assert_eq!(
        obstacles(&waiting),
        [("alice", Obstacle::Declined), ("bob", Obstacle::MediaCapacity), ("carol", Obstacle::Declined)]
    );
    assert!(waiting.explanation.ends_with("is free for it"), "{}", waiting.explanation);
    let of_bob = &waiting.routing.unwrap().targets[1];
    assert_eq!((of_bob.load, of_bob.capacity), (1, 1));

    let third = server.submit(media, "a third");
    let offered = explain(&mut server, &third);
    assert!(offered.explanation.starts_with("it is offered to agent"), "{}", offered.explanation);
    let not_ready =
        RequestNotReadyForMedia { media_type_name: "email".into(), ..RequestNotReadyForMedia::default() };
    server.ack(alice, Request::RequestNotReadyForMedia(not_ready));
    server.ack(bob, Request::RequestDoNotDisturbOn(RequestDoNotDisturbOn::default()));
    server.disconnect(carol);
    let fourth = server.submit(media, "a fourth");
    let fourth = explain(&mut server, &fourth);
    assert_eq!(
        obstacles(&fourth),
        [("alice", Obstacle::NotReady), ("bob", Obstacle::DoNotDisturb), ("carol", Obstacle::Disconnected)]
    );
}

#[test]
fn a_step_that_relaxes_tells_when() {
    let mut server = Server::start();
    server.log_in("bob");
    let media = server.connect("mail server", ClientType::MediaServer);
    let invoice = server.submit(media, "invoice");
    let first = explain(&mut server, &invoice);
    assert_eq!(obstacles(&first), [("alice", Obstacle::NotLoggedIn)]);
    let routing = first.routing.unwrap();
    assert_eq!((routing.step, routing.steps), (1, 2));
    assert_eq!(routing.step_ends_at, i64::try_from(server.now / 1000).unwrap() + 10);
    server.wait_seconds(10);
    let second = explain(&mut server, &invoice);
    assert_eq!(obstacles(&second), [("bob", Obstacle::Invited), ("alice", Obstacle::NotLoggedIn)]);
    assert_eq!(second.routing.unwrap().step, 2);
}

#[test]
fn what_is_not_routed_says_what_it_lacks() {
    let text = CONFIGURATION.replace(
        "steps:\n      - {targets: [{agent-group: everybody}]}",
        "max-submitted: 1\n    steps:\n      - {targets: [{agent-group: everybody}]}",
    );
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "takes the only place");
    let full = server.submit(media, "hello");
    let why = explain(&mut server, &full);
    assert_eq!(
        why.explanation,
        "it waits in queue 'inbox'; view 'rest' shows it for strategy 'rest', which has all the 1 interactions that \
         it may have at once (max-submitted)"
    );
    assert_eq!(why.routing, None);

    let hold = RequestHold { interaction_id: full.clone(), ..RequestHold::default() };
    server.ack(media, Request::RequestHold(hold));
    let held = explain(&mut server, &full).explanation;
    assert_eq!(held, "it is on hold: nobody is offered it until it is resumed");

    let archive = |id: &str| {
        let request =
            RequestPlaceInQueue { interaction_id: id.into(), queue: "archive".into(), ..Default::default() };
        Request::RequestPlaceInQueue(request)
    };
    let other = server.submit(media, "hello");
    server.ack(media, archive(&other));
    let archived = explain(&mut server, &other).explanation;
    assert_eq!(
        archived,
        "it waits in queue 'archive'; no view looks at queue 'archive', so it stays until somebody takes it by its id"
    );
    assert!(matches!(
        server.inspect(InspectionRequest::Explain("nothing".into())),
        InspectionResponse::Explain(None)
    ));
}
