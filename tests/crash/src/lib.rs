//! The crash runner: real clients at full speed while server, database, disk and network fail, round after round, and a
//! ledger that is compared with the server after each of them.
//!
//! - [`ledger`]: what the clients did and what was acknowledged, as a file of fixed-size records.
//! - [`clients`]: submitters, agents, a reporting subscriber. They write the ledger.
//! - [`picture`]: what reporting told.
//! - [`check`]: the comparison. Pure.
//! - [`plan`]: what goes wrong in which round. Pure.
//! - [`stage`], [`faults`]: the programs, the networks and the disk, and how they fail.
//! - [`run`]: round after round.
//!
//! It must never call something clean that it has not looked at: a fault that this machine does not allow is counted
//! as skipped.
#![forbid(unsafe_code)]

pub mod check;
pub mod clients;
mod configuration;
pub mod faults;
pub mod ledger;
mod names;
mod observe;
pub mod picture;
pub mod plan;
pub mod run;
pub mod stage;
