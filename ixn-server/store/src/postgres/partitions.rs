//! The partitions of the commit log and of the idempotency keys: made ahead of the commits, dropped behind them.
//!
//! No statement here takes a lock that a commit, a reader or `pg_dump` would wait for, or that would wait for them with
//! others queueing behind it: a partition is made as a table of its own and then attached, and is detached concurrently
//! before it is dropped. A range that was dropped is never made again: new partitions begin where the last one ends.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::errors::{code, store_error};
use super::holders::Holder;
use crate::StoreError;

/// A table that is partitioned by ranges of commit numbers. Its partitions are named `TABLE_LOWER_UPPER`.
pub(super) struct Table {
    name: &'static str,
    /// Numbers of one partition. The first begins at 0. Never to be changed: names are worked out from it.
    numbers: i64,
    /// Numbers for which there is always room ahead.
    ahead: i64,
}

/// A partition is half a minute of the log at full load, some hours of an idle server's heartbeats.
pub(super) const COMMIT_LOG: Table = Table { name: "commit_log", numbers: 16_384, ahead: 32_768 };
/// Its rows are few and live long.
pub(super) const IDEMPOTENCY: Table = Table { name: "idempotency", numbers: 262_144, ahead: 65_536 };

pub(super) const TABLES: [&Table; 2] = [&COMMIT_LOG, &IDEMPOTENCY];

#[derive(Debug, PartialEq, Eq)]
struct Partition {
    name: String,
    /// Its first number.
    lower: i64,
    /// The number after its last.
    upper: i64,
    attached: bool,
    /// A detach was begun and has yet to be finished.
    detaching: bool,
}

impl Table {
    /// The first number of the partition that holds this number.
    pub(super) fn lower_of(&self, seq: i64) -> i64 {
        seq - seq.rem_euclid(self.numbers)
    }

    /// The name of the partition that begins with this number.
    pub(super) fn name_of(&self, lower: i64) -> String {
        format!("{}_{lower}_{}", self.name, lower + self.numbers)
    }

    /// `None`: not a name of a partition of ours.
    fn partition(&self, name: &str, attached: bool, detaching: bool) -> Option<Partition> {
        let (lower, upper) = name.strip_prefix(self.name)?.strip_prefix('_')?.split_once('_')?;
        let (lower, upper) = (lower.parse().ok()?, upper.parse().ok()?);
        Some(Partition { name: name.to_owned(), lower, upper, attached, detaching })
    }
}

/// All partitions, ascending, also those that are being detached or were.
async fn list(connection: &mut PgConnection, table: &Table) -> Result<Vec<Partition>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT child.relname::text, child.relispartition, coalesce(inherits.inhdetachpending, false)
         FROM pg_class AS parent
         JOIN pg_class AS child ON child.relnamespace = parent.relnamespace AND child.relkind = 'r'
              AND starts_with(child.relname::text, parent.relname::text || '_')
         LEFT JOIN pg_inherits AS inherits ON inherits.inhrelid = child.oid AND inherits.inhparent = parent.oid
         WHERE parent.oid = to_regclass($1)",
    )
    .bind(table.name)
    .fetch_all(connection)
    .await?;
    let mut partitions = Vec::with_capacity(rows.len());
    for row in rows {
        let name: String = row.try_get(0)?;
        partitions.extend(table.partition(&name, row.try_get(1)?, row.try_get(2)?));
    }
    partitions.sort_by_key(|partition| partition.lower);
    Ok(partitions)
}

/// Whether the number's partition was there and is not any more.
pub(super) async fn is_dropped(
    connection: &mut PgConnection,
    table: &Table,
    seq: i64,
) -> Result<bool, StoreError> {
    let partitions = list(connection, table).await.map_err(store_error)?;
    let in_use = |partition: &Partition| {
        partition.attached && !partition.detaching && (partition.lower..partition.upper).contains(&seq)
    };
    Ok(end(&partitions) > seq && !partitions.iter().any(in_use))
}

/// Where the next partition begins.
fn end(partitions: &[Partition]) -> i64 {
    partitions.iter().map(|partition| partition.upper).max().unwrap_or(0)
}

/// Makes partitions until there is room ahead of the newest commit.
pub(super) async fn make_room(
    connection: &mut PgConnection,
    table: &Table,
    newest: i64,
) -> Result<(), StoreError> {
    loop {
        let partitions = list(connection, table).await.map_err(store_error)?;
        if let Some(other) =
            partitions.iter().find(|partition| partition.upper - partition.lower != table.numbers)
        {
            let text = format!(
                "{} has {} numbers, those of this version have {}: another version made it before the first release, \
                 and nothing carries it over; use a new database",
                other.name,
                other.upper - other.lower,
                table.numbers
            );
            return Err(StoreError::Refused(text));
        }
        let lower = end(&partitions);
        if lower > newest.saturating_add(table.ahead) {
            return Ok(());
        }
        match attach(connection, table, lower, lower + table.numbers).await {
            // Another server does the same: look again.
            Err(error) if matches!(code(&error), Some("42P07" | "42P17" | "23505")) => {}
            other => other.map_err(store_error)?,
        }
    }
}

