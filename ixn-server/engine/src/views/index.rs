//! What one view shows, in its order, and when to look again.

use std::collections::{BTreeMap, BTreeSet};

use ixn_conditions::{Order, OrderKey};

use crate::commit::InteractionKey;
use crate::interaction::Facts;

/// What a B-tree of ascending keys takes beside its entries: nodes are a good half full.
const FILL: usize = 2;

/// The interactions that match. In the order of submission, the usual one, the key alone is the order.
#[derive(Debug)]
enum Matching {
    BySubmission(BTreeSet<InteractionKey>),
    Ordered(BTreeSet<(OrderKey, InteractionKey)>),
}

/// One view's index.
#[derive(Debug)]
pub(super) struct ViewIndex {
    matching: Matching,
    recheck_at: BTreeMap<InteractionKey, i64>,
    rechecks: BTreeSet<(i64, InteractionKey)>,
}

impl ViewIndex {
    pub(super) fn new(order: &Order) -> Self {
        Self {
            matching: match order.is_by_submission() {
                true => Matching::BySubmission(BTreeSet::new()),
                false => Matching::Ordered(BTreeSet::new()),
            },
            recheck_at: BTreeMap::new(),
            rechecks: BTreeSet::new(),
        }
    }

    pub(super) fn insert(&mut self, order: &Order, facts: &Facts<'_>, key: InteractionKey) {
        match &mut self.matching {
            Matching::BySubmission(keys) => keys.insert(key),
            Matching::Ordered(keys) => keys.insert((order.key(facts), key)),
        };
    }

    pub(super) fn remove(&mut self, order: &Order, facts: &Facts<'_>, key: InteractionKey) {
        match &mut self.matching {
            Matching::BySubmission(keys) => keys.remove(&key),
            Matching::Ordered(keys) => !keys.is_empty() && keys.remove(&(order.key(facts), key)),
        };
        if let Some(at) = self.recheck_at.remove(&key) {
            self.rechecks.remove(&(at, key));
        }
    }

    /// Looks again at this time, in Unix seconds.
    pub(super) fn recheck(&mut self, key: InteractionKey, at_seconds: i64) {
        if let Some(before) = self.recheck_at.insert(key, at_seconds) {
            self.rechecks.remove(&(before, key));
        }
        self.rechecks.insert((at_seconds, key));
    }

    pub(super) fn first(&self) -> Option<InteractionKey> {
        match &self.matching {
            Matching::BySubmission(keys) => keys.first().copied(),
            Matching::Ordered(keys) => keys.first().map(|(_, key)| *key),
        }
    }

    pub(super) fn matching(&self) -> Box<dyn Iterator<Item = InteractionKey> + '_> {
        match &self.matching {
            Matching::BySubmission(keys) => Box::new(keys.iter().copied()),
            Matching::Ordered(keys) => Box::new(keys.iter().map(|(_, key)| *key)),
        }
    }

    pub(super) fn len(&self) -> usize {
        match &self.matching {
            Matching::BySubmission(keys) => keys.len(),
            Matching::Ordered(keys) => keys.len(),
        }
    }

    pub(super) fn next_recheck(&self) -> Option<i64> {
        self.rechecks.first().map(|(at, _)| *at)
    }

    pub(super) fn due(&self, now_seconds: i64) -> impl Iterator<Item = InteractionKey> {
        self.rechecks.iter().take_while(move |(at, _)| *at <= now_seconds).map(|(_, key)| *key)
    }

    /// About what it takes in memory, without the long texts that an order may hold.
    pub(super) fn bytes(&self) -> usize {
        let matching = match &self.matching {
            Matching::BySubmission(keys) => keys.len() * size_of::<InteractionKey>(),
            Matching::Ordered(keys) => keys.len() * size_of::<(OrderKey, InteractionKey)>(),
        };
        let rechecks = self.rechecks.len() * 2 * size_of::<(i64, InteractionKey)>();
        (matching + rechecks) * FILL
    }
}
