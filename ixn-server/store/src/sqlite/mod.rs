//! The embedded database: one file, one writer thread, readers beside it.

mod checkpoint;
mod commit;
mod connection;
mod inspect;
mod lock;
mod place;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use ixn_engine::commit::{AgentName, CommitNumber, EventNumber, IdempotencyRow, InteractionKey, TakenOver};
use rusqlite::{Connection, OptionalExtension};

pub(crate) use self::inspect::inspect;

use self::connection::{Durability, open_reader, schema_version, store_error};
use self::writer::{Handle, SqliteWriter};
use crate::connections::{Open, OpenConnections};
use crate::format::{self, COMMIT_BEFORE_SQL, unpack, unsigned};
use crate::record::check_format;
use crate::{
    Database, DatabaseInfo, LogRecord, MAX_LOG_RECORDS, OpenOptions, StoreError, Upkeep, Waiting, Writer,
};

/// Rows of one page of [`Database::load_interactions`].
const PAGE_ROWS: u16 = 8192;

/// Commits of which one page of idempotency keys is made.
const IDEMPOTENCY_PAGE_ROWS: u16 = 128;

/// Connections of readers that stay open.
const IDLE_READERS: usize = 4;

/// How long one call of [`Database::maintain`] deletes at most.
const MAINTAIN_TIME: Duration = Duration::from_millis(500);

pub(crate) struct SqliteDatabase {
    path: PathBuf,
    holder: String,
    open: OpenConnections,
    /// Idle connections of readers.
    readers: Arc<Mutex<Vec<Open<Connection>>>>,
    lock: tokio::sync::Mutex<Option<lock::Lock>>,
    writer: Mutex<Weak<Handle>>,
}

impl SqliteDatabase {
    pub(crate) async fn open(path: &str, options: &OpenOptions) -> Result<Self, StoreError> {
        let database = Self {
            path: PathBuf::from(path),
            holder: options.holder.clone(),
            open: OpenConnections::default(),
            readers: Arc::default(),
            lock: tokio::sync::Mutex::default(),
            writer: Mutex::default(),
        };
        let path = database.path.clone();
        blocking(move || prepare(&path)).await?;
        Ok(database)
    }

    /// Runs `read` with a connection of its own on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (path, open, readers) = (self.path.clone(), self.open.clone(), Arc::clone(&self.readers));
        blocking(move || {
            let idle = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open.open(open_reader(&path)?),
            };
            let answer = read(&connection)?;
            let mut idle = readers.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_READERS {
                idle.push(connection);
            }
            Ok(answer)
        })
        .await
    }
}

/// The oldest commit of as many of the newest as hold `most` keys.
fn idempotency_begins(connection: &Connection, now_seconds: u64, most: usize) -> Result<i64, StoreError> {
    let mut select = connection
        .prepare_cached("SELECT seq, entries FROM idempotency WHERE expires_at > ?1 ORDER BY seq DESC")
        .map_err(store_error)?;
    let mut rows = select.query([i64::try_from(now_seconds).unwrap_or(i64::MAX)]).map_err(store_error)?;
    let (mut count, mut begins) = (0, i64::MAX);
    while let Some(row) = rows.next().map_err(store_error)?
        && count < most
    {
        begins = row.get(0).map_err(store_error)?;
        format::idempotency_from_bytes(&blob(row, 1)?, begins, now_seconds, |_| count += 1)?;
    }
    Ok(begins)
}

/// Makes the directory, and looks at the schema if there is one.
fn prepare(path: &Path) -> Result<(), StoreError> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", directory.display())))?;
    }
    if path.exists() {
        schema_version(&open_reader(path)?)?;
    }
    Ok(())
}

/// A database with this durability.
fn info(durability: Durability) -> DatabaseInfo {
    DatabaseInfo {
        kind: "sqlite",
        version: rusqlite::version().to_owned(),
        durability: durability.to_string(),
        is_synced: durability.is_synced(),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(StoreError::Unavailable(format!("a reader ended early: {error}"))),
    }
}

