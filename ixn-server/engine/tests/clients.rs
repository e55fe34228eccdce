//! What clients of all kinds ask for: searches, topics, custom events, registration.

#![allow(clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::*;
use ixn_engine::Input;
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

fn find(server: &mut Server, client: ClientRef, request: RequestFindInteractions) -> (Vec<String>, String) {
    match server.ask(client, Request::RequestFindInteractions(request)) {
        Event::EventFoundInteractions(found) => {
            let ids = found.interactions.into_iter().map(|interaction| interaction.interaction_id);
            (ids.collect(), found.next_page)
        }
        other => panic!("nothing found but {other:?}"),
    }
}

#[test]
fn a_search_goes_over_everything_step_by_step_and_page_by_page() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let mut wanted = Vec::new();
    for number in 0..9_000 {
        let priority = i32::from(number % 3_000 == 2_999);
        let request = RequestSubmit { queue: "archive".into(), priority: Some(priority), ..email("hello") };
        let reference_id = server.request_unchecked(media, Request::RequestSubmit(request));
        let Some(Event::EventAck(ack)) = server.answer_to(media, reference_id).event else { panic!() };
        if priority == 1 {
            wanted.push(ack.interaction_id);
        }
    }
    let request = RequestFindInteractions { condition: "Priority = 1".into(), ..Default::default() };
    assert_eq!(find(&mut server, media, request.clone()), (wanted.clone(), String::new()));
    let two =
        RequestFindInteractions { number_of_interactions: 2, queue: "archive".into(), ..request.clone() };
    let (first, next_page) = find(&mut server, media, two.clone());
    assert_eq!(first, wanted[..2]);
    let rest = find(&mut server, media, RequestFindInteractions { start_after: next_page, ..two.clone() });
    assert_eq!(rest, (wanted[2..].to_vec(), String::new()));
    let elsewhere = RequestFindInteractions { queue: "inbox".into(), ..two };
    assert_eq!(find(&mut server, media, elsewhere), (Vec::new(), String::new()));
    let named = RequestFindInteractions { order: "SubmitSeq asc".into(), ..request };
    assert_eq!(find(&mut server, media, named).0, wanted);
}

#[test]
fn a_search_that_cannot_be_is_refused() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let plain = RequestFindInteractions::default;
    let cases = [
        (RequestFindInteractions { condition: "Priority >".into(), ..plain() }, ErrorCode::InvalidCondition),
        (RequestFindInteractions { order: "Priority".into(), ..plain() }, ErrorCode::InvalidCondition),
        (RequestFindInteractions { queue: "none".into(), ..plain() }, ErrorCode::UnknownQueue),
        (RequestFindInteractions { number_of_interactions: 1001, ..plain() }, ErrorCode::InvalidValue),
        (RequestFindInteractions { start_after: "here".into(), ..plain() }, ErrorCode::InvalidValue),
    ];
    for (request, code) in cases {
        assert_eq!(
            server.refused(media, Request::RequestFindInteractions(request.clone())),
            code,
            "{request:?}"
        );
    }
    let last = RequestFindInteractions { start_after: u64::MAX.to_string(), ..plain() };
    assert_eq!(find(&mut server, media, last), (Vec::new(), String::new()));
}

fn topics(names: &[&str]) -> Option<KeyValueList> {
    let mut list = KeyValueList::new();
    for name in names {
        list.push_text(name, "");
    }
    Some(list)
}

#[test]
fn a_publication_reaches_who_is_subscribed() {
    let mut server = Server::start();
    let publisher = server.connect("publisher", ClientType::MediaServer);
    let both = server.connect("both", ClientType::MediaServer);
    let one = server.connect("one", ClientType::AgentApplication);
    let subscribe = |names| Request::RequestSubscribe(RequestSubscribe { ps_topic_list: topics(names) });
    let unsubscribe =
        |names| Request::RequestUnsubscribe(RequestUnsubscribe { ps_topic_list: topics(names) });
    let publish = |topic: &str| {
        Request::RequestPublish(RequestPublish { ps_topic: topic.into(), content: topics(&["news"]) })
    };
    server.ack(both, subscribe(&["a", "b"]));
    server.ack(one, subscribe(&["a"]));
    server.ack(publisher, publish("a"));
    server.ack(publisher, publish("b"));
    assert_eq!(server.event_names(both), ["EventPublished", "EventPublished"]);
    let Event::EventPublished(heard) = &server.events(one)[0] else { panic!() };
    assert_eq!((heard.ps_topic.as_str(), heard.content.clone()), ("a", topics(&["news"])));
    assert_eq!(heard.actor.as_ref().unwrap().actor_client_name, "publisher");

    assert_eq!(server.refused(one, unsubscribe(&["a", "b"])), ErrorCode::NotSubscribed);
    server.ack(both, unsubscribe(&["a"]));
    server.ack(one, unsubscribe(&[]));
    assert_eq!(server.refused(one, unsubscribe(&[])), ErrorCode::NotSubscribed);
    server.ack(publisher, publish("a"));
    assert!(server.events(both).is_empty() && server.events(one).is_empty());
    server.disconnect(both);
    server.ack(publisher, publish("b"));
    assert!(server.sent.is_empty());
    assert_eq!(server.refused(publisher, subscribe(&[])), ErrorCode::MissingValue);
    assert_eq!(server.refused(publisher, publish("")), ErrorCode::MissingValue);
}

