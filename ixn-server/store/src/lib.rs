//! The database of ixn-server behind narrow traits: PostgreSQL, and SQLite for the embedded default.
//!
//! A store writes frozen [commit batches](ixn_engine::commit::CommitBatch) whole or not at all, says honestly what it
//! knows about the outcome, and reads rows back. It never decides anything about interactions, never retries a commit
//! by itself, and never changes a batch.
//!
//! [`open`] chooses the database by its address. The order of a start is: `open`, [`lock`](Database::lock),
//! [`take_over`](Database::take_over), then the loads.

mod connections;
mod format;
mod postgres;
mod record;
mod sqlite;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ixn_engine::commit::{
    AgentName, CommitBatch, CommitIdentity, CommitNumber, EventNumber, IdempotencyRow, InteractionKey,
    TakenOver,
};

/// What happened to a commit that did not simply succeed. The gate decides what to do about each.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Nobody knows whether the batch is in the database: look its number up.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// The number is taken by another batch, or its part of the log is gone: another server took over.
    #[error("another server has taken over the database: {0}")]
    Fenced(String),
    /// The batch is certainly not in the database and sending it again may succeed (no connection, disk full, read-only).
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// As [`Unavailable`](Self::Unavailable): the database gave the batch up because of a deadlock with somebody else's
    /// transaction.
    #[error("the database met a deadlock: {0}")]
    Deadlock(String),
    /// The database does not hold the commit before this one, and nobody took over: it has lost what was acknowledged, or
    /// it is not the one that was taken over. The text says what was found and what to do.
    #[error("the database has lost acknowledged commits: {0}")]
    Lost(String),
    /// The database refuses the batch as bad data: a defect of ours.
    #[error("the database refuses the data: {0}")]
    Refused(String),
}

/// Why a read or a start failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address is not one that [`open`] understands; the text says what it should look like.
    #[error("the database's address is wrong: {0}")]
    Address(String),
    /// The database cannot be reached now; trying again later may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database does not let this server do what it must (a privilege, a name that is taken); the text says what to
    /// change.
    #[error("the database refuses this server: {0}")]
    Refused(String),
    /// The database is set up in a way that would break a promise (fsync off …); the text says what to change.
    #[error("the database is not safe to use: {0}")]
    Unsafe(String),
    /// The schema or the log was written by a newer version.
    #[error("the database is of a newer version: {0}")]
    Newer(String),
    /// It is not the one that was taken over any more; see [`CommitError::Lost`].
    #[error("the database has lost acknowledged commits: {0}")]
    Lost(String),
    /// What was read makes no sense; the text names table and key.
    #[error("the database holds damaged data: {0}")]
    Damaged(String),
}

/// One record of the commit log, as subscribers and publishers read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// The commit.
    pub number: CommitNumber,
    /// Its first event; `last_event + 1` when it has none.
    pub first_event: EventNumber,
    /// The last event up to and including this commit.
    pub last_event: EventNumber,
    /// The events: a sequence of length-delimited encoded server envelopes, as the batch carried them.
    pub events: Bytes,
}

/// How many records one call of [`Database::log_after`] answers at most.
pub const MAX_LOG_RECORDS: usize = 4096;

/// What [`Database::maintain`] has to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Upkeep {
    /// The newest durable commit. It is never dropped.
    pub newest: CommitNumber,
    /// Records of the log below this commit may go.
    pub log_below: CommitNumber,
    /// Idempotency keys that commits below this one wrote may go, although they have not expired.
    pub keys_below: CommitNumber,
    /// What has expired by then may go: Unix seconds.
    pub now_seconds: u64,
}

/// What the database is and how it is set, for start-up messages and for measurements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// `postgresql` or `sqlite`.
    pub kind: &'static str,
    /// The server's version.
    pub version: String,
    /// What decides durability, by the database's own names: `fsync=on synchronous_commit=on`.
    pub durability: String,
    /// Whether a commit is on the disk when it is acknowledged.
    pub is_synced: bool,
}