#[async_trait]
impl Database for SqliteDatabase {
    async fn info(&self) -> Result<DatabaseInfo, StoreError> {
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        Ok(info(match handle {
            Some(handle) => handle.durability().await?,
            None => Durability::of_a_writer(),
        }))
    }

    fn open_connections(&self) -> usize {
        self.open.count()
    }

    async fn lock(&self, waiting: Waiting<'_>) -> Result<(), StoreError> {
        let mut held = self.lock.lock().await;
        if held.is_none() {
            *held = Some(lock::lock(&self.path, &self.holder, waiting).await?);
        }
        Ok(())
    }

    async fn take_over(&self, at_milliseconds: u64) -> Result<(TakenOver, Box<dyn Writer>), StoreError> {
        let handle = Arc::new(Handle::start(&self.path, &self.open)?);
        let taken = handle.take_over(at_milliseconds).await?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&handle);
        Ok((taken, Box::new(SqliteWriter(handle))))
    }

    async fn load_interactions(
        &self,
        page: &mut (dyn FnMut(Vec<(InteractionKey, Bytes)>) + Send),
    ) -> Result<(), StoreError> {
        let mut after = -1;
        loop {
            let rows = self
                .read(move |connection| {
                    let mut select = connection
                        .prepare_cached(
                            "SELECT key, row FROM interactions WHERE key > ?1 ORDER BY key LIMIT ?2",
                        )
                        .map_err(store_error)?;
                    let mut rows = select.query((after, PAGE_ROWS)).map_err(store_error)?;
                    let mut interactions = Vec::with_capacity(PAGE_ROWS.into());
                    while let Some(row) = rows.next().map_err(store_error)? {
                        let key = unsigned(row.get(0).map_err(store_error)?)?;
                        interactions.push((InteractionKey(key), blob(row, 1)?));
                    }
                    Ok(interactions)
                })
                .await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = last.0.cast_signed();
            let complete = rows.len() < usize::from(PAGE_ROWS);
            page(rows);
            if complete {
                return Ok(());
            }
        }
    }

    async fn load_agents(&self) -> Result<Vec<(AgentName, Bytes)>, StoreError> {
        self.read(|connection| {
            let mut select =
                connection.prepare_cached("SELECT id, row FROM agents ORDER BY id").map_err(store_error)?;
            let mut rows = select.query([]).map_err(store_error)?;
            let mut agents = Vec::new();
            while let Some(row) = rows.next().map_err(store_error)? {
                agents.push((row.get(0).map_err(store_error)?, blob(row, 1)?));
            }
            Ok(agents)
        })
        .await
    }

    async fn load_idempotency(
        &self,
        now_seconds: u64,
        most: usize,
        page: &mut (dyn FnMut(Vec<IdempotencyRow>) + Send),
    ) -> Result<(), StoreError> {
        let now = i64::try_from(now_seconds).unwrap_or(i64::MAX);
        let mut from = self.read(move |connection| idempotency_begins(connection, now_seconds, most)).await?;
        loop {
            let (keys, next) = self
                .read(move |connection| {
                    let mut select = connection
                        .prepare_cached(
                            "SELECT seq, entries FROM idempotency WHERE seq >= ?1 AND expires_at > ?2
                             ORDER BY seq LIMIT ?3",
                        )
                        .map_err(store_error)?;
                    let mut rows = select.query((from, now, IDEMPOTENCY_PAGE_ROWS)).map_err(store_error)?;
                    let (mut keys, mut next) = (Vec::new(), None);
                    while let Some(row) = rows.next().map_err(store_error)? {
                        let seq: i64 = row.get(0).map_err(store_error)?;
                        format::idempotency_from_bytes(&blob(row, 1)?, seq, now_seconds, |key| {
                            keys.push(key)
                        })?;
                        next = Some(seq.saturating_add(1));
                    }
                    Ok((keys, next))
                })
                .await?;
            let Some(next) = next else { return Ok(()) };
            from = next;
            page(keys);
        }
    }

    async fn contents(&self, keys: &[InteractionKey]) -> Result<Vec<(InteractionKey, Bytes)>, StoreError> {
        let keys = keys.to_vec();
        self.read(move |connection| {
            let mut select = connection
                .prepare_cached("SELECT user_data FROM contents WHERE key = ?1")
                .map_err(store_error)?;
            let mut contents = Vec::with_capacity(keys.len());
            for key in keys {
                let packed: Option<Vec<u8>> = select
                    .query_row([key.0.cast_signed()], |row| row.get(0))
                    .optional()
                    .map_err(store_error)?;
                if let Some(packed) = packed {
                    contents.push((key, unpack(&packed, &|| format!("contents {key}"))?));
                }
            }
            Ok(contents)
        })
        .await
    }

    async fn log_after(&self, after: CommitNumber, max_bytes: usize) -> Result<Vec<LogRecord>, StoreError> {
        self.read(move |connection| {
            let after = i64::try_from(after.0).unwrap_or(i64::MAX);
            let mut select = connection
                .prepare_cached(
                    "SELECT seq, first_event, last_event, format, events_bytes, events FROM commit_log
                     WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                )
                .map_err(store_error)?;
            let mut rows = select.query((after, MAX_LOG_RECORDS as i64)).map_err(store_error)?;
            let mut records: Vec<LogRecord> = Vec::new();
            let mut bytes = 0;
            while let Some(row) = rows.next().map_err(store_error)? {
                check_format(row.get(3).map_err(store_error)?)?;
                bytes += unsigned(row.get(4).map_err(store_error)?)?;
                if bytes > max_bytes as u64 && !records.is_empty() {
                    break;
                }
                let seq = unsigned(row.get(0).map_err(store_error)?)?;
                records.push(LogRecord {
                    number: CommitNumber(seq),
                    first_event: EventNumber(unsigned(row.get(1).map_err(store_error)?)?),
                    last_event: EventNumber(unsigned(row.get(2).map_err(store_error)?)?),
                    events: unpack(&blob(row, 5)?, &|| format!("commit_log {seq}"))?,
                });
            }
            Ok(records)
        })
        .await
    }

    async fn commit_before(&self, event: EventNumber) -> Result<Option<CommitNumber>, StoreError> {
        self.read(move |connection| {
            let number = i64::try_from(event.0).unwrap_or(i64::MAX);
            let found = connection
                .prepare_cached(COMMIT_BEFORE_SQL)
                .and_then(|mut select| {
                    select.query_row([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()
                })
                .map_err(store_error)?;
            let Some((seq, first, last)) = found else { return Ok(None) };
            Ok(format::commit_before(event.0, unsigned(seq)?, unsigned(first)?, unsigned(last)?)
                .map(CommitNumber))
        })
        .await
    }

    async fn log_extent(&self) -> Result<(CommitNumber, u64), StoreError> {
        self.read(|connection| {
            // The sizes are running sums, so that two records tell the size of all.
            let extent: (Option<i64>, Option<i64>) = connection
                .query_row(
                    "SELECT (SELECT min(seq) FROM commit_log),
                            (SELECT log_bytes FROM commit_log ORDER BY seq DESC LIMIT 1)
                            - (SELECT log_bytes - length(events) FROM commit_log ORDER BY seq LIMIT 1)",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .map_err(store_error)?;
            let (Some(oldest), Some(bytes)) = extent else { return Ok((CommitNumber(0), 0)) };
            Ok((CommitNumber(unsigned(oldest)?), unsigned(bytes)?))
        })
        .await
    }

    async fn maintain(&self, upkeep: &Upkeep) -> Result<(), StoreError> {
        // Without a writer there is nothing of ours to keep in order.
        let handle = self.writer.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(handle) = handle else { return Ok(()) };
        let until = Instant::now() + MAINTAIN_TIME;
        // In slices through the writer's queue: a commit that arrives waits for one slice at most.
        while handle.trim(*upkeep).await? && Instant::now() < until {}
        Ok(())
    }
}

fn blob(row: &rusqlite::Row<'_>, column: usize) -> Result<Bytes, StoreError> {
    let value = row.get_ref(column).map_err(store_error)?;
    let bytes = value.as_blob().map_err(|error| StoreError::Damaged(error.to_string()))?;
    Ok(Bytes::copy_from_slice(bytes))
}
