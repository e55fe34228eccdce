//! Workbins: what lies in them, who hears of it, and how it comes out again.

#![allow(clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::*;
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

fn subscribe(workbin: WorkbinInfo, notify_property_changes: bool) -> Request {
    Request::RequestWorkbinNotifications(RequestWorkbinNotifications {
        workbin: Some(workbin),
        notify_property_changes,
        reason: None,
    })
}

fn from_drafts(most: u32) -> Request {
    Request::RequestPull(RequestPull {
        workbin: Some(drafts_of("alice")),
        number_of_interactions: most,
        ..Default::default()
    })
}

/// An agent who takes nothing from routing.
fn busy(server: &mut Server, name: &str) -> ClientRef {
    let client = server.connect(&format!("{name}'s desktop"), ClientType::AgentApplication);
    let mut request = login(name);
    if let Request::RequestAgentLogin(request) = &mut request {
        request.media_list[0].ready = false;
    }
    server.ack(client, request);
    client
}

/// What a subscriber has heard: the content operation and the cause.
fn changes(server: &mut Server, client: ClientRef) -> Vec<(WorkbinContentOperation, InteractionOperation)> {
    let events = server.events(client).into_iter();
    events
        .filter_map(|event| match event {
            Event::EventWorkbinContentChanged(changed) => {
                Some((changed.workbin_content_operation(), changed.operation()))
            }
            _ => None,
        })
        .collect()
}

fn content(server: &mut Server, client: ClientRef, workbin: WorkbinInfo) -> Vec<String> {
    let request = Request::RequestGetWorkbinContent(RequestGetWorkbinContent { workbin: Some(workbin) });
    let reference_id = server.request(client, request, "");
    let mut ids = Vec::new();
    loop {
        let Some(Event::EventWorkbinContent(page)) = server.answer_to(client, reference_id).event else {
            panic!()
        };
        ids.extend(page.interactions.into_iter().map(|interaction| interaction.interaction_id));
        if !page.more {
            assert_eq!(page.number_of_interactions as usize, ids.len());
            return ids;
        }
    }
}

#[test]
fn every_way_in_and_out_is_told_to_subscribers_and_reported() {
    use InteractionOperation as By;
    use WorkbinContentOperation::{Add, ChangeProperties, Remove};
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = busy(&mut server, "alice");
    let watcher = server.connect("wallboard", ClientType::MediaServer);
    server.ack(watcher, subscribe(drafts_of("alice"), true));

    let request = RequestSubmit { queue: String::new(), workbin: Some(drafts_of("alice")), ..email("hello") };
    let before = server.reported.len();
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    assert_eq!(server.reported_since(before), ["EventInteractionSubmitted", "EventPlacedInWorkbin"]);
    assert_eq!(changes(&mut server, watcher), [(Add, By::Submit)]);
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.queue.as_str(), state.workbin), ("drafts/PrivateQueue", Some(drafts_of("alice"))));

    let change =
        RequestChangeProperties { interaction_id: id.clone(), priority: Some(3), ..Default::default() };
    server.ack(media, Request::RequestChangeProperties(change));
    assert_eq!(changes(&mut server, watcher), [(ChangeProperties, By::ChangeProperties)]);

    let before = server.reported.len();
    assert_eq!(pulled(server.ask(alice, from_drafts(1))), std::slice::from_ref(&id));
    assert_eq!(
        server.reported_since(before),
        ["EventTakenFromQueue", "EventTakenFromWorkbin", "EventPartyAdded"]
    );
    assert_eq!(changes(&mut server, watcher), [(Remove, By::Pull)]);
    assert!(content(&mut server, media, drafts_of("alice")).is_empty());

    // He leaves: it returns to where it came from.
    let leave = RequestLeaveInteraction { interaction_id: id.clone(), reason: None };
    let before = server.reported.len();
    server.ack(alice, Request::RequestLeaveInteraction(leave));
    assert_eq!(
        server.reported_since(before),
        ["EventPartyRemoved", "EventPlacedInQueue", "EventPlacedInWorkbin"]
    );
    assert_eq!(changes(&mut server, watcher), [(Add, By::Leave)]);

    let before = server.reported.len();
    server.ack(media, place_in_drafts(&id, "bob"));
    assert_eq!(
        server.reported_since(before),
        ["EventTakenFromWorkbin", "EventPlacedInQueue", "EventPlacedInWorkbin"]
    );
    assert_eq!(changes(&mut server, watcher), [(Remove, By::PlaceInWorkbin)]);
    server.ack(media, place_in_drafts(&id, "alice"));
    assert_eq!(changes(&mut server, watcher), [(Add, By::PlaceInWorkbin)]);

    let place =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "archive".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(place));
    assert_eq!(changes(&mut server, watcher), [(Remove, By::PlaceInQueue)]);
    assert_eq!(server.state_of(media, &id).unwrap().workbin, None);

    server.ack(media, place_in_drafts(&id, "alice"));
    server.ack(media, stop(&id));
    assert_eq!(changes(&mut server, watcher), [(Add, By::PlaceInWorkbin), (Remove, By::StopProcessing)]);
}