/// What a look at a database finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What it is.
    pub info: DatabaseInfo,
    /// The version of its schema, one that this server can use; 0 when there is none yet.
    pub schema_version: u32,
}

/// How to open a database.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Run although the database may lose acknowledged commits (fsync or synchronous_commit off).
    pub allow_unsafe_durability: bool,
    /// Who we are, shown to whoever waits for us: `ixn-server HOST:PID`. PostgreSQL shows the first 63 bytes.
    pub holder: String,
}

/// Opens the database at `url`: `postgres://USER@HOST:PORT/DATABASE` (with libpq's parameters, `?sslmode=verify-full`),
/// `sqlite://PATH`, or a plain path, which is SQLite. The schema is not touched before [`Database::take_over`].
///
/// # Errors
/// [`StoreError::Unavailable`] when it cannot be reached now (try again), [`StoreError::Unsafe`], [`StoreError::Newer`],
/// [`StoreError::Refused`] and [`StoreError::Address`] when trying again is of no use.
pub async fn open(url: &str, options: &OpenOptions) -> Result<Arc<dyn Database>, StoreError> {
    Ok(match address(url)? {
        Address::Postgres => Arc::new(postgres::PostgresDatabase::open(url, options).await?),
        Address::Sqlite(path) => Arc::new(sqlite::SqliteDatabase::open(path, options).await?),
    })
}

/// Looks at the database at `url` as [`open`] and the checks of a start do, but changes nothing: makes no file, takes no
/// lock, migrates nothing. It may be in use by a server.
///
/// # Errors
/// As [`open`].
pub async fn inspect(url: &str, options: &OpenOptions) -> Result<Inspection, StoreError> {
    match address(url)? {
        Address::Postgres => postgres::inspect(url, options).await,
        Address::Sqlite(path) => sqlite::inspect(path).await,
    }
}

/// Whether [`open`] understands this address. The database is not asked.
///
/// # Errors
/// [`StoreError::Address`].
pub fn check_address(url: &str) -> Result<(), StoreError> {
    match address(url)? {
        Address::Postgres => postgres::check_address(url),
        Address::Sqlite(_) => Ok(()),
    }
}

/// A batch as it is bound to PostgreSQL's statement. Nobody needs it by itself but a bench.
///
/// # Errors
/// [`CommitError::Refused`].
#[doc(hidden)]
pub fn encode_for_postgres(batch: &CommitBatch) -> Result<impl Sized + use<>, CommitError> {
    postgres::encode(batch)
}

/// Which database an address means.
enum Address<'a> {
    Postgres,
    /// The file's path.
    Sqlite(&'a str),
}

fn address(url: &str) -> Result<Address<'_>, StoreError> {
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        return Ok(Address::Postgres);
    }
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if path.contains("://") || path.is_empty() || path.starts_with(":memory:") {
        let expected = "give postgres://USER@HOST:PORT/DATABASE, sqlite://PATH or a path of a file";
        return Err(StoreError::Address(expected.to_owned()));
    }
    Ok(Address::Sqlite(path))
}

impl fmt::Debug for dyn Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

impl fmt::Debug for dyn Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

/// Told who holds the database while [`Database::lock`] waits for it.
pub type Waiting<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A database that this process has opened. Everything but [`Database::take_over`] works beside the writer, on
/// connections of its own, and never delays a commit.
#[async_trait]
pub trait Database: Send + Sync {
    /// What it is.
    async fn info(&self) -> Result<DatabaseInfo, StoreError>;

    /// How many connections of this process to it are open, as far as is known: the writer's, the lock's, those of readers
    /// and of upkeep.
    fn open_connections(&self) -> usize;

