//! An interaction's way through the engine, from submit to stop.

mod fixture;

use fixture::*;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

#[test]
fn submit_route_invite_accept_stop_is_reported_step_by_step() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    let media = server.connect("mail server", ClientType::MediaServer);
    let before = server.reported.len();
    let commits = server.commits.len();
    let id = server.submit(media, "your invoice");
    assert_eq!(id.len(), 16);
    assert_eq!(server.commits.len() - commits, 1, "queued, routed and offered in one commit");

    let invitation = server.invitation(alice);
    let (strategy, actor) = (&invitation.parties[0], invitation.actor.as_ref().unwrap());
    assert_eq!((strategy.router_id.as_str(), actor.actor_router_id.as_str()), ("built-in", "built-in"));
    let interaction = invitation.interaction.clone().unwrap();
    assert_eq!(interaction.interaction_id, id);
    assert_eq!(interaction.user_data.unwrap().get_text("Subject"), Some("your invoice"));
    assert_eq!(server.state_of(media, &id).unwrap().interaction_state(), InteractionState::Routing);

    server.ack(alice, accept(&invitation));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!(state.interaction_state(), InteractionState::Handling);
    assert_eq!(state.assigned_to, "alice");

    server.ack(alice, stop(&id));
    assert_eq!(server.state_of(media, &id), None);
    assert_eq!(
        server.reported_since(before),
        [
            "EventInteractionSubmitted",
            "EventTakenFromQueue",
            "EventPartyAdded",
            "EventAgentInvited",
            "EventPartyAdded",
            "EventPartyRemoved",
            "EventPartyRemoved",
            "EventProcessingStopped",
        ]
    );
    assert_eq!(server.refused(alice, stop(&id)), ErrorCode::UnknownInteraction);
}

#[test]
fn an_interaction_that_waits_is_offered_when_an_agent_logs_in() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let carol = server.log_in("carol");
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, id);
}

#[test]
fn the_step_relaxes_and_at_last_the_interaction_overflows() {
    let mut server = Server::start();
    let bob = server.log_in("bob");
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "invoice 1");
    assert!(server.events(bob).is_empty(), "the first step asks for more skill than bob has");
    server.wait_seconds(10);
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);

    let lonely = server.submit(media, "invoice 2");
    server.wait_seconds(10);
    server.wait_seconds(10);
    assert_eq!(server.state_of(media, &lonely).unwrap().queue, "overflow");
}

#[test]
fn who_declined_is_not_asked_again_and_the_next_one_is() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    let bob = server.log_in("bob");
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let first = server.invitation(alice);
    assert!(server.events(bob).is_empty());
    server.ack(alice, reject(&first));
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
    assert!(server.events(alice).is_empty());
    assert_eq!(server.refused(alice, accept(&first)), ErrorCode::UnknownTicket);
}

#[test]
fn an_unanswered_invitation_is_revoked_and_the_agent_made_not_ready() {
    let mut server = Server::start();
    let carol = server.log_in("carol");
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "hello");
    let invitation = server.invitation(carol);
    let before = server.reported.len();
    server.wait_seconds(30);
    let events = server.events(carol);
    assert_eq!(events.iter().map(name).collect::<Vec<_>>(), ["EventRevoked", "EventForcedAgentStateChange"]);
    let Event::EventRevoked(revoked) = &events[0] else { panic!() };
    assert_eq!(revoked.reason.as_ref().unwrap().reason_system_name, "Expired");
    assert_eq!(server.reported_since(before), ["EventRevoked", "EventNotReadyForMedia"]);
    assert_eq!(server.refused(carol, accept(&invitation)), ErrorCode::UnknownTicket);
}

