//! RequestChangeProperties: what changes, who hears of it, what is refused.

mod fixture;

use fixture::*;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

fn list(entries: &[(&str, &str)]) -> Option<KeyValueList> {
    let mut list = KeyValueList::new();
    for (key, value) in entries {
        list.push_text(key, value);
    }
    Some(list)
}

fn change(id: &str) -> RequestChangeProperties {
    RequestChangeProperties { interaction_id: id.into(), ..Default::default() }
}

#[test]
fn deleted_goes_first_and_added_last_and_mapped_properties_follow() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = RequestSubmit {
        queue: "archive".into(),
        user_data: list(&[("Subject", "hello"), ("a", "1"), ("b", "2")]),
        ..email("")
    };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let request = RequestChangeProperties {
        added_properties: list(&[("b", "3")]),
        changed_properties: list(&[("Subject", "an invoice"), ("Priority", "7")]),
        deleted_properties: list(&[("a", "")]),
        external_id: Some("mail-1".into()),
        service_objective: Some(30),
        ..change(&id)
    };
    server.ack(media, Request::RequestChangeProperties(request));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!(
        state.user_data,
        list(&[("Subject", "an invoice"), ("b", "2"), ("Priority", "7"), ("b", "3")])
    );
    assert_eq!(state.custom_properties, list(&[("Subject", "an invoice")]));
    assert_eq!((state.priority, state.service_objective, state.external_id.as_str()), (7, 30, "mail-1"));
    let Some((_, Event::EventPropertiesChanged(changed))) = server.reported.last() else { panic!() };
    assert_eq!(changed.added_properties, list(&[("b", "3")]));
    assert_eq!(changed.interaction.as_ref().unwrap().user_data, None, "the change only");

    // A priority that was set directly stays when user data changes elsewhere; taking the key away takes it away.
    server.ack(
        media,
        Request::RequestChangeProperties(RequestChangeProperties { priority: Some(2), ..change(&id) }),
    );
    let request = RequestChangeProperties { changed_properties: list(&[("c", "4")]), ..change(&id) };
    server.ack(media, Request::RequestChangeProperties(request));
    assert_eq!(server.state_of(media, &id).unwrap().priority, 2);
    let request = RequestChangeProperties { deleted_properties: list(&[("Priority", "")]), ..change(&id) };
    server.ack(media, Request::RequestChangeProperties(request));
    assert_eq!(server.state_of(media, &id).unwrap().priority, 0);

    let mut server = server.restart(CONFIGURATION);
    let media = server.connect("mail server", ClientType::MediaServer);
    assert_eq!(
        server.state_of(media, &id).unwrap().user_data,
        list(&[("Subject", "an invoice"), ("b", "2"), ("b", "3"), ("c", "4")])
    );
}

#[test]
fn a_change_that_makes_it_match_another_view_moves_it_there() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = RequestSubmit { hold: true, ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let request =
        RequestChangeProperties { changed_properties: list(&[("Subject", "invoice")]), ..change(&id) };
    server.ack(media, Request::RequestChangeProperties(request));
    server.ack(media, Request::RequestResume(RequestResume { interaction_id: id, ..Default::default() }));
    let Some((_, Event::EventTakenFromQueue(taken))) = server.reported.iter().rev().nth(1) else { panic!() };
    assert_eq!(taken.view_id, "billing");
}

#[test]
fn a_higher_priority_overtakes_in_the_line() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let first = server.submit(media, "hello");
    let second = server.submit(media, "hello");
    server.ack(
        media,
        Request::RequestChangeProperties(RequestChangeProperties { priority: Some(1), ..change(&second) }),
    );
    let carol = server.log_in("carol");
    let invitation = server.invitation(carol);
    assert_eq!(invitation.interaction.as_ref().unwrap().interaction_id, second);
    // It is offered: the line is not where it stands.
    server.ack(
        media,
        Request::RequestChangeProperties(RequestChangeProperties { priority: Some(-1), ..change(&second) }),
    );
    server.ack(carol, accept(&invitation));
    server.ack(carol, stop(&second));
    assert_eq!(server.invitation(carol).interaction.unwrap().interaction_id, first);
}

#[test]
fn agents_and_the_media_server_hear_of_it_but_not_who_did_it() {
    let mut server = Server::start();
    let media = server.open();
    server.register_with(
        media,
        "chat server",
        ClientType::MediaServer,
        switched_on("event_properties_changed"),
    );
    let twin = server.open();
    server.register_with(
        twin,
        "chat server",
        ClientType::MediaServer,
        switched_on("event_properties_changed"),
    );
    let deaf = server.connect("chat server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let id = server.submit(media, "hello");
    let invitation = server.invitation(carol);
    server.ack(carol, accept(&invitation));
    let priority =
        || Request::RequestChangeProperties(RequestChangeProperties { priority: Some(1), ..change(&id) });
    server.ack(media, priority());
    assert!(server.events(media).is_empty());
    assert_eq!(server.event_names(twin), ["EventPropertiesChanged"]);
    assert_eq!(server.event_names(carol), ["EventPropertiesChanged"]);
    server.ack(carol, priority());
    assert!(server.events(carol).is_empty());
    assert_eq!(server.event_names(media), ["EventPropertiesChanged"]);
    assert!(server.events(deaf).is_empty());
    server.disconnect(twin);
    server.ack(carol, priority());
    server.ack(carol, Request::RequestHold(RequestHold { interaction_id: id.clone(), ..Default::default() }));
    assert!(server.events(carol).is_empty());
    server.ack(deaf, Request::RequestResume(RequestResume { interaction_id: id, ..Default::default() }));
    assert_eq!(server.event_names(carol), ["EventResumed"], "also holding and resuming");
}

#[test]
fn a_customer_who_goes_away_is_noted() {
    let mut server = Server::start();
    let media = server.connect("chat server", ClientType::MediaServer);
    let request = RequestSubmit { is_online: true, media_type: "chat".into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let online = |is_online| {
        let request = RequestChangeProperties { is_online: Some(is_online), ..change(&id) };
        Request::RequestChangeProperties(request)
    };
    server.wait_seconds(5);
    server.ack(media, online(true));
    assert_eq!(server.state_of(media, &id).unwrap().abandoned_at, 0);
    server.ack(media, online(false));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.is_online, state.abandoned_at), (false, (START / 1000) as i64 + 5));
}

