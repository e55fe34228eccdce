//! What PostgreSQL's errors mean to us.
//!
//! An error *response* of severity ERROR to a statement means that its transaction was rolled back: the outcome is
//! certain. A FATAL one ends the session at any moment, perhaps just after the commit: unknown, as is a lost connection.

use sqlx::migrate::MigrateError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::{CommitError, StoreError};

/// What a server is that takes no writes.
pub(super) const READ_ONLY: &str = "it is read-only: a standby, or default_transaction_read_only is on";

/// What an error of the commit's statement means.
pub(super) enum Verdict {
    /// The number is in the log already: ours, or another server's.
    NumberTaken,
    /// The commit before is not in the log, or its partition is gone.
    NoPredecessor,
    /// The log, or the table of idempotency keys, has no partition for the number.
    NoPartition,
    /// Anything else.
    Failed {
        error: CommitError,
        /// The session can be used for the next commit.
        session_usable: bool,
    },
}

pub(super) fn verdict(error: &sqlx::Error) -> Verdict {
    let failed = |error, session_usable| Verdict::Failed { error, session_usable };
    match error {
        sqlx::Error::Database(database) => match database.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => verdict_of_response(error),
            None => failed(CommitError::Unknown(error.to_string()), false),
        },
        sqlx::Error::Encode(error) => failed(CommitError::Refused(error.to_string()), false),
        _ => failed(CommitError::Unknown(error.to_string()), false),
    }
}

fn verdict_of_response(error: &PgDatabaseError) -> Verdict {
    let text = describe(error);
    if matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic) {
        return Verdict::Failed { error: CommitError::Unknown(text), session_usable: false };
    }
    let table = error.table().unwrap_or_default();
    match error.code() {
        // A partition's name starts with its table's.
        "23505" if table.starts_with("commit_log") => return Verdict::NumberTaken,
        "23502" if table.starts_with("commit_log") && error.column() == Some("epoch") => {
            return Verdict::NoPredecessor;
        }
        // Which table it is stands in the words only; what is there tells.
        "42P01" => return Verdict::NoPredecessor,
        "23514" if table == "commit_log" || table == "idempotency" => return Verdict::NoPartition,
        _ => {}
    }
    let error = match (error.code(), error.code().get(..2).unwrap_or_default()) {
        // A privilege that somebody took away is no defect of the data.
        ("42501", _) => CommitError::Unavailable(text),
        ("40P01", _) => CommitError::Deadlock(text),
        (_, "21" | "22" | "23" | "42" | "54") => CommitError::Refused(text),
        _ => CommitError::Unavailable(text),
    };
    // After an unavailability a new session may reach a better server (a new primary, a restarted one).
    let session_usable = !matches!(error, CommitError::Unavailable(_));
    Verdict::Failed { error, session_usable }
}

fn describe(error: &PgDatabaseError) -> String {
    let text = format!("{} (SQLSTATE {})", error.message(), error.code());
    match what_to_do(error.code()) {
        Some(what_to_do) => format!("{text}; {what_to_do}"),
        None => text,
    }
}

/// For errors that last until somebody does something.
fn what_to_do(code: &str) -> Option<&'static str> {
    Some(match code {
        "25006" => READ_ONLY,
        "53300" => {
            "it is out of connections: raise max_connections, or the limit of the user or of the database, or end other \
             sessions"
        }
        "42501" => {
            "the address's user must be able to make tables, and own those that are there: GRANT CREATE ON SCHEMA public \
             TO the user, or make it the database's owner"
        }
        code if code == "3D000" || code.starts_with("28") => "check host, database, user and password",
        _ => return None,
    })
}

/// The SQLSTATE of an error, if the server sent one.
pub(super) fn code(error: &sqlx::Error) -> Option<&str> {
    let database = error.as_database_error()?;
    database.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

/// What an error of a read or a start means.
pub(super) fn store_error(error: sqlx::Error) -> StoreError {
    if let Some(error) = error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) {
        let text = describe(error);
        // Waiting creates no database, user, password or privilege.
        return match error.code() {
            "XX001" | "XX002" => StoreError::Damaged(text),
            code if code == "3D000" || code.starts_with("28") => StoreError::Address(text),
            code if code.starts_with("42") => StoreError::Refused(text),
            _ => StoreError::Unavailable(text),
        };
    }
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreError::Damaged(error.to_string())
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// What an error of a migration means.
pub(super) fn migrate_error(error: MigrateError) -> StoreError {
    match error {
        MigrateError::VersionMissing(version) => newer_schema(version),
        MigrateError::Execute(error) => store_error(error),
        MigrateError::ExecuteMigration(error, version) => match store_error(error) {
            StoreError::Refused(text) => StoreError::Refused(format!("migration {version}: {text}")),
            StoreError::Unavailable(text) => StoreError::Unavailable(format!("migration {version}: {text}")),
            error => error,
        },
        other => StoreError::Damaged(other.to_string()),
    }
}

/// The schema has a version that this server does not know.
pub(super) fn newer_schema(version: i64) -> StoreError {
    StoreError::Newer(format!(
        "its schema has version {version}, this server knows versions up to {}; start the newer server",
        super::schema::NEWEST_VERSION
    ))
}
