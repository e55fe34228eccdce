//! Acting as agents: one by hand ([`interactive`]), or many by themselves ([`crew`]).

pub(crate) mod crew;
mod desk;
#[cfg(test)]
mod desk_model;
#[cfg(test)]
mod desk_tests;
pub(crate) mod dialogue;
mod emptiness;
pub(crate) mod held;
pub(crate) mod interactive;
mod orders;
mod refusals;
pub(crate) mod requests;
pub(crate) mod roster;
mod workbins;
mod worker;
mod worklist;
