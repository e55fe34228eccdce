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
