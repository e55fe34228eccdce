//! ixn-server: the shell around the interaction engine.
//!
//! Sessions, the database writer, the log's subscribers and the clock live here; every decision is the
//! [engine](ixn_engine)'s. What is here must never decide what happens to an interaction, and must never let anything out
//! that the gate has not released.

mod check_config;
mod clock;
mod configuration;
pub mod driver;
#[cfg(test)]
mod fake_database;
mod feed;
mod forgotten_keys;
mod intake;
mod loader;
mod maintenance;
mod metrics;
mod outage;
mod panics;
pub mod protocol;
pub mod server;
pub mod settings;
mod takeover;
mod tasks;
mod welcome;
mod writer;

pub use check_config::{Findings, check_config};
pub use panics::end_on_panic;
pub use server::{Exit, Server, StartError};
