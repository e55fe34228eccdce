//! Real PostgreSQL servers, and a database of its own for each test.

mod database;
mod server;

pub use database::{SharedPostgres, TestDatabase};
pub use server::Postgres;

/// The variable with the address of a server that tests share, `postgres://user@host:port/database`. The user must be
/// allowed to create databases.
pub const ADDRESS_VARIABLE: &str = "IXN_TEST_POSTGRES_URL";
