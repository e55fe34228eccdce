//! Agents pull: by view, by id, from a workbin.

mod fixture;

use fixture::*;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

/// With a view that no strategy follows.
fn server() -> Server {
    let view = "  - {name: by priority, queue: archive, order: Priority desc, condition: \"Priority > 0\"}\nworkbins:";
    Server::with(&CONFIGURATION.replace("workbins:", view))
}

fn archived(server: &mut Server, media: ixn_engine::sessions::ClientRef, priority: i32) -> String {
    let request = RequestSubmit { queue: "archive".into(), priority: Some(priority), ..email("hello") };
    server.ack(media, Request::RequestSubmit(request)).interaction_id
}

fn by_view(most: u32) -> RequestPull {
    RequestPull { view_id: "by priority".into(), number_of_interactions: most, ..Default::default() }
}

#[test]
fn a_pull_by_view_takes_the_first_in_its_order_with_their_user_data() {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let low = archived(&mut server, media, 1);
    archived(&mut server, media, 0);
    let high = archived(&mut server, media, 5);
    let before = server.reported.len();
    let Event::EventPulledInteractions(answer) = server.ask(alice, Request::RequestPull(by_view(0))) else {
        panic!()
    };
    let interaction = answer.interactions[0].interaction.clone().unwrap();
    assert_eq!((answer.interactions.len(), interaction.interaction_id), (1, high));
    assert_eq!(interaction.user_data.unwrap().get_text("Subject"), Some("hello"));
    assert_eq!(interaction.interaction_state, InteractionState::Handling as i32);
    assert_eq!(interaction.assigned_to, "alice");
    assert_eq!(server.reported_since(before), ["EventTakenFromQueue", "EventPartyAdded"]);
    let Event::EventTakenFromQueue(taken) = &server.reported[before].1 else { panic!() };
    assert_eq!(taken.view_id, "by priority");
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(by_view(10)))), [low]);
    assert!(pulled(server.ask(alice, Request::RequestPull(by_view(10)))).is_empty());
}

#[test]
fn a_pull_by_id_passes_over_what_is_not_free_but_takes_what_is_on_hold() {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let bob = server.log_in("bob");
    let free = archived(&mut server, media, 0);
    let held = archived(&mut server, media, 0);
    server
        .ack(media, Request::RequestHold(RequestHold { interaction_id: held.clone(), ..Default::default() }));
    let taken = archived(&mut server, media, 0);
    assert_eq!(
        pulled(server.ask(bob, Request::RequestPull(pull_ids(&[&taken])))),
        std::slice::from_ref(&taken)
    );
    let request = pull_ids(&[&taken, &held, "nothing", &free, &held]);
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(request))), [held.clone(), free]);
    assert!(server.state_of(media, &held).unwrap().is_held);
}

#[test]
fn a_pull_counts_as_load_and_silence_ends_it() {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = archived(&mut server, media, 0);
    server.ask(carol, Request::RequestPull(pull_ids(&[&id])));
    server.submit(media, "hello");
    assert!(server.events(carol).is_empty(), "her capacity of one e-mail is used up");
    server.wait_seconds(100 * 60);
    let get = RequestGetInteractionProperties { interaction_id: id.clone() };
    server.ask(carol, Request::RequestGetInteractionProperties(get));
    server.wait_seconds(100 * 60);
    assert_eq!(server.state_of(media, &id).unwrap().assigned_to, "carol", "she showed that she is there");
    server.wait_seconds(80 * 60);
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.interaction_state(), state.queue.as_str()), (InteractionState::Queued, "archive"));
    assert_eq!(state.assigned_to, "");
    let events = server.event_names(carol);
    assert_eq!(events.first().map(String::as_str), Some("EventRevoked"), "{events:?}");
}

/// User data is not at hand and arrives when the test says so.
fn slow_server() -> (Server, ixn_engine::sessions::ClientRef) {
    let mut server = server();
    server.engine.keep_contents(0);
    server.loads_are_held = true;
    let media = server.connect("mail server", ClientType::MediaServer);
    (server, media)
}

