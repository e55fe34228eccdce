//! All interactions that the server holds, by key and by the ids that clients chose.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::commit::InteractionKey;
use crate::interaction::{Interaction, State};
use crate::names::{MediaTypeId, QueueId};
use crate::vocabulary::Vocabulary;

/// Counters of one queue and medium, as the metrics name them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Waiting to be routed or handled.
    pub waiting_processing: u64,
    /// With a strategy.
    pub in_router: u64,
    /// With agents.
    pub on_agent: u64,
    /// Never delivered to an agent.
    pub current_length: u64,
}

impl QueueCounts {
    /// With a strategy or with agents.
    pub fn in_processing(&self) -> u64 {
        self.in_router + self.on_agent
    }

    /// All that are in the queue.
    pub fn total(&self) -> u64 {
        self.waiting_processing + self.in_processing()
    }
}

/// The live interactions.
#[derive(Debug, Default)]
pub struct Interactions {
    rows: BTreeMap<InteractionKey, Box<Interaction>>,
    /// A tree, as a table would now and then be moved as a whole.
    chosen: BTreeMap<Box<str>, InteractionKey>,
    counts: BTreeMap<(QueueId, MediaTypeId), QueueCounts>,
}

impl Interactions {
    /// Takes a new one in.
    pub fn insert(&mut self, interaction: Interaction) {
        if let Some(id) = interaction.chosen_id() {
            self.chosen.insert(id.into(), interaction.key);
        }
        self.count(&interaction, true);
        self.rows.insert(interaction.key, Box::new(interaction));
    }

    /// Takes one out for good.
    pub fn remove(&mut self, key: InteractionKey) -> Option<Box<Interaction>> {
        let interaction = self.rows.remove(&key)?;
        if let Some(id) = interaction.chosen_id() {
            self.chosen.remove(id);
        }
        self.count(&interaction, false);
        Some(interaction)
    }

    /// The row.
    pub fn get(&self, key: InteractionKey) -> Option<&Interaction> {
        self.rows.get(&key).map(|row| &**row)
    }

    /// Changes what counters do not depend on.
    pub fn get_mut(&mut self, key: InteractionKey) -> Option<&mut Interaction> {
        self.rows.get_mut(&key).map(|row| &mut **row)
    }

    /// Changes the row and keeps the counters right.
    pub fn change<R>(
        &mut self,
        key: InteractionKey,
        change: impl FnOnce(&mut Interaction) -> R,
    ) -> Option<R> {
        let row = self.rows.get_mut(&key)?;
        let before = bucket(row);
        let result = change(row);
        let after = bucket(row);
        if before != after {
            add(&mut self.counts, before, false);
            add(&mut self.counts, after, true);
        }
        Some(result)
    }

    /// The key behind an id, generated or chosen.
    pub fn find(&self, vocabulary: &Vocabulary, id: &str) -> Option<InteractionKey> {
        match vocabulary.parse_generated_id(id) {
            Some(key) => self.rows.get(&key).filter(|row| row.chosen_id().is_none()).map(|row| row.key),
            None => self.chosen.get(id).copied(),
        }
    }

    /// Counters of every queue and medium that have held an interaction.
    pub fn counts(&self) -> &BTreeMap<(QueueId, MediaTypeId), QueueCounts> {
        &self.counts
    }

    /// All, by key, from the one after `after`.
    pub fn after(&self, after: InteractionKey) -> impl Iterator<Item = &Interaction> {
        self.rows.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, row)| &**row)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn count(&mut self, interaction: &Interaction, comes: bool) {
        add(&mut self.counts, bucket(interaction), comes);
    }
}

type Bucket = (QueueId, MediaTypeId, State, bool);

fn bucket(row: &Interaction) -> Bucket {
    (row.queue, row.media_type, row.state, row.delivered_at.get().is_none())
}

fn add(counts: &mut BTreeMap<(QueueId, MediaTypeId), QueueCounts>, bucket: Bucket, comes: bool) {
    let (queue, media_type, state, never_delivered) = bucket;
    let counts = counts.entry((queue, media_type)).or_default();
    let counter = match state {
        State::Queued => &mut counts.waiting_processing,
        State::Cached | State::Routing => &mut counts.in_router,
        State::Handling => &mut counts.on_agent,
    };
    *counter = if comes { *counter + 1 } else { counter.saturating_sub(1) };
    if never_delivered {
        let length = &mut counts.current_length;
        *length = if comes { *length + 1 } else { length.saturating_sub(1) };
    }
}
