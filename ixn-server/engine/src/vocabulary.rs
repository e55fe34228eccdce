//! All interned names of one server, and how rows' ids are spelled.

use std::ops::{Deref, DerefMut};

use crate::commit::InteractionKey;
use crate::interaction_id;
use crate::names::{AgentId, Id, LabelId, MediaTypeId, Names, QueueId, StrategyId, WorkbinId};

/// How many names clients may bring (interaction types, subtypes, client names, places).
const MAX_LABELS: usize = 1_000_000;
/// How many configured objects of one kind there may be.
const MAX_OBJECTS: usize = 1_000_000;
/// How many custom properties may ever have been mapped.
const MAX_CUSTOM_PROPERTIES: usize = 65_536;

/// A mapped custom property; its index is its index in the conditions' schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomPropertyId(u16);

impl CustomPropertyId {
    /// The property at an index of the conditions' schema.
    pub fn from_schema(index: u16) -> Self {
        Self(index)
    }
}

impl Id for CustomPropertyId {
    fn from_index(index: u32) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }
    fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// The names of configured objects, present and past.
#[derive(Clone, Debug)]
pub struct ConfiguredNames {
    /// Queues.
    pub queues: Names<QueueId>,
    /// Media types.
    pub media_types: Names<MediaTypeId>,
    /// Agents.
    pub agents: Names<AgentId>,
    /// Strategies.
    pub strategies: Names<StrategyId>,
    /// Workbin types.
    pub workbins: Names<WorkbinId>,
    /// Mapped custom properties.
    pub custom_properties: Names<CustomPropertyId>,
}

/// The names that rows, views, agents and the router share.
#[derive(Debug)]
pub struct Vocabulary {
    /// The server's own tenant, as the protocol's integer.
    pub tenant_id: i64,
    pub(crate) configured: ConfiguredNames,
    /// Everything else.
    pub labels: Names<LabelId>,
    id_prefix: String,
}

impl Deref for Vocabulary {
    type Target = ConfiguredNames;

    fn deref(&self) -> &ConfiguredNames {
        &self.configured
    }
}

impl DerefMut for Vocabulary {
    fn deref_mut(&mut self) -> &mut ConfiguredNames {
        &mut self.configured
    }
}

impl Vocabulary {
    /// An empty one, for this database's ids.
    pub fn new(tenant_id: i64, id_prefix: String) -> Self {
        let configured = ConfiguredNames {
            queues: Names::new(MAX_OBJECTS),
            media_types: Names::new(MAX_OBJECTS),
            agents: Names::new(MAX_OBJECTS),
            strategies: Names::new(MAX_OBJECTS),
            workbins: Names::new(MAX_OBJECTS),
            custom_properties: Names::new(MAX_CUSTOM_PROPERTIES),
        };
        Self { tenant_id, configured, labels: Names::new(MAX_LABELS), id_prefix }
    }

    /// Whether names that have grown elsewhere begin with all of these.
    pub(crate) fn is_part_of(&self, names: &ConfiguredNames) -> bool {
        let own = &self.configured;
        own.queues.is_start_of(&names.queues)
            && own.media_types.is_start_of(&names.media_types)
            && own.agents.is_start_of(&names.agents)
            && own.strategies.is_start_of(&names.strategies)
            && own.workbins.is_start_of(&names.workbins)
            && own.custom_properties.is_start_of(&names.custom_properties)
    }

    /// Takes names over that have grown elsewhere; answers the ones of before.
    pub(crate) fn replace_configured(&mut self, names: ConfiguredNames) -> ConfiguredNames {
        std::mem::replace(&mut self.configured, names)
    }

    /// The id that the interaction with this key has when no client chose one.
    pub fn generated_id(&self, key: InteractionKey) -> String {
        interaction_id::generate(&self.id_prefix, key)
    }

    /// The key inside a generated id.
    pub fn parse_generated_id(&self, id: &str) -> Option<InteractionKey> {
        interaction_id::parse(&self.id_prefix, id)
    }
}
