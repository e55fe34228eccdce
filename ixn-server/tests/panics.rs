//! No part of the server ends alone.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use std::process::Command;

/// Set for the process that is to panic.
const PANICS: &str = "TEST_PANICS";

#[test]
fn a_panic_in_a_task_ends_the_process_as_a_defect() {
    if std::env::var_os(PANICS).is_some() {
        ixn_server::end_on_panic();
        let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(async { panic!("a task stops") }).await.unwrap_err();
        });
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_panic_in_a_task_ends_the_process_as_a_defect", "--nocapture"])
        .env(PANICS, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{said}");
    assert!(said.contains("a task stops"), "{said}");
}
