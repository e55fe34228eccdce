//! Logins: on which client an agent is, where, and what becomes of it when a connection breaks.

mod fixture;

use fixture::*;
use ixn_engine::sessions::ClientRef;
use ixn_engine::{Input, Slices};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

#[test]
fn an_offer_lost_with_the_connection_is_not_a_declined_one() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let old = server.invitation(carol);
    server.disconnect(carol);
    let carol = server.connect("carol's desktop", ClientType::AgentApplication);
    assert!(server.ack(carol, login("carol")).agent_login.unwrap().resumed);
    let offer = server.invitation(carol);
    assert_eq!(offer.interaction.as_ref().unwrap().interaction_id, id);
    assert_ne!(offer.ticket_id, old.ticket_id);
    assert_eq!(server.refused(carol, accept(&old)), ErrorCode::UnknownTicket);
    server.ack(carol, accept(&offer));
}

#[test]
fn a_login_repeated_with_its_key_on_a_new_connection_logs_in_there() {
    let mut server = Server::start();
    let desktop = server.connect("carol's desktop", ClientType::AgentApplication);
    server.ask_envelope(desktop, login("carol"), "key");
    server.disconnect(desktop);
    let desktop = server.connect("carol's desktop", ClientType::AgentApplication);
    let again = server.ask_envelope(desktop, login("carol"), "key");
    assert!(!again.repeated, "{again:?}");
    server.ack(desktop, Request::RequestDoNotDisturbOn(RequestDoNotDisturbOn::default()));
}

#[test]
fn what_a_broken_proxy_connection_leaves_is_offered_to_nobody_who_was_on_it() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let proxy = server.connect("gateway", ClientType::Proxy);
    for (proxy_client_id, name) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        let desktop = ClientRef { proxy_client_id, ..proxy };
        server.register(desktop, name, ClientType::AgentApplication);
        server.ack(desktop, login(name));
    }
    server.submit(media, "hello");
    let before = server.reported.len();
    server.disconnect(proxy);
    assert_eq!(server.reported_since(before), ["EventRevoked"]);
}

/// One step: what is to be done after it is left.
fn one_request(server: &mut Server, client: ClientRef, reference_id: u64, request: Request) {
    let envelope = ClientEnvelope {
        reference_id,
        proxy_client_id: client.proxy_client_id,
        request: Some(request),
        ..ClientEnvelope::default()
    };
    server.one_step(Input::Request(client.connection, Box::new(envelope)));
}

/// Alice has two interactions, and whatever concerns many is done one by one.
fn alice_with_two(text: &str) -> (Server, ClientRef, Vec<String>) {
    let mut server = Server::with(text);
    server.engine.set_slices(Slices::of(1));
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let ids: Vec<String> = (0..2).map(|_| server.submit(media, "invoice")).collect();
    for id in &ids {
        let offer = server.invitation_of(alice, id);
        server.ack(alice, accept(&offer));
    }
    (server, alice, ids)
}

/// She is being logged out, while a proxy is connected.
fn logout_in_the_middle(text: &str) -> (Server, ClientRef, Vec<String>) {
    let (mut server, alice, ids) = alice_with_two(text);
    let proxy = server.connect("gateway", ClientType::Proxy);
    one_request(&mut server, alice, 1, Request::RequestAgentLogout(RequestAgentLogout::default()));
    (server, proxy, ids)
}

#[test]
fn who_has_much_is_logged_out_in_steps_in_which_he_gets_and_does_nothing() {
    let (mut server, alice, ids) = alice_with_two(CONFIGURATION);
    let next = server.connect("alice's tablet", ClientType::AgentApplication);
    let before = server.reported.len();
    one_request(&mut server, alice, 1, Request::RequestAgentLogout(RequestAgentLogout::default()));
    // He can do nothing more, a new login waits, and his media still count as his.
    one_request(&mut server, alice, 2, stop(&ids[1]));
    let Some(Event::EventError(error)) = server.answer_to(alice, 2).event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::AgentNotLoggedIn);
    one_request(&mut server, next, 4, login("alice"));
    let not_ready =
        RequestNotReadyForMedia { media_type_name: "email".into(), ..RequestNotReadyForMedia::default() };
    one_request(&mut server, next, 5, Request::RequestNotReadyForMedia(not_ready));
    assert!(server.sent.iter().all(|(_, envelope)| ![1, 4, 5].contains(&envelope.reference_id)));
    server.step(Input::Tick);
    assert!(matches!(server.answer_to(alice, 1).event, Some(Event::EventAck(_))));
    let Some(Event::EventAck(ack)) = server.answer_to(next, 4).event else { panic!() };
    assert!(!ack.agent_login.unwrap().resumed);
    assert!(matches!(server.answer_to(next, 5).event, Some(Event::EventAck(_))), "it came behind the login");
    let reported = server.reported_since(before);
    let left = reported.iter().filter(|name| *name == "EventPartyRemoved").count();
    let logout = reported.iter().position(|name| name == "EventAgentLogout").unwrap();
    let login = reported.iter().position(|name| name == "EventAgentLogin").unwrap();
    assert!(left == 2 && logout < login, "{reported:?}");
    assert!(reported[logout..].iter().all(|name| name != "EventPartyRemoved"), "{reported:?}");
}