#[test]
fn capacity_is_kept_and_the_highest_priority_comes_first() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    let media = server.connect("mail server", ClientType::MediaServer);
    let mut ids = Vec::new();
    for priority in [0, 0, 1, 5, 5] {
        let request = RequestSubmit { priority: Some(priority), ..email("hello") };
        ids.push(server.ack(media, Request::RequestSubmit(request)).interaction_id);
    }
    let offered: Vec<EventInvite> = server
        .events(alice)
        .into_iter()
        .filter_map(|event| match event {
            Event::EventInvite(invite) => Some(invite),
            _ => None,
        })
        .collect();
    assert_eq!(offered.len(), 2, "her capacity rule allows two e-mails");
    for (free, next) in [(0, 3), (1, 4)] {
        server.ack(alice, accept(&offered[free]));
        server.ack(alice, stop(&ids[free]));
        assert_eq!(server.invitation(alice).interaction.unwrap().interaction_id, ids[next]);
    }
}

#[test]
fn a_held_interaction_is_not_routed_until_it_is_resumed() {
    let mut server = Server::start();
    let carol = server.log_in("carol");
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = RequestSubmit { hold: true, ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    assert!(server.events(carol).is_empty());
    server.ack(media, Request::RequestResume(RequestResume { interaction_id: id, ..Default::default() }));
    server.invitation(carol);
}

#[test]
fn a_media_server_that_stops_an_interaction_takes_it_away_from_the_agent() {
    let mut server = Server::start();
    let carol = server.log_in("carol");
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    server.ack(media, stop(&id));
    assert_eq!(server.events(carol).iter().map(name).collect::<Vec<_>>(), ["EventRevoked"]);
}

#[test]
fn an_agent_may_only_touch_what_he_handles() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let bob = server.connect("bob's desktop", ClientType::AgentApplication);
    let mut not_ready = login("bob");
    if let Request::RequestAgentLogin(request) = &mut not_ready {
        request.media_list.clear();
    }
    server.ack(bob, not_ready);
    assert_eq!(server.refused(bob, stop(&id)), ErrorCode::NotAParty);
}

#[test]
fn a_completed_queue_sets_the_completion_time_and_placing_reports_both_queues() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let place =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "done".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(place));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.queue.as_str(), state.completed_at), ("done", (START / 1000) as i64));
    let Some((_, Event::EventPlacedInQueue(placed))) = server.reported.last() else { panic!() };
    assert_eq!(placed.old_queue, "inbox");
}

#[test]
fn what_is_put_on_hold_while_it_is_routed_is_offered_to_nobody_until_it_is_resumed() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let hold = RequestHold { interaction_id: id.clone(), ..Default::default() };
    server.ack(media, Request::RequestHold(hold));
    let carol = server.log_in("carol");
    assert!(server.events(carol).is_empty());
    let resume = RequestResume { interaction_id: id.clone(), ..Default::default() };
    server.ack(media, Request::RequestResume(resume));
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, id);
}

#[test]
fn what_is_placed_elsewhere_without_its_hold_is_not_offered_on_the_way() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let hold = RequestHold { interaction_id: id.clone(), ..Default::default() };
    server.ack(media, Request::RequestHold(hold));
    let carol = server.log_in("carol");
    let place = |is_held, queue: &str| {
        Request::RequestPlaceInQueue(RequestPlaceInQueue {
            interaction_id: id.clone(),
            queue: queue.into(),
            is_held,
            reason: Some(ReasonInfo { reason_system_name: "Moved".into(), ..Default::default() }),
        })
    };
    let before = server.reported.len();
    server.ack(media, place(false, "archive"));
    assert!(server.events(carol).is_empty());
    assert_eq!(server.reported_since(before), ["EventResumed", "EventPartyRemoved", "EventPlacedInQueue"]);
    let Event::EventResumed(resumed) = &server.reported[before].1 else { panic!() };
    assert_eq!(resumed.reason.as_ref().unwrap().reason_system_name, "Moved");

    server.ack(media, place(true, "inbox"));
    assert!(server.events(carol).is_empty() && server.state_of(media, &id).unwrap().is_held);
    server.ack(media, place(false, "inbox"));
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, id);
    server.ack(media, place(true, "inbox"));
    assert_eq!(server.event_names(carol), ["EventRevoked"], "what is put on hold is taken back");
}
