//! Which queued interactions each view shows, kept as they change: never a scan per pull.
//!
//! A view's index holds every visible interaction of its queue for which the condition is true now. Conditions that look
//! at the clock are asked when they may change next, and looked at again then (or at the view's check interval, when that
//! cannot be foretold).

use std::collections::{BTreeMap, BTreeSet};

use ixn_conditions::{NextChange, OrderKey, Truth};

use crate::commit::InteractionKey;
use crate::interaction::Interaction;
use crate::names::QueueId;
use crate::setup::Setup;
use crate::time::Milliseconds;
use crate::vocabulary::Vocabulary;

/// One view's index.
#[derive(Debug, Default)]
struct ViewIndex {
    matching: BTreeSet<(OrderKey, InteractionKey)>,
    recheck_at: BTreeMap<InteractionKey, i64>,
    rechecks: BTreeSet<(i64, InteractionKey)>,
}

/// The indexes of all views, by the view's position in the setup.
#[derive(Debug, Default)]
pub struct Views {
    indexes: Vec<ViewIndex>,
}

impl Views {
    /// Empty indexes for the views of a setup.
    pub fn new(setup: &Setup) -> Self {
        let mut indexes = Vec::new();
        indexes.resize_with(setup.views.len(), ViewIndex::default);
        Self { indexes }
    }

    /// Takes an interaction in where it matches; answers the views that now show it.
    pub fn add(
        &mut self,
        setup: &Setup,
        vocabulary: &Vocabulary,
        interaction: &Interaction,
        now: Milliseconds,
    ) -> Vec<usize> {
        let mut shown_in = Vec::new();
        if !interaction.is_visible_to_views() {
            return shown_in;
        }
        for &view in views_of(setup, interaction.queue) {
            if self.add_to(view, setup, vocabulary, interaction, now) {
                shown_in.push(view);
            }
        }
        shown_in
    }

    fn add_to(
        &mut self,
        view: usize,
        setup: &Setup,
        vocabulary: &Vocabulary,
        interaction: &Interaction,
        now: Milliseconds,
    ) -> bool {
        let (Some(view), Some(index)) = (setup.views.get(view), self.indexes.get_mut(view)) else {
            return false;
        };
        let facts = interaction.facts(vocabulary);
        let now_seconds = (now.0 / 1000) as i64;
        if view.condition.depends_on_time() {
            let at = match view.condition.next_change(&facts, now_seconds) {
                NextChange::Never => None,
                NextChange::At(seconds) => Some(seconds),
                NextChange::Unpredictable => {
                    Some(now_seconds.saturating_add(view.check_interval.as_secs().max(1) as i64))
                }
            };
            if let Some(at) = at {
                index.recheck_at.insert(interaction.key, at);
                index.rechecks.insert((at, interaction.key));
            }
        }
        if view.condition.evaluate(&facts, now_seconds) != Truth::True {
            return false;
        }
        index.matching.insert((view.order.key(&facts), interaction.key));
        true
    }

    /// Takes an interaction out, as it was when it was added.
    pub fn remove(&mut self, setup: &Setup, vocabulary: &Vocabulary, interaction: &Interaction) {
        if !interaction.is_visible_to_views() {
            return;
        }
        for &position in views_of(setup, interaction.queue) {
            let (Some(view), Some(index)) = (setup.views.get(position), self.indexes.get_mut(position))
            else {
                continue;
            };
            index.matching.remove(&(view.order.key(&interaction.facts(vocabulary)), interaction.key));
            if let Some(at) = index.recheck_at.remove(&interaction.key) {
                index.rechecks.remove(&(at, interaction.key));
            }
        }
    }

    /// The first interaction that a view shows.
    pub fn first(&self, view: usize) -> Option<InteractionKey> {
        self.indexes.get(view)?.matching.first().map(|(_, key)| *key)
    }

    /// What a view shows, in its order.
    pub fn matching(&self, view: usize) -> impl Iterator<Item = InteractionKey> {
        self.indexes.get(view).into_iter().flat_map(|index| index.matching.iter().map(|(_, key)| *key))
    }

    /// How many interactions a view shows.
    pub fn len(&self, view: usize) -> usize {
        self.indexes.get(view).map_or(0, |index| index.matching.len())
    }

    /// When the next interaction must be looked at again.
    pub fn next_recheck(&self) -> Option<Milliseconds> {
        let next = self.indexes.iter().filter_map(|index| index.rechecks.first()).map(|(at, _)| *at).min()?;
        Some(Milliseconds(u64::try_from(next).unwrap_or(0).saturating_mul(1000)))
    }

    /// Up to `limit` interactions that are due to be looked at again; the caller removes and adds each.
    pub fn due(&self, now: Milliseconds, limit: usize) -> Vec<InteractionKey> {
        let now_seconds = (now.0 / 1000) as i64;
        let mut due = BTreeSet::new();
        for index in &self.indexes {
            let room = limit.saturating_sub(due.len());
            due.extend(
                index
                    .rechecks
                    .iter()
                    .take_while(|(at, _)| *at <= now_seconds)
                    .take(room)
                    .map(|(_, key)| *key),
            );
        }
        due.into_iter().collect()
    }
}

fn views_of(setup: &Setup, queue: QueueId) -> &[usize] {
    setup.queues.get(&queue).map_or(&[], |queue| &queue.views)
}