#[test]
fn a_restart_in_the_middle_of_a_logout_leaves_him_logged_in_with_the_rest() {
    let (server, _, ids) = logout_in_the_middle(CONFIGURATION);
    let mut server = server.restart(CONFIGURATION);
    let alice = server.connect("alice's desktop", ClientType::AgentApplication);
    let answer = server.ack(alice, login("alice")).agent_login.unwrap();
    assert!(answer.resumed);
    let held = answer.interactions.iter().map(|held| &held.interaction.as_ref().unwrap().interaction_id);
    assert_eq!(held.collect::<Vec<_>>(), [&ids[1]]);
}

#[test]
fn a_connection_with_many_clients_is_forgotten_in_steps() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let bob = server.log_in("bob");
    let proxy = server.connect("gateway", ClientType::Proxy);
    let [alice, carol] = [1, 2].map(|proxy_client_id| ClientRef { proxy_client_id, ..proxy });
    for (desktop, name) in [(alice, "alice"), (carol, "carol")] {
        server.register(desktop, name, ClientType::AgentApplication);
        server.ack(desktop, login(name));
    }
    let id = server.submit(media, "invoice");
    let lost = server.invitation_of(alice, &id);
    let desktop = server.connect("alice's desktop", ClientType::AgentApplication);
    server.engine.set_slices(Slices::of(1));
    server.one_step(Input::Disconnected(proxy.connection));
    assert!(server.closed.is_empty(), "the connection's own client is forgotten, two others are not");
    server.one_step(Input::Tick);
    // Alice is gone and her offer is not taken back yet: when she comes back it is no longer hers.
    one_request(&mut server, desktop, 2, login("alice"));
    let Some(Event::EventAck(ack)) = server.answer_to(desktop, 2).event else { panic!() };
    assert!(ack.agent_login.unwrap().resumed);
    server.step(Input::Tick);
    assert_eq!(server.closed.len(), 1);
    assert_eq!(server.refused(desktop, accept(&lost)), ErrorCode::UnknownTicket);
    let offers = server.events(desktop).len() + server.events(bob).len();
    assert_eq!(offers, 1, "it is offered again, once");
}

#[test]
fn who_comes_back_before_his_lost_client_is_forgotten_resumes_without_its_offers() {
    for option in ["true", "false", "force-logout"] {
        let option = format!("options:\n  allow-multiple-agent-connections: {option}\n");
        let mut server = Server::with(&CONFIGURATION.replace("options:\n", &option));
        let media = server.connect("mail server", ClientType::MediaServer);
        let proxy = server.connect("gateway", ClientType::Proxy);
        let alice = ClientRef { proxy_client_id: 1, ..proxy };
        server.register(alice, "alice", ClientType::AgentApplication);
        server.ack(alice, login("alice"));
        let id = server.submit(media, "invoice");
        server.invitation_of(alice, &id);
        let desktop = server.connect("alice's desktop", ClientType::AgentApplication);
        server.engine.set_slices(Slices::of(1));
        // The connection's own client is forgotten, alice's is not.
        server.one_step(Input::Disconnected(proxy.connection));
        one_request(&mut server, desktop, 1, login("alice"));
        let Some(Event::EventAck(ack)) = server.answer_to(desktop, 1).event else { panic!("{option}") };
        assert!(ack.agent_login.unwrap().resumed, "{option}");
        server.step(Input::Tick);
        let offer = server.invitation_of(desktop, &id);
        server.ack(desktop, accept(&offer));
    }
}

#[test]
fn those_who_do_not_come_back_and_have_nothing_are_logged_out_at_once() {
    let mut server = Server::start();
    for name in ["alice", "bob", "carol"] {
        let desktop = server.log_in(name);
        server.disconnect(desktop);
    }
    let before = server.reported.len();
    server.now += 61_000;
    server.one_step(Input::Tick);
    assert_eq!(server.reported_since(before), ["EventAgentLogout"; 3]);
    assert!(!server.engine.has_more_work());
}

fn register_request(name: &str) -> Request {
    Request::RequestRegisterClient(RequestRegisterClient {
        client_name: name.into(),
        client_type: ClientType::AgentApplication as i32,
        ..RequestRegisterClient::default()
    })
}

