//! The checks of a start, the schema, and the takeover.

use ixn_engine::commit::TakenOver;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgConnection, Row, SqlSafeStr};

use super::errors::{code, migrate_error, newer_schema, store_error};
use super::partitions;
use crate::format::draw_id_prefix;
use crate::record::{Head, LOG_FORMAT, NewRecord, next_takeover};
use crate::{DatabaseInfo, StoreError};

const MIGRATIONS_TABLE: &str = "ixn_migrations";

/// The schema's version after all migrations.
pub(super) const NEWEST_VERSION: i64 = 1;

/// How often a takeover meets a commit of the old server on its number before it gives up.
const TAKEOVER_TRIES: u32 = 20;

/// What the server is and how durable it is.
pub(super) async fn info(connection: &mut PgConnection) -> Result<DatabaseInfo, StoreError> {
    let settings = Settings::read(connection).await?;
    Ok(DatabaseInfo {
        kind: "postgresql",
        version: settings.version.clone(),
        durability: settings.durability().map(|(name, value)| format!("{name}={value}")).join(" "),
        is_synced: settings.fsync == "on" && settings.synchronous_commit != "off",
    })
}

struct Settings {
    version: String,
    fsync: String,
    synchronous_commit: String,
    full_page_writes: String,
}

impl Settings {
    async fn read(connection: &mut PgConnection) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "SELECT current_setting('server_version'), current_setting('fsync'),
                    current_setting('synchronous_commit'), current_setting('full_page_writes')",
        )
        .fetch_one(connection)
        .await
        .map_err(store_error)?;
        let text = |column: usize| row.try_get::<String, _>(column).map_err(store_error);
        Ok(Self {
            version: text(0)?,
            fsync: text(1)?,
            synchronous_commit: text(2)?,
            full_page_writes: text(3)?,
        })
    }

    fn durability(&self) -> [(&'static str, &str); 3] {
        [
            ("fsync", &self.fsync),
            ("synchronous_commit", &self.synchronous_commit),
            ("full_page_writes", &self.full_page_writes),
        ]
    }
}

/// Refuses a server that would lose acknowledged commits, or has a schema newer than ours.
pub(super) async fn check(
    connection: &mut PgConnection,
    allow_unsafe_durability: bool,
) -> Result<(), StoreError> {
    let settings = Settings::read(connection).await?;
    let off: Vec<_> = settings
        .durability()
        .into_iter()
        .filter(|(_, value)| *value == "off")
        .map(|(name, _)| name)
        .collect();
    if !off.is_empty() && !allow_unsafe_durability {
        let text = format!("{} is off: a crash loses acknowledged commits; switch it on", off.join(", "));
        return Err(StoreError::Unsafe(text));
    }
    match version(connection).await? {
        version if version > NEWEST_VERSION => Err(newer_schema(version)),
        _ => Ok(()),
    }
}

/// The version of the schema; 0 in a new database.
pub(super) async fn version(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let there = sqlx::query_scalar("SELECT to_regclass('ixn_migrations') IS NOT NULL");
    if !there.fetch_one(&mut *connection).await.map_err(store_error)? {
        return Ok(0);
    }
    let applied = sqlx::query_scalar::<_, Option<i64>>("SELECT max(version) FROM ixn_migrations");
    Ok(applied.fetch_one(connection).await.map_err(store_error)?.unwrap_or_default())
}

/// Brings the schema to this server's version, under an advisory lock.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let initial = include_str!("../../migrations/postgres/0001_initial.sql").into_sql_str();
    let mut migrator = Migrator::with_migrations(vec![Migration::new(
        NEWEST_VERSION,
        "initial".into(),
        MigrationType::Simple,
        initial,
        false,
    )]);
    migrator.dangerous_set_table_name(MIGRATIONS_TABLE);
    migrator.run_direct(None, connection, false).await.map_err(migrate_error)
}

/// Inserts the takeover's record, and reads what a start needs.
pub(super) async fn take_over(
    connection: &mut PgConnection,
    at_milliseconds: u64,
) -> Result<TakenOver, StoreError> {
    sqlx::query("INSERT INTO database_info (id_prefix) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(draw_id_prefix())
        .execute(&mut *connection)
        .await
        .map_err(store_error)?;
    let id_prefix: String = sqlx::query_scalar("SELECT id_prefix FROM database_info")
        .fetch_one(&mut *connection)
        .await
        .map_err(store_error)?;
    for _ in 0..TAKEOVER_TRIES {
        let head = read_head(connection).await?;
        let newest = head.as_ref().map_or(0, |head| head.seq);
        let taken = next_takeover(head, at_milliseconds, id_prefix.clone())?;
        for table in partitions::TABLES {
            partitions::make_room(connection, table, newest).await?;
        }
        let record =
            NewRecord::of_takeover(&taken).map_err(|error| StoreError::Damaged(error.to_string()))?;
        match insert(connection, &record).await {
            Ok(()) => return Ok(taken),
            // The old server was faster once more: the next number, then.
            Err(error) if code(&error) == Some("23505") => {}
            Err(error) => return Err(store_error(error)),
        }
    }
    let text = "another server goes on committing while this one tries to take over".to_owned();
    Err(StoreError::Unavailable(text))
}

async fn read_head(connection: &mut PgConnection) -> Result<Option<Head>, StoreError> {
    let sql = "SELECT seq, epoch, last_event, at, format, counters FROM commit_log ORDER BY seq DESC LIMIT 1";
    let Some(row) = sqlx::query(sql).fetch_optional(connection).await.map_err(store_error)? else {
        return Ok(None);
    };
    Ok(Some(Head {
        seq: row.try_get(0).map_err(store_error)?,
        epoch: row.try_get(1).map_err(store_error)?,
        last_event: row.try_get(2).map_err(store_error)?,
        at: row.try_get(3).map_err(store_error)?,
        format: row.try_get(4).map_err(store_error)?,
        counters: row.try_get(5).map_err(store_error)?,
    }))
}

async fn insert(connection: &mut PgConnection, record: &NewRecord) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO commit_log (seq, epoch, hash, first_event, last_event, counters, changed_ids, events,
         events_bytes, format, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
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
    .execute(connection)
    .await?;
    Ok(())
}
