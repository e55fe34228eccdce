//! The transactions that write: takeover, commit, trimming. All run on the writer's thread.

use ixn_engine::commit::{CommitBatch, CommitIdentity, CommitNumber, Epoch, TakenOver};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use super::connection::{commit_error, store_error};
use crate::format::{draw_id_prefix, idempotency_to_bytes, pack, signed, unsigned};
use crate::record::{Head, LOG_FORMAT, NewRecord, does_not_follow, next_takeover};
use crate::{CommitError, StoreError, Upkeep};

/// What one slice of trimming may delete: it must not delay the commit behind it.
const TRIM_RECORDS: i64 = 64;
const TRIM_BYTES: i64 = 4 << 20;

/// How a commit's statements ended when nothing is wrong.
pub(super) enum Outcome {
    /// All is written; COMMIT must follow.
    Written,
    /// This very batch is in the log from an earlier sending.
    WrittenBefore,
}

/// Inserts the takeover's record and reads what a start needs.
pub(super) fn take_over(connection: &mut Connection, at_milliseconds: u64) -> Result<TakenOver, StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(store_error)?;
    let head = transaction
        .query_row(
            "SELECT seq, epoch, last_event, at, format, counters FROM commit_log ORDER BY seq DESC LIMIT 1",
            [],
            |row| {
                Ok(Head {
                    seq: row.get(0)?,
                    epoch: row.get(1)?,
                    last_event: row.get(2)?,
                    at: row.get(3)?,
                    format: row.get(4)?,
                    counters: row.get(5)?,
                })
            },
        )
        .optional()
        .map_err(store_error)?;
    transaction
        .execute(
            "INSERT INTO database_info (only_row, id_prefix) VALUES (1, ?1) ON CONFLICT DO NOTHING",
            [draw_id_prefix()],
        )
        .map_err(store_error)?;
    let id_prefix = transaction
        .query_row("SELECT id_prefix FROM database_info", [], |row| row.get(0))
        .map_err(store_error)?;
    let taken = next_takeover(head, at_milliseconds, id_prefix)?;
    let record = NewRecord::of_takeover(&taken).map_err(|error| StoreError::Damaged(error.to_string()))?;
    let log_bytes = newest(&transaction).map_err(store_error)?.map_or(0, |newest| newest.log_bytes);
    insert_record(&transaction, &record, log_bytes).map_err(store_error)?;
    transaction.commit().map_err(store_error)?;
    Ok(taken)
}

struct Newest {
    seq: i64,
    epoch: i64,
    log_bytes: i64,
}

fn newest(connection: &Connection) -> rusqlite::Result<Option<Newest>> {
    connection
        .prepare_cached("SELECT seq, epoch, log_bytes FROM commit_log ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok(Newest { seq: row.get(0)?, epoch: row.get(1)?, log_bytes: row.get(2)? }))
        .optional()
}

fn insert_record(connection: &Connection, record: &NewRecord, log_bytes: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO commit_log (seq, epoch, hash, first_event, last_event, at, counters, changed_ids, events,
             events_bytes, log_bytes, format) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            record.seq,
            record.epoch,
            record.hash,
            record.first_event,
            record.last_event,
            record.at,
            record.counters,
            record.changed_ids,
            record.events,
            record.events_bytes,
            log_bytes.saturating_add(record.bytes()),
            LOG_FORMAT,
        ])?;
    Ok(())
}

/// The statements of a commit, inside a transaction that the caller began and ends.
///
/// The fence: the batch must follow the newest record, in that record's epoch. A takeover is such a record of a later
/// epoch, and the newest is never deleted, so a server that slept through a takeover finds another one here.
pub(super) fn write(connection: &Connection, batch: &CommitBatch) -> Result<Outcome, CommitError> {
    let newest = newest(connection).map_err(commit_error)?;
    let record = NewRecord::of_batch(batch)?;
    let place = newest.as_ref().map(|newest| (newest.seq.cast_unsigned(), newest.epoch.cast_unsigned()));
    if let Some(error) = does_not_follow(batch, place) {
        let there = identity(connection, record.seq).map_err(commit_error)?;
        if there == Some((record.epoch, record.hash)) {
            return Ok(Outcome::WrittenBefore);
        }
        return Err(error);
    }
    let log_bytes = newest.map_or(0, |newest| newest.log_bytes);
    insert_record(connection, &record, log_bytes).map_err(commit_error)?;
    write_rows(connection, batch)?;
    if let Some((expires_at, entries)) = idempotency_to_bytes(&batch.idempotency)? {
        connection
            .prepare_cached("INSERT INTO idempotency (seq, expires_at, entries) VALUES (?1, ?2, ?3)")
            .and_then(|mut insert| insert.execute(params![record.seq, expires_at, entries]))
            .map_err(commit_error)?;
    }
    Ok(Outcome::Written)
}

