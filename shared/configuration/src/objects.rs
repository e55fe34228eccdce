//! The whole configuration, and the objects that hold interactions: media types, queues, views,
//! workbins, custom properties.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::{Agent, AgentGroup, CapacityRule, Options, Skill, Strategy};

/// All configuration objects of one tenant.
///
/// Names are 1 to 256 bytes of UTF-8 without control characters and without blanks at either end, upper
/// and lower case differ, and a name is given once per kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Configuration {
    /// Options of the server. Each has a default.
    pub options: Options,
    /// The kinds of interactions: email, chat and so on.
    pub media_types: Vec<MediaType>,
    /// User data keys that conditions and orders may use.
    pub custom_properties: Vec<CustomProperty>,
    /// Where interactions wait.
    pub queues: Vec<Queue>,
    /// What is taken out of a queue, in which order, and by which strategy.
    pub views: Vec<View>,
    /// Queues that belong to an agent, a group or a place.
    pub workbins: Vec<Workbin>,
    /// How an interaction finds its agent.
    pub strategies: Vec<Strategy>,
    /// What agents can be good at.
    pub skills: Vec<Skill>,
    /// Who handles interactions.
    pub agents: Vec<Agent>,
    /// Sets of agents.
    pub agent_groups: Vec<AgentGroup>,
    /// How many interactions an agent may have at the same time.
    pub capacity_rules: Vec<CapacityRule>,
}

/// One kind of interactions. An interaction names its media type when it is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct MediaType {
    /// The name in requests and events: `email`, `chat`.
    pub name: String,
    /// Takes the place of the option `handling-timeout` for interactions of this media type (the vendor's
    /// public page "Interaction Limits"). A bare number is minutes. 1min to 1440min.
    #[serde(
        default,
        deserialize_with = "duration::optional::in_minutes",
        serialize_with = "duration::optional::as_text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<duration::Text>")]
    pub handling_timeout: Option<Duration>,
}

/// A user data key that is kept where conditions and orders can see it (the vendor's public page
/// "Custom Properties").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CustomProperty {
    /// The key in the user data; upper and lower case differ. In a condition it is written as it is, or
    /// in brackets when it has other characters than letters, digits and underscores, begins with a digit, or is
    /// a word of the language such as `in`: `[Order no.]`.
    pub name: String,
    /// What values it has. A value that is not of this type counts as missing in conditions.
    #[serde(rename = "type")]
    pub value_type: CustomPropertyType,
}

/// What values a custom property has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CustomPropertyType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Integer,
    /// A point in time, to the second, in UTC.
    Timestamp,
}

/// A place where interactions wait. Each interaction is in exactly one queue, also while it is routed or
/// handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Queue {
    /// The name in requests and events.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether an interaction placed here counts as completed: its property CompletedAt is set. Default
    /// false.
    #[serde(default)]
    pub completed: bool,
}

/// What is taken out of one queue (the vendor's public page "Interaction Queue Views").
///
/// A view with a strategy takes interactions into routing; agents may pull from any enabled view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct View {
    /// The name in requests: what an agent pulls from.
    pub name: String,
    /// The queue: one of `queues`, or the private queue of a workbin.
    pub queue: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Whether the view is on. One that is off shows nothing: it takes nothing into routing, and agents get
    /// nothing from it. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Which interactions of the queue belong to the view: an expression over system properties and
    /// custom properties. A property that is not set makes a comparison unknown, and what is unknown does
    /// not belong to the view. Default: all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Which interaction comes first: `property [asc|desc], …`. Default: as submitted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// How often conditions are looked at again whose change with time cannot be foreseen. A bare number
    /// is seconds. Default 30s, 1s to 86400s.
    #[serde(
        default = "default_check_interval",
        deserialize_with = "duration::in_seconds",
        serialize_with = "duration::as_text"
    )]
    #[schemars(with = "duration::Text")]
    pub check_interval: Duration,
    /// The strategy that routes what the view takes. Without one nothing is routed, and agents pull.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
}

fn yes() -> bool {
    true
}

fn default_check_interval() -> Duration {
    Duration::from_secs(30)
}

/// A kind of queue that each owner has one of: drafts of an agent, returned work of a group (the
/// vendor's public page "Workbin Block").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Workbin {
    /// The name in requests and events (there: the workbin type).
    pub name: String,
    /// Whose it is.
    pub owner: WorkbinOwner,
    /// In which order its content is listed: `property [asc|desc], …`. Default: as submitted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub order: String,
    /// The queue that the content is in. Default: a private one named `<name>/PrivateQueue`, which needs
    /// no entry among `queues`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
}

/// Who owns a workbin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkbinOwner {
    /// Each agent has his own.
    Agent,
    /// Each agent group has one.
    AgentGroup,
    /// Each place has one.
    Place,
    /// Each place group has one.
    PlaceGroup,
}

impl Workbin {
    /// The name of the queue that the content of the workbin is in.
    #[must_use]
    pub fn queue_name(&self) -> String {
        self.queue.clone().unwrap_or_else(|| format!("{}/PrivateQueue", self.name))
    }
}

impl Configuration {
    /// How many interactions of the strategy may be in routing at the same time; `None` = no limit.
    #[must_use]
    pub fn max_submitted(&self, strategy: &Strategy) -> Option<u32> {
        let cap = strategy.max_submitted.unwrap_or(self.options.default_max_submitted_per_strategy);
        (cap != 0).then_some(cap)
    }
}
