//! A configuration that changes while the server runs.

mod fixture;

use std::sync::Arc;

use fixture::*;
use ixn_engine::Input;
use ixn_proto::client_envelope::Request;
use ixn_proto::*;

fn changed(from: &str, to: &str) -> Input {
    assert!(CONFIGURATION.contains(from));
    Input::Configured(Arc::new(configuration(&CONFIGURATION.replace(from, to))))
}

#[test]
fn a_view_whose_condition_changes_shows_what_was_there_already() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let place = RequestSubmit { queue: "archive".into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(place)).interaction_id;
    assert!(server.events(alice).is_empty());
    server.step(changed("workbins:", "  - {name: late, queue: archive, strategy: rest}\nworkbins:"));
    assert_eq!(server.invitation(alice).interaction.unwrap().interaction_id, id);
}

#[test]
fn a_deleted_agent_is_logged_out_and_his_work_returns() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    let before = server.reported.len();
    let without = CONFIGURATION.replace("  - {id: carol}\n", "").replace(", carol]", "]");
    server.step(Input::Configured(Arc::new(configuration(&without))));
    assert_eq!(
        server.reported_since(before)[..3],
        ["EventPartyRemoved", "EventPlacedInQueue", "EventAgentLogout"]
    );
    let alice = server.log_in("alice");
    assert_eq!(server.invitation(alice).interaction.unwrap().interaction_id, id);
    assert_eq!(server.refused(carol, accept(&invitation)), ErrorCode::AgentNotLoggedIn);
}

#[test]
fn a_deleted_queue_is_retired_and_what_is_in_it_can_be_moved() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let place = |queue: &str| RequestSubmit { queue: queue.into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(place("archive"))).interaction_id;
    server.step(changed("{name: archive}, ", ""));
    assert_eq!(server.refused(media, Request::RequestSubmit(place("archive"))), ErrorCode::QueueRetired);
    assert_eq!(server.state_of(media, &id).unwrap().queue, "archive");
    let move_it =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "done".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(move_it));
    assert_eq!(server.state_of(media, &id).unwrap().queue, "done");
}

#[test]
fn a_new_target_is_asked_at_once() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let bob = server.log_in("bob");
    let id = server.submit(media, "my invoice");
    assert!(server.events(bob).is_empty());
    server.step(changed("Billing >= 3", "Billing >= 1"));
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
}
