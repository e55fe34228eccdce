//! The interaction engine of ixn-server: two pure machines.
//!
//! The [engine](engine::Engine) takes what happens (a request, a timer, loaded contents, a lost connection) and answers
//! what must follow: rows to write, events to report, envelopes to send. The [gate](gate::Gate) lets nothing leave before
//! the commit that it depends on is durable. Same inputs, same outputs, always.
//!
//! This crate must never do I/O, look at a clock, draw a random number, start a task, or iterate over a hash map. It
//! decides; the shell around it carries out.

pub mod agents;
mod changes;
pub mod commit;
pub mod compile;
pub mod contents;
pub mod engine;
mod explain;
pub mod extra;
pub mod figures;
mod freeze;
pub mod gate;
pub mod idempotency;
pub mod inspection;
pub mod interaction;
mod interaction_id;
pub mod interactions;
pub mod invariants;
mod journal;
mod mapped_properties;
pub mod names;
mod reconfigure;
pub mod reporting;
mod requests;
pub mod restore;
mod routing;
pub mod row;
pub mod sessions;
pub mod setup;
mod slices;
mod storage;
pub mod time;
pub mod timers;
mod views;
pub mod vocabulary;
mod wire;
mod workbins;

pub use engine::{Engine, Input, Output, Subscription};
pub use reporting::{Selection, cursor};
pub use slices::Slices;
