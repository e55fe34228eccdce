//! What lies in each workbin, in the order of its type, kept as it changes: never a scan over all interactions.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use ixn_conditions::OrderKey;

use crate::commit::InteractionKey;
use crate::interaction::{Interaction, WorkbinPlacement};
use crate::names::{LabelId, WorkbinId};
use crate::setup::Setup;
use crate::views::Exchanged;
use crate::vocabulary::Vocabulary;

/// Names one workbin: its type and its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlaceId {
    /// The type.
    pub workbin: WorkbinId,
    /// The owner's name.
    pub owner: LabelId,
}

impl WorkbinPlacement {
    /// The workbin's name in indexes: the type says which kind of owner it is.
    pub fn id(self) -> PlaceId {
        PlaceId { workbin: self.workbin, owner: self.owner }
    }
}

/// Where an interaction stands in a workbin.
pub type Position = (OrderKey, InteractionKey);

/// The content of all workbins.
#[derive(Debug, Default)]
pub struct WorkbinContents {
    places: BTreeMap<PlaceId, BTreeSet<Position>>,
}

/// Where it lies; nothing when it lies in none, or in one of a type that is no longer configured.
fn position(setup: &Setup, words: &Vocabulary, row: &Interaction) -> Option<(PlaceId, Position)> {
    let place = row.workbin?;
    let order = &setup.workbins.get(&place.workbin)?.order;
    Some((place.id(), (order.key(&row.facts(words)), row.key)))
}

impl WorkbinContents {
    /// Goes over to another setup. Workbins of a type whose order has not changed keep their content.
    pub(crate) fn reconfigure(&mut self, old: &Setup, new: &Setup) -> Exchanged<Self> {
        let order =
            |setup: &Setup, workbin: WorkbinId| setup.workbins.get(&workbin).map(|known| known.order.clone());
        let is_new = |workbin: &WorkbinId| order(old, *workbin) != order(new, *workbin);
        let ended: BTreeSet<WorkbinId> = old.workbins.keys().copied().filter(is_new).collect();
        let mut discarded = Self::default();
        for place in
            self.places.keys().filter(|place| ended.contains(&place.workbin)).copied().collect::<Vec<_>>()
        {
            discarded.places.extend(self.places.remove_entry(&place));
        }
        Exchanged { to_fill: new.workbins.keys().any(is_new), discarded }
    }

    /// Takes an interaction in when it lies in a workbin.
    pub fn add(&mut self, setup: &Setup, words: &Vocabulary, interaction: &Interaction) {
        if let Some((place, position)) = position(setup, words, interaction) {
            self.places.entry(place).or_default().insert(position);
        }
    }

    /// Takes an interaction out, as it was when it was added.
    pub fn remove(&mut self, setup: &Setup, words: &Vocabulary, interaction: &Interaction) {
        let Some((place, position)) = position(setup, words, interaction) else { return };
        if let Some(content) = self.places.get_mut(&place) {
            content.remove(&position);
            if content.is_empty() {
                self.places.remove(&place);
            }
        }
    }

    /// The content of a workbin in its order, from the one after `after`.
    pub fn after(&self, place: PlaceId, after: Option<&Position>) -> impl Iterator<Item = &Position> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let content = self.places.get(&place);
        content.into_iter().flat_map(move |content| content.range::<Position, _>((start, Bound::Unbounded)))
    }

    /// How many interactions lie in a workbin.
    pub fn len(&self, place: PlaceId) -> usize {
        self.places.get(&place).map_or(0, BTreeSet::len)
    }

    /// The workbins that are not empty, from the one after `after`, and how many each holds.
    pub fn counts_after(&self, after: Option<PlaceId>) -> impl Iterator<Item = (PlaceId, usize)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.places.range((start, Bound::Unbounded)).map(|(place, content)| (*place, content.len()))
    }
}
