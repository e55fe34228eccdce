//! A database that refuses: another version's, one that may only be read, one that has no connection left.

use ixn_proto::server_envelope::Event;
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::postgres::{Postgres, TestDatabase};
use ixn_tests::tcp_proxy::TcpProxy;
use ixn_tests::wait;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::neighbour::{Neighbour, submission, submit};

/// The exit code of a server that could not start for a reason outside its settings.
const COULD_NOT_START: i32 = 69;

#[tokio::test]
async fn a_database_of_a_newer_server_is_refused_with_a_sentence() {
    let database = TestDatabase::create().await;
    let mut older = IxnServer::command().database(Some(database.url())).start().await;
    older.process.terminate();
    assert!(older.process.wait_for_exit(LIMIT).await.success());
    database.connect().await.execute("update ixn_migrations set version = 99").await.unwrap();
    let mut server = IxnServer::command().database(Some(database.url())).spawn();
    let status = server.process.wait_for_exit(LIMIT).await;
    let log = server.process.log();
    assert_eq!(status.code(), Some(COULD_NOT_START), "{log}");
    assert!(log.contains("schema has version 99") && log.contains("start the newer server"), "{log}");
    assert!(!log.contains("is ready"), "{log}");
}

/// Lets new connections to the database only read, or write again.
async fn read_only(database: &TestDatabase, is_read_only: bool) {
    let setting =
        format!("alter database {} set default_transaction_read_only = {is_read_only}", database.name());
    let mut connection = database.connect().await;
    // Otherwise the connection that makes it writable again could not.
    connection.execute("set default_transaction_read_only = off").await.unwrap();
    connection.execute(AssertSqlSafe(setting)).await.unwrap();
    let others = "select pg_terminate_backend(pid) from pg_stat_activity \
                  where datname = current_database() and pid <> pg_backend_pid()";
    connection.execute(others).await.unwrap();
}

#[tokio::test]
async fn a_database_that_may_only_be_read_is_waited_for_at_the_start() {
    let database = TestDatabase::create().await;
    read_only(&database, true).await;
    let mut server = IxnServer::command().database(Some(database.url())).spawn();
    let line = server.process.wait_for_line("read-only", LIMIT).await;
    assert!(line.contains("WARN") && line.contains("waiting for it"), "{line}");
    let told = server.answers("/health/startup", 503).await;
    assert!(told.contains("read-only"), "{told}");
    read_only(&database, false).await;
    server.is_ready().await;
    Neighbour::of(&server).await.is_unharmed().await;
}

#[tokio::test]
async fn a_database_that_may_only_be_read_for_a_while_loses_nothing() {
    let database = TestDatabase::create().await;
    let mut server = IxnServer::command().database(Some(database.url())).start().await;
    let mut neighbour = Neighbour::of(&server).await;
    read_only(&database, true).await;
    server.process.wait_for_line("the database fails while", LIMIT).await;
    server.answers("/health/ready", 503).await;
    read_only(&database, false).await;
    server.answers("/health/ready", 200).await;
    server.process.wait_for_line("the database works again", LIMIT).await;
    neighbour.is_unharmed().await;
}

/// Takes all connections that the server still gives.
async fn all_connections(postgres: &Postgres) -> Vec<PgConnection> {
    let mut taken = Vec::new();
    loop {
        match PgConnection::connect(&postgres.url()).await {
            Ok(connection) => taken.push(connection),
            Err(error) => {
                assert!(error.to_string().contains("too many clients"), "{error}");
                return taken;
            }
        }
    }
}

#[tokio::test]
async fn a_database_without_a_free_connection_is_waited_for_at_the_start_and_later() {
    let postgres =
        Postgres::start_with(&["max_connections = 12", "superuser_reserved_connections = 0"]).await;
    let network = TcpProxy::start(([127, 0, 0, 1], postgres.port()).into()).await;
    let url = format!("postgres://postgres@{}/postgres?sslmode=disable", network.address());
    let taken = all_connections(&postgres).await;
    let mut server = IxnServer::command().database(Some(&url)).spawn();
    let line = server.process.wait_for_line("waiting for it", LIMIT).await;
    assert!(line.contains("WARN"), "{line}");
    assert!(line.contains("too many clients") || line.contains("out of connections"), "{line}");
    drop(taken);
    server.is_ready().await;
    let mut neighbour = Neighbour::of(&server).await;

    // While the server's own are gone, others take them all.
    network.refuse(true);
    network.cut();
    server.process.wait_for_line("the database fails while", LIMIT).await;
    let taken = wait::until(LIMIT, "its connections to end", async || {
        let taken = all_connections(&postgres).await;
        if taken.len() >= 12 { Ok(taken) } else { Err(taken.len()) }
    })
    .await;
    network.refuse(false);
    neighbour.stream.send(vec![submit(submission(), 50)]).await;
    server.answers("/health/ready", 503).await;
    assert_eq!(server.process.exit_status(), None, "it waits");
    drop(taken);
    server.answers("/health/ready", 200).await;
    server.process.wait_for_line("the database works again", LIMIT).await;
    // Carried out or refused, but not left alone.
    match neighbour.stream.answer(50).await {
        Event::EventAck(ack) => neighbour.also_has(ack.interaction_id),
        other => assert!(matches!(other, Event::EventError(_)), "{other:?}"),
    }
    neighbour.is_unharmed().await;
}
