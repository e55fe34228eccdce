//! What one commit carries: the net effect of a batch of engine steps, frozen, ready for the database.
//!
//! The types here are data. The engine and the [gate](crate::gate) make them, a store writes them whole or not at all.

use std::fmt;

use bytes::Bytes;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            /// The number that follows this one.
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The number of a commit: 1 for the first of a database, then without gaps. 0 = none yet.
    CommitNumber
}
number! {
    /// Which server incarnation owns the database: grows by one with every takeover (every start is one).
    Epoch
}
number! {
    /// The number of a reporting event: 1 for the first of a database, then without gaps, over restarts and failovers.
    EventNumber
}
number! {
    /// The internal number of an interaction, drawn in the order of submission and never used twice. It is the primary
    /// key in the database, the `SubmitSeq` property, and what a generated InteractionId encodes.
    InteractionKey
}

/// Identifies an agent of the configuration in stored rows: the agent's id.
pub type AgentName = String;

/// Counters that must survive a restart exactly. Every commit record carries their values after the batch, so the newest
/// record of the log is all that a restart needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The key that the next submitted interaction gets.
    pub next_interaction: u64,
    /// The next value of `PlaceInQueueSeq`.
    pub next_place_in_queue: u64,
    /// The next invitation ticket.
    pub next_ticket: u64,
    /// The next routing session number.
    pub next_session: u64,
}

/// One row of an idempotency key, as stored: written once, never changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    /// Hash of client name and key, 128 bits.
    pub key_hash: u128,
    /// Hash of the request's body.
    pub body_hash: u64,
    /// When the key is forgotten, Unix seconds.
    pub expires_at_seconds: u64,
    /// The first answer (an encoded server envelope without reference id).
    pub answer: Bytes,
}

/// One net row change per key, frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBatch {
    /// This commit's number: the previous one plus 1.
    pub number: CommitNumber,
    /// The writer's epoch.
    pub epoch: Epoch,
    /// The first reporting event in `events`; `last_event + 1` when there is none.
    pub first_event: EventNumber,
    /// The last reporting event up to and including this batch.
    pub last_event: EventNumber,
    /// The counters after this batch.
    pub counters: Counters,
    /// The batch's time, Unix milliseconds.
    pub at_milliseconds: u64,
    /// The reporting events, as a sequence of length-delimited encoded server envelopes.
    pub events: Bytes,
    /// Hot rows to insert or replace, ascending by key.
    pub hot: Vec<(InteractionKey, Bytes)>,
    /// User data to insert or replace, ascending by key.
    pub cold: Vec<(InteractionKey, Bytes)>,
    /// Interactions to delete, hot and cold, ascending by key; disjoint from the two above.
    pub deleted: Vec<InteractionKey>,
    /// Agent rows to insert or replace, ascending by agent.
    pub agents: Vec<(AgentName, Bytes)>,
    /// Agent rows to delete, ascending.
    pub deleted_agents: Vec<AgentName>,
    /// Idempotency keys to append.
    pub idempotency: Vec<IdempotencyRow>,
    /// A hash over everything above; tells two batches with the same number apart.
    pub hash: u64,
}

impl CommitBatch {
    /// The hash over all fields but `hash` itself. Lengths are in it, so that nothing can pass from one field to the next.
    pub fn content_hash(&self) -> u64 {
        use xxhash_rust::xxh3::Xxh3;
        let mut hash = Xxh3::new();
        let mut number = |n: u64| hash.update(&n.to_le_bytes());
        number(self.number.0);
        number(self.epoch.0);
        number(self.first_event.0);
        number(self.last_event.0);
        number(self.counters.next_interaction);
        number(self.counters.next_place_in_queue);
        number(self.counters.next_ticket);
        number(self.counters.next_session);
        number(self.at_milliseconds);
        hash.update(&(self.events.len() as u64).to_le_bytes());
        hash.update(&self.events);
        for rows in [&self.hot, &self.cold] {
            hash.update(&(rows.len() as u64).to_le_bytes());
            for (key, row) in rows {
                hash.update(&key.0.to_le_bytes());
                hash.update(&(row.len() as u64).to_le_bytes());
                hash.update(row);
            }
        }
        hash.update(&(self.deleted.len() as u64).to_le_bytes());
        for key in &self.deleted {
            hash.update(&key.0.to_le_bytes());
        }
        hash.update(&(self.agents.len() as u64).to_le_bytes());
        for (agent, row) in &self.agents {
            for bytes in [agent.as_bytes(), row] {
                hash.update(&(bytes.len() as u64).to_le_bytes());
                hash.update(bytes);
            }
        }
        hash.update(&(self.deleted_agents.len() as u64).to_le_bytes());
        for agent in &self.deleted_agents {
            hash.update(&(agent.len() as u64).to_le_bytes());
            hash.update(agent.as_bytes());
        }
        for row in &self.idempotency {
            hash.update(&row.key_hash.to_le_bytes());
            hash.update(&row.body_hash.to_le_bytes());
            hash.update(&row.expires_at_seconds.to_le_bytes());
            hash.update(&(row.answer.len() as u64).to_le_bytes());
            hash.update(&row.answer);
        }
        hash.digest()
    }
}

/// What the log says about one commit number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitIdentity {
    /// Who wrote it.
    pub epoch: Epoch,
    /// The hash of its batch.
    pub hash: u64,
}

/// Everything that a starting server reads, besides the hot rows, which stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenOver {
    /// The number of the takeover's own record.
    pub number: CommitNumber,
    /// The epoch that this server now writes with.
    pub epoch: Epoch,
    /// The last event number given out so far.
    pub last_event: EventNumber,
    /// The counters as the last record left them.
    pub counters: Counters,
    /// The latest time in the log, Unix milliseconds: the engine's clock never goes back behind it.
    pub at_milliseconds: u64,
    /// The prefix of generated interaction ids, drawn once per database: 6 characters of Crockford's base 32.
    pub id_prefix: String,
}
