//! A configuration that changes while the server runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::*;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::time::Milliseconds;
use ixn_engine::{Input, Slices};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

/// Puts the configuration into force, changed in one place.
fn change(server: &mut Server, from: &str, to: &str) {
    assert!(CONFIGURATION.contains(from));
    server.configure(&CONFIGURATION.replace(from, to));
}

#[test]
fn a_view_whose_condition_changes_shows_what_was_there_already() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    let place = RequestSubmit { queue: "archive".into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(place)).interaction_id;
    assert!(server.events(alice).is_empty());
    change(&mut server, "workbins:", "  - {name: late, queue: archive, strategy: rest}\nworkbins:");
    assert_eq!(server.invitation(alice).interaction.unwrap().interaction_id, id);
}

#[test]
fn a_changed_condition_lets_go_of_what_it_selects_no_more_and_a_view_that_is_off_shows_nothing() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let to_archive =
        |priority| RequestSubmit { queue: "archive".into(), priority: Some(priority), ..email("hello") };
    for priority in [1, 5, 9] {
        server.ack(media, Request::RequestSubmit(to_archive(priority)));
    }
    let mut shown = |view: &str| {
        let text = CONFIGURATION
            .replace("workbins:", &format!("  - {{name: by-hand, queue: archive{view}}}\nworkbins:"));
        server.configure(&text);
        let answer = server.inspect(InspectionRequest::Views(PageRequest::default()));
        let InspectionResponse::Views(list) = answer else { panic!("{answer:?}") };
        list.views.iter().find(|view| view.view_name == "by-hand").map(|view| view.have_interactions)
    };
    assert_eq!(shown(""), Some(3));
    assert_eq!(shown(", condition: Priority > 3"), Some(2));
    assert_eq!(shown(", condition: Priority > 8, order: Priority desc"), Some(1));
    assert_eq!(shown(", enabled: false"), Some(0));
    assert_eq!(shown(", condition: Priority < 8"), Some(2));
}

#[test]
fn a_strategy_that_goes_while_it_offers_gives_back_what_it_has() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let carol = server.log_in("carol");
    let offered = server.submit(media, "hello");
    let waiting = server.submit(media, "hello again");
    let offer = server.invitation(carol);
    let from = CONFIGURATION.find("  - name: rest").unwrap();
    let to = CONFIGURATION.find("views:").unwrap();
    let mut without = CONFIGURATION.replace(&CONFIGURATION[from..to], "");
    without = without.replace(", strategy: rest}", "}");
    server.configure(&without);
    // An open offer is kept; what waits goes back at once.
    assert_eq!(server.state_of(media, &waiting).unwrap().workflow_state, "Queued");
    server.ack(carol, reject(&offer));
    assert_eq!(server.state_of(media, &offered).unwrap().workflow_state, "Queued");
}

#[test]
fn a_second_change_before_the_first_is_done_leaves_what_the_second_says() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let ids: Vec<String> = (0..20).map(|n| server.submit(media, &format!("invoice {n}"))).collect();
    for name in ["bob", "carol"] {
        server.log_in(name);
    }
    let first = CONFIGURATION.replace("'%invoice%'", "'%nothing%'").replace("Billing >= 3", "Billing >= 1");
    let second = CONFIGURATION.replace("  - {id: bob, skills: {Billing: 1}}\n", "").replace("bob, ", "");
    begin_change(&mut server, &first);
    server.engine.step(Milliseconds(server.now), Input::Tick);
    begin_change(&mut server, &second);
    while server.engine.has_more_work() {
        server.engine.step(Milliseconds(server.now), Input::Tick);
    }
    // Looks at everything.
    server.step(Input::Tick);
    assert_eq!(server.database.agents.keys().collect::<Vec<_>>(), ["carol"]);
    for id in ids {
        assert_eq!(server.state_of(media, &id).unwrap().workflow_state, "Routing");
    }
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
    server.configure(&without);
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
    assert!(server.engine.retired_queues().is_empty());
    change(&mut server, "{name: archive}, ", "");
    assert_eq!(server.engine.retired_queues(), [("archive".into(), 1)].into());
    assert_eq!(server.refused(media, Request::RequestSubmit(place("archive"))), ErrorCode::QueueRetired);
    assert_eq!(server.state_of(media, &id).unwrap().queue, "archive");
    let move_it =
        RequestPlaceInQueue { interaction_id: id.clone(), queue: "done".into(), ..Default::default() };
    server.ack(media, Request::RequestPlaceInQueue(move_it));
    assert_eq!(server.state_of(media, &id).unwrap().queue, "done");
    assert!(server.engine.retired_queues().is_empty(), "an empty queue that is not configured is no more");
}

#[test]
fn a_deleted_media_type_is_retired_while_interactions_have_it() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let chat = RequestSubmit { media_type: "chat".into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(chat.clone())).interaction_id;
    assert!(server.engine.retired_media_types().is_empty());
    let without =
        CONFIGURATION.replace(", {name: chat, handling-timeout: 5min}", "").replace(", chat: 1", "");
    server.configure(&without);
    assert_eq!(server.engine.retired_media_types(), [("chat".into(), 1)].into());
    assert_eq!(server.refused(media, Request::RequestSubmit(chat)), ErrorCode::UnknownMediaType);
    assert!(server.state_of(media, &id).is_some(), "it goes on");
}

#[test]
fn a_new_target_is_asked_at_once() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let bob = server.log_in("bob");
    let id = server.submit(media, "my invoice");
    assert!(server.events(bob).is_empty());
    change(&mut server, "Billing >= 3", "Billing >= 1");
    assert_eq!(server.invitation(bob).interaction.unwrap().interaction_id, id);
}

