//! The single writer: one dedicated connection, one statement and one round trip per commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ixn_engine::commit::{AgentName, CommitBatch, CommitIdentity, CommitNumber, Epoch, InteractionKey};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::timeout;

use super::errors::{Verdict, verdict};
use super::partitions::{self, COMMIT_LOG};
use super::session::{
    Backend, Purpose, Sessions, backend_of, end_backend, in_time, refuse_read_only, within,
};
use crate::connections::Open;
use crate::format::{idempotency_to_bytes, pack, signed, unsigned};
use crate::record::{LOG_FORMAT, NewRecord, does_not_follow};
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

/// Larger batches are packed on a thread that may be busy for a while.
const PACK_ELSEWHERE_BYTES: usize = 256 << 10;

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
        let packed = pack_batch(batch).await?;
        let mut connection =
            self.take_connection().await.map_err(|error| CommitError::Unavailable(error.to_string()))?;
        let sql = self.statement.of(packed.record.seq);
        let mut room_made = false;
        loop {
            let executed = match timeout(COMMIT_TIME, execute(&mut connection, &sql, batch, &packed)).await {
                Ok(executed) => executed,
                Err(_) => {
                    let text = format!("no answer in {} s", COMMIT_TIME.as_secs());
                    return Err(CommitError::Unknown(text));
                }
            };
            let error = match executed {
                Ok(()) => {
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

/// What of a batch must be made before it can be bound.
struct Packed {
    record: NewRecord,
    cold: Vec<Vec<u8>>,
    idempotency: Option<(i64, Vec<u8>)>,
}

impl Packed {
    fn of(batch: &CommitBatch) -> Result<Self, CommitError> {
        Ok(Self {
            record: NewRecord::of_batch(batch)?,
            cold: batch.cold.iter().map(|(_, user_data)| pack(user_data)).collect(),
            idempotency: idempotency_to_bytes(&batch.idempotency)?,
        })
    }
}

async fn pack_batch(batch: &CommitBatch) -> Result<Packed, CommitError> {
    let bytes: usize =
        batch.events.len() + batch.cold.iter().map(|(_, user_data)| user_data.len()).sum::<usize>();
    if bytes < PACK_ELSEWHERE_BYTES {
        return Packed::of(batch);
    }
    let batch = Arc::new(batch.clone());
    match tokio::task::spawn_blocking(move || Packed::of(&batch)).await {
        Ok(packed) => packed,
        Err(error) => Err(CommitError::Unavailable(format!("packing the batch ended early: {error}"))),
    }
}

fn keys(rows: &[(InteractionKey, Bytes)]) -> Result<Vec<i64>, CommitError> {
    rows.iter().map(|(key, _)| signed(key.0)).collect()
}

fn names(agents: &[(AgentName, Bytes)]) -> Vec<&str> {
    agents.iter().map(|(agent, _)| agent.as_str()).collect()
}

fn values<K>(rows: &[(K, Bytes)]) -> Vec<&[u8]> {
    rows.iter().map(|(_, row)| &row[..]).collect()
}

async fn execute(
    connection: &mut PgConnection,
    sql: &Arc<str>,
    batch: &CommitBatch,
    packed: &Packed,
) -> Result<(), sqlx::Error> {
    let refused = |error: CommitError| sqlx::Error::Encode(error.into());
    let deleted: Vec<i64> =
        batch.deleted.iter().map(|key| signed(key.0)).collect::<Result<_, _>>().map_err(refused)?;
    let cold: Vec<&[u8]> = packed.cold.iter().map(Vec::as_slice).collect();
    let record = &packed.record;
    sqlx::query(AssertSqlSafe(Arc::clone(sql)))
        .bind(record.seq)
        .bind(record.epoch)
        .bind(record.hash)
        .bind(record.first_event)
        .bind(record.last_event)
        .bind(&record.counters)
        .bind(&record.changed_ids)
        .bind(&record.events)
        .bind(record.events_bytes)
        .bind(LOG_FORMAT)
        .bind(record.at)
        .bind(keys(&batch.hot).map_err(refused)?)
        .bind(values(&batch.hot))
        .bind(keys(&batch.cold).map_err(refused)?)
        .bind(cold)
        .bind(deleted)
        .bind(names(&batch.agents))
        .bind(values(&batch.agents))
        .bind(&batch.deleted_agents)
        .bind(packed.idempotency.as_ref().map(|(expires_at, _)| *expires_at))
        .bind(packed.idempotency.as_ref().map(|(_, entries)| entries.as_slice()))
        .execute(connection)
        .await?;
    Ok(())
}