#[test]
fn while_user_data_is_read_nobody_else_gets_it_and_nothing_is_reported() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let bob = server.log_in("bob");
    let id = archived(&mut server, media, 1);
    let before = server.reported.len();
    let waiting = server.request(alice, Request::RequestPull(by_view(1)), "");
    assert!(pulled(server.ask(bob, Request::RequestPull(by_view(1)))).is_empty());
    assert!(pulled(server.ask(bob, Request::RequestPull(pull_ids(&[&id])))).is_empty());
    assert_eq!(server.reported.len(), before);
    server.deliver_loads();
    assert_eq!(pulled(server.answer_to(alice, waiting).event.unwrap()), [id]);
}

#[test]
fn a_client_that_is_gone_before_the_answer_leaves_everything_in_the_queue_silently() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let id = archived(&mut server, media, 1);
    let commits = server.commits.len();
    server.request(alice, Request::RequestPull(by_view(1)), "");
    server.disconnect(alice);
    server.deliver_loads();
    assert_eq!(server.commits.len(), commits, "nothing to write");
    let bob = server.log_in("bob");
    let waiting = server.request(bob, Request::RequestPull(by_view(1)), "");
    server.deliver_loads();
    assert_eq!(pulled(server.answer_to(bob, waiting).event.unwrap()), [id]);
}

#[test]
fn a_logout_before_the_answer_refuses_the_pull() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let id = archived(&mut server, media, 1);
    let waiting = server.request(alice, Request::RequestPull(by_view(1)), "");
    server.ack(alice, Request::RequestAgentLogout(RequestAgentLogout::default()));
    let Some(Event::EventError(error)) = server.answer_to(alice, waiting).event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::AgentNotLoggedIn);
    server.deliver_loads();
    server.loads_are_held = false;
    assert_eq!(server.state_of(media, &id).unwrap().interaction_state(), InteractionState::Queued);
}

#[test]
fn what_is_stopped_or_moved_while_user_data_is_read_is_not_in_the_answer() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let stopped = archived(&mut server, media, 3);
    let moved = archived(&mut server, media, 2);
    let stays = archived(&mut server, media, 1);
    let waiting = server.request(alice, Request::RequestPull(by_view(9)), "");
    server.ack(media, stop(&stopped));
    let place =
        RequestPlaceInQueue { interaction_id: moved.clone(), queue: "done".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(place));
    server.deliver_loads();
    assert_eq!(pulled(server.answer_to(alice, waiting).event.unwrap()), [stays]);
    server.loads_are_held = false;
    assert_eq!(server.state_of(media, &moved).unwrap().interaction_state(), InteractionState::Queued);
    assert_eq!(server.state_of(media, &stopped), None);
}

#[test]
fn a_restart_forgets_a_pull_under_way() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let id = archived(&mut server, media, 1);
    server.request(alice, Request::RequestPull(by_view(1)), "");
    // What changes meanwhile writes the row as it is.
    server.ack(media, Request::RequestHold(RequestHold { interaction_id: id.clone(), ..Default::default() }));
    let before = server.reported.len();
    let mut server = server.restart(CONFIGURATION);
    assert_eq!(server.reported.len(), before, "it is queued, as everybody knew");
    let media = server.connect("mail server", ClientType::MediaServer);
    assert_eq!(server.state_of(media, &id).unwrap().interaction_state(), InteractionState::Queued);
}