/// Puts a configuration into force without doing what it leaves to do.
fn begin_change(server: &mut Server, text: &str) {
    server.engine.set_slices(Slices::of(1));
    let compiled = server.engine.compiler().compile(&configuration(text)).unwrap();
    server.engine.step(Milliseconds(server.now), Input::Configured(Box::new(compiled)));
}

#[test]
fn what_happens_while_a_configuration_comes_into_force_is_offered_to_one_agent_only() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "an invoice");
    for name in ["bob", "carol"] {
        server.log_in(name);
    }
    begin_change(&mut server, &CONFIGURATION.replace("{id: carol}", "{id: carol, skills: {Billing: 1}}"));
    // The step relaxes before its turn has come; now it reaches both.
    server.now += 10_000;
    let now = Milliseconds(server.now);
    server.engine.step(now, Input::Drained(media));
    while server.engine.has_more_work() {
        server.engine.step(now, Input::Tick);
    }
    let before = server.reported.len();
    server.step(Input::Tick);
    let invited = server.reported_since(before);
    assert_eq!(invited.iter().filter(|name| *name == "EventAgentInvited").count(), 1, "{invited:?}");
    assert_eq!(server.state_of(media, &id).unwrap().workflow_state, "Delivering");
}

#[test]
fn who_becomes_a_target_gets_the_most_urgent_over_all_strategies() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "an invoice");
    let hello = RequestSubmit { priority: Some(9), ..email("hello") };
    let urgent = server.ack(media, Request::RequestSubmit(hello)).interaction_id;
    let text = CONFIGURATION
        .replace("{id: carol}", "{id: carol}\n  - {id: dave, skills: {Billing: 9}}")
        .replace("[alice, bob, carol]", "[alice, bob, carol, dave]");
    let without = text.replace("Billing: 9", "Billing: 0").replace(", dave]", "]");
    server.configure(&without);
    let dave = server.log_in("dave");
    assert!(server.events(dave).is_empty(), "no strategy targets him yet");
    begin_change(&mut server, &text);
    while server.engine.has_more_work() {
        server.engine.step(Milliseconds(server.now), Input::Tick);
    }
    server.step(Input::Tick);
    assert_eq!(server.invitation(dave).interaction.unwrap().interaction_id, urgent);
}

#[test]
fn many_interactions_and_agents_go_over_to_a_new_configuration_in_small_steps() {
    let people = |count: usize, skill: &str| {
        let agents: String =
            (0..count).map(|n| format!("  - {{id: a{n}, skills: {{Billing: {skill}}}}}\n")).collect();
        CONFIGURATION.replace("  - {id: carol}\n", &format!("  - {{id: carol}}\n{agents}"))
    };
    let mut server = Server::with(&people(80, "1"));
    let media = server.connect("mail server", ClientType::MediaServer);
    for n in 0..300 {
        let subject = if n % 2 == 0 { "hello" } else { "an invoice" };
        server.request_unchecked(media, Request::RequestSubmit(email(subject)));
    }
    for n in 0..80 {
        let proxy = server.connect(&format!("desktop {n}"), ClientType::AgentApplication);
        server.request_unchecked(proxy, login(&format!("a{n}")));
    }
    server.events(media);
    // Half of them are gone, the others have learnt, the views are defined anew.
    let text = people(40, "5").replace("'%invoice%'", "'%voice%'");
    let compiled = server.engine.compiler().compile(&configuration(&text)).unwrap();
    let now = Milliseconds(server.now);
    server.engine.step(now, Input::Configured(Box::new(compiled)));
    let mut steps = 0;
    while server.engine.has_more_work() {
        server.engine.step(now, Input::Tick);
        steps += 1;
    }
    assert!(steps > 3, "{steps} steps");
    // Looks at everything, and commits.
    server.step(Input::Tick);
    assert_eq!(server.database.agents.len(), 40);
}

#[test]
fn a_workbin_that_is_ordered_anew_is_told_when_it_is_whole_again() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let ids: Vec<String> = (0..250).map(|n| server.submit(media, &format!("hello {n}"))).collect();
    for id in &ids {
        server.ack(media, place_in_drafts(id, "carol"));
    }
    let content = || {
        let workbin = Some(drafts_of("carol"));
        Request::RequestGetWorkbinContent(RequestGetWorkbinContent { workbin })
    };
    let pages = |server: &mut Server, client| -> Vec<Event> {
        let events = server.events(client).into_iter();
        events.filter(|event| matches!(event, Event::EventWorkbinContent(_) | Event::EventError(_))).collect()
    };
    let ordered =
        |order: &str| CONFIGURATION.replace("owner: agent}", &format!("owner: agent, order: {order}}}"));

    begin_change(&mut server, &ordered("Priority desc"));
    server.request_unchecked(media, content());
    let got: usize = pages(&mut server, media)
        .iter()
        .map(|page| match page {
            Event::EventWorkbinContent(page) => page.interactions.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(got, 250, "not the part that was there at first");

    // Ordered anew behind its first page.
    let envelope = ClientEnvelope { reference_id: 900, request: Some(content()), ..Default::default() };
    let now = Milliseconds(server.now);
    server.engine.step(now, Input::Request(media.connection, Box::new(envelope)));
    begin_change(&mut server, &ordered("PlaceInQueueSeq desc"));
    server.step(Input::Tick);
    let last = pages(&mut server, media).pop();
    assert!(matches!(last, Some(Event::EventError(error)) if error.error_code() == ErrorCode::WrongState));
}
