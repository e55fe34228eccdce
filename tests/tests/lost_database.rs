//! A database that goes away, comes back with less, or is deleted under the server: what the log says, and that nothing is
//! acknowledged that is not kept.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use ixn_proto::ClientType;
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::postgres::{Postgres, TestDatabase};
use sqlx::Executor as _;

/// The exit code of a server that cannot go on: a defect, or a database that has lost something.
const CANNOT_GO_ON: i32 = 70;

fn count(server: &IxnServer, text: &str) -> usize {
    server.process.log().lines().filter(|line| line.contains(text)).count()
}

async fn ends(server: &mut IxnServer) -> String {
    let status = server.process.wait_for_exit(LIMIT).await;
    let log = server.process.log();
    assert_eq!(status.code(), Some(CANNOT_GO_ON), "{log}");
    let line = log.lines().find(|line| line.contains("has lost acknowledged commits"));
    line.unwrap_or_else(|| panic!("no line about it in\n{log}")).to_owned()
}

#[tokio::test]
async fn a_server_whose_files_are_deleted_ends_and_says_what_to_do() {
    let mut server = IxnServer::start(&[]).await;
    std::fs::remove_dir_all(server.data()).unwrap();
    let line = ends(&mut server).await;
    assert!(line.contains("ERROR") && line.contains("ixn.db was deleted or moved"), "{line}");
    assert!(line.contains("stop the server before"), "says what to do: {line}");
}

#[tokio::test]
async fn a_server_whose_database_comes_back_with_less_ends_and_says_so() {
    let database = TestDatabase::create().await;
    let mut server = IxnServer::command().database(Some(database.url())).start().await;
    // What a restored backup looks like.
    database.connect().await.execute("delete from commit_log").await.unwrap();
    let line = ends(&mut server).await;
    assert!(line.contains("ERROR") && line.contains("restored from a backup"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_once_and_once_more_when_it_is_back() {
    let mut postgres = Postgres::start().await;
    let mut server = IxnServer::command().database(Some(&postgres.url())).start().await;
    postgres.stop().await;
    server.process.wait_for_line("the database fails while", LIMIT).await;
    // Ten seconds without a commit: long enough for what is tried again every 200 ms and every second.
    server.answers("/health/ready", 503).await;
    // What the driver of PostgreSQL says of its pool is not counted.
    let log = server.process.log();
    let warnings = log.lines().filter(|line| line.contains("WARN") && line.contains("\"target\":\"ixn_"));
    assert_eq!(warnings.count(), 1, "nothing more:\n{log}");
    postgres.restart().await;
    server.process.wait_for_line("the database works again", LIMIT).await;
    assert_eq!(count(&server, "the database fails"), 1, "{}", server.process.log());
}

#[tokio::test]
async fn a_start_that_waits_for_the_database_says_so_and_serves_when_it_is_there() {
    let mut postgres = Postgres::start().await;
    postgres.stop().await;
    let mut server = IxnServer::command().database(Some(&postgres.url())).spawn();
    server.process.wait_for_line("waiting for it", LIMIT).await;
    let expected =
        format!("the database 127.0.0.1:{}/postgres is not available, it is waited for", postgres.port());
    let told = server.answers("/health/startup", 503).await;
    assert!(told.contains(&expected), "{told}");
    assert_eq!(server.answers("/health/live", 200).await.lines().count(), 1);
    server.answers("/health/ready", 503).await;
    postgres.restart().await;
    server.is_ready().await;
    server.answers("/health/startup", 200).await;
    server.answers("/health/ready", 200).await;
    server.stream().await.register(ClientType::MediaServer).await;
}

#[tokio::test]
async fn who_ended_cleanly_is_no_longer_named_in_the_lock_file() {
    let mut server = IxnServer::start(&[]).await;
    let lock = server.data().join("ixn.db.lock");
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&format!(":{}", server.process.pid())));
    server.process.terminate();
    let status = server.process.wait_for_exit(LIMIT).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "");
}