#[test]
fn a_publication_to_very_many_reaches_each_once() {
    let mut server = Server::start();
    let proxy = server.connect("gateway", ClientType::Proxy);
    let clients: Vec<ClientRef> = (1..=600).map(|id| ClientRef { proxy_client_id: id, ..proxy }).collect();
    for client in &clients {
        server.register(*client, "desktop", ClientType::AgentApplication);
        server.ack(*client, Request::RequestSubscribe(RequestSubscribe { ps_topic_list: topics(&["a"]) }));
    }
    server.ack(proxy, Request::RequestPublish(RequestPublish { ps_topic: "a".into(), content: None }));
    for client in clients {
        assert_eq!(server.event_names(client), ["EventPublished"]);
    }
}

#[test]
fn a_custom_event_is_reported_about_an_interaction_an_agent_or_neither() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let id = server.submit(media, "hello");
    let request = |interaction_id: &str, custom_event_id| {
        Request::RequestCustomReporting(RequestCustomReporting {
            custom_event_id,
            interaction_id: interaction_id.into(),
            event_content: topics(&["focus"]),
            reason: None,
        })
    };
    for (client, about, actor) in [
        (media, id.as_str(), ActorType::MediaServer),
        (alice, "", ActorType::Agent),
        (media, "", ActorType::MediaServer),
    ] {
        server.ack(client, request(about, 7));
        let Some((_, Event::EventCustomReporting(event))) = server.reported.last() else { panic!() };
        let of = event.interaction.as_ref().map(|interaction| interaction.interaction_id.as_str());
        assert_eq!(of.unwrap_or_default(), about);
        assert_eq!(event.actor.as_ref().unwrap().actor_type(), actor);
        assert_eq!(event.event_content, topics(&["focus"]));
    }
    assert_eq!(server.refused(media, request("nothing", 7)), ErrorCode::UnknownInteraction);
    assert_eq!(server.refused(media, request("", 0)), ErrorCode::MissingValue);
}

#[test]
fn events_say_what_kind_of_client_was_the_cause() {
    let mut server = Server::start();
    let listener = server.connect("listener", ClientType::MediaServer);
    server.ack(listener, Request::RequestSubscribe(RequestSubscribe { ps_topic_list: topics(&["a"]) }));
    for (client_type, actor_type, router) in [
        (ClientType::AgentApplication, ActorType::Agent, ""),
        (ClientType::MediaServer, ActorType::MediaServer, ""),
        (ClientType::Proxy, ActorType::MediaServer, ""),
        (ClientType::RoutingEngine, ActorType::Strategy, "somebody"),
        (ClientType::ReportingEngine, ActorType::ReportingEngine, ""),
    ] {
        let client = server.connect("somebody", client_type);
        server.ack(client, Request::RequestPublish(RequestPublish { ps_topic: "a".into(), content: None }));
        let Some(Event::EventPublished(heard)) = server.events(listener).pop() else { panic!() };
        let actor = heard.actor.unwrap();
        assert_eq!((actor.actor_type(), actor.actor_router_id.as_str()), (actor_type, router));
        assert_eq!(actor.actor_client_name, "somebody");
    }
}

