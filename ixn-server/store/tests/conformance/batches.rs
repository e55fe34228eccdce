//! Batches that follow one another as the engine's do.

use bytes::Bytes;
use ixn_engine::commit::{
    CommitBatch, CommitNumber, Counters, Epoch, EventNumber, IdempotencyRow, InteractionKey, TakenOver,
};
use ixn_store::{Database, Upkeep, Writer};

/// Makes the next batch of a writer.
pub(crate) struct Batches {
    epoch: Epoch,
    number: CommitNumber,
    last_event: EventNumber,
    counters: Counters,
}

impl Batches {
    pub(crate) fn after(taken: &TakenOver) -> Self {
        Self {
            epoch: taken.epoch,
            number: taken.number,
            last_event: taken.last_event,
            counters: taken.counters,
        }
    }

    /// Goes on behind commits of one event each that somebody else wrote.
    pub(crate) fn skip(&mut self, commits: u64) {
        self.number.0 += commits;
        self.last_event.0 += commits;
    }

    /// The next batch, without events.
    pub(crate) fn next(&mut self, fill: impl FnOnce(&mut CommitBatch)) -> CommitBatch {
        self.next_with_events(0, b"", fill)
    }

    /// The next batch with so many events.
    pub(crate) fn next_with_events(
        &mut self,
        count: u64,
        events: &[u8],
        fill: impl FnOnce(&mut CommitBatch),
    ) -> CommitBatch {
        self.number = self.number.next();
        let first_event = self.last_event.next();
        self.last_event.0 += count;
        self.counters.next_interaction += 1;
        let mut batch = CommitBatch {
            number: self.number,
            epoch: self.epoch,
            first_event,
            last_event: self.last_event,
            counters: self.counters,
            at_milliseconds: 1_700_000_000_000 + self.number.0,
            events: Bytes::copy_from_slice(events),
            hot: Vec::new(),
            cold: Vec::new(),
            deleted: Vec::new(),
            agents: Vec::new(),
            deleted_agents: Vec::new(),
            idempotency: Vec::new(),
            hash: 0,
        };
        fill(&mut batch);
        batch.hash = batch.content_hash();
        batch
    }
}

/// A row of a table.
pub(crate) fn row(key: u64, value: &[u8]) -> (InteractionKey, Bytes) {
    (InteractionKey(key), Bytes::copy_from_slice(value))
}

/// A value that no compression makes smaller.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    std::iter::repeat_with(|| fastrand::u8(..)).take(bytes).collect()
}

/// Takes over; the batches begin behind the takeover.
pub(crate) async fn take_over(database: &dyn Database) -> (Batches, Box<dyn Writer>) {
    let (taken, writer) = database.take_over(1_700_000_000_000).await.unwrap();
    (Batches::after(&taken), writer)
}

/// All hot rows.
pub(crate) async fn interactions(database: &dyn Database) -> Vec<(InteractionKey, Bytes)> {
    let mut all = Vec::new();
    database.load_interactions(&mut |page| all.extend(page)).await.unwrap();
    assert!(all.is_sorted_by(|a, b| a.0 < b.0));
    all
}

/// Idempotency keys, in the order in which they were written.
pub(crate) async fn idempotency(
    database: &dyn Database,
    now_seconds: u64,
    most: usize,
) -> Vec<IdempotencyRow> {
    let mut all = Vec::new();
    database.load_idempotency(now_seconds, most, &mut |page| all.extend(page)).await.unwrap();
    all
}

/// User data by key, ascending.
pub(crate) async fn contents(database: &dyn Database, keys: &[u64]) -> Vec<(InteractionKey, Bytes)> {
    let keys: Vec<InteractionKey> = keys.iter().copied().map(InteractionKey).collect();
    let mut contents = database.contents(&keys).await.unwrap();
    contents.sort();
    contents
}

/// Upkeep that drops the log's records below a number, and no keys.
pub(crate) fn trimming(newest: CommitNumber, log_below: CommitNumber) -> Upkeep {
    Upkeep { newest, log_below, ..Upkeep::default() }
}