#[test]
fn a_login_that_waits_ends_with_its_connection() {
    let force = "options:\n  allow-multiple-agent-connections: force-logout\n";
    let (mut server, proxy, _) = logout_in_the_middle(&CONFIGURATION.replace("options:\n", force));
    let [first, second] = [1, 2].map(|proxy_client_id| ClientRef { proxy_client_id, ..proxy });
    for (client, name) in [(first, "first"), (second, "second")] {
        one_request(&mut server, client, 10, register_request(name));
        one_request(&mut server, client, 11, login("alice"));
    }
    server.one_step(Input::Disconnected(proxy.connection));
    server.step(Input::Tick);
    assert!(server.sent.iter().all(|(_, envelope)| envelope.reference_id != 11), "{:?}", server.sent);
    let desktop = server.connect("alice's desktop", ClientType::AgentApplication);
    assert!(!server.ack(desktop, login("alice")).agent_login.unwrap().resumed, "nobody logged in");
}

#[test]
fn a_client_that_leaves_takes_its_waiting_login_along() {
    let (mut server, proxy, _) = logout_in_the_middle(CONFIGURATION);
    let client = ClientRef { proxy_client_id: 1, ..proxy };
    one_request(&mut server, client, 10, register_request("desk"));
    one_request(&mut server, client, 11, login("alice"));
    one_request(&mut server, client, 12, Request::RequestUnregisterClient(Default::default()));
    one_request(&mut server, client, 13, register_request("desk"));
    one_request(&mut server, client, 14, login("bob"));
    server.step(Input::Tick);
    for reference_id in [12, 13, 14] {
        let answer = server.answer_to(client, reference_id).event;
        assert!(matches!(answer, Some(Event::EventAck(_))), "{reference_id}: {answer:?}");
    }
    assert!(server.sent.iter().all(|(_, envelope)| envelope.reference_id != 11));
}

#[test]
fn what_was_sent_before_a_login_does_not_wait_behind_it() {
    let (mut server, proxy, ids) = logout_in_the_middle(CONFIGURATION);
    server.engine.keep_contents(0);
    server.loads_are_held = true;
    let media = ClientRef { proxy_client_id: 1, ..proxy };
    let register = RequestRegisterClient {
        client_name: "gateway".into(),
        client_type: ClientType::Proxy as i32,
        ..RequestRegisterClient::default()
    };
    one_request(&mut server, media, 10, Request::RequestRegisterClient(register));
    let get = RequestGetInteractionProperties { interaction_id: ids[1].clone() };
    one_request(&mut server, media, 11, Request::RequestGetInteractionProperties(get));
    one_request(&mut server, media, 12, login("alice"));
    server.held_loads.extend(server.engine.take_loads());
    let loaded = server.loaded();
    server.one_step(loaded);
    assert!(matches!(server.answer_to(media, 11).event, Some(Event::EventInteractionProperties(_))));
    assert!(server.sent.iter().all(|(_, envelope)| envelope.reference_id != 12), "the login waits");
}

#[test]
fn a_second_login_by_force_takes_the_first_one_away_with_its_offers() {
    let force = "options:\n  allow-multiple-agent-connections: force-logout\n";
    let mut server = Server::with(&CONFIGURATION.replace("options:\n", force));
    let media = server.connect("mail server", ClientType::MediaServer);
    let first = server.log_in("carol");
    let handled = server.submit(media, "hello");
    let invitation = server.invitation(first);
    server.ack(first, accept(&invitation));
    server.ack(first, stop(&handled));
    let id = server.submit(media, "hello");
    let offer = server.invitation(first);
    let second = server.log_in("carol");
    assert_eq!(server.event_names(first), ["EventAgentConnectionClosed"]);
    assert_eq!(server.refused(first, accept(&offer)), ErrorCode::AgentNotLoggedIn);
    let again = server.invitation(second);
    assert_eq!(again.interaction.as_ref().unwrap().interaction_id, id);
    server.ack(second, accept(&again));
    server.disconnect(first);
    assert_eq!(server.state_of(media, &id).unwrap().assigned_to, "carol");
}

#[test]
fn a_logout_tells_his_other_connections_and_reports_the_media_that_he_had() {
    let mut server = Server::start();
    let first = server.log_in("bob");
    let second = server.log_in("bob");
    server.ack(second, Request::RequestAgentLogout(RequestAgentLogout::default()));
    assert_eq!(server.event_names(first), ["EventAgentConnectionClosed"]);
    assert!(server.events(second).is_empty());
    let Some((_, Event::EventAgentLogout(logout))) = server.reported.last() else { panic!() };
    let info = logout.agent.as_ref().unwrap();
    assert_eq!((info.media_list.len(), info.logged_in_at, info.place_id.as_str()), (1, 0, "bob's desk"));
    let again = Request::RequestAgentLogout(RequestAgentLogout::default());
    assert_eq!(server.refused(first, again), ErrorCode::AgentNotLoggedIn);
}

