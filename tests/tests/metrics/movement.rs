//! Every metric is seen to change, or is named here with the reason why it cannot: one that is never set looks like one that
//! is well.

use std::collections::{BTreeMap, BTreeSet};

use ixn_client::ClientType;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientEnvelope, ErrorCode, KeyValueList, MediaState, RequestAccept, RequestAgentLogin, RequestHold,
    RequestResume, RequestStartPlaceAgentStateReportingAll, RequestSubmit,
};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::postgres::Postgres;
use ixn_tests::scrape::Scrape;
use ixn_tests::stream::{Stream, code, envelope, look, register};
use ixn_tests::wait;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{CONFIGURATION, interaction};

const LOGGERS: &str = "there are no event loggers yet";

/// What cannot change, and why.
const STILL: [(&str, &str); 9] = [
    ("ixn_build_info", "it is about the program"),
    (
        "ixn_health_info_config_server_connected",
        "the configuration comes from a file, there is no Config Server yet",
    ),
    ("ixn_health_info_current_loggers", LOGGERS),
    (
        "ixn_health_info_router_strategy_load_count",
        "the built-in router has every strategy loaded, there is no other yet",
    ),
    ("ixn_health_info_total_loggers_events_commited", LOGGERS),
    ("ixn_health_info_total_loggers_events_discarded_due_to_overflow", LOGGERS),
    ("ixn_health_info_total_loggers_events_received", LOGGERS),
    ("ixn_health_info_view_frozen", "views do not freeze yet"),
    ("ixn_server_idempotency_reach_seconds", "it takes a million keys"),
];

/// Which metrics of one process have been seen with two values.
#[derive(Default)]
struct Movement {
    first: BTreeMap<String, String>,
    names: BTreeSet<String>,
    moved: BTreeSet<String>,
}

impl Movement {
    fn look(&mut self, scrape: &Scrape) {
        self.names.extend(scrape.names().filter(|name| name.starts_with("ixn_")).map(str::to_owned));
        for (series, value) in scrape.0.lines().filter_map(|line| line.rsplit_once(' ')) {
            let before = self.first.entry(series.to_owned()).or_insert_with(|| value.to_owned());
            if before != value {
                let name = series.split('{').next().unwrap_or_default();
                // A histogram has several series.
                let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
                let base = base.filter(|base| self.names.contains(*base)).unwrap_or(name);
                self.moved.insert(base.to_owned());
            }
        }
    }

    /// Waits for these values, and looks.
    async fn sees(&mut self, server: &IxnServer, expected: &[(&str, f64)]) {
        let expected: Vec<_> = expected.iter().map(|(series, value)| (*series, Some(*value))).collect();
        server.shows(&expected).await;
        self.look(&server.scrape().await);
    }

    /// Waits until this series is above 0, and looks.
    async fn sees_some(&mut self, server: &IxnServer, series: &str) {
        wait::until(LIMIT, &format!("{series} above 0"), async || {
            let value = server.metric(series).await;
            if value > 0.0 { Ok(()) } else { Err(value) }
        })
        .await;
        self.look(&server.scrape().await);
    }
}

#[tokio::test]
async fn every_metric_changes_or_it_is_known_why_not() {
    let postgres = Postgres::start().await;
    let mut movement = Movement::default();
    let first = start(&postgres).spawn();
    first.answers("/health/ready", 200).await;

    let mut server =
        start(&postgres).args(&["--client-requests-in-flight=200", "--shutdown-timeout=8s"]).spawn();
    waiting_and_loading(&mut movement, &postgres, first, &mut server).await;
    let held = clients_and_their_work(&mut movement, &server).await;
    other_configurations(&mut movement, &server).await;
    let mut media = server.stream().await;
    media.register(ClientType::MediaServer).await;
    too_much(&mut movement, &server, &mut media).await;
    a_deadlock(&mut movement, &server, &postgres, &mut media, &held).await;
    a_halt_and_the_end(&mut movement, &mut server, &postgres, media).await;

    let still: BTreeSet<&str> =
        movement.names.iter().map(String::as_str).filter(|name| !movement.moved.contains(*name)).collect();
    let expected: BTreeSet<&str> = STILL.iter().map(|(name, _)| *name).collect();
    assert_eq!(still, expected, "left: what did not change");
}

