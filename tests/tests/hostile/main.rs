//! Bad input and hostile surroundings: what is wrong is refused with a code that says so, what was acknowledged stays, and
//! others are served meanwhile.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

mod database;
mod input;
mod neighbour;
mod restarts;
