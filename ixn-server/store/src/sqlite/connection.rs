//! Opening connections, the schema, and what SQLite's errors mean to us.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::checkpoint::watch_log;
use crate::{CommitError, StoreError};

/// The schema in steps; step n brings `user_version` to n.
const MIGRATIONS: &[&str] = &[include_str!("../../migrations/sqlite/0001_initial.sql")];

/// How long a connection waits for another one's lock. Within one server only a takeover ever meets one.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What decides whether a commit is on the disk when it is acknowledged, by SQLite's own names.
pub(super) struct Durability {
    journal_mode: String,
    /// 0 off, 1 normal, 2 full, 3 extra.
    synchronous: i64,
}

impl Durability {
    /// What [`open_writer`] sets, or it opens nothing.
    pub(super) fn of_a_writer() -> Self {
        Self { journal_mode: "wal".to_owned(), synchronous: 2 }
    }

    /// Of a connection as it is now.
    pub(super) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let of_pragma = "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous";
        connection
            .query_row(of_pragma, [], |row| Ok(Self { journal_mode: row.get(0)?, synchronous: row.get(1)? }))
            .map_err(store_error)
    }

    pub(super) fn is_synced(&self) -> bool {
        self.journal_mode == "wal" && self.synchronous >= 2
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let synchronous = usize::try_from(self.synchronous).ok();
        let synchronous = synchronous.and_then(|level| ["off", "normal", "full", "extra"].get(level));
        write!(f, "journal_mode={} synchronous={}", self.journal_mode, synchronous.unwrap_or(&"unknown"))
    }
}

/// The connection that commits. Creates the file if there is none.
pub(super) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
    let journal: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| at(path, error))?;
    if journal != "wal" {
        let text =
            format!("SQLite cannot keep a write-ahead log beside {}; use a local disk", path.display());
        return Err(StoreError::Unsafe(text));
    }
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA cache_size = -32768;")
        .map_err(store_error)?;
    // This also switches automatic checkpoints off, which would make every thousandth commit slow.
    watch_log(&connection);
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// A connection that only reads. The file must exist.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| at(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
    connection.execute_batch("PRAGMA query_only = ON").map_err(|error| at(path, error))?;
    Ok(connection)
}

/// The version of the schema; 0 in an empty file.
///
/// # Errors
/// [`StoreError::Newer`] when this server does not know it.
pub(super) fn schema_version(connection: &Connection) -> Result<usize, StoreError> {
    let version: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(store_error)?;
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(StoreError::Newer(format!(
            "its schema has version {version}, this server knows versions up to {}; start the newer server",
            MIGRATIONS.len()
        ))),
    }
}

/// Brings the schema to this server's version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    while schema_version(connection)? < MIGRATIONS.len() {
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
        // Read again under the lock: another process may have done it.
        let version = schema_version(&transaction)?;
        if let Some(step) = MIGRATIONS.get(version) {
            transaction.execute_batch(step).map_err(store_error)?;
            transaction
                .execute_batch(&format!("PRAGMA user_version = {}", version + 1))
                .map_err(store_error)?;
        }
        transaction.commit().map_err(store_error)?;
    }
    Ok(())
}

pub(super) fn at(path: &Path, error: rusqlite::Error) -> StoreError {
    match store_error(error) {
        StoreError::Unavailable(text) => StoreError::Unavailable(format!("{}: {text}", path.display())),
        StoreError::Damaged(text) => StoreError::Damaged(format!("{}: {text}", path.display())),
        other => other,
    }
}

/// What an error of a read or a start means.
pub(super) fn store_error(error: rusqlite::Error) -> StoreError {
    use rusqlite::Error;
    let text = error.to_string();
    match error {
        Error::SqliteFailure(failure, _)
            if matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) =>
        {
            StoreError::Damaged(text)
        }
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..) => StoreError::Damaged(text),
        _ => StoreError::Unavailable(text),
    }
}

/// What an error of a statement inside a commit means: the transaction is rolled back, so the outcome is certain.
pub(super) fn commit_error(error: rusqlite::Error) -> CommitError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::ConstraintViolation
            | ErrorCode::TooBig
            | ErrorCode::TypeMismatch
            | ErrorCode::ParameterOutOfRange,
        ) => CommitError::Refused(text),
        _ => CommitError::Unavailable(text),
    }
}
