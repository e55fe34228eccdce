//! What the numbers are, and that the manual tells of all of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ixn_client::proto::{MediaState, RequestAgentLogin};
use ixn_client::{ClientEvent, ClientType, Event, ReportingOptions, RequestOptions, WhenRefusedForNow};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::postgres::Postgres;
use ixn_tests::scrape::Scrape;
use ixn_tests::wait;

use crate::{CONFIGURATION, interaction};

/// The same without one queue and its view.
const SMALLER: &str = "
media-types: [{name: email}, {name: chat}]
agents: [{id: alice}]
strategies: [{name: general, max-submitted: 10, steps: [{targets: [{agent: alice}]}]}]
queues: [{name: inbox}]
views: [{name: all, queue: inbox, strategy: general}]
";

/// What the page tells of although it has no series yet: there are no event loggers.
const WITHOUT_SERIES: [&str; 5] = [
    "ixn_health_info_event_logger_current_queue_size",
    "ixn_health_info_event_logger_total_events_commited",
    "ixn_health_info_event_logger_total_events_discarded_due_to_overflow",
    "ixn_health_info_event_logger_total_events_filtered_out_by_id",
    "ixn_health_info_event_logger_total_events_received",
];

#[tokio::test]
async fn the_page_of_metrics_tells_of_all_that_are_there_and_of_no_others() {
    let server = IxnServer::command().args(&["--tenant-sid=0089"]).configuration(CONFIGURATION).start().await;
    // The series of requests begin with the first.
    let _client = server.client("mail server", ClientType::MediaServer).await;
    server
        .shows(&[("health_info_current_views", Some(2.0)), ("health_info_current_clients", Some(1.0))])
        .await;
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md")).unwrap();
    // Every second piece stands between backticks; a name may be followed by labels or a comparison.
    let quoted = page.split('`').skip(1).step_by(2).filter(|text| text.starts_with("ixn_"));
    let names = quoted.map(|text| text.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap());
    let told: BTreeSet<&str> = names.filter(|name| !name.ends_with('_')).collect();
    let scrape = server.scrape().await;
    let own = scrape.names().filter(|name| name.starts_with("ixn_"));
    let there: BTreeSet<&str> = own.chain(WITHOUT_SERIES).collect();
    assert_eq!(told, there);
    for line in scrape.0.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.contains("tenant=\"0089\""), "{line}");
    }
}

