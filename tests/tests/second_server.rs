//! Two servers, one database: never two that serve.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use std::path::Path;

use ixn_tests::ixn_server::{IxnServer, IxnServerCommand, LIMIT};
use ixn_tests::postgres::{Postgres, TestDatabase};
use ixn_tests::wait;
use sqlx::Executor as _;

/// The exit code of a server that another has taken the database from.
const FENCED: i32 = 75;

/// One of several over one database; those over SQLite have the data directory in common.
fn server(data: &Path, database_url: Option<&str>) -> IxnServerCommand {
    IxnServer::command().data(data).database(database_url)
}

#[tokio::test]
async fn the_second_waits_names_the_first_and_goes_on_when_it_is_gone() {
    let database = TestDatabase::create().await;
    for url in [None, Some(database.url())] {
        let folder = tempfile::tempdir().unwrap();
        let mut first = server(folder.path(), url).start().await;
        let mut second = server(folder.path(), url).spawn();
        let line = second.process.wait_for_line("another server holds the database", LIMIT).await;
        assert!(line.contains(&format!(":{}", first.process.pid())), "names {}: {line}", first.process.pid());
        let (place, option) = match url {
            None => (folder.path().to_str().unwrap(), "--data-dir"),
            Some(url) => (url.rsplit('@').next().unwrap().split('?').next().unwrap(), "--database-url"),
        };
        assert!(line.contains(place) && line.contains(option), "names {place} and {option}: {line}");
        first.process.kill();
        second.is_ready().await;
    }
}

#[tokio::test]
async fn one_that_slept_through_a_takeover_is_fenced_and_says_so() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let mut first = server(folder.path(), Some(database.url())).start().await;
    first.process.signal("STOP");
    // What a network that parts would do: the database no longer knows the first server's connections.
    let mut connection = database.connect().await;
    connection
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await
        .unwrap();
    let mut second = server(folder.path(), Some(database.url())).start().await;
    first.process.signal("CONT");
    let status = first.process.wait_for_exit(LIMIT).await;
    assert_eq!(status.code(), Some(FENCED), "{}", first.process.log());
    assert!(second.process.exit_status().is_none(), "the second one serves on");
}

#[tokio::test]
async fn one_that_waits_outlives_the_database_and_leaves_it_to_the_first() {
    let mut postgres = Postgres::start().await;
    let url = postgres.url();
    let folder = tempfile::tempdir().unwrap();
    let mut first = server(folder.path(), Some(&url)).start().await;
    let mut second = server(folder.path(), Some(&url)).spawn();
    second.process.wait_for_line("another server holds the database", LIMIT).await;
    for round in 1..=2 {
        // Stopped in order it says so to each connection; killed, it does not.
        if round == 1 {
            postgres.stop().await
        } else {
            postgres.kill().await
        }
        lines(&mut second, "the database went away", round).await;
        postgres.restart().await;
        lines(&mut second, "another server holds the database", round + 1).await;
    }
    assert_eq!(count(&second, "the database went away"), 2, "said once each time:\n{}", second.process.log());
    assert!(first.process.exit_status().is_none(), "the first one serves on:\n{}", first.process.log());
    first.process.kill();
    second.is_ready().await;
}

fn count(server: &IxnServer, text: &str) -> usize {
    server.process.log().lines().filter(|line| line.contains(text)).count()
}

/// Waits until so many lines have the text.
async fn lines(server: &mut IxnServer, text: &str, expected: usize) {
    let what = format!("{expected} lines with {text:?}");
    wait::until(LIMIT, &what, async || {
        assert!(server.process.exit_status().is_none(), "it has ended:\n{}", server.process.log());
        if count(server, text) >= expected { Ok(()) } else { Err(server.process.log()) }
    })
    .await;
}