#[test]
fn a_subscription_hears_what_it_asked_for_until_it_ends() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let plain = server.connect("plain", ClientType::MediaServer);
    server.ack(plain, subscribe(drafts_of("alice"), false));
    let stops = server.connect("stops", ClientType::MediaServer);
    let reference_id = server.request_with(
        stops,
        subscribe(drafts_of("alice"), false),
        "",
        switched_on("event_processing_stopped"),
    );
    server.answer_to(stops, reference_id);
    let id = server.submit(media, "hello");
    server.ack(media, place_in_drafts(&id, "alice"));
    let change =
        RequestChangeProperties { interaction_id: id.clone(), priority: Some(3), ..Default::default() };
    server.ack(media, Request::RequestChangeProperties(change));
    let other = server.submit(media, "hello");
    server.ack(media, place_in_drafts(&other, "bob"));
    assert_eq!(server.event_names(plain), ["EventWorkbinContentChanged"]);
    let cancel = || {
        Request::RequestWorkbinCancelNotifications(RequestWorkbinCancelNotifications {
            workbin: Some(drafts_of("alice")),
        })
    };
    server.ack(plain, cancel());
    assert_eq!(server.refused(plain, cancel()), ErrorCode::NotSubscribed);
    server.ack(media, stop(&id));
    assert!(server.events(plain).is_empty());
    assert_eq!(
        server.event_names(stops),
        ["EventWorkbinContentChanged", "EventWorkbinContentChanged", "EventProcessingStopped"]
    );
}

#[test]
fn content_comes_in_the_order_of_the_type_page_by_page() {
    let text = CONFIGURATION
        .replace("{name: drafts, owner: agent}", "{name: drafts, owner: agent, order: Priority desc}");
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    let mut expected = Vec::new();
    for number in 0..250 {
        let request = RequestSubmit {
            queue: String::new(),
            workbin: Some(drafts_of("alice")),
            priority: Some(number % 7),
            ..email("hello")
        };
        let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
        expected.push((-(number % 7), id));
    }
    expected.sort();
    let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
    assert_eq!(content(&mut server, media, drafts_of("alice")), expected);
    assert!(content(&mut server, media, drafts_of("bob")).is_empty());
    let alice = busy(&mut server, "alice");
    assert_eq!(pulled(server.ask(alice, from_drafts(3))), expected[..3]);
    let some = RequestPull {
        workbin: Some(drafts_of("alice")),
        view_id: String::new(),
        ..pull_ids(&[&expected[100]])
    };
    assert_eq!(pulled(server.ask(alice, Request::RequestPull(some))), expected[100..101]);
    let elsewhere = RequestPull {
        workbin: Some(drafts_of("bob")),
        view_id: String::new(),
        ..pull_ids(&[&expected[101]])
    };
    assert!(pulled(server.ask(alice, Request::RequestPull(elsewhere))).is_empty());

    // A restart, and a configuration with another order, find the same content.
    let mut server = server.restart(CONFIGURATION);
    let media = server.connect("mail server", ClientType::MediaServer);
    let mut rest = [&expected[3..100], &expected[101..]].concat();
    let mut found = content(&mut server, media, drafts_of("alice"));
    rest.sort();
    found.sort();
    assert_eq!(found, rest);
}

