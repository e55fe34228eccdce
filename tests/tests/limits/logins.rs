//! An agent who holds more than the answer to a login has room for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientType, KeyValueList, RequestAgentLogin, RequestSubmit};
use serde_json::Value;

use ixn_tests::binary;
use ixn_tests::working_day::{WorkingDay, last_line};

const HELD: u64 = 100;

/// A day on which alice's connection is lost while she has so much.
async fn a_full_desk() -> WorkingDay {
    let day = WorkingDay::begin(None).await;
    let alice = day.server.client("alice's desktop", ClientType::AgentApplication).await;
    alice
        .agent_login(RequestAgentLogin { agent_id: "alice".to_owned(), ..Default::default() })
        .await
        .unwrap();
    // About 32 KB each, so that 2 MiB are full before all of them are there.
    let mut queues = KeyValueList::new();
    queues.push_text("inbox", &"x".repeat(16_000));
    for _ in 0..HELD {
        let submit = RequestSubmit {
            queue: "inbox".to_owned(),
            media_type: "email".to_owned(),
            in_queues: Some(queues.clone()),
            out_queues: Some(queues.clone()),
            ..Default::default()
        };
        alice.request(Request::RequestSubmit(submit)).await.unwrap();
    }
    alice.close().await;
    day
}

#[tokio::test]
async fn an_agent_by_itself_finishes_all_that_it_holds_after_a_login() {
    let day = a_full_desk().await;
    let work =
        ["agent", "--auto", "--agents", "alice", "--think", "0ms", "--until-empty", "--timeout", "55s"];
    let summary = last_line(&mut day.ixnctl(&work)).await;
    assert_eq!(summary["stopped"].as_u64(), Some(HELD), "{summary}");
    assert_eq!(summary["refused"].as_u64().unwrap_or(0), 0, "{summary}");
    assert_eq!(day.open_interactions().await, 0);
}

#[tokio::test]
async fn an_agent_by_hand_sees_all_that_he_holds_after_a_login() {
    let day = a_full_desk().await;
    let mut agent = Command::new(binary("ixnctl"))
        .args(["--server", &day.server.url(), "--json", "agent", "alice"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = agent.stdin.take().unwrap();
    let output = BufReader::new(agent.stdout.take().unwrap());
    // It ends by the order, or when the test gives up.
    let objects = tokio::task::spawn_blocking(move || {
        let mut objects = Vec::new();
        for line in output.lines() {
            let object: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if object["order"] == "login alice" {
                orders.write_all(b"list\nquit\n").unwrap();
            }
            objects.push(object);
        }
        objects
    });
    let objects = objects.await.unwrap();
    assert!(agent.wait().unwrap().success());
    let handled = objects.iter().filter(|object| object["number"].is_u64() && object["ticket_id"].is_null());
    assert_eq!(handled.count() as u64, HELD, "{}", objects.len());
}