async fn attach(
    connection: &mut PgConnection,
    table: &Table,
    lower: i64,
    upper: i64,
) -> Result<(), sqlx::Error> {
    let parent = table.name;
    // Its rows are inserted once and dropped whole: vacuum has nothing to do there.
    let make = format!(
        "CREATE TABLE {parent}_{lower}_{upper} (LIKE {parent} INCLUDING ALL)
         WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
         ALTER TABLE {parent} ATTACH PARTITION {parent}_{lower}_{upper} FOR VALUES FROM ({lower}) TO ({upper})"
    );
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// What may go.
pub(super) enum Old {
    /// Everything below this number.
    Below(i64),
    /// Everything below this number, and below `newest` what expired at or before `now_seconds`.
    BelowOrExpired { below: i64, now_seconds: i64, newest: i64 },
}

/// The last answer about the oldest partition's keys: a full partition never changes.
#[derive(Default)]
pub(super) struct Expiry {
    partition: String,
    last_seconds: i64,
}

/// Drops old partitions. What somebody holds back is left for a later call; answers who.
pub(super) async fn trim(
    connection: &mut PgConnection,
    table: &Table,
    old: &Old,
    expiry: &mut Expiry,
) -> Result<Option<Holder>, StoreError> {
    for partition in list(connection, table).await.map_err(store_error)? {
        if partition.attached && !partition.detaching {
            let is_old = match old {
                Old::Below(number) => partition.upper <= *number,
                Old::BelowOrExpired { below, .. } if partition.upper <= *below => true,
                Old::BelowOrExpired { now_seconds, newest, .. } => {
                    partition.upper <= *newest
                        && last_expiry(connection, &partition, expiry).await.map_err(store_error)?
                            <= *now_seconds
                }
            };
            if !is_old {
                return Ok(None);
            }
        }
        match remove(connection, table, &partition).await {
            Ok(None) => {}
            Ok(Some(holder)) => {
                tracing::debug!(partition = partition.name, ?holder, "in use, dropped later");
                return Ok(Some(holder));
            }
            Err(error) if code(&error) == Some("55P03") => {
                tracing::debug!(partition = partition.name, "in use since a moment, dropped later");
                return Ok(Some(Holder::default()));
            }
            Err(error) => return Err(store_error(error)),
        }
    }
    Ok(None)
}

/// Detaches a partition and drops it; answers who uses it, when somebody does. It is perhaps detached then.
async fn remove(
    connection: &mut PgConnection,
    table: &Table,
    partition: &Partition,
) -> Result<Option<Holder>, sqlx::Error> {
    if partition.attached {
        if let Some(holder) = holder(connection, table, partition).await? {
            return Ok(Some(holder));
        }
        detach(connection, table, partition).await?;
    }
    // Asked (again) at the last moment: a detach takes its time.
    if let Some(holder) = holder(connection, table, partition).await? {
        return Ok(Some(holder));
    }
    drop_detached(connection, partition).await?;
    Ok(None)
}

/// For whom a detach would have to wait: who uses the partition, or has used the table for more than a moment. Asked
/// first because a wait that times out is an error in the server's log, every second for as long as a backup takes.
///
/// A `pg_dump` counts from its connecting on: it fails when a table goes between its look at the catalog and its lock.
async fn holder(
    connection: &mut PgConnection,
    table: &Table,
    partition: &Partition,
) -> Result<Option<Holder>, sqlx::Error> {
    let row = sqlx::query(
        "SELECT lock.pid,
                CASE WHEN lock.pid IS NULL THEN 'a prepared transaction' ELSE coalesce(activity.application_name, '') END
         FROM pg_locks AS lock LEFT JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
         WHERE lock.granted AND lock.pid IS DISTINCT FROM pg_backend_pid()
           AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND (lock.relation = to_regclass($1)
                OR lock.relation = to_regclass($2)
                   AND coalesce(activity.xact_start, '-infinity') < clock_timestamp() - interval '1 s')
         UNION ALL
         SELECT pid, application_name FROM pg_stat_activity
         WHERE application_name = 'pg_dump' AND datname = current_database() AND pid <> pg_backend_pid()
         LIMIT 1",
    )
    .bind(&partition.name)
    .bind(table.name)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok(Holder { pid: row.try_get(0)?, application: row.try_get(1)? })).transpose()
}

async fn last_expiry(
    connection: &mut PgConnection,
    partition: &Partition,
    expiry: &mut Expiry,
) -> Result<i64, sqlx::Error> {
    if expiry.partition != partition.name {
        let read = format!("SELECT coalesce(max(expires_at), 0) FROM {}", partition.name);
        expiry.last_seconds =
            sqlx::query_scalar(AssertSqlSafe(read)).persistent(false).fetch_one(connection).await?;
        expiry.partition.clone_from(&partition.name);
    }
    Ok(expiry.last_seconds)
}

async fn detach(
    connection: &mut PgConnection,
    table: &Table,
    partition: &Partition,
) -> Result<(), sqlx::Error> {
    let (parent, name) = (table.name, &partition.name);
    let how = if partition.detaching { "FINALIZE" } else { "CONCURRENTLY" };
    let detach = format!("ALTER TABLE {parent} DETACH PARTITION {name} {how}");
    sqlx::raw_sql(AssertSqlSafe(detach)).execute(connection).await?;
    Ok(())
}

async fn drop_detached(connection: &mut PgConnection, partition: &Partition) -> Result<(), sqlx::Error> {
    let drop = format!("DROP TABLE {}", partition.name);
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_range() {
        let partition = COMMIT_LOG.partition("commit_log_16384_32768", true, false).unwrap();
        assert_eq!((partition.lower, partition.upper), (16_384, 32_768));
        for other in ["commit_log", "commit_log_pkey", "commit_log_x_1", "commit_logs_0_1"] {
            assert_eq!(COMMIT_LOG.partition(other, false, false), None, "{other}");
        }
    }

    #[test]
    fn a_number_tells_its_partition() {
        for (seq, name) in
            [(1, "commit_log_0_16384"), (16_383, "commit_log_0_16384"), (16_384, "commit_log_16384_32768")]
        {
            assert_eq!(COMMIT_LOG.name_of(COMMIT_LOG.lower_of(seq)), name);
        }
    }
}
