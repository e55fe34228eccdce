//! The configuration as the engine uses it: names resolved, conditions parsed, and for each step of each strategy the
//! agents that it reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ixn_conditions::{Condition, Order};
use ixn_configuration::{Executor, Options};

use crate::mapped_properties::CustomType;
use crate::names::{AgentId, MediaTypeId, QueueId, StrategyId, WorkbinId};
use crate::vocabulary::CustomPropertyId;

/// The compiled configuration.
#[derive(Debug, Default)]
pub struct Setup {
    /// Server options.
    pub options: Options,
    /// Media types; others are refused.
    pub media_types: BTreeMap<MediaTypeId, MediaTypeSetup>,
    /// Queues; a queue with interactions that is not here is retired.
    pub queues: BTreeMap<QueueId, QueueSetup>,
    /// Views, in the order of the configuration.
    pub views: Vec<ViewSetup>,
    /// Strategies.
    pub strategies: BTreeMap<StrategyId, StrategySetup>,
    /// Agents.
    pub agents: BTreeMap<AgentId, AgentSetup>,
    /// Agent groups, by name.
    pub agent_groups: BTreeSet<String>,
    /// Workbin types.
    pub workbins: BTreeMap<WorkbinId, WorkbinSetup>,
    /// Mapped custom properties.
    pub custom_properties: BTreeMap<CustomPropertyId, CustomType>,
}

/// A media type.
#[derive(Clone, Debug, Default)]
pub struct MediaTypeSetup {
    /// Its own handling timeout.
    pub handling_timeout: Option<Duration>,
}

/// A queue.
#[derive(Clone, Debug, Default)]
pub struct QueueSetup {
    /// Whether placing here sets CompletedAt.
    pub completed: bool,
    /// Its enabled views, as positions in [`Setup::views`].
    pub views: Vec<usize>,
}

/// A view.
#[derive(Debug)]
pub struct ViewSetup {
    /// Its name.
    pub name: String,
    /// The queue it looks at.
    pub queue: QueueId,
    /// What it shows.
    pub condition: Condition,
    /// In which order.
    pub order: Order,
    /// The strategy it feeds, if any.
    pub strategy: Option<StrategyId>,
    /// How often conditions whose change cannot be foretold are checked again.
    pub check_interval: Duration,
    /// Whether it shows anything.
    pub enabled: bool,
}

/// A strategy.
#[derive(Clone, Debug)]
pub struct StrategySetup {
    /// Who executes it.
    pub executor: Executor,
    /// The built-in router's steps; each reaches at least whom the one before reached.
    pub steps: Vec<StepSetup>,
    /// Where an interaction goes that no step could deliver.
    pub overflow_queue: Option<QueueId>,
    /// How many interactions it may have at once.
    pub max_submitted: usize,
}

/// One step of a strategy.
#[derive(Clone, Debug, Default)]
pub struct StepSetup {
    /// The agents that it reaches.
    pub reach: BTreeSet<AgentId>,
    /// When the next step begins; none on a step that stays.
    pub timeout: Option<Duration>,
}

/// An agent.
#[derive(Clone, Debug, Default)]
pub struct AgentSetup {
    /// How many interactions of a medium at once; a medium that is not here: [`AgentSetup::other_media`].
    pub capacity: BTreeMap<MediaTypeId, u32>,
    /// The capacity for every other medium: 1 without a capacity rule, 0 with one.
    pub other_media: u32,
    /// How many interactions over all media, when the rule says so.
    pub total: Option<u32>,
    /// His place when he names none at login.
    pub default_place: Option<String>,
    /// The steps that reach him.
    pub reached_by: Vec<(StrategyId, usize)>,
}

impl AgentSetup {
    /// How many interactions of this medium he may have at once.
    pub fn capacity_for(&self, media_type: MediaTypeId) -> u32 {
        self.capacity.get(&media_type).copied().unwrap_or(self.other_media)
    }
}

/// Who owns the places of a workbin type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerKind {
    /// An agent.
    Agent,
    /// An agent group.
    AgentGroup,
    /// A place.
    Place,
    /// A place group.
    PlaceGroup,
}

impl OwnerKind {
    /// From the number that rows store.
    pub fn from_number(number: u32) -> Self {
        match number {
            1 => Self::AgentGroup,
            2 => Self::Place,
            3 => Self::PlaceGroup,
            _ => Self::Agent,
        }
    }
}

/// A workbin type.
#[derive(Debug)]
pub struct WorkbinSetup {
    /// Who owns its places.
    pub owner: OwnerKind,
    /// The queue behind it.
    pub queue: QueueId,
    /// The order of its content.
    pub order: Order,
}
