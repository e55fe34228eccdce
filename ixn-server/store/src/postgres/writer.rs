//! The single writer: one dedicated connection, one statement and one round trip per commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ixn_engine::commit::{CommitBatch, CommitIdentity, CommitNumber, Epoch};
use sqlx::{AssertSqlSafe, PgConnection, query_with};
use tokio::time::timeout;

use super::encode::Packed;
use super::errors::{Verdict, verdict};
use super::partitions::{self, COMMIT_LOG};
use super::session::{
    Backend, Purpose, Sessions, backend_of, end_backend, in_time, refuse_read_only, within,
};
use crate::connections::Open;
use crate::format::{signed, unsigned};
use crate::record::does_not_follow;
use crate::{CommitError, StoreError, Writer};

const COMMIT_SQL: &str = include_str!("commit.sql");

/// What stands in it for the partition of the commit before.
const PREDECESSORS_PARTITION: &str = "PREDECESSORS_PARTITION";

/// After this long without an answer the outcome is unknown; longer than the session's own statement time-out, whose
/// answer is certain.
const COMMIT_TIME: Duration = Duration::from_secs(15);

const READ_TIME: Duration = Duration::from_secs(10);

/// How long making a partition may hold up a commit.
const ROOM_TIME: Duration = Duration::from_secs(30);

pub(super) struct PostgresWriter {
    sessions: Sessions,
    /// Taken out while a statement runs: a call that is given up leaves `None`.
    connection: Option<Open<PgConnection>>,
    /// The newest connection's, also when that is gone.
    backend: Option<Backend>,
    statement: Statement,
}

/// The commit's statement. It names a partition, so it changes with every some thousandth commit.
#[derive(Default)]
struct Statement {
    partition_lower: Option<i64>,
    sql: Arc<str>,
}

impl Statement {
    fn of(&mut self, seq: i64) -> Arc<str> {
        let lower = COMMIT_LOG.lower_of(seq - 1);
        if self.partition_lower != Some(lower) {
            self.sql = COMMIT_SQL.replace(PREDECESSORS_PARTITION, &COMMIT_LOG.name_of(lower)).into();
            self.partition_lower = Some(lower);
        }
        Arc::clone(&self.sql)
    }
}

impl PostgresWriter {
    pub(super) async fn connect(sessions: Sessions) -> Result<Self, StoreError> {
        let mut writer = Self { sessions, connection: None, backend: None, statement: Statement::default() };
        let connection = writer.take_connection().await?;
        writer.connection = Some(connection);
        Ok(writer)
    }

    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.connection
            .as_deref_mut()
            .ok_or_else(|| StoreError::Unavailable("the connection is lost".to_owned()))
    }

    async fn take_connection(&mut self) -> Result<Open<PgConnection>, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        self.reconnect().await
    }

    /// A new connection, after the backend of the one before is gone: nothing can commit behind our back. Not to a standby,
    /// which may lag: what it lacks is not lost.
    async fn reconnect(&mut self) -> Result<Open<PgConnection>, StoreError> {
        let mut connection = self.sessions.connect(Purpose::Write).await?;
        refuse_read_only(&mut connection).await?;
        if let Some(backend) = &self.backend {
            end_backend(&mut connection, backend).await?;
        }
        self.backend = Some(backend_of(&mut connection).await?);
        Ok(connection)
    }

    /// Makes partitions for a commit that ran ahead of maintenance. `false`: the number's partition was dropped.
    async fn make_room(&self, seq: i64) -> Result<bool, StoreError> {
        let mut connection = self.sessions.connect(Purpose::Maintain).await?;
        let make = async {
            for table in partitions::TABLES {
                if partitions::is_dropped(&mut connection, table, seq).await? {
                    return Ok(false);
                }
                partitions::make_room(&mut connection, table, seq).await?;
            }
            Ok(true)
        };
        in_time(ROOM_TIME, "making room in the log", make).await
    }
}

