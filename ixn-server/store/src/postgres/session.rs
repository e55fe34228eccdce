//! Sessions: how they are made and set, and how one is ended from another.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::{Instant, sleep, timeout};

use super::errors::{READ_ONLY, store_error};
use crate::connections::{Open, OpenConnections};
use crate::{OpenOptions, StoreError};

/// How long connecting may take, with logging in and the settings.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a read may take; longer than a reader's statement time-out, whose answer leaves the connection usable.
pub(super) const READ_TIME: Duration = Duration::from_secs(15);

/// How long an ended session may take to disappear.
const END_TIME: Duration = Duration::from_secs(10);

/// `DETACH PARTITION CONCURRENTLY` and `idle_session_timeout` came with this one.
const OLDEST_SERVER: u32 = 14;

/// Statements that a writer's session keeps ready. The commit's changes with the log's partitions; old ones are let go of.
const WRITERS_STATEMENTS: usize = 8;

/// For every session. A dead peer is noticed in about 10 s, so that its lock and its transaction go.
const EVERY: &str = "
SET jit = off;
SET client_min_messages = warning;
SET idle_session_timeout = 0;
SET idle_in_transaction_session_timeout = '10s';
SET tcp_keepalives_idle = 5;
SET tcp_keepalives_interval = 2;
SET tcp_keepalives_count = 3;
SET tcp_user_timeout = '10s';
";

/// For the writer: one plan for ever (planning anew costs a small commit more than the commit itself), made while the
/// tables may be empty, so it must not be one that is good for small tables only.
const WRITER: &str = "
SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET statement_timeout = '10s';
";

const READER: &str = "
SET enable_seqscan = off;
SET default_transaction_read_only = on;
SET statement_timeout = '12s';
";

/// Partitions come and go by this one; it gives way to everybody.
const MAINTENANCE: &str = "
SET lock_timeout = '1s';
SET statement_timeout = '30s';
";

/// What a session is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Write,
    Read,
    Maintain,
    /// The holder's lock, and checks at the start.
    Watch,
    /// Migrations take what time they need.
    Migrate,
}

/// Makes sessions of one database.
#[derive(Clone)]
pub(super) struct Sessions {
    options: PgConnectOptions,
    /// Those that are open.
    pub(super) open: OpenConnections,
}

impl Sessions {
    pub(super) fn new(url: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let connect =
            PgConnectOptions::from_str(url).map_err(|error| StoreError::Address(error.to_string()))?;
        let name: String = options.holder.chars().filter(|c| !c.is_control()).collect();
        let options = connect.application_name(&name).disable_statement_logging();
        Ok(Self { options, open: OpenConnections::default() })
    }

    pub(super) async fn connect(&self, purpose: Purpose) -> Result<Open<PgConnection>, StoreError> {
        let connect = async {
            let connected = match purpose {
                Purpose::Write => {
                    let options = self.options.clone().statement_cache_capacity(WRITERS_STATEMENTS);
                    PgConnection::connect_with(&options).await
                }
                _ => PgConnection::connect_with(&self.options).await,
            };
            let mut connection = self.open.open(connected.map_err(store_error)?);
            // First: an older one does not know the settings.
            check_version(connection.server_version_num())?;
            sqlx::raw_sql(EVERY).execute(&mut *connection).await.map_err(store_error)?;
            let settings = match purpose {
                Purpose::Write => WRITER,
                Purpose::Read => READER,
                Purpose::Maintain => MAINTENANCE,
                Purpose::Watch => "SET statement_timeout = '5s'",
                Purpose::Migrate => "SET statement_timeout = 0",
            };
            sqlx::raw_sql(settings).execute(&mut *connection).await.map_err(store_error)?;
            Ok(connection)
        };
        in_time(CONNECT_TIME, "connecting", connect).await
    }
}

/// Of a server's version, as 150018 for 15.18; none when it does not say.
fn check_version(version: Option<u32>) -> Result<(), StoreError> {
    match version.map(|version| version / 10_000) {
        Some(version) if version < OLDEST_SERVER => Err(StoreError::Unsafe(format!(
            "it is PostgreSQL {version}; version {OLDEST_SERVER} or later is needed"
        ))),
        _ => Ok(()),
    }
}

/// Runs a statement or a few; a server that does not answer in time counts as not available.
pub(super) async fn within<T>(
    time: Duration,
    what: &str,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    in_time(time, what, async { work.await.map_err(store_error) }).await
}

/// As [`within`], for what asks the database several times.
pub(super) async fn in_time<T>(
    time: Duration,
    what: &str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let late = || StoreError::Unavailable(format!("{what} took longer than {} s", time.as_secs()));
    timeout(time, work).await.unwrap_or_else(|_| Err(late()))
}

/// Refuses a server that takes no writes.
pub(super) async fn refuse_read_only(connection: &mut PgConnection) -> Result<(), StoreError> {
    let asked = sqlx::query_scalar("SELECT current_setting('transaction_read_only')::boolean");
    match within(CONNECT_TIME, "asking whether it takes writes", asked.fetch_one(connection)).await? {
        true => Err(StoreError::Unavailable(READ_ONLY.to_owned())),
        false => Ok(()),
    }
}

/// A server process: its id may be used again, its start tells the two apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Backend {
    pid: i32,
    started: String,
}

/// The backend behind this connection.
pub(super) async fn backend_of(connection: &mut PgConnection) -> Result<Backend, StoreError> {
    let own =
        sqlx::query_as("SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()");
    let (pid, started) = within(CONNECT_TIME, "asking for the backend", own.fetch_one(connection)).await?;
    Ok(Backend { pid, started })
}

/// Ends a backend and waits until it is gone: from then on nothing of it can commit.
pub(super) async fn end_backend(connection: &mut PgConnection, backend: &Backend) -> Result<(), StoreError> {
    let until = Instant::now() + END_TIME;
    loop {
        let end = sqlx::query_scalar::<_, bool>(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND backend_start::text = $2",
        )
        .bind(backend.pid)
        .bind(&backend.started);
        let found =
            within(CONNECT_TIME, "ending the old session", end.fetch_optional(&mut *connection)).await?;
        if found.is_none() {
            return Ok(());
        }
        if Instant::now() > until {
            let text = format!("the old session (process {}) of the writer does not end", backend.pid);
            return Err(StoreError::Unavailable(text));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_named() {
        let error = check_version(Some(130_020)).unwrap_err();
        assert!(matches!(&error, StoreError::Unsafe(text) if text.contains("PostgreSQL 13;")), "{error:?}");
        for version in [Some(140_000), Some(180_001), None] {
            check_version(version).unwrap();
        }
    }
}