fn start(postgres: &Postgres) -> ixn_tests::ixn_server::IxnServerCommand {
    IxnServer::command().database(Some(&postgres.url())).configuration(CONFIGURATION)
}

/// A second server, until it serves.
async fn waiting_and_loading(
    movement: &mut Movement,
    postgres: &Postgres,
    mut first: IxnServer,
    server: &mut IxnServer,
) {
    server.process.wait_for_line("another server holds the database", LIMIT).await;
    let why = server.answers("/health/ready", 503).await;
    assert!(why.contains("not yet the server of this database"), "{why}");
    server.answers("/health/live", 200).await;
    movement.sees(server, &[("health_info_run_mode", 1.0), ("health_info_db_init_in_progress", 0.0)]).await;

    let mut connection = postgres.connect().await;
    connection.execute("begin; lock table interactions in access exclusive mode").await.unwrap();
    first.process.kill();
    movement.sees(server, &[("health_info_db_init_in_progress", 1.0)]).await;
    let why = server.answers("/health/startup", 503).await;
    assert!(why.contains("rows are being loaded"), "{why}");
    server.answers("/health/ready", 503).await;
    connection.execute("rollback").await.unwrap();
    server.is_ready().await;
    server.answers("/health/ready", 200).await;
    // Of what the engine tells, a first number after none is no change; these are about the start.
    let of_the_start = ["db_init", "switch_to_primary", "database_connections"];
    movement.first.retain(|series, _| of_the_start.iter().any(|name| series.contains(name)));
    movement.sees(server, &[("health_info_run_mode", 0.0), ("health_info_current_views", 2.0)]).await;
}

fn submit(queue: &str, media_type: &str, reference_id: u64) -> ClientEnvelope {
    let mut user_data = KeyValueList::new();
    user_data.push_text("Subject", "something to keep");
    let request = RequestSubmit { user_data: Some(user_data), ..interaction(queue, media_type) };
    let submit = envelope(0, Request::RequestSubmit(request), reference_id);
    ClientEnvelope { idempotency_key: format!("submit {reference_id}"), ..submit }
}

async fn id_of(stream: &mut Stream, reference_id: u64) -> String {
    match stream.answer(reference_id).await {
        Event::EventAck(ack) => ack.interaction_id,
        other => panic!("{other:?}"),
    }
}