#[async_trait]
impl Writer for PostgresWriter {
    async fn commit(&mut self, batch: &CommitBatch) -> Result<(), CommitError> {
        let packed = Packed::of_any(batch).await?;
        let mut connection =
            self.take_connection().await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
        let sql = self.statement.of(packed.record.seq);
        let mut room_made = false;
        loop {
            let statement = query_with(AssertSqlSafe(Arc::clone(&sql)), packed.arguments(batch)?);
            let executed = match timeout(COMMIT_TIME, statement.execute(&mut *connection)).await {
                Ok(executed) => executed,
                Err(_) => {
                    let text = format!("no answer in {} s", COMMIT_TIME.as_secs());
                    return Err(CommitError::Unknown(text));
                }
            };
            let error = match executed {
                Ok(_) => {
                    self.connection = Some(connection);
                    return Ok(());
                }
                Err(error) => error,
            };
            match verdict(&error) {
                Verdict::NumberTaken => {
                    let there = read_identity(&mut connection, packed.record.seq)
                        .await
                        .map_err(|error| CommitError::Unknown(error.to_string()))?;
                    self.connection = Some(connection);
                    return compare(batch, there);
                }
                Verdict::NoPredecessor => {
                    let answer = without_predecessor(&mut connection, batch, packed.record.seq, &error)
                        .await
                        .map_err(|error| CommitError::Unknown(error.to_string()))?;
                    self.connection = Some(connection);
                    return answer;
                }
                Verdict::NoPartition if room_made => {
                    let text = "there is no partition for the commit, although one was made".to_owned();
                    return Err(CommitError::Unavailable(text));
                }
                Verdict::NoPartition => {
                    let made = self.make_room(packed.record.seq).await;
                    if !made.map_err(|error| CommitError::Unavailable(error.to_string()))? {
                        let text =
                            format!("commit {} is of a part of the log that was dropped", batch.number);
                        return Err(CommitError::Fenced(text));
                    }
                    room_made = true;
                }
                Verdict::Failed { error, session_usable } => {
                    if session_usable {
                        self.connection = Some(connection);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn look_up(&mut self, number: CommitNumber) -> Result<Option<CommitIdentity>, StoreError> {
        self.connection = None;
        let mut connection = self.reconnect().await?;
        let found = match signed(number.0) {
            Ok(seq) => read_identity(&mut connection, seq).await?,
            Err(_) => None,
        };
        self.connection = Some(connection);
        Ok(found)
    }
}

/// Whether the record that holds the number is the batch's own.
fn compare(batch: &CommitBatch, there: Option<CommitIdentity>) -> Result<(), CommitError> {
    match there {
        Some(there) if there.epoch == batch.epoch && there.hash == batch.hash => Ok(()),
        Some(there) => Err(CommitError::Fenced(format!(
            "commit {} was written in epoch {}, ours is {}",
            batch.number, there.epoch, batch.epoch
        ))),
        None => Err(CommitError::Fenced(format!("commit {} has been written and trimmed", batch.number))),
    }
}

/// What it means that a batch does not follow the log's newest record. The outer error: the log could not be read.
async fn without_predecessor(
    connection: &mut PgConnection,
    batch: &CommitBatch,
    seq: i64,
    error: &sqlx::Error,
) -> Result<Result<(), CommitError>, StoreError> {
    if let Some(there) = read_identity(connection, seq).await? {
        return Ok(compare(batch, Some(there)));
    }
    let newest = sqlx::query_as("SELECT seq, epoch FROM commit_log ORDER BY seq DESC LIMIT 1");
    let newest: Option<(i64, i64)> =
        within(READ_TIME, "reading the commit log", newest.fetch_optional(connection)).await?;
    let newest = match newest {
        Some((seq, epoch)) => Some((unsigned(seq)?, unsigned(epoch)?)),
        None => None,
    };
    Ok(Err(match does_not_follow(batch, newest) {
        Some(error) => error,
        // It does follow: the statement failed for another reason.
        None => CommitError::Refused(error.to_string()),
    }))
}

/// Answers a record only when it is as safe as an acknowledged commit.
async fn read_identity(
    connection: &mut PgConnection,
    seq: i64,
) -> Result<Option<CommitIdentity>, StoreError> {
    let record =
        sqlx::query_as::<_, (i64, i64)>("SELECT epoch, hash FROM commit_log WHERE seq = $1").bind(seq);
    let found = within(READ_TIME, "reading the commit log", record.fetch_optional(&mut *connection)).await?;
    let Some((epoch, hash)) = found else { return Ok(None) };
    // A commit that was waiting for a synchronous standby when its session was ended can be seen, and no standby may have
    // it. A transaction behind it waits too, for that one and for all before it.
    let confirm = sqlx::raw_sql("SELECT pg_logical_emit_message(true, 'ixn', '')").execute(connection);
    within(READ_TIME, "waiting for a synchronous standby", confirm).await?;
    Ok(Some(CommitIdentity { epoch: Epoch(unsigned(epoch)?), hash: hash.cast_unsigned() }))
}
