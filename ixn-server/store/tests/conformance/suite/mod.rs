//! The tests that every database must pass.

mod fencing;
mod log;
mod rows;
mod start;

pub(crate) use {fencing::*, log::*, rows::*, start::*};