/// One of each kind; answers two interactions that nobody works on.
async fn clients_and_their_work(movement: &mut Movement, server: &IxnServer) -> [String; 2] {
    let mut streams = Vec::new();
    for client_type in
        [ClientType::Proxy, ClientType::RoutingEngine, ClientType::ReportingEngine, ClientType::MediaServer]
    {
        let mut stream = server.stream().await;
        stream.register(client_type).await;
        streams.push(stream);
    }
    let [mut proxy, router, mut reporting, mut media] = <[Stream; 4]>::try_from(streams).ok().unwrap();
    let everything = RequestStartPlaceAgentStateReportingAll::default();
    reporting.send(vec![envelope(0, Request::RequestStartPlaceAgentStateReportingAll(everything), 2)]).await;
    reporting.answer(2).await;
    proxy.send(vec![register(1, ClientType::AgentApplication, 2)]).await;
    proxy.answer(2).await;
    let clients = ["Proxy", "Routing engine", "Reporting engine", "Media server", "Agent application"];
    let clients = clients.map(|name| format!("health_info_client_count{{client_type_name=\"{name}\"}}"));
    let mut expected: Vec<_> = clients.iter().map(|series| (series.as_str(), 1.0)).collect();
    expected.extend([("health_info_current_routers", 1.0), ("server_subscribers", 1.0)]);
    movement.sees(server, &expected).await;

    media
        .send(vec![submit("inbox", "email", 10), submit("manual", "chat", 11), submit("manual", "chat", 12)])
        .await;
    let routed = id_of(&mut media, 10).await;
    let held = [id_of(&mut media, 11).await, id_of(&mut media, 12).await];
    movement
        .sees(
            server,
            &[
                ("health_info_view_have_interactions{view_name=\"by-hand\"}", 2.0),
                ("health_info_router_currently_submitted{router_name=\"built-in\"}", 1.0),
                ("health_info_router_current_capacity{router_name=\"built-in\"}", 9.0),
                ("health_info_router_strategy_current_capacity{router_name=\"built-in\",strategy_name=\"general\"}", 9.0),
                ("health_info_queue_media_current_length{queue_name=\"inbox\",media_name=\"email\"}", 1.0),
            ],
        )
        .await;
    movement.sees_some(server, "server_content_cache_bytes").await;
    let strategy = "{router_name=\"built-in\",strategy_name=\"general\"}";
    movement.sees_some(server, &format!("health_info_router_strategy_last_submitted_at{strategy}")).await;

    let media_list = vec![MediaState { media_type_name: "email".into(), ready: true, reason: None }];
    let login = RequestAgentLogin { agent_id: "alice".into(), media_list, ..Default::default() };
    proxy.send(vec![envelope(1, Request::RequestAgentLogin(login), 3)]).await;
    let ticket_id = loop {
        if let Some(Event::EventInvite(invite)) = proxy.next().await.unwrap().event {
            break invite.ticket_id;
        }
    };
    let accept = RequestAccept { ticket_id, interaction_id: routed };
    proxy.send(vec![envelope(1, Request::RequestAccept(accept), 4)]).await;
    proxy.answer(4).await;
    movement
        .sees(
            server,
            &[
                ("health_info_agent_media_ready_count{media_name=\"email\"}", 1.0),
                ("health_info_agent_media_handling_count{media_name=\"email\"}", 1.0),
                ("health_info_queue_media_on_agent{queue_name=\"inbox\",media_name=\"email\"}", 1.0),
            ],
        )
        .await;
    drop((proxy, router, reporting, media));
    movement.sees(server, &[("health_info_current_clients", 0.0), ("server_subscribers", 0.0)]).await;
    held
}

async fn other_configurations(movement: &mut Movement, server: &IxnServer) {
    server.configure("queues: [{name: inbox, colour: red}]\n");
    movement.sees(server, &[("configuration_valid", 0.0)]).await;
    let more = "strategies: [{name: special, max-submitted: 5, steps: [{targets: [{agent: alice}]}]}, {name";
    server.configure(
        &CONFIGURATION
            .replace("strategies: [{name", more)
            .replace("  - {name: by-hand, queue: manual}\n", ""),
    );
    movement
        .sees(
            server,
            &[
                ("configuration_valid", 1.0),
                ("health_info_current_strategies", 2.0),
                ("health_info_current_views", 1.0),
                ("health_info_router_max_submitted{router_name=\"built-in\"}", 15.0),
            ],
        )
        .await;
}

/// More requests than one client may have in flight, and a reader who does not read.
async fn too_much(movement: &mut Movement, server: &IxnServer, media: &mut Stream) {
    media.send((0..1_000).map(|number| look(0, 2_000 + number)).collect()).await;
    for number in 0..1_000 {
        media.answer(2_000 + number).await;
    }
    movement.sees_some(server, "server_requests_over_limit_total").await;

    let mut slow = server.stream().await;
    slow.register(ClientType::ReportingEngine).await;
    let everything = RequestStartPlaceAgentStateReportingAll::default();
    slow.send(vec![envelope(0, Request::RequestStartPlaceAgentStateReportingAll(everything), 2)]).await;
    slow.answer(2).await;
    // More than the network's buffers and the client's queue take.
    let mut user_data = KeyValueList::new();
    // What can be compressed still takes its room on the way.
    user_data.push_text("Text", &"x".repeat(900_000));
    for number in 0..30 {
        let large = RequestSubmit {
            user_data: Some(user_data.clone()),
            hold: true,
            ..interaction("manual", "email")
        };
        media.send(vec![envelope(0, Request::RequestSubmit(large), 4_000 + number)]).await;
        id_of(media, 4_000 + number).await;
    }
    movement.sees_some(server, "server_outbound_waiting_bytes").await;
    movement.sees_some(server, "server_subscriber_lag_events").await;
    movement.sees_some(server, "server_log_bytes").await;
}

