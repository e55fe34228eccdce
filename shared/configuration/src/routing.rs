//! Strategies: how an interaction finds its agent.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration;

/// How the interactions of a view find their agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Strategy {
    /// The name that views use.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Who routes: the built-in router, or one routing engine (which cannot pull yet, so that nothing is
    /// routed). Default `built-in`.
    #[serde(default)]
    pub executor: Executor,
    /// Whom the built-in router asks, step by step: each step adds its targets to those of the steps
    /// before. A routing engine has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Where an interaction goes when the last step has timed out. Default: it stays and waits for the
    /// targets of all steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overflow_queue: Option<String>,
    /// How many interactions of this strategy are in routing at the same time. 0 = no limit. Default: the
    /// option `default-max-submitted-per-strategy`. At most 50000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_submitted: Option<u32>,
}

/// Who carries a strategy out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// The router inside the server, which follows the steps.
    #[default]
    BuiltIn,
    /// A routing engine, by the client name it registers with. Routing engines cannot pull yet: the views of
    /// such a strategy route nothing, and what they show stays in its queue.
    External(String),
}

/// One step of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Whom the step adds: the agents of all targets together.
    pub targets: Vec<Target>,
    /// How long to wait before the next step, or after the last one before the overflow queue. A bare
    /// number is seconds. Needed by every step but the last; on the last one it goes with an overflow queue, neither
    /// without the other. 1s to 525600min.
    #[serde(
        default,
        deserialize_with = "duration::optional::in_seconds",
        serialize_with = "duration::optional::as_text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<duration::Text>")]
    pub timeout: Option<Duration>,
}

/// A set of agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// One agent, by id.
    Agent(String),
    /// The members of an agent group.
    AgentGroup(String),
    /// All agents whose skills match the expression: `English >= 3 & Billing > 0`.
    Skills(String),
}