#[test]
fn a_repeat_brings_what_the_agent_still_handles_and_takes_nothing_more() {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let (first, second) = (archived(&mut server, media, 2), archived(&mut server, media, 1));
    archived(&mut server, media, 1);
    let pull = || Request::RequestPull(by_view(2));
    let answer = server.ask_envelope(alice, pull(), "key");
    assert_eq!(pulled(answer.event.unwrap()), [first.clone(), second.clone()]);
    server.ack(alice, stop(&first));
    let again = server.ask_envelope(alice, pull(), "key");
    assert!(again.repeated);
    let Some(Event::EventPulledInteractions(answer)) = again.event.clone() else { panic!() };
    assert!(answer.interactions[0].interaction.as_ref().unwrap().user_data.is_some());
    assert_eq!(pulled(again.event.unwrap()), std::slice::from_ref(&second));

    // The answer was lost with the connection, or with the server.
    let mut server = server.restart(CONFIGURATION);
    let alice = server.connect("alice's desktop", ClientType::AgentApplication);
    server.ack(alice, login("alice"));
    let again = server.ask_envelope(alice, pull(), "key");
    assert!(again.repeated);
    assert_eq!(pulled(again.event.unwrap()), [second]);
    let other = server.ask_envelope(alice, Request::RequestPull(by_view(3)), "key");
    let Some(Event::EventError(error)) = other.event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::IdempotencyKeyReused);
}

#[test]
fn a_repeat_that_comes_too_early_gets_the_same_answer_later() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let ids: Vec<String> = (0..3).map(|_| archived(&mut server, media, 1)).collect();
    let first = server.request(alice, Request::RequestPull(by_view(2)), "key");
    // A second connection of the same program, before the server has noticed that the first is dead.
    let second = server.connect("alice's desktop", ClientType::AgentApplication);
    server.ack(second, login("alice"));
    let repeat = server.request(second, Request::RequestPull(by_view(2)), "key");
    server.disconnect(alice);
    server.deliver_loads();
    let answer = server.answer_to(second, repeat);
    assert_eq!(pulled(answer.event.unwrap()), ids[..2]);
    assert!(server.sent.iter().all(|(_, envelope)| envelope.reference_id != first));
}

#[test]
fn an_answer_stays_small_and_the_rest_stays_in_the_queue() {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let large = "x".repeat(900_000);
    let mut ids = Vec::new();
    for _ in 0..5 {
        let mut user_data = KeyValueList::new();
        user_data.push_text("Body", &large);
        let request = RequestSubmit {
            queue: "archive".into(),
            priority: Some(1),
            user_data: Some(user_data),
            ..email("hello")
        };
        ids.push(server.ack(media, Request::RequestSubmit(request)).interaction_id);
    }
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(by_view(5)))), ids[..3]);
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(by_view(5)))), ids[3..]);
}

#[test]
fn a_pull_of_very_much_reads_only_what_an_answer_can_hold() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let mut user_data = KeyValueList::new();
    user_data.push_text("Body", &"x".repeat(100_000));
    let ids: Vec<String> = (0..100)
        .map(|_| {
            let request = RequestSubmit {
                queue: "archive".into(),
                priority: Some(1),
                user_data: Some(user_data.clone()),
                ..email("hello")
            };
            server.ack(media, Request::RequestSubmit(request)).interaction_id
        })
        .collect();
    let waiting = server.request(alice, Request::RequestPull(by_view(100)), "");
    assert_eq!(server.held_loads.len(), 32);
    server.deliver_loads();
    let first = pulled(server.answer_to(alice, waiting).event.unwrap());
    assert_eq!(first, ids[..21], "about 2 MiB");
    assert!(server.held_loads.is_empty());
    server.loads_are_held = false;
    let rest = pulled(server.ask(alice, Request::RequestPull(by_view(100))));
    assert_eq!(rest, ids[21..42], "what was left lies in the queue");
}

#[test]
fn a_pull_of_many_small_ones_reads_them_all_but_what_it_has_lost() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let mut ids: Vec<String> = (0..100).map(|_| archived(&mut server, media, 1)).collect();
    let waiting = server.request(alice, Request::RequestPull(by_view(100)), "");
    server.ack(media, stop(&ids.remove(50)));
    for _ in 0..4 {
        server.deliver_loads();
    }
    assert_eq!(pulled(server.answer_to(alice, waiting).event.unwrap()), ids);
}

