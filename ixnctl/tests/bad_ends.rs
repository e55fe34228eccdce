//! How the program ends when its input, its output, its user or its server does not do as it should.
// The helpers of a test may panic as the test does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod program;
mod stand_in;

use std::process::Stdio;

use ixn_proto::EventHeld;
use ixn_proto::server_envelope::Event;
use program::{DEADLINE, code, command, eventually, ixnctl, lines_of_e_mail, objects, path, said};
use serde_json::{Value, json};
use stand_in::StandIn;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

async fn interrupt(child: &Child) {
    let process = child.id().unwrap().to_string();
    let sent = tokio::process::Command::new("kill").args(["-INT", &process]).status().await;
    assert!(sent.unwrap().success());
}

/// Reads objects until one has this value in this field.
async fn object_with(lines: &mut Lines<BufReader<ChildStdout>>, field: &str, value: &str) -> Value {
    loop {
        let line = timeout(DEADLINE, lines.next_line()).await.unwrap().unwrap().expect("more to come");
        let object: Value = serde_json::from_str(&line).unwrap();
        if object[field] == value {
            return object;
        }
    }
}

#[tokio::test]
async fn a_closed_output_is_no_failure_of_what_only_looks_and_one_of_what_does_something() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(3).path())]).await;
    let file = lines_of_e_mail(3);
    for (arguments, expected) in [
        (&["interactions"][..], 0),
        (&["queues", "--json"], 0),
        (&["watch"], 0),
        (&["submit", path(file.path())], 1),
        (&["stop", "--queue", "inbox"], 1),
        (&["agent", "--auto", "--until-empty"], 1),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let child = command(&server.url(), arguments).stdout(writer).spawn().unwrap();
        let output = timeout(DEADLINE, child.wait_with_output()).await.expect("it ends").unwrap();
        assert_eq!(code(&output), expected, "{arguments:?}");
        assert_eq!(said(&output).contains("cannot be written"), expected == 1, "{arguments:?}");
    }
}

#[tokio::test]
async fn an_interruption_ends_a_watch_that_always_has_events() {
    let server = StandIn::start().await;
    let mut child = command(&server.url(), &["watch", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let watched = async {
        object_with(&mut lines, "event", "event_held").await;
        interrupt(&child).await;
        while let Ok(Some(_)) = lines.next_line().await {}
        child.wait().await.unwrap()
    };
    let flood = async {
        loop {
            while server.world().report_when_there_is_room(Event::EventHeld(EventHeld::default())) {}
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::select! {
        ended = timeout(DEADLINE, watched) => ended.expect("it ends"),
        () = flood => unreachable!(),
    };
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn an_interrupted_agent_is_told_of_orders_without_an_answer() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(1).path())]).await;
    server.world().unanswered_accepts = 1;
    let mut child =
        command(&server.url(), &["agent", "alice", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    object_with(&mut lines, "event", "event_invite").await;
    orders.write_all(b"accept\n").await.unwrap();
    eventually("the accept", || server.world().unanswered_accepts == 0).await;
    interrupt(&child).await;
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(code(&output), 69);
    assert!(said(&output).contains("1 orders had no answer"), "{output:?}");
}

#[tokio::test]
async fn a_line_that_is_no_order_is_answered_and_the_next_one_is_read() {
    let server = StandIn::start().await;
    let mut child =
        command(&server.url(), &["agent", "alice", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut orders = child.stdin.take().unwrap();
    orders.write_all(b"acc\xffept\nfly\naccept 9\nquit\n").await.unwrap();
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(code(&output), 0);
    let failed: Vec<(String, bool)> = objects(&output)
        .iter()
        .filter(|object| object["outcome"] == "failed")
        .map(|object| (object["order"].as_str().unwrap().to_owned(), object["reason"].is_string()))
        .collect();
    assert_eq!(failed, ["acc\u{fffd}ept", "fly", "accept 9"].map(|order| (order.to_owned(), true)));
}

#[tokio::test]
async fn a_submit_ends_with_its_server_although_its_input_is_open() {
    let server = StandIn::start().await;
    let mut child = command(&server.url(), &["submit", "--json"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    input.write_all(b"{\"media_type\":\"email\"}\n").await.unwrap();
    object_with(&mut lines, "outcome", "submitted").await;
    server.world().has_gone = true;
    input.write_all(b"{\"media_type\":\"email\"}\n").await.unwrap();
    object_with(&mut lines, "outcome", "failed").await;
    let sums = timeout(DEADLINE, lines.next_line()).await.expect("the sums").unwrap().unwrap();
    let sums: Value = serde_json::from_str(&sums).unwrap();
    let expected =
        json!({"lines": 2, "submitted": 1, "already": 0, "skipped": 0, "failed": 1, "not_tried": 0});
    assert_eq!(sums, expected);
    let output = timeout(DEADLINE, child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(code(&output), 69);
    drop(input);
}

#[tokio::test]
async fn a_stop_tells_of_each_that_was_on_its_way_when_the_server_went() {
    let server = StandIn::start().await;
    ixnctl(&server.url(), &["submit", path(lines_of_e_mail(300).path())]).await;
    server.world().goes_after_stops = Some(10);
    let output = ixnctl(&server.url(), &["stop", "--queue", "inbox", "--json"]).await;
    assert_eq!(code(&output), 69);
    let mut told = objects(&output);
    let sums = told.pop().unwrap();
    let count = |outcome: &str| told.iter().filter(|object| object["outcome"] == outcome).count() as u64;
    assert_eq!(sums["stopped"].as_u64(), Some(count("stopped")));
    assert_eq!(sums["failed"].as_u64(), Some(count("failed")));
    let sum: u64 = ["stopped", "failed", "not_tried"].iter().map(|part| sums[part].as_u64().unwrap()).sum();
    assert_eq!(sum, 300, "{sums}");
}

#[tokio::test]
async fn the_time_of_a_crew_is_over_although_nothing_is_answered_that_it_looks_up() {
    let server = StandIn::start().await;
    server.world().looks_up_nothing = true;
    let arguments = ["agent", "--auto", "--until-empty", "--timeout", "300ms"];
    let output = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&output), 124);
    assert!(said(&output).contains("did not say what is left"), "{output:?}");
}

#[tokio::test]
async fn a_load_ends_clean_or_with_what_the_server_has_lost() {
    let server = StandIn::start().await;
    let arguments =
        ["load", "--lifecycles", "5", "--agents", "1", "--connections", "1", "--patience", "2s", "--json"];
    let clean = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&clean), 0);
    let found = &objects(&clean)[0];
    assert_eq!((&found["lifecycles"], &found["lost"], &found["errors"]), (&json!(5), &json!(0), &json!(0)));
    server.world().lost_submits = 1;
    let lost = ixnctl(&server.url(), &arguments).await;
    assert_eq!(code(&lost), 1);
    assert!(objects(&lost)[0]["lost"].as_u64() >= Some(1), "{lost:?}");
    assert!(said(&lost).contains("nothing has happened for 2s"), "{lost:?}");
}

#[tokio::test]
async fn what_is_no_json_is_not_written_as_json() {
    let output = ixnctl("http://127.0.0.1:1", &["load", "--print-configuration", "--json"]).await;
    assert_eq!(code(&output), 2);
    assert!(output.stdout.is_empty());
}
