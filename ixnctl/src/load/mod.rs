//! A load of whole lifecycles over real connections, and a ledger that says whether any was lost or done twice.
//!
//! [`run`] puts it together: a [`pace`] says how many lifecycles are due, [`submitter`]s submit them, [`agent`]s accept
//! and stop them, a [`reporter`] reads the reporting stream, and all of them write what they see into one [`ledger`].
//! It runs in one thread, so that on a small machine it leaves the processor to the server: no task for a message, one
//! for each agent and two for each connection.
//!
//! It must never repair what it measures: it repeats requests as any client does, and counts what comes of it.

mod agent;
pub(crate) mod backlog;
pub(crate) mod configuration;
mod ending;
mod ledger;
mod names;
pub(crate) mod pace;
mod quantiles;
mod reporter;
pub(crate) mod result;
pub(crate) mod run;
mod shared;
mod submitter;
mod tool;
