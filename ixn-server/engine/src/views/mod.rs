//! Which queued interactions each view shows, kept as they change: never a scan per pull.
//!
//! A view's index holds every visible interaction of its queue for which the condition is true now. Conditions that look
//! at the clock are asked when they may change next, and looked at again then (or at the view's check interval, when that
//! cannot be foretold).

mod index;

use std::collections::{BTreeMap, BTreeSet};

use ixn_conditions::Truth;

use crate::commit::InteractionKey;
use crate::interaction::Interaction;
use crate::names::QueueId;
use crate::setup::{Setup, ViewSetup};
use crate::time::Milliseconds;
use crate::vocabulary::Vocabulary;
use index::ViewIndex;

/// The indexes of all views, by the view's position in the setup.
#[derive(Debug, Default)]
pub struct Views {
    indexes: Vec<ViewIndex>,
}

/// An index that went over to another configuration.
pub(crate) struct Exchanged<I> {
    /// Whether something has to be filled anew.
    pub(crate) to_fill: bool,
    /// What is no longer needed.
    pub(crate) discarded: I,
}

impl Views {
    /// Empty indexes for the views of a setup.
    pub fn new(setup: &Setup) -> Self {
        Self { indexes: setup.views.iter().map(|view| ViewIndex::new(&view.order)).collect() }
    }

    /// Goes over to another setup. A view that shows the same as before keeps its index.
    pub(crate) fn reconfigure(&mut self, old: &Setup, new: &Setup) -> Exchanged<Self> {
        let mut before: Vec<Option<ViewIndex>> =
            std::mem::take(&mut self.indexes).into_iter().map(Some).collect();
        let positions: BTreeMap<&str, usize> =
            old.views.iter().enumerate().map(|(position, view)| (&*view.name, position)).collect();
        let mut to_fill = false;
        for view in &new.views {
            let same = positions
                .get(&*view.name)
                .copied()
                .filter(|position| old.views.get(*position).is_some_and(|known| shows_the_same(known, view)));
            let index = same.and_then(|position| before.get_mut(position)?.take());
            to_fill |= index.is_none() && view.enabled;
            self.indexes.push(index.unwrap_or_else(|| ViewIndex::new(&view.order)));
        }
        Exchanged { to_fill, discarded: Self { indexes: before.into_iter().flatten().collect() } }
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
            let interval_seconds = view.check_interval.as_secs() as i64;
            let next_change = view.condition.next_change(&facts, now_seconds);
            if let Some(at) = next_change.recheck_at(now_seconds, interval_seconds) {
                index.recheck(interaction.key, at);
            }
        }
        if view.condition.evaluate(&facts, now_seconds) != Truth::True {
            return false;
        }
        index.insert(&view.order, &facts, interaction.key);
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
            index.remove(&view.order, &interaction.facts(vocabulary), interaction.key);
        }
    }

    /// The first interaction that a view shows.
    pub fn first(&self, view: usize) -> Option<InteractionKey> {
        self.indexes.get(view)?.first()
    }

    /// What a view shows, in its order.
    pub fn matching(&self, view: usize) -> impl Iterator<Item = InteractionKey> {
        self.indexes.get(view).into_iter().flat_map(ViewIndex::matching)
    }

    /// How many interactions a view shows.
    pub fn len(&self, view: usize) -> usize {
        self.indexes.get(view).map_or(0, ViewIndex::len)
    }

    /// About what a view's index takes in memory.
    pub fn bytes(&self, view: usize) -> usize {
        self.indexes.get(view).map_or(0, ViewIndex::bytes)
    }

    /// When the next interaction must be looked at again.
    pub fn next_recheck(&self) -> Option<Milliseconds> {
        let next = self.indexes.iter().filter_map(ViewIndex::next_recheck).min()?;
        Some(Milliseconds(u64::try_from(next).unwrap_or(0).saturating_mul(1000)))
    }

    /// Up to `limit` interactions that are due to be looked at again; the caller removes and adds each.
    pub fn due(&self, now: Milliseconds, limit: usize) -> Vec<InteractionKey> {
        let now_seconds = (now.0 / 1000) as i64;
        let mut due = BTreeSet::new();
        for index in &self.indexes {
            let room = limit.saturating_sub(due.len());
            due.extend(index.due(now_seconds).take(room));
        }
        due.into_iter().collect()
    }
}

/// Whether an index for the one is right for the other too.
fn shows_the_same(one: &ViewSetup, other: &ViewSetup) -> bool {
    one.queue == other.queue
        && one.enabled == other.enabled
        && one.check_interval == other.check_interval
        && one.condition == other.condition
        && one.order == other.order
}

fn views_of(setup: &Setup, queue: QueueId) -> &[usize] {
    setup.queues.get(&queue).map_or(&[], |queue| &queue.views)
}
