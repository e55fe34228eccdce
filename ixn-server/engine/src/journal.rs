//! What the current batch has changed: which rows, and every reporting event in order. Frozen, it becomes the commit.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};
use ixn_proto::{ServerEnvelope, server_envelope::Event};
use prost::Message;

use crate::commit::{EventNumber, InteractionKey};
use crate::names::AgentId;
use crate::time::Milliseconds;

/// The batch that gathers.
#[derive(Debug)]
pub struct Journal {
    last_event: EventNumber,
    first_event: EventNumber,
    events: BytesMut,
    /// Hot rows to write.
    pub interactions: BTreeSet<InteractionKey>,
    /// User data to write.
    pub contents: BTreeSet<InteractionKey>,
    /// Rows that the database does not have yet.
    pub born: BTreeSet<InteractionKey>,
    /// Rows to delete.
    pub deleted: BTreeSet<InteractionKey>,
    /// Agents to write, or to delete when they are no longer logged in.
    pub agents: BTreeSet<AgentId>,
}

impl Journal {
    /// A journal that goes on after this event.
    pub fn new(last_event: EventNumber) -> Self {
        Self {
            last_event,
            first_event: last_event.next(),
            events: BytesMut::new(),
            interactions: BTreeSet::new(),
            contents: BTreeSet::new(),
            born: BTreeSet::new(),
            deleted: BTreeSet::new(),
            agents: BTreeSet::new(),
        }
    }

    /// Writes a reporting event; answers its number.
    pub fn report(&mut self, now: Milliseconds, event: Event) -> EventNumber {
        self.last_event = self.last_event.next();
        let envelope = ServerEnvelope {
            event_number: self.last_event.0,
            event_time_milliseconds: now.0 as i64,
            event: Some(event),
            ..ServerEnvelope::default()
        };
        self.events.reserve(envelope.encoded_len() + 10);
        // Cannot fail: the room is there.
        let _ = envelope.encode_length_delimited(&mut self.events);
        self.last_event
    }

    /// The newest event.
    pub fn last_event(&self) -> EventNumber {
        self.last_event
    }

    /// Whether there is anything to commit.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.interactions.is_empty()
            && self.contents.is_empty()
            && self.deleted.is_empty()
            && self.agents.is_empty()
    }

    /// Ends an interaction in this batch: nothing of it is written any more, and if the database has it, it goes. That it ended
    /// is reported in the same batch, so that there is one even when it was born in it.
    pub fn delete(&mut self, key: InteractionKey) {
        self.interactions.remove(&key);
        self.contents.remove(&key);
        if !self.born.remove(&key) {
            self.deleted.insert(key);
        }
    }

    /// Takes the batch's events: the first number, the last, and their bytes. The next batch begins.
    pub fn take_events(&mut self) -> (EventNumber, EventNumber, Bytes) {
        let first = self.first_event;
        self.first_event = self.last_event.next();
        (first, self.last_event, self.events.split().freeze())
    }
}