#[test]
fn a_client_follows_a_thousand_workbins_and_may_change_how() {
    let text = CONFIGURATION
        .replace("{name: drafts, owner: agent}", "{name: drafts, owner: agent}, {name: desk, owner: place}");
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    let at = |number: usize| WorkbinInfo {
        workbin_type_id: "desk".into(),
        workbin_place_id: number.to_string(),
        ..Default::default()
    };
    for number in 0..1000 {
        server.request_unchecked(media, subscribe(at(number), false));
    }
    assert_eq!(server.refused(media, subscribe(at(1000), false)), ErrorCode::LimitExceeded);
    server.ack(media, subscribe(at(7), true));
    let cancel = RequestWorkbinCancelNotifications { workbin: Some(at(7)) };
    server.ack(media, Request::RequestWorkbinCancelNotifications(cancel));
    server.ack(media, subscribe(at(1000), false));
}

#[test]
fn only_views_on_the_workbins_own_queue_route_it_and_what_they_took_returns_there() {
    let view = "  - {name: floating, queue: drafts/PrivateQueue, condition: \"_time_in_queue() >= 60\", strategy: rest}\nworkbins:";
    let mut server = Server::with(&CONFIGURATION.replace("workbins:", view));
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let request = RequestSubmit { queue: String::new(), workbin: Some(drafts_of("alice")), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    assert!(server.events(carol).is_empty());
    let before = server.reported.len();
    server.wait_seconds(60);
    let invitation = server.invitation(carol);
    assert_eq!(
        server.reported_since(before),
        ["EventTakenFromQueue", "EventTakenFromWorkbin", "EventPartyAdded", "EventAgentInvited"]
    );
    server.ack(carol, accept(&invitation));
    server.ack(carol, Request::RequestAgentLogout(RequestAgentLogout::default()));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.workbin, state.assigned_to.as_str()), (Some(drafts_of("alice")), ""));
}

#[test]
fn what_an_agent_submits_into_a_workbin_lies_there() {
    let mut server = Server::start();
    let alice = busy(&mut server, "alice");
    let request =
        RequestSubmit { queue: String::new(), workbin: Some(drafts_of("alice")), ..email("a draft") };
    let id = server.ack(alice, Request::RequestSubmit(request)).interaction_id;
    let state = server.state_of(alice, &id).unwrap();
    assert_eq!((state.interaction_state(), state.submitted_by.as_str()), (InteractionState::Queued, "alice"));
    assert_eq!(content(&mut server, alice, drafts_of("alice")), [id]);
}

