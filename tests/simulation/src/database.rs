//! The database of a run: it keeps every promise that a real one makes, and misbehaves in every way in which a real one may.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ixn_engine::commit::{
    CommitBatch, CommitIdentity, CommitNumber, Counters, Epoch, EventNumber, IdempotencyRow, InteractionKey,
    TakenOver,
};
use ixn_engine::gate::Outcome;

use crate::defects::Defect;

/// A record of the log.
#[derive(Clone, Debug)]
pub struct Record {
    pub number: CommitNumber,
    pub identity: CommitIdentity,
    pub first_event: EventNumber,
    pub last_event: EventNumber,
    pub events: Bytes,
    /// When the server that wrote it knew that it is there, by that server's clock, in milliseconds.
    pub known_at: Cell<Option<u64>>,
}

/// What is on the disk.
#[derive(Debug, Default)]
pub struct Database {
    pub hot: BTreeMap<InteractionKey, Bytes>,
    pub cold: BTreeMap<InteractionKey, Bytes>,
    pub agents: BTreeMap<String, Bytes>,
    pub keys: Vec<IdempotencyRow>,
    /// Every record ever written, from number 1.
    pub log: Vec<Record>,
    /// Records below this one can no longer be read.
    pub trimmed_below: u64,
    epoch: Epoch,
    last_event: EventNumber,
    counters: Counters,
    at_milliseconds: u64,
    /// Batches whose writer has heard that their outcome is unknown; they may still arrive.
    late: Vec<Arc<CommitBatch>>,
    /// What it does wrong.
    pub defect: Option<Defect>,
}

/// What the database does with what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// What it should.
    Works,
    /// The connection breaks before it is done.
    BreaksBefore,
    /// It is done, and the connection breaks before anybody hears of it.
    BreaksAfter,
    /// It is certainly not done.
    Declines,
    /// Nobody hears of it for now, and it may be done at any later time.
    DoesItLate,
    /// It is refused as bad data.
    Refuses,
}

impl Database {
    /// An empty one.
    pub fn new(defect: Option<Defect>) -> Self {
        Self { defect, ..Self::default() }
    }

    /// The newest event.
    pub fn last_event(&self) -> u64 {
        self.last_event.0
    }

    fn newest(&self) -> CommitNumber {
        CommitNumber(self.log.len() as u64)
    }

    /// The record with a number.
    pub fn record(&self, number: CommitNumber) -> Option<&Record> {
        self.log.get(usize::try_from(number.0).ok()?.checked_sub(1)?)
    }

    /// A server starts: its own record first, then it may read everything.
    pub fn take_over(&mut self, now: u64) -> TakenOver {
        self.epoch = self.epoch.next();
        let number = self.newest().next();
        self.at_milliseconds = self.at_milliseconds.max(now);
        self.log.push(Record {
            number,
            identity: CommitIdentity { epoch: self.epoch, hash: 0 },
            first_event: self.last_event.next(),
            last_event: self.last_event,
            events: Bytes::new(),
            known_at: Cell::new(None),
        });
        TakenOver {
            number,
            epoch: self.epoch,
            last_event: self.last_event,
            counters: self.counters,
            at_milliseconds: self.at_milliseconds,
            id_prefix: "03W0GH".into(),
        }
    }

    /// Writes a batch whole or not at all.
    fn write(&mut self, batch: &CommitBatch) -> Outcome {
        let identity = CommitIdentity { epoch: batch.epoch, hash: batch.hash };
        if let Some(known) = self.record(batch.number) {
            return if known.identity == identity { Outcome::Durable } else { Outcome::Fenced };
        }
        assert_eq!(batch.number, self.newest().next(), "a commit number is left out");
        assert_eq!(batch.hash, batch.content_hash(), "a frozen batch has changed");
        assert_eq!(batch.first_event, self.last_event.next(), "event numbers have a gap");
        self.hot.extend(batch.hot.iter().cloned());
        for (key, data) in &batch.cold {
            match self.defect {
                Some(Defect::UserDataIsNotWritten) => {}
                Some(Defect::UserDataStaysAsItWas) => drop(self.cold.entry(*key).or_insert(data.clone())),
                _ => drop(self.cold.insert(*key, data.clone())),
            }
        }
        for key in &batch.deleted {
            assert!(self.hot.remove(key).is_some(), "{key} is deleted and was not there");
            self.cold.remove(key);
        }
        self.agents.extend(batch.agents.iter().cloned());
        for agent in &batch.deleted_agents {
            self.agents.remove(agent);
        }
        self.keys.extend(batch.idempotency.iter().cloned());
        self.last_event = batch.last_event;
        self.counters = batch.counters;
        self.at_milliseconds = batch.at_milliseconds;
        self.log.push(Record {
            number: batch.number,
            identity,
            first_event: batch.first_event,
            last_event: batch.last_event,
            events: batch.events.clone(),
            known_at: Cell::new(None),
        });
        Outcome::Durable
    }

    /// A server commits.
    pub fn commit(&mut self, batch: &Arc<CommitBatch>, fate: Fate) -> Outcome {
        match fate {
            Fate::Works => self.write(batch),
            Fate::BreaksBefore => Outcome::Unknown,
            Fate::BreaksAfter => {
                self.write(batch);
                Outcome::Unknown
            }
            Fate::Declines => Outcome::NotApplied,
            Fate::DoesItLate => {
                self.late.push(Arc::clone(batch));
                Outcome::Unknown
            }
            Fate::Refuses => Outcome::Refused("a fault".into()),
        }
    }

    /// What stood still in the network arrives.
    pub fn late_batch_arrives(&mut self) {
        if let Some(batch) = self.late.pop() {
            self.write(&batch);
        }
    }

    /// What the log says about a number.
    pub fn look_up(&self, number: CommitNumber) -> Option<CommitIdentity> {
        self.record(number).map(|record| record.identity)
    }

    /// Drops all but the newest records.
    pub fn trim(&mut self, kept: u64) {
        self.trimmed_below = self.trimmed_below.max(self.newest().next().0.saturating_sub(kept));
    }

    /// The record that a reader behind this event goes on with; none when there is nothing new up to `newest`. An error
    /// holds the oldest event that can still be read.
    pub fn record_behind(
        &self,
        event: EventNumber,
        newest: CommitNumber,
    ) -> Result<Option<&Record>, EventNumber> {
        let position = self.log.partition_point(|record| record.last_event <= event);
        let Some(record) = self.log.get(position).filter(|record| record.number <= newest) else {
            return Ok(None);
        };
        if record.number.0 >= self.trimmed_below {
            return Ok(Some(record));
        }
        let oldest = self.log.get(self.trimmed_below as usize - 1);
        Err(oldest.map_or(self.last_event.next(), |record| record.first_event))
    }
}
