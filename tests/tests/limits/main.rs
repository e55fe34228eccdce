//! The limits that keep one client, or very many, from harming the others: each is gone over on purpose.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

mod clients;
mod database;
mod logins;
mod readers;
mod sockets;
