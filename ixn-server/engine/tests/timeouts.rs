//! What ends by itself: handling, routing, offers.

mod fixture;

use fixture::*;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

#[test]
fn an_interactions_own_handling_timeout_goes_before_its_medias_and_that_before_the_option() {
    let text = CONFIGURATION.replace("options:\n", "options:\n  handling-timeout: 10min\n");
    let mut server = Server::with(&text);
    let alice = server.log_in("alice");
    let mut own = KeyValueList::new();
    own.push_text("handling-timeout", "7");
    let submit = |server: &mut Server, media_type: &str, user_data: Option<&KeyValueList>| {
        let request = RequestSubmit {
            queue: "archive".into(),
            media_type: media_type.into(),
            user_data: user_data.cloned(),
            ..email("hello")
        };
        server.ack(alice, Request::RequestSubmit(request)).interaction_id
    };
    let ids = [
        submit(&mut server, "chat", None),
        submit(&mut server, "chat", Some(&own)),
        submit(&mut server, "email", None),
    ];
    let watcher = server.connect("watcher", ClientType::MediaServer);
    for (minutes, left) in [(5, 2), (2, 1), (3, 0)] {
        server.wait_seconds(minutes * 60 - 1);
        let handled = |server: &mut Server, id: &String| {
            server.state_of(watcher, id).unwrap().interaction_state() == InteractionState::Handling
        };
        let count = |server: &mut Server| ids.iter().filter(|id| handled(server, id)).count();
        assert_eq!(count(&mut server), left + 1);
        server.wait_seconds(1);
        assert_eq!(count(&mut server), left);
    }
}

#[test]
fn when_routing_takes_too_long_the_interaction_goes_back_and_is_taken_anew() {
    let text = CONFIGURATION.replace("options:\n", "options:\n  routing-timeout: 20min\n");
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    server.submit(media, "hello");
    let offer = server.invitation(carol);
    server.ack(carol, reject(&offer));
    let before = server.reported.len();
    server.wait_seconds(20 * 60 - 1);
    assert_eq!(server.reported.len(), before);
    server.wait_seconds(1);
    assert_eq!(
        server.reported_since(before),
        [
            "EventPartyRemoved",
            "EventPlacedInQueue",
            "EventTakenFromQueue",
            "EventPartyAdded",
            "EventAgentInvited"
        ]
    );
    let Event::EventPlacedInQueue(placed) = &server.reported[before + 1].1 else { panic!() };
    assert_eq!(placed.operation(), InteractionOperation::PlaceBack);
    assert_eq!(placed.reason.as_ref().unwrap().reason_system_name, "Expired");
    server.invitation(carol);
}

#[test]
fn who_lets_an_offer_expire_stays_ready_when_the_option_says_so() {
    let text = CONFIGURATION.replace("options:\n", "options:\n  not-ready-on-invitation-timeout: false\n");
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    server.submit(media, "hello");
    server.invitation(carol);
    server.wait_seconds(30);
    assert_eq!(server.event_names(carol), ["EventRevoked"]);
    let other = server.submit(media, "hello");
    assert_eq!(
        server.invitation(carol).interaction.unwrap().interaction_id,
        other,
        "the first one is not offered to her again"
    );
}
