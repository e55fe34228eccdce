//! `ixnctl load` against the real server: its ledger is clean, also when the server is killed in the middle.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use std::process::Command;

use ixn_tests::binary;
use ixn_tests::ixn_server::LIMIT;
use ixn_tests::wait;
use ixn_tests::working_day::{WorkingDay, last_line};
use serde_json::Value;

/// What `ixnctl load --print-configuration` writes.
fn configuration(agents: &str) -> String {
    let output = Command::new(binary("ixnctl"))
        .args(["load", "--print-configuration", "--agents", agents])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn faults(found: &Value) -> [&Value; 5] {
    ["errors", "lost", "duplicated", "double_owned", "reporting_gaps"].map(|key| &found[key])
}

#[tokio::test]
async fn a_load_over_a_killed_server_loses_nothing_and_does_nothing_twice() {
    let mut day = WorkingDay::begin_with(&configuration("8")).await;
    let watch = day.watch().await;
    let mut load = day.ixnctl(&[
        "load",
        "--lifecycles",
        "200",
        // Four seconds of work: the kill comes in the first half of it also when this machine is slow to look.
        "--rate",
        "50",
        "--agents",
        "8",
        "--connections",
        "3",
        "--queued",
        "20",
    ]);
    wait::until(LIMIT, "some lifecycles have ended", async || {
        let stopped = watch.log().matches("\"event\":\"event_processing_stopped\"").count();
        if stopped >= 50 { Ok(()) } else { Err(format!("{stopped} of 50")) }
    })
    .await;
    assert!(load.exit_status().is_none(), "it is in the middle of its work");
    day.server.kill_and_start_again().await;

    let found = last_line(&mut load).await;
    assert_eq!(faults(&found), [0, 0, 0, 0, 0], "{found}");
    assert_eq!(found["lifecycles"], 200, "{found}");
    assert!(found["submit_to_invite_ms"]["p999"].as_f64() > Some(0.0), "{found}");
    assert_eq!(day.open_interactions().await, 20, "those that nobody routes");
    assert!(found["server_rss_bytes"].as_u64() > Some(1 << 20), "{found}");
    assert_eq!((&found["database"]["kind"], &found["database"]["fsync"]), (&"sqlite".into(), &true.into()));
    assert!(found["database"]["round_trip_ms"].as_f64() > Some(0.0), "{found}");

    let again =
        last_line(&mut day.ixnctl(&["load", "--lifecycles", "50", "--agents", "8", "--queued", "20"])).await;
    assert_eq!((faults(&again), &again["lifecycles"]), ([&Value::from(0); 5], &Value::from(50)), "{again}");
    assert_eq!(day.open_interactions().await, 20, "they were there already");
}
