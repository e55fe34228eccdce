//! The harness of the end-to-end tests: real servers and our own binaries as child processes.
//!
//! It starts programs, waits for conditions with a deadline, hands out databases, and cleans up after a test
//! however it ends. Whatever it starts dies with the test process, even when that is killed.
//!
//! It must never hold logic of the product, never sleep to synchronise, and never use a fixed port, a fixed path
//! or a database that a test did not create.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "this crate is test code alone: a panic is how a test says what went wrong"
)]

mod binaries;
pub mod disk;
pub mod ixn_server;
pub mod postgres;
pub mod process;
pub mod reporting_log;
pub mod scrape;
pub mod stream;
pub mod tcp_proxy;
pub mod wait;
pub mod working_day;

pub use binaries::binary;

/// Says that something is not tested on this machine, and why: on standard error, which the runner of the tests hides for a
/// test that passes, and in the list that `tests/run` prints at its end.
pub fn skipped(what: &str, reason: &str) {
    use std::io::Write as _;
    eprintln!("SKIPPED: {what}: {reason}");
    if let Some(list) = std::env::var_os("IXN_TEST_SKIPS") {
        let mut list =
            std::fs::OpenOptions::new().create(true).append(true).open(list).expect("the list of skips");
        writeln!(list, "{what}: {reason}").expect("the list of skips");
    }
}
