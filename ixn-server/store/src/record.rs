//! One record of the commit log as both databases store it, and what a takeover makes of the newest one.

use ixn_engine::commit::{CommitBatch, CommitNumber, Counters, Epoch, EventNumber, TakenOver};

use crate::format::{self, signed, unsigned};
use crate::{CommitError, StoreError};

/// The form of a record. A larger one was written by a newer version.
pub(crate) const LOG_FORMAT: i16 = 1;

/// A record, ready to be inserted.
pub(crate) struct NewRecord {
    pub(crate) seq: i64,
    pub(crate) epoch: i64,
    pub(crate) hash: i64,
    pub(crate) first_event: i64,
    pub(crate) last_event: i64,
    pub(crate) at: i64,
    pub(crate) counters: Vec<u8>,
    pub(crate) changed_ids: Vec<u8>,
    /// Packed.
    pub(crate) events: Vec<u8>,
    /// The length of the events before packing.
    pub(crate) events_bytes: i64,
}

impl NewRecord {
    pub(crate) fn of_batch(batch: &CommitBatch) -> Result<Self, CommitError> {
        Ok(Self {
            seq: signed(batch.number.0)?,
            epoch: signed(batch.epoch.0)?,
            hash: batch.hash.cast_signed(),
            first_event: signed(batch.first_event.0)?,
            last_event: signed(batch.last_event.0)?,
            at: signed(batch.at_milliseconds)?,
            counters: format::counters_to_bytes(&batch.counters),
            changed_ids: format::changed_ids(batch),
            events: format::pack(&batch.events),
            events_bytes: signed(batch.events.len() as u64)?,
        })
    }

    /// A takeover's own record: no events, and a hash that the epoch makes unique.
    pub(crate) fn of_takeover(taken: &TakenOver) -> Result<Self, CommitError> {
        Ok(Self {
            seq: signed(taken.number.0)?,
            epoch: signed(taken.epoch.0)?,
            hash: 0,
            first_event: signed(taken.last_event.next().0)?,
            last_event: signed(taken.last_event.0)?,
            at: signed(taken.at_milliseconds)?,
            counters: format::counters_to_bytes(&taken.counters),
            changed_ids: Vec::new(),
            events: format::pack(&[]),
            events_bytes: 0,
        })
    }

    /// About the room that it takes.
    pub(crate) fn bytes(&self) -> i64 {
        let bytes = 100 + self.counters.len() + self.changed_ids.len() + self.events.len();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

/// The newest record, as a takeover reads it.
pub(crate) struct Head {
    pub(crate) seq: i64,
    pub(crate) epoch: i64,
    pub(crate) last_event: i64,
    pub(crate) at: i64,
    pub(crate) format: i16,
    pub(crate) counters: Vec<u8>,
}

/// The takeover that follows this head; none: the first of a database.
pub(crate) fn next_takeover(
    head: Option<Head>,
    at_milliseconds: u64,
    id_prefix: String,
) -> Result<TakenOver, StoreError> {
    let Some(head) = head else {
        return Ok(TakenOver {
            number: CommitNumber(1),
            epoch: Epoch(1),
            last_event: EventNumber(0),
            counters: Counters {
                next_interaction: 1,
                next_place_in_queue: 1,
                next_ticket: 1,
                next_session: 1,
            },
            at_milliseconds,
            id_prefix,
        });
    };
    check_format(head.format)?;
    Ok(TakenOver {
        number: CommitNumber(unsigned(head.seq)?).next(),
        epoch: Epoch(unsigned(head.epoch)?).next(),
        last_event: EventNumber(unsigned(head.last_event)?),
        counters: format::counters_from_bytes(&head.counters)?,
        at_milliseconds: unsigned(head.at)?.max(at_milliseconds),
        id_prefix,
    })
}

/// Refuses a record that a newer version wrote.
pub(crate) fn check_format(format: i16) -> Result<(), StoreError> {
    if format <= LOG_FORMAT {
        return Ok(());
    }
    let text = format!(
        "its log has format {format}, this server knows formats up to {LOG_FORMAT}; start the newer server"
    );
    Err(StoreError::Newer(text))
}

/// Why this batch, which is not in the log, cannot be taken behind the newest record (its number and epoch; none: the log is
/// empty). `None`: it follows.
pub(crate) fn does_not_follow(batch: &CommitBatch, newest: Option<(u64, u64)>) -> Option<CommitError> {
    let (number, epoch) = newest.unwrap_or_default();
    if number.checked_add(1) == Some(batch.number.0) && epoch == batch.epoch.0 {
        return None;
    }
    // Only a takeover makes a later epoch, and only who has taken over goes beyond our own number.
    if epoch > batch.epoch.0 || number >= batch.number.0 {
        return Some(CommitError::Fenced(format!(
            "commit {} of epoch {} does not follow commit {number} of epoch {epoch}, the newest",
            batch.number, batch.epoch
        )));
    }
    Some(CommitError::Lost(format!(
        "its newest commit is {number} of epoch {epoch}, but {} of epoch {} was written. It was restored from a backup, a \
         standby without everything was promoted, or it does not write to disk when it says so. Bring back the database that \
         has it, or start the server again to go on without",
        batch.number.0.saturating_sub(1),
        batch.epoch
    )))
}
