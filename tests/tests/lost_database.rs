//! A database that goes away, comes back with less, or is deleted under the server: what the log says, and that nothing is
//! acknowledged that is not kept.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use ixn_tests::postgres::{Postgres, TestDatabase};
use ixn_tests::process::Server;
use ixn_tests::{binary, wait};
use sqlx::Executor as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(60);
/// The exit code of a server that cannot go on: a defect, or a database that has lost something.
const CANNOT_GO_ON: i32 = 70;

fn server(data: &Path, database_url: Option<&str>, flags: &[&str]) -> Server {
    let mut command = Server::command(binary("ixn-server"))
        .args(["--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()])
        .args(flags);
    if let Some(url) = database_url {
        command = command.env("IXN_DATABASE_URL", url);
    }
    command.start()
}

fn count(server: &Server, text: &str) -> usize {
    server.log().lines().filter(|line| line.contains(text)).count()
}

async fn ends(server: &mut Server) -> String {
    let status = server.wait_for_exit(LIMIT).await;
    assert_eq!(status.code(), Some(CANNOT_GO_ON), "{}", server.log());
    let log = server.log();
    let line = log.lines().find(|line| line.contains("has lost acknowledged commits"));
    line.unwrap_or_else(|| panic!("no line about it in\n{log}")).to_owned()
}

#[tokio::test]
async fn a_server_whose_files_are_deleted_ends_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut server = server(&data, None, &["--health-listen", "127.0.0.1:0"]);
    server.wait_for_line("is ready", LIMIT).await;
    std::fs::remove_dir_all(&data).unwrap();
    let line = ends(&mut server).await;
    assert!(line.contains("ERROR") && line.contains("ixn.db was deleted or moved"), "{line}");
    assert!(line.contains("stop the server before"), "says what to do: {line}");
}

#[tokio::test]
async fn a_server_whose_database_comes_back_with_less_ends_and_says_so() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), Some(database.url()), &["--health-listen", "127.0.0.1:0"]);
    server.wait_for_line("is ready", LIMIT).await;
    // What a restored backup looks like.
    database.connect().await.execute("delete from commit_log").await.unwrap();
    let line = ends(&mut server).await;
    assert!(line.contains("ERROR") && line.contains("restored from a backup"), "{line}");
}

#[tokio::test]
async fn a_database_that_is_away_is_told_once_and_once_more_when_it_is_back() {
    let mut postgres = Postgres::start().await;
    let url = postgres.url();
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), Some(&url), &["--health-listen", "127.0.0.1:0"]);
    let line = server.wait_for_line("health  ", LIMIT).await;
    let health = line.split_whitespace().find_map(|word| Some(word.split_once("://")?.1)).unwrap();
    let health = health.split('/').next().unwrap().to_owned();
    server.wait_for_line("is ready", LIMIT).await;
    postgres.stop().await;
    server.wait_for_line("the database fails while", LIMIT).await;
    // Ten seconds without a commit: long enough for what is tried again every 200 ms and every second.
    wait::until(LIMIT, "not to be ready", async || {
        let text = get(&health, "/health/ready").await;
        if text.contains("503") { Ok(()) } else { Err(text) }
    })
    .await;
    assert_eq!(count(&server, "WARN"), 1, "nothing more:\n{}", server.log());
    postgres.restart().await;
    server.wait_for_line("the database works again", LIMIT).await;
    assert_eq!(count(&server, "the database fails"), 1, "{}", server.log());
}

#[tokio::test]
async fn a_start_that_waits_for_the_database_says_so() {
    // Bound and closed again: nobody listens there.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (health, nobody) = (free().to_string(), free());
    let folder = tempfile::tempdir().unwrap();
    let url = format!("postgres://nobody@{nobody}/nothing");
    let mut server = server(folder.path(), Some(&url), &["--health-listen", &health]);
    server.wait_for_line("waiting for it", LIMIT).await;
    let expected = format!("the database {nobody}/nothing is not available, it is waited for");
    wait::until(LIMIT, &expected, async || {
        let text = get(&health, "/health/startup").await;
        if text.contains(&expected) { Ok(()) } else { Err(text) }
    })
    .await;
}

#[tokio::test]
async fn who_ended_cleanly_is_no_longer_named_in_the_lock_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(folder.path(), None, &["--health-listen", "127.0.0.1:0"]);
    server.wait_for_line("is ready", LIMIT).await;
    let lock = folder.path().join("ixn.db.lock");
    assert!(std::fs::read_to_string(&lock).unwrap().contains(&format!(":{}", server.pid())));
    server.terminate();
    assert_eq!(server.wait_for_exit(LIMIT).await.code(), Some(0), "{}", server.log());
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "");
}

/// The answer to a request over HTTP/1.1.
async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: ixn\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