#[tokio::test]
async fn metrics_tell_what_the_clients_did() {
    let server = IxnServer::command().args(&["--tenant-sid=0089"]).configuration(CONFIGURATION).start().await;
    server.answers("/health/startup", 200).await;
    server.answers("/health/ready", 200).await;
    server.answers("/health/live", 200).await;
    server
        .shows(&[
            ("health_info_run_mode", Some(0.0)),
            ("health_info_config_server_connected", Some(1.0)),
            ("health_info_db_init_in_progress", Some(0.0)),
            ("health_info_current_views", Some(2.0)),
            ("health_info_current_strategies", Some(1.0)),
            ("health_info_client_count{client_type_name=\"Proxy\"}", Some(0.0)),
            ("health_info_view_have_interactions{view_name=\"all\"}", Some(0.0)),
            ("health_info_view_frozen{view_name=\"all\"}", Some(0.0)),
            ("health_info_router_max_submitted{router_name=\"built-in\"}", Some(10.0)),
            (
                "health_info_router_strategy_last_submitted_at{router_name=\"built-in\",strategy_name=\"general\"}",
                Some(0.0),
            ),
            ("health_info_agent_media_count{media_name=\"chat\"}", Some(0.0)),
            (
                "health_info_queue_media_current_length{queue_name=\"manual\",media_name=\"chat\"}",
                Some(0.0),
            ),
            ("health_info_current_loggers", Some(0.0)),
        ])
        .await;
    let scrape = server.scrape().await;
    let began = scrape.value("health_info_db_init_start_time").unwrap();
    assert!(began > 1.7e9 && scrape.value("health_info_db_init_end_time").unwrap() >= began);
    assert!(scrape.value("health_info_switch_to_primary_time").unwrap() >= began);

    let media = server.client("mail server", ClientType::MediaServer).await;
    let statistics = server.client("statistics", ClientType::ReportingEngine).await;
    let _reporting = statistics.reporting(ReportingOptions::default()).await.unwrap();
    for _ in 0..3 {
        media.submit(interaction("inbox", "email")).await.unwrap();
    }
    let by_hand = media.submit(interaction("manual", "chat")).await.unwrap().interaction_id;

    let desktop = server.client("alice's desktop", ClientType::AgentApplication).await;
    let mut events = desktop.events();
    let media_list = vec![MediaState { media_type_name: "email".into(), ready: true, reason: None }];
    let login = RequestAgentLogin { agent_id: "alice".into(), media_list, ..Default::default() };
    desktop.agent_login(login).await.unwrap();
    let invite = loop {
        if let Some(ClientEvent::Event(envelope)) = events.next().await
            && let Some(Event::EventInvite(invite)) = envelope.event
        {
            break invite;
        }
    };
    let invited = invite.interaction.unwrap().interaction_id;
    desktop.accept(invite.ticket_id, &invited).await.unwrap();

    server
        .shows(&[
            ("health_info_current_clients", Some(3.0)),
            ("health_info_current_routers", Some(0.0)),
            ("health_info_client_count{client_type_name=\"Media server\"}", Some(1.0)),
            ("health_info_client_count{client_type_name=\"Agent application\"}", Some(1.0)),
            ("health_info_client_count{client_type_name=\"Reporting engine\"}", Some(1.0)),
            (
                "health_info_client_protocol_request_total\
                 {client_type_name=\"Media server\",protocol_request_name=\"RequestSubmit\"}",
                Some(4.0),
            ),
            (
                "health_info_client_protocol_request_total\
                 {client_type_name=\"Agent application\",protocol_request_name=\"RequestAgentLogin\"}",
                Some(1.0),
            ),
            // Three registrations, four submits, one subscription, one login, one accept.
            ("health_info_total_requests_received", Some(10.0)),
            ("health_info_total_requests_handled", Some(10.0)),
            ("health_info_current_request_queue_size", Some(0.0)),
            ("health_info_view_have_interactions{view_name=\"all\"}", Some(0.0)),
            ("health_info_view_have_interactions{view_name=\"by-hand\"}", Some(1.0)),
            ("health_info_router_total_submitted{router_name=\"built-in\"}", Some(3.0)),
            ("health_info_router_currently_submitted{router_name=\"built-in\"}", Some(2.0)),
            ("health_info_router_current_capacity{router_name=\"built-in\"}", Some(8.0)),
            (
                "health_info_router_strategy_load_count{router_name=\"built-in\",strategy_name=\"general\"}",
                Some(1.0),
            ),
            (
                "health_info_router_strategy_total_submitted{router_name=\"built-in\",strategy_name=\"general\"}",
                Some(3.0),
            ),
            ("health_info_current_database_requests", Some(0.0)),
            ("health_info_total_database_deadlocks", Some(0.0)),
            ("health_info_agent_logged_in_count", Some(1.0)),
            ("health_info_agent_media_count{media_name=\"email\"}", Some(1.0)),
            ("health_info_agent_media_ready_count{media_name=\"email\"}", Some(1.0)),
            ("health_info_agent_media_handling_count{media_name=\"email\"}", Some(1.0)),
            ("health_info_agent_media_handling_count{media_name=\"chat\"}", Some(0.0)),
            ("health_info_queue_media_waiting_processing{queue_name=\"inbox\",media_name=\"email\"}", Some(0.0)),
            ("health_info_queue_media_in_processing{queue_name=\"inbox\",media_name=\"email\"}", Some(3.0)),
            ("health_info_queue_media_in_router{queue_name=\"inbox\",media_name=\"email\"}", Some(2.0)),
            ("health_info_queue_media_on_agent{queue_name=\"inbox\",media_name=\"email\"}", Some(1.0)),
            ("health_info_queue_media_current_length{queue_name=\"inbox\",media_name=\"email\"}", Some(2.0)),
            ("health_info_queue_media_waiting_processing{queue_name=\"manual\",media_name=\"chat\"}", Some(1.0)),
            ("server_subscribers", Some(1.0)),
            ("server_subscriber_lag_events", Some(0.0)),
            ("server_requests_refused_total", Some(0.0)),
            ("server_outbound_waiting_bytes", Some(0.0)),
            // The four submits and the accept; a login belongs to its session.
            ("server_idempotency_keys", Some(5.0)),
            ("server_idempotency_reach_seconds", Some(86_400.0)),
        ])
        .await;
    let scrape = server.scrape().await;
    for series in [
        "health_info_total_database_requests",
        "health_info_current_database_connections",
        "server_commit_duration_seconds_count",
        "server_committed_rows_total",
        "server_log_bytes",
        "server_content_cache_bytes",
    ] {
        assert!(scrape.value(series).unwrap() > 0.0, "{series}");
    }
    let tasks = |scrape: &Scrape| {
        ["health_info_total_tasks", "health_info_current_tasks"].map(|series| scrape.value(series).unwrap())
    };
    let [started, running] = tasks(&scrape);
    assert!(started >= running && running > 0.0, "{started} started, {running} running");
    let newest_event =
        server.client("observer", ClientType::MediaServer).await.registration().last_event_number;
    assert_eq!(scrape.value("server_committed_events_total"), Some(newest_event as f64));

    // A queue that is gone is shown until the last interaction has left it.
    server.configure(SMALLER);
    let gone = "health_info_view_have_interactions{view_name=\"by-hand\"}";
    let waiting = "health_info_queue_media_waiting_processing{queue_name=\"manual\",media_name=\"chat\"}";
    server.shows(&[(gone, None), (waiting, Some(1.0)), ("health_info_current_views", Some(1.0))]).await;
    media.stop(&by_hand).await.unwrap();
    desktop.close().await;
    statistics.close().await;
    server
        .shows(&[
            (waiting, None),
            ("health_info_client_count{client_type_name=\"Agent application\"}", Some(0.0)),
            ("health_info_queue_media_in_processing{queue_name=\"inbox\",media_name=\"email\"}", Some(3.0)),
            ("server_subscribers", Some(0.0)),
        ])
        .await;
    // The observer's stream has begun and ended since; those of the two others and a subscription have ended.
    wait::until(LIMIT, "the tasks of those who left to end", async || {
        let [now_started, now_running] = tasks(&server.scrape().await);
        if now_started > started && now_running < running {
            return Ok(());
        }
        Err(format!("{started} started, {running} running; now {now_started} and {now_running}"))
    })
    .await;
}