#[test]
fn a_change_waits_for_user_data_and_a_repeat_changes_nothing_twice() {
    let mut server = Server::start();
    server.engine.keep_contents(0);
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    server.loads_are_held = true;
    let request = || {
        let request = RequestChangeProperties { added_properties: list(&[("note", "x")]), ..change(&id) };
        Request::RequestChangeProperties(request)
    };
    let first = server.request(media, request(), "key");
    let second = server.request(media, request(), "key");
    server.deliver_loads();
    let (first, second) = (server.answer_to(media, first), server.answer_to(media, second));
    assert!(!first.repeated && second.repeated);
    server.loads_are_held = false;
    let user_data = server.state_of(media, &id).unwrap().user_data;
    assert_eq!(user_data, list(&[("Subject", "hello"), ("note", "x")]));
}

#[test]
fn a_change_of_what_is_stopped_meanwhile_is_refused() {
    let mut server = Server::start();
    server.engine.keep_contents(0);
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    server.loads_are_held = true;
    let request = RequestChangeProperties { added_properties: list(&[("note", "x")]), ..change(&id) };
    let waiting = server.request(media, Request::RequestChangeProperties(request), "");
    let other = server.connect("another server", ClientType::MediaServer);
    server.ack(other, stop(&id));
    server.deliver_loads();
    let Some(Event::EventError(error)) = server.answer_to(media, waiting).event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::UnknownInteraction);
}

#[test]
fn a_clients_requests_about_one_interaction_keep_their_order() {
    let mut server = Server::start();
    server.engine.keep_contents(0);
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    server.loads_are_held = true;
    let before = server.reported.len();
    let request = RequestChangeProperties { added_properties: list(&[("note", "x")]), ..change(&id) };
    let first = server.request(media, Request::RequestChangeProperties(request), "");
    let second = server.request(media, stop(&id), "");
    assert_eq!(server.reported.len(), before, "the stop waits behind the change");
    server.deliver_loads();
    for reference in [first, second] {
        assert!(matches!(server.answer_to(media, reference).event, Some(Event::EventAck(_))));
    }
    assert_eq!(
        server.reported_since(before),
        ["EventPropertiesChanged", "EventPartyRemoved", "EventProcessingStopped"]
    );
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let large = "x".repeat(700_000);
    let request = RequestChangeProperties { added_properties: list(&[("large", &large)]), ..change(&id) };
    server.ack(media, Request::RequestChangeProperties(request.clone()));
    let before = server.state_of(media, &id);
    let mut no_value = Vec::new();
    prost::Message::encode(
        &KeyValueList::from_encoded(bytes::Bytes::from_static(b"\x0a\x03\x0a\x01k")),
        &mut no_value,
    )
    .unwrap();
    let no_value = <KeyValueList as prost::Message>::decode(&no_value[..]).unwrap();
    let cases = [
        (change(&id), ErrorCode::MissingValue),
        (change("nothing"), ErrorCode::UnknownInteraction),
        (request, ErrorCode::LimitExceeded),
        (
            RequestChangeProperties { changed_properties: Some(no_value), ..change(&id) },
            ErrorCode::InvalidUserData,
        ),
        (
            RequestChangeProperties {
                changed_properties: list(&[("handling-timeout", "soon")]),
                ..change(&id)
            },
            ErrorCode::InvalidValue,
        ),
        (
            RequestChangeProperties { external_id: Some("a\0b".into()), ..change(&id) },
            ErrorCode::InvalidValue,
        ),
        (
            RequestChangeProperties { instruction: Some(RoutingInstruction::default()), ..change(&id) },
            ErrorCode::NotImplemented,
        ),
    ];
    for (request, code) in cases {
        assert_eq!(server.refused(media, Request::RequestChangeProperties(request)), code);
    }
    assert_eq!(server.state_of(media, &id), before);

    let alice = server.log_in("alice");
    let invitation = server.invitation(alice);
    server.ack(alice, accept(&invitation));
    let request = RequestChangeProperties { is_online: Some(false), ..change(&id) };
    assert_eq!(server.refused(alice, Request::RequestChangeProperties(request)), ErrorCode::NotPermitted);
}