#[test]
fn workbins_that_cannot_be_are_refused() {
    let text = CONFIGURATION.replace(
        "{name: drafts, owner: agent}",
        "{name: drafts, owner: agent}, {name: team, owner: agent-group}",
    );
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    let group = |name: &str| WorkbinInfo {
        workbin_type_id: "team".into(),
        workbin_group_id: name.into(),
        ..Default::default()
    };
    let cases = [
        (None, ErrorCode::MissingValue),
        (
            Some(WorkbinInfo { workbin_type_id: "none".into(), ..drafts_of("alice") }),
            ErrorCode::UnknownWorkbin,
        ),
        (
            Some(WorkbinInfo { workbin_agent_id: String::new(), ..drafts_of("alice") }),
            ErrorCode::MissingValue,
        ),
        (Some(drafts_of("nobody")), ErrorCode::UnknownAgent),
        (
            Some(WorkbinInfo { workbin_place_id: "desk".into(), ..drafts_of("alice") }),
            ErrorCode::InvalidValue,
        ),
        (Some(group("nobody")), ErrorCode::UnknownWorkbin),
    ];
    for (workbin, code) in cases {
        let place =
            RequestPlaceInWorkbin { interaction_id: id.clone(), workbin: workbin.clone(), reason: None };
        assert_eq!(server.refused(media, Request::RequestPlaceInWorkbin(place)), code, "{workbin:?}");
    }
    let place = RequestPlaceInWorkbin { interaction_id: id, workbin: Some(group("everybody")), reason: None };
    server.ack(media, Request::RequestPlaceInWorkbin(place));
    let both = RequestSubmit { workbin: Some(drafts_of("alice")), ..email("hello") };
    assert_eq!(server.refused(media, Request::RequestSubmit(both)), ErrorCode::InvalidValue);

    let info = server.ask(media, Request::RequestGetWorkbinTypesInfo(RequestGetWorkbinTypesInfo::default()));
    let Event::EventWorkbinTypesInfo(info) = info else { panic!() };
    let types: Vec<_> =
        info.workbin_types.iter().map(|info| (&*info.workbin_type_id, info.workbin_type())).collect();
    assert_eq!(types, [("drafts", WorkbinOwnerType::Agent), ("team", WorkbinOwnerType::AgentGroup)]);
    assert_eq!(info.workbin_types[0].queue, "drafts/PrivateQueue");
}

#[test]
fn the_full_state_counts_what_workbins_hold() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    for owner in ["alice", "alice", "bob"] {
        let id = server.submit(media, "hello");
        server.ack(media, place_in_drafts(&id, owner));
    }
    let reporting = server.connect("stat server", ClientType::ReportingEngine);
    let mut wanted = KeyValueList::new();
    wanted.push_text("Workbins", "");
    let mut tenants = KeyValueList::new();
    tenants.push_list("1", &wanted);
    let request =
        RequestStartPlaceAgentStateReportingAll { tenant_list: Some(tenants), ..Default::default() };
    server.ack(reporting, Request::RequestStartPlaceAgentStateReportingAll(request));
    let last = server.reported.last().unwrap().0;
    let counts: Vec<_> = server
        .events(reporting)
        .into_iter()
        .filter_map(|event| match event {
            Event::EventReportingState(state) => Some(state.workbins),
            _ => None,
        })
        .flatten()
        .map(|count| {
            (count.workbin.unwrap().workbin_agent_id, count.number_of_interactions, count.last_event_number)
        })
        .collect();
    assert_eq!(counts, [("alice".into(), 2, last), ("bob".into(), 1, last)]);
}

#[test]
fn a_large_workbin_waits_until_what_was_sent_has_been_read() {
    let mut server = Server::start();
    server.clients_read = false;
    let media = server.connect("mail server", ClientType::MediaServer);
    for _ in 0..1000 {
        let request =
            RequestSubmit { queue: String::new(), workbin: Some(drafts_of("alice")), ..email("hello") };
        server.request_unchecked(media, Request::RequestSubmit(request));
    }
    let alice = server.log_in("alice");
    let get = RequestGetWorkbinContent { workbin: Some(drafts_of("alice")) };
    server.request(alice, Request::RequestGetWorkbinContent(get), "");
    let pages =
        |events: &[Event]| events.iter().filter(|e| matches!(e, Event::EventWorkbinContent(_))).count();
    let first = pages(&server.events(alice));
    assert!(first < 10, "{first} pages of 10 although nothing was read");
    server.clients_read = true;
    server.step(ixn_engine::Input::Drained(alice));
    assert_eq!(first + pages(&server.events(alice)), 10, "1000 rows, 100 a page");
}