/// The commit and another transaction want two rows, each the other's.
async fn a_deadlock(
    movement: &mut Movement,
    server: &IxnServer,
    postgres: &Postgres,
    media: &mut Stream,
    held: &[String; 2],
) {
    let mut other = postgres.connect().await;
    // Whoever looks for deadlocks is the one who is given up.
    other.execute("set deadlock_timeout = '1h'; begin").await.unwrap();
    let keys: Vec<i64> = sqlx::query_scalar("select key from interactions order by key offset 1 limit 2")
        .fetch_all(&mut other)
        .await
        .unwrap();
    // A commit takes the lower key first.
    let lock = "select from interactions where key = $1 for update";
    sqlx::query(lock).bind(keys[1]).execute(&mut other).await.unwrap();
    let hold = |id: &String, number| {
        let hold = RequestHold { interaction_id: id.clone(), ..Default::default() };
        envelope(0, Request::RequestHold(hold), number)
    };
    media.send(vec![hold(&held[0], 30), hold(&held[1], 31)]).await;
    let mut watch = postgres.connect().await;
    wait::until(LIMIT, "the commit to wait for the row", async || {
        let waiting: i64 =
            sqlx::query_scalar("select count(*) from pg_stat_activity where wait_event_type = 'Lock'")
                .fetch_one(&mut watch)
                .await
                .map_err(|error| error.to_string())?;
        if waiting > 0 { Ok(()) } else { Err("nobody waits".to_owned()) }
    })
    .await;
    sqlx::query(lock).bind(keys[0]).execute(&mut other).await.unwrap();
    other.execute("rollback").await.unwrap();
    for number in [30, 31] {
        let answer = media.answer(number).await;
        assert_eq!(code(&answer), None, "the commit is sent again: {answer:?}");
    }
    let resume = RequestResume { interaction_id: held[0].clone(), ..Default::default() };
    media.send(vec![envelope(0, Request::RequestResume(resume), 32)]).await;
    media.answer(32).await;
    movement.sees(server, &[("health_info_total_database_deadlocks", 1.0)]).await;
}

/// Nothing is committed any more: requests wait, then they are refused, and the server is told to end.
async fn a_halt_and_the_end(
    movement: &mut Movement,
    server: &mut IxnServer,
    postgres: &Postgres,
    media: Stream,
) {
    let mut connection: PgConnection = postgres.connect().await;
    connection.execute("begin; lock table commit_log in access exclusive mode").await.unwrap();
    media.send(vec![submit("inbox", "email", 50)]).await;
    let mut number = 51;
    wait::until(LIMIT, "requests to be refused", async || {
        media.send(vec![submit("inbox", "email", number)]).await;
        number += 1;
        let scrape = server.scrape().await;
        movement.look(&scrape);
        let refused = scrape.value("server_requests_refused_total");
        if refused > Some(0.0) { Ok(()) } else { Err(format!("{refused:?} are")) }
    })
    .await;
    movement.sees(server, &[("health_info_current_database_requests", 1.0)]).await;
    server.process.terminate();
    movement.sees(server, &[("health_info_run_mode", 2.0)]).await;
    let why = server.answers("/health/ready", 503).await;
    assert!(why.contains("the server is shutting down"), "{why}");
    connection.execute("rollback").await.unwrap();
    connection.close().await.unwrap();
    let status = server.process.wait_for_exit(LIMIT).await;
    assert!(status.success(), "{status}");
    let (events, _) = media.read_to_end().await;
    let notice = events.iter().find_map(|event| match event {
        Event::EventClientDisconnected(notice) => Some(notice.error_code),
        _ => None,
    });
    assert_eq!(notice, Some(ErrorCode::ShuttingDown as i32));
}