fn write_rows(connection: &Connection, batch: &CommitBatch) -> Result<(), CommitError> {
    let prepare = |sql| connection.prepare_cached(sql).map_err(commit_error);

    let mut upsert = prepare(
        "INSERT INTO interactions (key, row) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET row = excluded.row",
    )?;
    for (key, row) in &batch.hot {
        upsert.execute(params![signed(key.0)?, &row[..]]).map_err(commit_error)?;
    }
    let mut upsert = prepare(
        "INSERT INTO contents (key, user_data) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET user_data = excluded.user_data",
    )?;
    for (key, user_data) in &batch.cold {
        upsert.execute(params![signed(key.0)?, pack(user_data)]).map_err(commit_error)?;
    }
    let mut delete_hot = prepare("DELETE FROM interactions WHERE key = ?1")?;
    let mut delete_cold = prepare("DELETE FROM contents WHERE key = ?1")?;
    for key in &batch.deleted {
        let key = signed(key.0)?;
        delete_hot.execute([key]).map_err(commit_error)?;
        delete_cold.execute([key]).map_err(commit_error)?;
    }
    let mut upsert = prepare(
        "INSERT INTO agents (id, row) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET row = excluded.row",
    )?;
    for (agent, row) in &batch.agents {
        upsert.execute(params![agent, &row[..]]).map_err(commit_error)?;
    }
    let mut delete = prepare("DELETE FROM agents WHERE id = ?1")?;
    for agent in &batch.deleted_agents {
        delete.execute([agent]).map_err(commit_error)?;
    }
    Ok(())
}

fn identity(connection: &Connection, seq: i64) -> rusqlite::Result<Option<(i64, i64)>> {
    connection
        .prepare_cached("SELECT epoch, hash FROM commit_log WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// What the log holds under a number.
pub(super) fn look_up(connection: &Connection, number: u64) -> Result<Option<CommitIdentity>, StoreError> {
    let Ok(seq) = signed(number) else { return Ok(None) };
    let Some((epoch, hash)) = identity(connection, seq).map_err(store_error)? else { return Ok(None) };
    Ok(Some(CommitIdentity { epoch: Epoch(unsigned(epoch)?), hash: hash.cast_unsigned() }))
}

/// Deletes one slice of what is not needed any more. `true`: there is more.
pub(super) fn trim(connection: &mut Connection, upkeep: &Upkeep) -> Result<bool, StoreError> {
    // A lost trim is done again, and the next commit's sync covers this one too.
    connection.execute_batch("PRAGMA synchronous = NORMAL").map_err(store_error)?;
    let deleted = delete_slice(connection, upkeep);
    connection.execute_batch("PRAGMA synchronous = FULL").map_err(store_error)?;
    deleted.map_err(store_error)
}

fn delete_slice(connection: &mut Connection, upkeep: &Upkeep) -> rusqlite::Result<bool> {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let below = |number: CommitNumber| signed(number.min(upkeep.newest).0);
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let records = transaction
        .prepare_cached(
            "DELETE FROM commit_log WHERE seq IN (
               SELECT seq FROM commit_log
               WHERE seq < ?1 AND seq < (SELECT max(seq) FROM commit_log)
                 AND log_bytes <= ?3 + (SELECT log_bytes FROM commit_log ORDER BY seq LIMIT 1)
               ORDER BY seq LIMIT ?2)",
        )?
        .execute([below(upkeep.log_below), TRIM_RECORDS, TRIM_BYTES])?;
    let expired = transaction
        .prepare_cached(
            "DELETE FROM idempotency WHERE seq IN (
               SELECT seq FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        )?
        .execute([signed(upkeep.now_seconds), TRIM_RECORDS])?;
    let forgotten = transaction
        .prepare_cached(
            "DELETE FROM idempotency WHERE seq IN (
               SELECT seq FROM idempotency WHERE seq < ?1 ORDER BY seq LIMIT ?2)",
        )?
        .execute([below(upkeep.keys_below), TRIM_RECORDS])?;
    transaction.commit()?;
    Ok(records + expired + forgotten > 0)
}
