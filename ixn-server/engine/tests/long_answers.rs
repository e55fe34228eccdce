//! Answers that take many steps or pages: they take turns, and how many there may be is bounded.

#![allow(clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::*;
use ixn_engine::Input;
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

/// A server with more interactions than a search looks at in many steps.
fn full_server() -> (Server, ClientRef) {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    for _ in 0..1_600 {
        let request = RequestSubmit { queue: "archive".into(), ..email("hello") };
        server.request_unchecked(media, Request::RequestSubmit(request));
    }
    server.events(media);
    (server, media)
}

/// A search that finds nothing, sent and not worked on further.
fn search(server: &mut Server, client: ClientRef, reference_id: u64) {
    let request = RequestFindInteractions { condition: "Priority = 1".into(), ..Default::default() };
    let envelope = ClientEnvelope {
        reference_id,
        proxy_client_id: client.proxy_client_id,
        request: Some(Request::RequestFindInteractions(request)),
        ..Default::default()
    };
    server.one_step(Input::Request(client.connection, Box::new(envelope)));
}

fn answers(server: &mut Server, client: ClientRef) -> Vec<(u64, String)> {
    let (mine, others) = std::mem::take(&mut server.sent).into_iter().partition(|(to, _)| *to == client);
    server.sent = others;
    let mine: Vec<(ClientRef, ServerEnvelope)> = mine;
    mine.iter()
        .map(|(_, sent)| (sent.reference_id, sent.event.as_ref().map(name).unwrap_or_default()))
        .collect()
}

#[test]
fn searches_take_turns_and_one_client_may_have_so_many() {
    let (mut server, media) = full_server();
    let other = server.connect("other", ClientType::MediaServer);
    for reference_id in 1..=101 {
        search(&mut server, media, reference_id);
    }
    assert_eq!(answers(&mut server, media), [(101, "EventError".to_owned())]);
    search(&mut server, other, 1);
    server.disconnect(media);
    assert_eq!(answers(&mut server, other), [(1, "EventFoundInteractions".to_owned())]);
    assert!(answers(&mut server, media).is_empty(), "its searches have ended with it");
    assert!(!server.engine.has_more_work());
}

#[test]
fn a_publication_is_acknowledged_when_all_have_been_sent_it() {
    let mut server = Server::start();
    let proxy = server.connect("gateway", ClientType::Proxy);
    let mut topics = KeyValueList::new();
    topics.push_text("news", "");
    for proxy_client_id in 1..=300 {
        let client = ClientRef { proxy_client_id, ..proxy };
        server.register(client, "desktop", ClientType::AgentApplication);
        let subscribe = RequestSubscribe { ps_topic_list: Some(topics.clone()) };
        server.ack(client, Request::RequestSubscribe(subscribe));
    }
    let publish = RequestPublish { ps_topic: "news".into(), content: None };
    let envelope = ClientEnvelope {
        reference_id: 9,
        request: Some(Request::RequestPublish(publish)),
        ..Default::default()
    };
    server.one_step(Input::Request(proxy.connection, Box::new(envelope)));
    assert_eq!(server.sent.len(), 256);
    server.step(Input::Tick);
    assert_eq!(server.sent.len(), 301);
    assert_eq!(server.sent.last().unwrap().1.reference_id, 9);
}

/// What is large without user data.
fn large() -> RequestSubmit {
    let mut queues = KeyValueList::new();
    queues.push_text("archive", &"x".repeat(16_000));
    RequestSubmit {
        queue: "archive".into(),
        in_queues: Some(queues.clone()),
        out_queues: Some(queues),
        ..email("hello")
    }
}

#[test]
fn a_page_of_the_full_state_stays_small() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    for _ in 0..100 {
        server.ack(media, Request::RequestSubmit(large()));
    }
    let statistics = server.connect("statistics", ClientType::ReportingEngine);
    let start = RequestStartPlaceAgentStateReportingAll { with_interactions: true, ..Default::default() };
    server.ack(statistics, Request::RequestStartPlaceAgentStateReportingAll(start));
    let events = server.events(statistics).into_iter();
    let pages: Vec<usize> = events
        .filter_map(|event| match event {
            Event::EventReportingState(state) => Some(state.interactions.len()),
            _ => None,
        })
        .collect();
    assert_eq!(pages, [66, 34], "2 MiB, then the rest");
}

#[test]
fn a_login_brings_what_an_answer_can_hold_and_the_rest_is_found() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    for _ in 0..100 {
        server.ack(alice, Request::RequestSubmit(large()));
    }
    server.disconnect(alice);
    let alice = server.connect("alice's desktop", ClientType::AgentApplication);
    let login = server.ack(alice, login("alice")).agent_login.unwrap();
    assert_eq!((login.interactions.len(), login.more_interactions), (66, true));
    let mut found = 0;
    let mut start_after = String::new();
    loop {
        let request = RequestFindInteractions {
            condition: "AssignedTo = 'alice'".into(),
            start_after: start_after.clone(),
            ..Default::default()
        };
        let Event::EventFoundInteractions(page) =
            server.ask(alice, Request::RequestFindInteractions(request))
        else {
            panic!()
        };
        found += page.interactions.len();
        start_after = page.next_page;
        if start_after.is_empty() {
            break;
        }
    }
    assert_eq!(found, 100);
}

#[test]
fn many_searches_hold_up_nothing_else() {
    let (mut server, media) = full_server();
    let statistics = server.connect("statistics", ClientType::ReportingEngine);
    for reference_id in 1..=100 {
        search(&mut server, media, reference_id);
    }
    let start = RequestStartPlaceAgentStateReportingAll::default();
    let envelope = ClientEnvelope {
        reference_id: 7,
        request: Some(Request::RequestStartPlaceAgentStateReportingAll(start)),
        ..Default::default()
    };
    server.one_step(Input::Request(statistics.connection, Box::new(envelope)));
    for _ in 0..40 {
        server.one_step(Input::Tick);
    }
    let answered = answers(&mut server, media).len();
    assert!((1..100).contains(&answered), "{answered} searches are over");
    let state = answers(&mut server, statistics);
    assert_eq!(state.last(), Some(&(0, "EventReportingStateEnd".to_owned())));
    server.step(Input::Tick);
    assert_eq!(answered + answers(&mut server, media).len(), 100);
}
