//! PostgreSQL: a dedicated connection for the writer, one for the lock, one for maintenance, a few for readers.

mod encode;
mod errors;
mod holders;
mod lock;
mod partitions;
mod readers;
mod schema;
mod session;
mod writer;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ixn_engine::commit::{
    AgentName, CommitBatch, CommitNumber, EventNumber, IdempotencyRow, InteractionKey, TakenOver,
};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use self::errors::store_error;
use self::holders::Held;
use self::partitions::{COMMIT_LOG, Expiry, IDEMPOTENCY, Old, TABLES};
use self::readers::Readers;
use self::session::{Purpose, READ_TIME, Sessions, in_time, within};
use self::writer::PostgresWriter;
use crate::connections::Open;
use crate::format::{self, COMMIT_BEFORE_SQL, unpack, unsigned};
use crate::record::check_format;
use crate::{
    CommitError, Database, DatabaseInfo, Inspection, LogRecord, MAX_LOG_RECORDS, OpenOptions, StoreError,
    Upkeep, Waiting, Writer,
};

/// Rows of one page of [`Database::load_interactions`].
const PAGE_ROWS: i64 = 4096;

/// Rows of idempotency keys read at once.
const IDEMPOTENCY_PAGE_ROWS: i64 = 128;

/// How long the checks of a start may take.
const CHECK_TIME: Duration = Duration::from_secs(10);

/// How long a migration may take. It is not to end one that works on a large database, but one whose server is gone.
const MIGRATE_TIME: Duration = Duration::from_secs(3600);

/// How long a takeover may take. Each of its statements has a time-out of its own, at the server.
const TAKEOVER_TIME: Duration = Duration::from_secs(60);

/// How long one call of [`Database::maintain`] may take. What it has done by then stays done.
const MAINTAIN_TIME: Duration = Duration::from_secs(60);

/// As [`crate::inspect`].
pub(crate) async fn inspect(url: &str, options: &OpenOptions) -> Result<Inspection, StoreError> {
    let mut connection = Sessions::new(url, options)?.connect(Purpose::Watch).await?;
    let look = async {
        let read_only = sqlx::raw_sql("SET default_transaction_read_only = on");
        read_only.execute(&mut *connection).await.map_err(store_error)?;
        schema::check(&mut connection, options.allow_unsafe_durability).await?;
        let schema_version = schema::version(&mut connection).await?;
        Ok(Inspection {
            info: schema::info(&mut connection).await?,
            schema_version: u32::try_from(schema_version).unwrap_or_default(),
        })
    };
    in_time(CHECK_TIME, "looking at the database", look).await
}

/// As [`crate::encode_for_postgres`].
pub(crate) fn encode(batch: &CommitBatch) -> Result<impl Sized + use<>, CommitError> {
    encode::Packed::of(batch)?.arguments(batch)
}

/// As [`crate::check_address`].
pub(crate) fn check_address(url: &str) -> Result<(), StoreError> {
    Sessions::new(url, &OpenOptions::default()).map(drop)
}

pub(crate) struct PostgresDatabase {
    sessions: Sessions,
    allow_unsafe_durability: bool,
    readers: Readers,
    lock: tokio::sync::Mutex<Option<lock::Lock>>,
    maintenance: tokio::sync::Mutex<Maintenance>,
}

#[derive(Default)]
struct Maintenance {
    /// `None` before the first use and after an error.
    connection: Option<Open<PgConnection>>,
    expiry: Expiry,
    held: Held,
}

impl PostgresDatabase {
    pub(crate) async fn open(url: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let sessions = Sessions::new(url, options)?;
        let mut connection = sessions.connect(Purpose::Watch).await?;
        let check = schema::check(&mut connection, options.allow_unsafe_durability);
        in_time(CHECK_TIME, "checking the database", check).await?;
        Ok(Self {
            readers: Readers::new(sessions.clone()),
            sessions,
            allow_unsafe_durability: options.allow_unsafe_durability,
            lock: tokio::sync::Mutex::default(),
            maintenance: tokio::sync::Mutex::default(),
        })
    }