#[test]
fn an_agent_of_another_server_is_announced_until_his_client_is_gone() {
    let mut server = Server::start();
    let desktop = server.connect("desktop", ClientType::AgentApplication);
    let available = |agent: &str| {
        Request::RequestAgentAvailable(RequestAgentAvailable { agent_id: agent.into(), ..Default::default() })
    };
    let not_available = || Request::RequestAgentNotAvailable(RequestAgentNotAvailable::default());
    assert_eq!(server.refused(desktop, not_available()), ErrorCode::WrongState);
    assert_eq!(server.refused(desktop, available("nobody")), ErrorCode::UnknownAgent);
    let before = server.reported.len();
    server.ack(desktop, available("alice"));
    assert_eq!(server.refused(desktop, available("bob")), ErrorCode::WrongState);
    assert_eq!(server.refused(desktop, login("alice")), ErrorCode::WrongState);
    server.ack(desktop, not_available());
    server.ack(desktop, available("alice"));
    server.disconnect(desktop);
    assert_eq!(
        server.reported_since(before),
        ["EventAgentAvailable", "EventAgentNotAvailable", "EventAgentAvailable", "EventAgentNotAvailable"]
    );
    let alice = server.log_in("alice");
    assert_eq!(server.refused(alice, available("alice")), ErrorCode::AgentAlreadyLoggedIn);
}

#[test]
fn who_comes_back_is_where_he_says_unless_another_client_of_his_is_left() {
    let mut server = Server::start();
    let at = |place: &str| {
        let Request::RequestAgentLogin(request) = login("alice") else { panic!() };
        Request::RequestAgentLogin(RequestAgentLogin { place_id: place.into(), ..request })
    };
    let place_after = |server: &mut Server, place: &str| {
        let client = server.connect("alice's desktop", ClientType::AgentApplication);
        let answered = server.ack(client, at(place)).agent_login.unwrap().place_id;
        let Some((_, Event::EventAgentLogin(event))) = server.reported.last() else { panic!() };
        assert_eq!(event.agent.as_ref().unwrap().place_id, answered);
        (client, answered)
    };
    let (first, place) = place_after(&mut server, "desk 1");
    assert_eq!(place, "desk 1");
    let (second, place) = place_after(&mut server, "desk 2");
    assert_eq!(place, "desk 1");
    server.disconnect(first);
    server.disconnect(second);
    let (third, place) = place_after(&mut server, "desk 2");
    assert_eq!(place, "desk 2");
    server.disconnect(third);
    assert_eq!(place_after(&mut server, "").1, "desk 2", "he names none");
}

#[test]
fn a_second_login_is_refused_when_the_option_says_so() {
    let refuse = "options:\n  allow-multiple-agent-connections: false\n";
    let mut server = Server::with(&CONFIGURATION.replace("options:\n", refuse));
    let first = server.log_in("carol");
    let second = server.connect("carol's desktop", ClientType::AgentApplication);
    assert_eq!(server.refused(second, login("carol")), ErrorCode::AgentAlreadyLoggedIn);
    server.disconnect(first);
    assert!(server.ack(second, login("carol")).agent_login.unwrap().resumed);
    assert_eq!(server.refused(second, login("carol")), ErrorCode::AgentAlreadyLoggedIn);
    let third = server.connect("desktop", ClientType::AgentApplication);
    assert_eq!(server.refused(third, login("nobody")), ErrorCode::UnknownAgent);
}

#[test]
fn an_announced_agent_is_reported_at_his_place_with_each_medium_once() {
    let mut server = Server::start();
    let desktop = server.connect("desktop", ClientType::AgentApplication);
    let email = |ready| MediaState { media_type_name: "email".into(), ready, reason: None };
    let available = RequestAgentAvailable {
        agent_id: "alice".into(),
        place_id: "desk 9".into(),
        media_list: vec![email(false), email(true)],
        ..Default::default()
    };
    server.ack(desktop, Request::RequestAgentAvailable(available));
    let Some((_, Event::EventAgentAvailable(event))) = server.reported.last() else { panic!() };
    assert_eq!(event.agent.as_ref().unwrap().media_list, [email(true)]);
    let end = RequestAgentNotAvailable::default();
    server.ack(desktop, Request::RequestAgentNotAvailable(end));
    let Some((_, Event::EventAgentNotAvailable(event))) = server.reported.last() else { panic!() };
    let (agent, actor) = (event.agent.as_ref().unwrap(), event.actor.as_ref().unwrap());
    assert_eq!((agent.place_id.as_str(), actor.actor_place_id.as_str()), ("desk 9", "desk 9"));
}
