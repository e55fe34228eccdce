//! Routing: from a view into a strategy, from step to step, from offer to offer, until somebody accepts or routing gives
//! up. Each transition is a file.

mod enter;
mod invite;
pub mod lines;
mod release;
mod serve;
mod standing;
pub(crate) mod steps;