    async fn rows(
        &self,
        what: &str,
        query: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<Vec<PgRow>, StoreError> {
        let mut reader = self.readers.take().await?;
        let rows = within(READ_TIME, what, query.fetch_all(&mut *reader)).await?;
        reader.give_back();
        Ok(rows)
    }

    /// The oldest commit of as many of the newest as hold `most` keys.
    async fn idempotency_begins(&self, now_seconds: u64, most: usize) -> Result<i64, StoreError> {
        let (mut count, mut begins) = (0, i64::MAX);
        loop {
            let select = sqlx::query(
                "SELECT seq, entries FROM idempotency WHERE seq < $1 AND expires_at > $2 ORDER BY seq DESC LIMIT $3",
            )
            .bind(begins)
            .bind(i64::try_from(now_seconds).unwrap_or(i64::MAX))
            .bind(IDEMPOTENCY_PAGE_ROWS);
            let rows = self.rows("reading idempotency keys", select).await?;
            for row in &rows {
                if count >= most {
                    return Ok(begins);
                }
                begins = row.try_get(0).map_err(store_error)?;
                let entries: &[u8] = row.try_get(1).map_err(store_error)?;
                format::idempotency_from_bytes(entries, begins, now_seconds, |_| count += 1)?;
            }
            if (rows.len() as i64) < IDEMPOTENCY_PAGE_ROWS {
                return Ok(begins);
            }
        }
    }

    async fn read_log_extent(&self) -> Result<(CommitNumber, u64), StoreError> {
        let select = sqlx::query(
            "SELECT (SELECT seq FROM commit_log ORDER BY seq LIMIT 1),
                    coalesce(sum(pg_total_relation_size(inhrelid)), 0)::bigint
             FROM pg_inherits WHERE inhparent = to_regclass('commit_log')",
        );
        let rows = self.rows("measuring the commit log", select).await?;
        let Some(extent) = rows.first() else { return Ok((CommitNumber(0), 0)) };
        let oldest: Option<i64> = extent.try_get(0).map_err(store_error)?;
        let bytes = extent.try_get(1).map_err(store_error)?;
        Ok((CommitNumber(unsigned(oldest.unwrap_or(0))?), unsigned(bytes)?))
    }
}

#[async_trait]
impl Database for PostgresDatabase {
    async fn info(&self) -> Result<DatabaseInfo, StoreError> {
        let mut reader = self.readers.take().await?;
        let info = in_time(READ_TIME, "asking for its settings", schema::info(&mut reader)).await?;
        reader.give_back();
        Ok(info)
    }

    fn open_connections(&self) -> usize {
        self.sessions.open.count()
    }

    async fn lock(&self, waiting: Waiting<'_>) -> Result<(), StoreError> {
        let mut held = self.lock.lock().await;
        if held.is_none() {
            *held = Some(lock::lock(&self.sessions, waiting).await?);
        }
        Ok(())
    }

    async fn take_over(&self, at_milliseconds: u64) -> Result<(TakenOver, Box<dyn Writer>), StoreError> {
        let mut connection = self.sessions.connect(Purpose::Migrate).await?;
        // Again, after what may have been a long wait for the lock.
        let check = schema::check(&mut connection, self.allow_unsafe_durability);
        in_time(CHECK_TIME, "checking the database", check).await?;
        in_time(MIGRATE_TIME, "migrating the schema", schema::migrate(&mut connection)).await?;
        let mut writer = PostgresWriter::connect(self.sessions.clone()).await?;
        let take_over = schema::take_over(writer.connection()?, at_milliseconds);
        let taken = in_time(TAKEOVER_TIME, "taking over the database", take_over).await?;
        Ok((taken, Box::new(writer)))
    }

    async fn load_interactions(
        &self,
        page: &mut (dyn FnMut(Vec<(InteractionKey, Bytes)>) + Send),
    ) -> Result<(), StoreError> {
        let mut after = -1_i64;
        loop {
            let select =
                sqlx::query("SELECT key, row FROM interactions WHERE key > $1 ORDER BY key LIMIT $2")
                    .bind(after)
                    .bind(PAGE_ROWS);
            let rows = self.rows("reading interactions", select).await?;
            let complete = (rows.len() as i64) < PAGE_ROWS;
            let mut interactions = Vec::with_capacity(rows.len());
            for row in rows {
                after = row.try_get(0).map_err(store_error)?;
                interactions.push((InteractionKey(unsigned(after)?), bytes(&row, 1)?));
            }
            if !interactions.is_empty() {
                page(interactions);
            }
            if complete {
                return Ok(());
            }
        }
    }

    async fn load_agents(&self) -> Result<Vec<(AgentName, Bytes)>, StoreError> {
        let rows = self.rows("reading agents", sqlx::query("SELECT id, row FROM agents ORDER BY id")).await?;
        rows.iter().map(|row| Ok((row.try_get(0).map_err(store_error)?, bytes(row, 1)?))).collect()
    }

    async fn load_idempotency(
        &self,
        now_seconds: u64,
        most: usize,
        page: &mut (dyn FnMut(Vec<IdempotencyRow>) + Send),
    ) -> Result<(), StoreError> {
        let mut from = self.idempotency_begins(now_seconds, most).await?;
        loop {
            let select =
                sqlx::query("SELECT seq, entries FROM idempotency WHERE seq >= $1 AND expires_at > $2 ORDER BY seq LIMIT $3")
                    .bind(from)
                    .bind(i64::try_from(now_seconds).unwrap_or(i64::MAX))
                    .bind(IDEMPOTENCY_PAGE_ROWS);
            let rows = self.rows("reading idempotency keys", select).await?;
            let mut keys = Vec::new();
            for row in &rows {
                let seq: i64 = row.try_get(0).map_err(store_error)?;
                let entries: &[u8] = row.try_get(1).map_err(store_error)?;
                format::idempotency_from_bytes(entries, seq, now_seconds, |key| keys.push(key))?;
                from = seq.saturating_add(1);
            }
            let complete = (rows.len() as i64) < IDEMPOTENCY_PAGE_ROWS;
            drop(rows);
            page(keys);
            if complete {
                return Ok(());
            }
        }
    }

