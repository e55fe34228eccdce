//! The metrics of `ixn-server` against the list of names that dashboards and alerts use.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ixn_telemetry::{MetricKind, SERVER_METRICS, ServerMetrics, Subject, registry};
use prometheus::TextEncoder;

/// Name, type, own labels.
const REFERENCE: &str = "\
ixn_health_info_config_server_connected gauge
ixn_health_info_run_mode gauge
ixn_health_info_switch_to_primary_time gauge
ixn_health_info_current_clients gauge
ixn_health_info_current_routers gauge
ixn_health_info_client_count gauge client_type_name
ixn_health_info_client_protocol_request_total counter client_type_name protocol_request_name
ixn_health_info_current_request_queue_size gauge
ixn_health_info_current_request_queue_wait gauge
ixn_health_info_total_requests_received counter
ixn_health_info_total_requests_handled counter
ixn_health_info_current_strategies gauge
ixn_health_info_current_views gauge
ixn_health_info_view_have_interactions gauge view_name
ixn_health_info_view_frozen gauge view_name
ixn_health_info_router_total_submitted counter router_name
ixn_health_info_router_currently_submitted gauge router_name
ixn_health_info_router_current_capacity gauge router_name
ixn_health_info_router_max_submitted gauge router_name
ixn_health_info_router_strategy_load_count gauge router_name strategy_name
ixn_health_info_router_strategy_total_submitted counter router_name strategy_name
ixn_health_info_router_strategy_currently_submitted gauge router_name strategy_name
ixn_health_info_router_strategy_current_capacity gauge router_name strategy_name
ixn_health_info_router_strategy_last_submitted_at gauge router_name strategy_name
ixn_health_info_current_database_connections gauge
ixn_health_info_current_database_requests gauge
ixn_health_info_total_database_requests counter
ixn_health_info_total_database_deadlocks counter
ixn_health_info_db_init_start_time gauge
ixn_health_info_db_init_end_time gauge
ixn_health_info_db_init_in_progress gauge
ixn_health_info_current_tasks gauge
ixn_health_info_total_tasks counter
ixn_health_info_current_loggers gauge
ixn_health_info_total_loggers_events_received counter
ixn_health_info_total_loggers_events_commited counter
ixn_health_info_total_loggers_events_discarded_due_to_overflow counter
ixn_health_info_event_logger_total_events_received counter event_logger_name
ixn_health_info_event_logger_total_events_commited counter event_logger_name
ixn_health_info_event_logger_total_events_filtered_out_by_id counter event_logger_name
ixn_health_info_event_logger_total_events_discarded_due_to_overflow counter event_logger_name
ixn_health_info_event_logger_current_queue_size gauge event_logger_name
ixn_health_info_agent_logged_in_count gauge
ixn_health_info_agent_media_count gauge media_name
ixn_health_info_agent_media_ready_count gauge media_name
ixn_health_info_agent_media_handling_count gauge media_name
ixn_health_info_queue_media_waiting_processing gauge queue_name media_name
ixn_health_info_queue_media_in_processing gauge queue_name media_name
ixn_health_info_queue_media_in_router gauge queue_name media_name
ixn_health_info_queue_media_on_agent gauge queue_name media_name
ixn_health_info_queue_media_current_length gauge queue_name media_name";

const SUBJECTS: [Subject<'static>; 8] = [
    Subject::ClientType("Proxy"),
    Subject::Request { client_type: "Proxy", request: "RequestSubmit" },
    Subject::View("urgent"),
    Subject::Router("built-in"),
    Subject::Strategy { router: "built-in", strategy: "by-skill" },
    Subject::EventLogger("kafka"),
    Subject::Media("email"),
    Subject::QueueMedia { queue: "inbox", media: "email" },
];

fn exposition(metrics: &ServerMetrics) -> String {
    let registry = registry("0089", "1.2.3").unwrap();
    metrics.register(&registry, |_| ()).unwrap();
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
}

#[test]
fn the_table_is_the_reference() {
    let row = |kind| if kind == MetricKind::Counter { "counter" } else { "gauge" };
    let table: Vec<String> = SERVER_METRICS
        .iter()
        .map(|spec| [&[spec.name, row(spec.kind)], spec.labels].concat().join(" "))
        .collect();
    assert_eq!(table, REFERENCE.lines().collect::<Vec<_>>());
    assert_eq!(table.len(), 51);
}

#[test]
fn what_is_scraped_is_the_reference() {
    let metrics = ServerMetrics::new().unwrap();
    SUBJECTS.into_iter().for_each(|subject| metrics.declare(subject));
    let text = exposition(&metrics);
    let types: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ixn_health_info_"))
        .map(|row| format!("ixn_health_info_{row}"))
        .collect();
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    assert_eq!(types, REFERENCE.lines().map(words).collect());
    let strategy = "ixn_health_info_router_strategy_total_submitted\
                    {router_name=\"built-in\",strategy_name=\"by-skill\",tenant=\"0089\"} 0\n";
    assert!(text.contains(strategy), "{text}");
}

#[test]
fn what_can_be_known_at_the_start_is_there_at_zero() {
    let text = exposition(&ServerMetrics::new().unwrap());
    for line in REFERENCE.lines().filter(|line| line.split(' ').count() == 2) {
        let name = line.split(' ').next().unwrap();
        assert!(text.contains(&format!("\n{name}{{tenant=\"0089\"}} 0\n")), "{name} is missing in\n{text}");
    }
    for client_type in ["Proxy", "Media server", "Agent application", "Reporting engine", "Routing engine"] {
        let labels = format!("client_type_name=\"{client_type}\",tenant=\"0089\"");
        assert!(text.contains(&format!("ixn_health_info_client_count{{{labels}}} 0\n")), "{text}");
    }
}

#[test]
fn a_subject_that_is_gone_leaves_no_series() {
    let metrics = ServerMetrics::new().unwrap();
    SUBJECTS.into_iter().for_each(|subject| metrics.declare(subject));
    metrics.declare(Subject::View("other"));
    SUBJECTS.into_iter().for_each(|subject| metrics.forget(subject));
    metrics.forget(Subject::View("never there"));
    let text = exposition(&metrics);
    for gone in
        ["\"urgent\"", "\"built-in\"", "\"by-skill\"", "\"kafka\"", "\"email\"", "\"inbox\"", "\"Proxy\""]
    {
        assert!(!text.contains(gone), "{gone} is still in\n{text}");
    }
    assert!(text.contains("view_frozen{view_name=\"other\",tenant=\"0089\"} 0"), "{text}");
}

#[test]
fn values_read_when_scraped() {
    let registry = registry("0089", "1.2.3").unwrap();
    let metrics = ServerMetrics::new().unwrap();
    metrics.register(&registry, |metrics| metrics.current_request_queue_wait.set(0.25)).unwrap();
    let text = TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(text.contains("ixn_health_info_current_request_queue_wait{tenant=\"0089\"} 0.25\n"), "{text}");
}