#[test]
fn names_and_ids_of_clients_are_bounded() {
    let mut server = Server::start();
    let client = server.open();
    let register = |name: String| {
        Request::RequestRegisterClient(RequestRegisterClient {
            client_name: name,
            client_type: ClientType::MediaServer as i32,
            ..Default::default()
        })
    };
    assert_eq!(server.refused(client, register("x".repeat(129))), ErrorCode::LimitExceeded);
    assert_eq!(server.closed.len(), 1);
    server.ack(client, register("x".repeat(128)));
    assert_eq!(server.refused(client, register("again".into())), ErrorCode::AlreadyRegistered);
    assert_eq!(server.closed.len(), 1, "it stays as it is");
    let with_id =
        |id: &str| Request::RequestSubmit(RequestSubmit { interaction_id: id.into(), ..email("hello") });
    for id in ["a\tb", "é"] {
        assert_eq!(server.refused(client, with_id(id)), ErrorCode::InvalidValue);
    }
    assert_eq!(server.refused(client, with_id(&"x".repeat(65))), ErrorCode::LimitExceeded);
    let longest = "x".repeat(64);
    assert_eq!(server.ack(client, with_id(&longest)).interaction_id, longest);
    assert_eq!(server.refused(client, with_id(&longest)), ErrorCode::DuplicateInteractionId);
    let given = server.submit(client, "hello");
    assert_eq!(
        server.refused(client, with_id(&given)),
        ErrorCode::InvalidValue,
        "that is one of the server's"
    );
    server.ack(client, stop(&longest));
    server.ack(client, with_id(&longest));
}

#[test]
fn what_cannot_be_submitted_or_placed_is_refused() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let cases = [
        (RequestSubmit { queue: "nowhere".into(), ..email("hello") }, ErrorCode::UnknownQueue),
        (RequestSubmit { queue: String::new(), ..email("hello") }, ErrorCode::MissingValue),
        (RequestSubmit { media_type: "fax".into(), ..email("hello") }, ErrorCode::UnknownMediaType),
        (RequestSubmit { received_at: -1, ..email("hello") }, ErrorCode::InvalidValue),
        (RequestSubmit { received_at: i64::MAX, ..email("hello") }, ErrorCode::InvalidValue),
        (RequestSubmit { external_id: "x".repeat(257), ..email("hello") }, ErrorCode::LimitExceeded),
    ];
    for (request, code) in cases {
        assert_eq!(server.refused(media, Request::RequestSubmit(request)), code);
    }
    let interaction_id = server.submit(media, "hello");
    let place = RequestPlaceInQueue { interaction_id, queue: "nowhere".into(), ..Default::default() };
    assert_eq!(server.refused(media, Request::RequestPlaceInQueue(place)), ErrorCode::UnknownQueue);
}

#[test]
fn a_client_has_a_thousand_topics_and_not_one_more() {
    let mut server = Server::start();
    let client = server.connect("client", ClientType::MediaServer);
    let subscribe =
        |names: &[&str]| Request::RequestSubscribe(RequestSubscribe { ps_topic_list: topics(names) });
    let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    server.ack(client, subscribe(&names));
    server.ack(client, subscribe(&names[..1]));
    assert_eq!(server.refused(client, subscribe(&["one more"])), ErrorCode::LimitExceeded);
    server
        .ack(client, Request::RequestUnsubscribe(RequestUnsubscribe { ps_topic_list: topics(&names[..1]) }));
    server.ack(client, subscribe(&["one more"]));
}

#[test]
fn a_request_that_nobody_knows_ends_a_connection_that_has_not_registered_and_no_other() {
    let mut server = Server::start();
    let unknown = |client: ClientRef| {
        Input::Request(
            client.connection,
            Box::new(ClientEnvelope {
                reference_id: 1,
                proxy_client_id: client.proxy_client_id,
                ..Default::default()
            }),
        )
    };
    let refused = |server: &mut Server, client: ClientRef| {
        server.step(unknown(client));
        let Some(Event::EventError(error)) = server.answer_to(client, 1).event else { panic!() };
        error.error_code()
    };
    let stranger = server.open();
    assert_eq!(refused(&mut server, stranger), ErrorCode::NotRegistered);
    assert_eq!(server.closed.len(), 1);
    let proxy = server.connect("gateway", ClientType::Proxy);
    assert_eq!(refused(&mut server, proxy), ErrorCode::UnknownRequest);
    let nobody = ClientRef { proxy_client_id: 7, ..proxy };
    assert_eq!(refused(&mut server, nobody), ErrorCode::UnknownProxyClient);
    assert_eq!(server.closed.len(), 1);
}

#[test]
fn a_submit_without_types_and_times_gets_the_documented_ones() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = RequestSubmit {
        interaction_type: String::new(),
        interaction_subtype: String::new(),
        ..email("hello")
    };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let state = server.state_of(media, &id).unwrap();
    assert_eq!(
        (state.interaction_type.as_str(), state.interaction_subtype.as_str()),
        ("Inbound", "InboundNew")
    );
    assert_eq!(state.received_at, (START / 1000) as i64);
    assert_eq!(state.submitted_by, "mail server");
}