    async fn contents(&self, keys: &[InteractionKey]) -> Result<Vec<(InteractionKey, Bytes)>, StoreError> {
        let keys: Vec<i64> = keys.iter().filter_map(|key| i64::try_from(key.0).ok()).collect();
        let select = sqlx::query("SELECT key, user_data FROM contents WHERE key = ANY ($1)").bind(keys);
        let rows = self.rows("reading contents", select).await?;
        rows.iter()
            .map(|row| {
                let key = unsigned(row.try_get(0).map_err(store_error)?)?;
                let packed: &[u8] = row.try_get(1).map_err(store_error)?;
                Ok((InteractionKey(key), unpack(packed, &|| format!("contents {key}"))?))
            })
            .collect()
    }

    async fn log_after(&self, after: CommitNumber, max_bytes: usize) -> Result<Vec<LogRecord>, StoreError> {
        // The lengths are summed up before the events are fetched from where they lie out of line.
        let select = sqlx::query(
            "SELECT seq, first_event, last_event, format, events FROM (
               SELECT *, sum(events_bytes) OVER (ORDER BY seq) AS total_bytes,
                      row_number() OVER (ORDER BY seq) AS place
               FROM (SELECT * FROM commit_log WHERE seq > $1 ORDER BY seq LIMIT $2) AS candidates
             ) AS counted
             WHERE total_bytes <= $3 OR place = 1
             ORDER BY seq",
        )
        .bind(i64::try_from(after.0).unwrap_or(i64::MAX))
        .bind(MAX_LOG_RECORDS as i64)
        .bind(i64::try_from(max_bytes).unwrap_or(i64::MAX));
        let rows = self.rows("reading the commit log", select).await?;
        rows.iter()
            .map(|row| {
                check_format(row.try_get(3).map_err(store_error)?)?;
                let seq = unsigned(row.try_get(0).map_err(store_error)?)?;
                let events: &[u8] = row.try_get(4).map_err(store_error)?;
                Ok(LogRecord {
                    number: CommitNumber(seq),
                    first_event: EventNumber(unsigned(row.try_get(1).map_err(store_error)?)?),
                    last_event: EventNumber(unsigned(row.try_get(2).map_err(store_error)?)?),
                    events: unpack(events, &|| format!("commit_log {seq}"))?,
                })
            })
            .collect()
    }

    async fn commit_before(&self, event: EventNumber) -> Result<Option<CommitNumber>, StoreError> {
        let select = sqlx::query(COMMIT_BEFORE_SQL).bind(i64::try_from(event.0).unwrap_or(i64::MAX));
        let rows = self.rows("searching the commit log", select).await?;
        let Some(found) = rows.first() else { return Ok(None) };
        let number = |column: usize| unsigned(found.try_get(column).map_err(store_error)?);
        Ok(format::commit_before(event.0, number(0)?, number(1)?, number(2)?).map(CommitNumber))
    }

    async fn log_extent(&self) -> Result<(CommitNumber, u64), StoreError> {
        let extent = self.read_log_extent().await;
        if extent.is_err()
            && let Ok(mut maintenance) = self.maintenance.try_lock()
        {
            // Upkeep halts until the log can be read again. Its connection, likely lost too, is not kept as if it were open.
            maintenance.connection = None;
        }
        extent
    }

    async fn maintain(&self, upkeep: &Upkeep) -> Result<(), StoreError> {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let newest = signed(upkeep.newest.0);
        let below = |number: CommitNumber| newest.min(signed(number.0));
        let old_log = Old::Below(below(upkeep.log_below));
        let now_seconds = signed(upkeep.now_seconds);
        let old_keys = Old::BelowOrExpired { below: below(upkeep.keys_below), now_seconds, newest };

        let mut maintenance = self.maintenance.lock().await;
        // Put back only after success: a connection that failed is not trusted.
        let mut connection = match maintenance.connection.take() {
            Some(connection) => connection,
            None => self.sessions.connect(Purpose::Maintain).await?,
        };
        let keep_room = async {
            for table in TABLES {
                partitions::make_room(&mut connection, table, newest).await?;
            }
            let log =
                partitions::trim(&mut connection, &COMMIT_LOG, &old_log, &mut Expiry::default()).await?;
            let keys =
                partitions::trim(&mut connection, &IDEMPOTENCY, &old_keys, &mut maintenance.expiry).await?;
            Ok(log.or(keys))
        };
        let holder = in_time(MAINTAIN_TIME, "keeping the log's room", keep_room).await?;
        maintenance.held.note(holder.as_ref());
        maintenance.connection = Some(connection);
        Ok(())
    }
}

fn bytes(row: &PgRow, column: usize) -> Result<Bytes, StoreError> {
    let value: &[u8] = row.try_get(column).map_err(store_error)?;
    Ok(Bytes::copy_from_slice(value))
}
