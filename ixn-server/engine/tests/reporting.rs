//! Reporting subscriptions: the full state, chosen agents and places, resuming.

#![allow(clippy::panic, reason = "a test may fail")]

mod fixture;

use fixture::*;
use ixn_engine::Input;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

#[test]
fn reporting_without_tenants_is_without_workbins_and_ends_once() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let id = server.submit(media, "hello");
    server.ack(media, place_in_drafts(&id, "alice"));
    let reporting = server.connect("stat server", ClientType::ReportingEngine);
    let start = RequestStartPlaceAgentStateReportingAll { with_interactions: true, ..Default::default() };
    server.ack(reporting, Request::RequestStartPlaceAgentStateReportingAll(start));
    let states: Vec<_> = server
        .events(reporting)
        .into_iter()
        .filter_map(|event| match event {
            Event::EventReportingState(state) => Some((state.workbins.len(), state.interactions.len())),
            _ => None,
        })
        .collect();
    assert_eq!(states, [(0, 1)]);
    let stop =
        || Request::RequestStopPlaceAgentStateReportingAll(RequestStopPlaceAgentStateReportingAll::default());
    let mut tenant = KeyValueList::new();
    tenant.push_text("7", "");
    let elsewhere = RequestStopPlaceAgentStateReportingAll { tenant_list: Some(tenant) };
    let elsewhere = Request::RequestStopPlaceAgentStateReportingAll(elsewhere);
    assert_eq!(server.refused(reporting, elsewhere), ErrorCode::UnknownTenant);
    server.ack(reporting, stop());
    assert_eq!(server.refused(reporting, stop()), ErrorCode::NotSubscribed);
}

#[test]
fn reporting_for_chosen_agents_adds_up_and_ends_one_by_one() {
    let mut server = Server::start();
    server.log_in("alice");
    server.log_in("bob");
    let statistics = server.connect("statistics", ClientType::ReportingEngine);
    let start = |agent: &str, place: &str| {
        let list = |name: &str| if name.is_empty() { vec![] } else { vec![name.to_owned()] };
        Request::RequestStartPlaceAgentStateReporting(RequestStartPlaceAgentStateReporting {
            agent_list: list(agent),
            place_list: list(place),
            ..Default::default()
        })
    };
    let stop = |agent: &str| {
        Request::RequestStopPlaceAgentStateReporting(RequestStopPlaceAgentStateReporting {
            agent_list: vec![agent.to_owned()],
            ..Default::default()
        })
    };
    let shown = |events: Vec<Event>| -> Vec<String> {
        let pages = events.into_iter().filter_map(|event| match event {
            Event::EventReportingState(state) => Some(state.agents),
            _ => None,
        });
        pages.flatten().filter_map(|row| Some(row.agent?.agent_id)).collect()
    };
    assert_eq!(server.refused(statistics, start("", "")), ErrorCode::MissingValue);
    assert_eq!(server.refused(statistics, stop("alice")), ErrorCode::NotSubscribed);
    server.ack(statistics, start("alice", ""));
    let events = server.events(statistics);
    assert_eq!(shown(events), ["alice"]);
    server.ack(statistics, start("", "bob's desk"));
    let events = server.events(statistics);
    assert_eq!(shown(events), ["alice", "bob"], "what was chosen before stays");
    let very_many = RequestStopPlaceAgentStateReporting {
        agent_list: vec!["alice".into(); 10_001],
        ..Default::default()
    };
    let very_many = Request::RequestStopPlaceAgentStateReporting(very_many);
    assert_eq!(server.refused(statistics, very_many), ErrorCode::LimitExceeded);
    server.ack(statistics, stop("alice"));
    let all = RequestStopPlaceAgentStateReporting::default();
    server.ack(statistics, Request::RequestStopPlaceAgentStateReporting(all.clone()));
    let refused = server.refused(statistics, Request::RequestStopPlaceAgentStateReporting(all));
    assert_eq!(refused, ErrorCode::NotSubscribed);
}

#[test]
fn who_resumes_after_a_number_that_was_never_given_out_gets_a_gap_and_the_state() {
    let mut server = Server::start();
    server.log_in("alice");
    let statistics = server.connect("statistics", ClientType::ReportingEngine);
    let resume =
        RequestStartPlaceAgentStateReportingAll { resume_after_event: Some(999), ..Default::default() };
    server.ack(statistics, Request::RequestStartPlaceAgentStateReportingAll(resume));
    let events = server.events(statistics);
    let Event::EventReportingGap(gap) = &events[0] else { panic!("{events:?}") };
    assert_eq!((gap.asked, gap.oldest_held), (999, server.reported.len() as u64 + 1));
    assert!(matches!(events.last(), Some(Event::EventReportingStateEnd(_))), "{events:?}");
}

#[test]
fn a_large_state_waits_until_what_was_sent_has_been_read() {
    let mut server = Server::start();
    server.clients_read = false;
    let media = server.connect("mail server", ClientType::MediaServer);
    for _ in 0..1000 {
        server
            .ack(media, Request::RequestSubmit(RequestSubmit { queue: "archive".into(), ..email("hello") }));
    }
    let statistics = server.connect("statistics", ClientType::ReportingEngine);
    let start = RequestStartPlaceAgentStateReportingAll { with_interactions: true, ..Default::default() };
    server.ack(statistics, Request::RequestStartPlaceAgentStateReportingAll(start));
    let pages =
        |events: &[Event]| events.iter().filter(|e| matches!(e, Event::EventReportingState(_))).count();
    let first = server.events(statistics);
    assert!(pages(&first) < 10 && !first.iter().any(|e| matches!(e, Event::EventReportingStateEnd(_))));
    server.clients_read = true;
    server.step(Input::Drained(statistics));
    let rest = server.events(statistics);
    assert_eq!(pages(&first) + pages(&rest), 10, "1000 rows, 100 a page");
    assert!(matches!(rest.last(), Some(Event::EventReportingStateEnd(_))));
}

#[test]
fn the_full_state_says_how_each_interaction_came_to_its_agent_also_after_a_restart() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let alice = server.log_in("alice");
    server.submit(alice, "hello");
    let archived = RequestSubmit { queue: "archive".into(), ..email("hello") };
    let archived = server.ack(media, Request::RequestSubmit(archived)).interaction_id;
    server.ask(alice, Request::RequestPull(pull_ids(&[&archived])));
    let bob = server.log_in("bob");
    server.submit(media, "hello");
    let offer = server.invitation(bob);
    let operations = |server: &mut Server| -> Vec<(bool, InteractionOperation)> {
        let statistics = server.connect("statistics", ClientType::ReportingEngine);
        let start = RequestStartPlaceAgentStateReportingAll::default();
        server.ack(statistics, Request::RequestStartPlaceAgentStateReportingAll(start));
        let pages = server.events(statistics).into_iter().filter_map(|event| match event {
            Event::EventReportingState(state) => Some(state.agents),
            _ => None,
        });
        let parties = pages.flatten().flat_map(|agent| agent.parties);
        parties.map(|party| (party.invited, party.operation())).collect()
    };
    use InteractionOperation as By;
    let handled = [(false, By::Submit), (false, By::Pull)];
    assert_eq!(operations(&mut server), [&handled[..], &[(true, By::Deliver)]].concat());
    server.ack(bob, accept(&offer));
    let mut server = server.restart(CONFIGURATION);
    assert_eq!(operations(&mut server), [&handled[..], &[(false, By::Deliver)]].concat());
}