#[test]
fn user_data_that_changes_while_a_pull_is_under_way_is_in_its_answer() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let ids: Vec<String> = (0..40).map(|_| archived(&mut server, media, 1)).collect();
    let waiting = server.request(alice, Request::RequestPull(by_view(40)), "");
    server.deliver_loads();
    // A portion is read, the next is not; what is changed is read again for the change.
    let mut changed = KeyValueList::new();
    changed.push_text("Subject", "changed");
    let change = RequestChangeProperties {
        interaction_id: ids[0].clone(),
        changed_properties: Some(changed),
        ..Default::default()
    };
    let change = server.request(media, Request::RequestChangeProperties(change), "");
    server.deliver_loads();
    assert!(matches!(server.answer_to(media, change).event, Some(Event::EventAck(_))));
    let Some(Event::EventPulledInteractions(answer)) = server.answer_to(alice, waiting).event else {
        panic!()
    };
    let first = answer.interactions[0].interaction.clone().unwrap();
    assert_eq!((answer.interactions.len(), &first.interaction_id), (40, &ids[0]));
    assert_eq!(first.user_data.unwrap().get_text("Subject"), Some("changed"));
}

/// 40 interactions, of which alice has been given the first 32 by a pull with an idempotency key.
fn pull_in_the_middle() -> (Server, [ixn_engine::sessions::ClientRef; 2], Vec<String>) {
    let mut server = server();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let ids: Vec<String> = (0..40).map(|_| archived(&mut server, media, 1)).collect();
    let envelope = ClientEnvelope {
        reference_id: 1000,
        idempotency_key: "k".into(),
        request: Some(Request::RequestPull(by_view(40))),
        ..ClientEnvelope::default()
    };
    server.one_step(ixn_engine::Input::Request(alice.connection, Box::new(envelope)));
    assert!(server.sent.is_empty(), "the answer comes with the last");
    (server, [media, alice], ids)
}

#[test]
fn a_long_pull_is_given_in_steps_and_answered_once() {
    let (mut server, [media, alice], mut ids) = pull_in_the_middle();
    // Whoever stops one meanwhile, of those that he has or of the others, takes it out of the answer.
    for position in [35, 10] {
        let reference_id = 2000 + position as u64;
        let request = Some(stop(&ids.remove(position)));
        let envelope = ClientEnvelope { reference_id, request, ..ClientEnvelope::default() };
        server.one_step(ixn_engine::Input::Request(media.connection, Box::new(envelope)));
        assert!(matches!(server.answer_to(media, reference_id).event, Some(Event::EventAck(_))));
    }
    server.step(ixn_engine::Input::Tick);
    assert_eq!(pulled(server.answer_to(alice, 1000).event.unwrap()), ids);
}

#[test]
fn a_repeat_in_the_middle_of_a_pull_gets_the_whole_answer() {
    let (mut server, [_, alice], ids) = pull_in_the_middle();
    let repeat = server.request(alice, Request::RequestPull(by_view(40)), "k");
    for (reference_id, repeated) in [(1000, false), (repeat, true)] {
        let answer = server.answer_to(alice, reference_id);
        assert_eq!((pulled(answer.event.unwrap()), answer.repeated), (ids.clone(), repeated));
    }
}

#[test]
fn a_pull_that_a_restart_cut_off_brings_a_repeat_what_was_given() {
    let (server, _, ids) = pull_in_the_middle();
    let mut server = server.restart(CONFIGURATION);
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let answer = server.ask_envelope(alice, Request::RequestPull(by_view(40)), "k");
    assert_eq!((pulled(answer.event.unwrap()), answer.repeated), (ids[..32].to_vec(), true));
    assert_eq!(server.state_of(media, &ids[32]).unwrap().interaction_state(), InteractionState::Queued);
}

