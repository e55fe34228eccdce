//! The commands, one file each: its arguments, and what it does with them.

pub(crate) mod agent;
pub(crate) mod agents;
mod each_interaction;
pub(crate) mod explain;
pub(crate) mod interactions;
pub(crate) mod load;
pub(crate) mod move_to;
pub(crate) mod queues;
pub(crate) mod show;
pub(crate) mod stop;
pub(crate) mod submit;
pub(crate) mod views;
pub(crate) mod watch;
