//! Agents who come and go, also in the middle of something.

mod fixture;

use fixture::*;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

fn medium_named(name: &str) -> RequestRemoveMedia {
    RequestRemoveMedia { media_type_name: name.into(), reason: None }
}

#[test]
fn who_removes_a_medium_loses_his_open_offer_of_it_to_the_next_agent() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let bob = server.log_in("bob");
    let id = server.submit(media, "hello");
    let offer = server.invitation(alice);
    server.ack(alice, Request::RequestRemoveMedia(medium_named("email")));
    let Some(Event::EventRevoked(revoked)) = server.events(alice).pop() else { panic!() };
    assert_eq!(revoked.operation(), InteractionOperation::Revoke);
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
    assert_eq!(server.refused(alice, accept(&offer)), ErrorCode::UnknownTicket);
    assert_eq!(
        server.refused(alice, Request::RequestRemoveMedia(medium_named("email"))),
        ErrorCode::MediaNotAdded
    );
    assert_eq!(
        server.refused(alice, Request::RequestRemoveMedia(medium_named("fax"))),
        ErrorCode::UnknownMediaType
    );
}

#[test]
fn load_is_right_when_a_medium_is_removed_and_added_while_he_handles_something_of_it() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let first = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    server.ack(carol, Request::RequestRemoveMedia(medium_named("email")));
    let add = RequestAddMedia { media_type_name: "email".into(), reason: None };
    server.ack(carol, Request::RequestAddMedia(add));
    let ready = || {
        let media_type_name = "email".into();
        Request::RequestCancelNotReadyForMedia(RequestCancelNotReadyForMedia {
            media_type_name,
            reason: None,
        })
    };
    server.ack(carol, ready());
    let second = server.submit(media, "hello");
    assert!(server.events(carol).is_empty(), "her capacity is one");
    server.ack(carol, stop(&first));
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, second);
}

#[test]
fn who_declined_is_asked_again_once_he_makes_himself_ready_anew() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let offer = server.invitation(carol);
    server.ack(carol, reject(&offer));
    assert!(server.events(carol).is_empty());
    let ready = RequestCancelNotReadyForMedia { media_type_name: "email".into(), reason: None };
    server.ack(carol, Request::RequestCancelNotReadyForMedia(ready));
    let again = server.invitation(carol);
    assert_eq!(again.interaction.as_ref().unwrap().interaction_id, id);
    server.ack(carol, reject(&again));
    server.ack(carol, Request::RequestAgentLogout(RequestAgentLogout::default()));
    server.ack(carol, login("carol"));
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, id);
}

#[test]
fn a_stop_while_the_offer_waits_for_user_data_ends_the_offer() {
    let mut server = Server::start();
    server.engine.keep_contents(0);
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    server.loads_are_held = true;
    let carol = server.log_in("carol");
    assert!(server.events(carol).is_empty(), "the offer waits for user data");
    server.ack(media, stop(&id));
    server.deliver_loads();
    assert_eq!(server.event_names(carol), ["EventRevoked"], "and never an EventInvite");
    let next = server.submit(media, "hello");
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, next);
    assert_eq!(server.refused(carol, stop(&id)), ErrorCode::UnknownInteraction);
}

#[test]
fn an_answer_to_an_offer_that_is_gone_is_refused() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let offer = server.invitation(carol);
    let place =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "archive".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(place));
    let Event::EventRevoked(revoked) = &server.events(carol)[0] else { panic!() };
    assert_eq!(revoked.operation(), InteractionOperation::PlaceInQueue);
    assert_eq!(revoked.actor.as_ref().unwrap().actor_client_name, "mail server");
    assert_eq!(server.refused(carol, reject(&offer)), ErrorCode::UnknownTicket);
    server.ack(media, stop(&id));
    assert_eq!(server.refused(carol, reject(&offer)), ErrorCode::UnknownInteraction);
}

#[test]
fn an_application_without_an_agent_may_not_work_on_interactions() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let desktop = server.connect("desktop", ClientType::AgentApplication);
    assert_eq!(server.refused(desktop, stop(&id)), ErrorCode::AgentNotLoggedIn);
}

#[test]
fn routing_keeps_to_the_capacity_that_a_reporting_engine_tells() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let reporting = server.connect("stat server", ClientType::ReportingEngine);
    let alice = server.log_in("alice");
    let status = |remaining: Option<u32>| {
        let capacity =
            remaining.map(|remaining| MediaCapacity { media_type_name: "email".into(), remaining });
        Request::EventCurrentAgentStatus(EventCurrentAgentStatus {
            agent_id: "alice".into(),
            media_capacity_list: capacity.into_iter().collect(),
            ..Default::default()
        })
    };
    server.ack(reporting, status(Some(1)));
    let Event::EventCurrentAgentStatus(relayed) = &server.events(alice)[0] else { panic!() };
    assert_eq!((relayed.place_id.as_str(), relayed.tenant_id), ("alice's desk", 1));
    let first = server.submit(media, "hello");
    server.submit(media, "hello");
    let offer = server.invitation(alice);
    assert_eq!(
        offer.interaction.as_ref().unwrap().interaction_id,
        first,
        "one more, although her rule allows two"
    );
    server.ack(alice, accept(&offer));
    assert!(server.events(alice).is_empty());
    server.ack(reporting, status(None));
    assert_eq!(server.event_names(alice), ["EventCurrentAgentStatus", "EventInvite"], "no longer limited");

    let unknown = EventCurrentAgentStatus { place_id: "nowhere".into(), ..Default::default() };
    assert_eq!(
        server.refused(reporting, Request::EventCurrentAgentStatus(unknown)),
        ErrorCode::AgentNotLoggedIn
    );
    assert_eq!(
        server.refused(reporting, Request::EventCurrentAgentStatus(EventCurrentAgentStatus::default())),
        ErrorCode::MissingValue
    );
    assert_eq!(server.refused(media, status(Some(1))), ErrorCode::NotPermitted);
    let very_long = EventCurrentAgentStatus {
        agent_id: "alice".into(),
        media_state_list: vec![MediaState::default(); 1001],
        ..Default::default()
    };
    assert_eq!(
        server.refused(reporting, Request::EventCurrentAgentStatus(very_long)),
        ErrorCode::LimitExceeded
    );
}

#[test]
fn only_an_agent_who_has_nothing_is_idle() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let idle_since = |server: &mut Server| {
        let InspectionResponse::Agents(list) =
            server.inspect(InspectionRequest::Agents(PageRequest::default()))
        else {
            panic!("no list")
        };
        list.agents[0].media[0].idle_since
    };
    assert_eq!(idle_since(&mut server), (START / 1000) as i64);
    let id = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    assert_eq!(idle_since(&mut server), 0);
    server.now += 5_000;
    server.ack(carol, stop(&id));
    assert_eq!(idle_since(&mut server), (START / 1000) as i64 + 5);
}