#[test]
fn a_client_that_is_gone_in_the_middle_of_a_pull_keeps_what_was_given() {
    let (mut server, [media, alice], ids) = pull_in_the_middle();
    server.one_step(ixn_engine::Input::Disconnected(alice.connection));
    server.step(ixn_engine::Input::Tick);
    assert_eq!(server.state_of(media, &ids[31]).unwrap().assigned_to, "alice");
    assert_eq!(server.state_of(media, &ids[32]).unwrap().interaction_state(), InteractionState::Queued);
    let alice = server.log_in("alice");
    let answer = server.ask_envelope(alice, Request::RequestPull(by_view(40)), "k");
    assert_eq!(pulled(answer.event.unwrap()), ids[..32]);
}

#[test]
fn a_logout_in_the_middle_of_a_pull_ends_it_with_what_was_given() {
    let (mut server, [_, alice], ids) = pull_in_the_middle();
    server.ack(alice, Request::RequestAgentLogout(RequestAgentLogout::default()));
    assert_eq!(pulled(server.answer_to(alice, 1000).event.unwrap()), ids[..32]);
    server.ack(alice, login("alice"));
    let repeat = server.ask_envelope(alice, Request::RequestPull(by_view(40)), "k");
    assert!(repeat.repeated && pulled(repeat.event.unwrap()).is_empty(), "he handles nothing of it any more");
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(by_view(40)))).len(), 40, "all of it is back");
}

#[test]
fn what_a_logout_gave_up_may_be_pulled_at_once() {
    let (mut server, media) = slow_server();
    let alice = server.log_in("alice");
    let id = archived(&mut server, media, 1);
    let ask = |server: &mut Server, reference_id, request| {
        let envelope = ClientEnvelope { reference_id, request: Some(request), ..ClientEnvelope::default() };
        server.one_step(ixn_engine::Input::Request(alice.connection, Box::new(envelope)));
    };
    ask(&mut server, 1001, Request::RequestPull(by_view(1)));
    ask(&mut server, 1002, Request::RequestAgentLogout(RequestAgentLogout::default()));
    ask(&mut server, 1003, login("alice"));
    ask(&mut server, 1004, Request::RequestPull(by_view(1)));
    server.held_loads.extend(server.engine.take_loads());
    server.deliver_loads();
    assert_eq!(pulled(server.answer_to(alice, 1004).event.unwrap()), [id]);
}

#[test]
fn what_a_pull_must_not_ask_for_is_refused() {
    let mut server = server();
    let router = server.connect("router", ClientType::RoutingEngine);
    let refused = server.refused(router, Request::RequestPull(by_view(1)));
    assert_eq!(refused, ErrorCode::NotImplemented);
    let media = server.connect("mail server", ClientType::MediaServer);
    assert_eq!(server.refused(media, Request::RequestPull(by_view(1))), ErrorCode::AgentNotLoggedIn);
    let alice = server.log_in("alice");
    let cases = [
        (RequestPull::default(), ErrorCode::MissingValue),
        (RequestPull { view_id: "_system_".into(), ..Default::default() }, ErrorCode::MissingValue),
        (RequestPull { view_id: "none".into(), ..Default::default() }, ErrorCode::UnknownView),
        (RequestPull { strategy_id: "rest".into(), ..Default::default() }, ErrorCode::InvalidValue),
        (by_view(1001), ErrorCode::InvalidValue),
        (RequestPull { workbin: Some(drafts_of("alice")), ..by_view(1) }, ErrorCode::InvalidValue),
        (RequestPull { view_id: "by priority".into(), ..pull_ids(&["a"]) }, ErrorCode::NotImplemented),
        (RequestPull { tenant_id: 7, ..by_view(1) }, ErrorCode::UnknownTenant),
    ];
    for (request, code) in cases {
        assert_eq!(server.refused(alice, Request::RequestPull(request.clone())), code, "{request:?}");
    }
}