    /// Waits until no other server holds this database, then holds it until the process ends or this value is dropped.
    /// `waiting` is called with the holder's name when there is one, again when it changes.
    async fn lock(&self, waiting: Waiting<'_>) -> Result<(), StoreError>;

    /// Migrates the schema if needed, then inserts the takeover's record (the next number, epoch + 1) *first* and answers
    /// what the log's head says. From here on every other writer is fenced. In a new database every counter is 1.
    /// It does not ask for the [lock](Self::lock): that is the caller's.
    async fn take_over(&self, at_milliseconds: u64) -> Result<(TakenOver, Box<dyn Writer>), StoreError>;

    /// Reads all hot rows, ascending by key, in pages, each handed to `page`.
    async fn load_interactions(
        &self,
        page: &mut (dyn FnMut(Vec<(InteractionKey, Bytes)>) + Send),
    ) -> Result<(), StoreError>;

    /// Reads all agent rows.
    async fn load_agents(&self) -> Result<Vec<(AgentName, Bytes)>, StoreError>;

    /// Reads idempotency keys that expire after `now_seconds`, in the order in which they were written, in pages, each handed
    /// to `page`: those of as many of the newest commits as hold `most` of them (a commit is read whole, so there may be
    /// somewhat more).
    async fn load_idempotency(
        &self,
        now_seconds: u64,
        most: usize,
        page: &mut (dyn FnMut(Vec<IdempotencyRow>) + Send),
    ) -> Result<(), StoreError>;

    /// Reads user data. A key without user data is not in the answer. All of it is in memory at once, and each key may have
    /// as much user data as is allowed: ask for few at a time.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] and [`StoreError::Newer`] are of one of the rows, mostly named in the text, and the others are
    /// not answered either: asked for one by one they are.
    async fn contents(&self, keys: &[InteractionKey]) -> Result<Vec<(InteractionKey, Bytes)>, StoreError>;

    /// Reads the log from the first held commit after `after`, ascending, until `max_bytes` of events (at least one
    /// record if there is one) or [`MAX_LOG_RECORDS`]. A first record that is not `after + 1` tells that the ones between have been trimmed.
    async fn log_after(&self, after: CommitNumber, max_bytes: usize) -> Result<Vec<LogRecord>, StoreError>;

    /// The newest commit whose `last_event` is at or before this event: reading [`log_after`](Self::log_after) it meets
    /// the event's successor. That commit itself may be trimmed already (it is 0 before the first). `None`: the
    /// successor has been trimmed.
    async fn commit_before(&self, event: EventNumber) -> Result<Option<CommitNumber>, StoreError>;

    /// The oldest record still held, and the bytes that the log takes. There is one from the first takeover on.
    async fn log_extent(&self) -> Result<(CommitNumber, u64), StoreError>;

    /// Keeps the log's room: makes room ahead of the newest commit, and drops what is old (PostgreSQL: whole partitions, so
    /// some of it stays). Called every second or so beside commits; never delays them. What it cannot do now (a long
    /// snapshot such as `pg_dump` is in its way) it does at a later call.
    async fn maintain(&self, upkeep: &Upkeep) -> Result<(), StoreError>;
}

/// The single writer.
#[async_trait]
pub trait Writer: Send {
    /// Writes the batch in one transaction. `Ok` means durable, now or by an earlier sending of the same batch. It is taken
    /// only behind the commit before it, written in the same epoch.
    async fn commit(&mut self, batch: &CommitBatch) -> Result<(), CommitError>;

    /// What the log holds under this number, read on a fresh connection (after an unknown outcome the old one is not
    /// trusted; on PostgreSQL its backend is ended first, so that nothing can still commit behind our back).
    /// A record that it answers is as durable as an acknowledged one: synchronous standbys have it.
    /// `None`: no such record, certainly (or trimmed since: then a resend is fenced).
    /// [`StoreError::Lost`]: there will be no answer; anything else may pass.
    async fn look_up(&mut self, number: CommitNumber) -> Result<Option<CommitIdentity>, StoreError>;
}
