//! What a restart keeps.

mod fixture;

use fixture::*;
use ixn_proto::client_envelope::Request;
use ixn_proto::*;

#[test]
fn offered_interactions_return_to_their_queue_and_handled_ones_stay_with_their_agent() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    let media = server.connect("mail server", ClientType::MediaServer);
    let handled = server.submit(media, "handled");
    let invitation = server.invitation(alice);
    server.ack(alice, accept(&invitation));
    let offered = server.submit(media, "offered");
    let before = server.reported.len();

    let mut server = server.restart(CONFIGURATION);
    assert_eq!(
        server.reported_since(before),
        ["EventRevoked", "EventPartyRemoved", "EventPlacedInQueue", "EventTakenFromQueue", "EventPartyAdded"],
        "back to the queue, and into routing again"
    );
    let alice = server.connect("alice's desktop", ClientType::AgentApplication);
    let ack = server.ack(alice, login("alice"));
    let info = ack.agent_login.unwrap();
    assert!(info.resumed);
    let held: Vec<_> =
        info.interactions.iter().map(|held| held.interaction.clone().unwrap().interaction_id).collect();
    assert_eq!(held, std::slice::from_ref(&handled));
    assert_eq!(server.invitation(alice).interaction.unwrap().interaction_id, offered);
    server.ack(alice, stop(&handled));
}

#[test]
fn an_agent_who_does_not_come_back_is_logged_out_and_his_work_returns() {
    let mut server = Server::start();
    let carol = server.log_in("carol");
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    let mut server = server.restart(CONFIGURATION);
    let before = server.reported.len();
    server.wait_seconds(59);
    assert_eq!(server.reported.len(), before);
    server.wait_seconds(1);
    assert_eq!(
        server.reported_since(before),
        [
            "EventPartyRemoved",
            "EventPlacedInQueue",
            "EventAgentLogout",
            "EventTakenFromQueue",
            "EventPartyAdded"
        ]
    );
    let bob = server.log_in("bob");
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
}

#[test]
fn ids_event_numbers_and_idempotency_keys_go_on() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = || Request::RequestSubmit(email("hello"));
    let first = server.ask_envelope(media, request(), "key 1");
    let mut server = server.restart(CONFIGURATION);
    let media = server.connect("mail server", ClientType::MediaServer);
    let again = server.ask_envelope(media, request(), "key 1");
    assert!(!first.repeated && again.repeated);
    assert_eq!(first.event, again.event);
    let other = server.submit(media, "other");
    let Some(server_envelope::Event::EventAck(ack)) = first.event else { panic!() };
    assert!(other > ack.interaction_id, "{other} after {}", ack.interaction_id);
    let mut changed = email("hello");
    changed.priority = Some(3);
    let refused = server.ask_envelope(media, Request::RequestSubmit(changed), "key 1");
    let Some(server_envelope::Event::EventError(error)) = refused.event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::IdempotencyKeyReused);
}

#[test]
fn an_offer_of_before_cannot_be_accepted_and_says_why() {
    let mut server = Server::start();
    let carol = server.log_in("carol");
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "hello");
    let old = server.invitation(carol);
    let mut server = server.restart(CONFIGURATION);
    let carol = server.connect("carol's desktop", ClientType::AgentApplication);
    server.ack(carol, login("carol"));
    assert_eq!(server.refused(carol, accept(&old)), ErrorCode::UnknownTicket);
    let anew = server.invitation(carol);
    assert!(anew.ticket_id > old.ticket_id);
    server.ack(carol, accept(&anew));
}

#[test]
fn an_agents_state_and_the_workbin_he_took_from_outlive_the_server() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let offer = server.invitation(carol);
    server.ack(carol, accept(&offer));
    server.ack(carol, place_in_drafts(&id, "carol"));
    server.ask(carol, Request::RequestPull(pull_ids(&[&id])));
    server.ack(carol, Request::RequestDoNotDisturbOn(RequestDoNotDisturbOn::default()));

    let mut server = server.restart(CONFIGURATION);
    let carol = server.connect("carol's desktop", ClientType::AgentApplication);
    let resumed = server.ack(carol, login("carol")).agent_login.unwrap();
    assert!(resumed.resumed && resumed.do_not_disturb, "{resumed:?}");
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "nobody else is there");
    assert!(server.events(carol).is_empty(), "he is not to be disturbed");
    let leave = RequestLeaveInteraction { interaction_id: id.clone(), ..Default::default() };
    server.ack(carol, Request::RequestLeaveInteraction(leave));
    let back = server.state_of(carol, &id).unwrap();
    assert_eq!(back.workbin.unwrap().workbin_agent_id, "carol");
}

#[test]
fn an_agent_who_is_no_longer_configured_is_logged_out_at_the_start() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let offer = server.invitation(carol);
    server.ack(carol, accept(&offer));
    let before = server.reported.len();
    let without = CONFIGURATION.replace("  - {id: carol}\n", "").replace(", carol]", "]");
    let mut server = server.restart(&without);
    let reported = server.reported_since(before);
    assert_eq!(reported[..3], ["EventPartyRemoved", "EventPlacedInQueue", "EventAgentLogout"]);
    let bob = server.log_in("bob");
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
}