#[tokio::test]
async fn a_server_without_its_database_is_alive_but_not_ready() {
    let mut postgres = Postgres::start().await;
    let server =
        IxnServer::command().database(Some(&postgres.url())).configuration(CONFIGURATION).start().await;
    let media = server.client("mail server", ClientType::MediaServer).await;
    media.submit(interaction("inbox", "email")).await.unwrap();
    server.answers("/health/ready", 200).await;
    wait::until(LIMIT, "the connections to be counted", async || {
        let connections = server.scrape().await.value("health_info_current_database_connections");
        // Of the writer, of the lock, of upkeep, and at least one of readers.
        if connections >= Some(4.0) { Ok(()) } else { Err(format!("{connections:?}")) }
    })
    .await;

    postgres.kill().await;
    server.shows(&[("health_info_current_database_requests", Some(1.0))]).await;
    let fail = RequestOptions { when_refused_for_now: WhenRefusedForNow::Fail, ..Default::default() };
    let refused = media.with(fail).submit(interaction("inbox", "email")).await.unwrap_err();
    assert!(refused.to_string().contains("database"), "{refused}");
    let reason = server.answers("/health/ready", 503).await;
    assert!(reason.contains("commits"), "{reason}");
    server.answers("/health/live", 200).await;
    server.answers("/health/startup", 200).await;
    server
        .shows(&[
            ("server_requests_refused_total", Some(1.0)),
            ("health_info_current_database_connections", Some(0.0)),
            ("health_info_current_request_queue_size", Some(0.0)),
            ("health_info_total_requests_received", Some(3.0)),
            ("health_info_total_requests_handled", Some(3.0)),
        ])
        .await;

    postgres.restart().await;
    server.answers("/health/ready", 200).await;
    media.submit(interaction("inbox", "email")).await.unwrap();
    server
        .shows(&[
            ("health_info_current_database_requests", Some(0.0)),
            ("health_info_queue_media_in_router{queue_name=\"inbox\",media_name=\"email\"}", Some(2.0)),
        ])
        .await;
}
