//! Agents: who handles interactions, what they can do, and how much at once.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Configuration, SkillExpression, Strategy, Target};

/// Something that an agent can be good at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Skill {
    /// The name in skill expressions; in quotes there when it has other characters than letters, digits,
    /// underscores and dots, begins with a digit, or is `and` or `or`.
    pub name: String,
}

/// One person who handles interactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Agent {
    /// The id that he logs in with (the vendor's employee id).
    pub id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub first_name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_name: String,
    /// Skill name to level, 0 to 100. A skill that is not named has level 0.
    #[serde(default)]
    pub skills: BTreeMap<String, u32>,
    /// How many interactions he may have at the same time. Default: one of each media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_rule: Option<String>,
    /// The place that he logs in at when the login names none. Default: a place named like his id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_place: Option<String>,
}

/// A set of agents: those named, and those whose skills match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AgentGroup {
    /// The name in strategies and workbins.
    pub name: String,
    /// Agents by id.
    #[serde(default)]
    pub agents: Vec<String>,
    /// Also all agents whose skills match this expression (a virtual group).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skills: Option<String>,
}

/// How many interactions an agent may have at the same time (the vendor's public page "Capacity
/// Rules").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CapacityRule {
    /// The name that agents use.
    pub name: String,
    /// Media type to the most interactions of it, 0 to 1000. A media type that is not named: none.
    pub media: BTreeMap<String, u32>,
    /// The most interactions of all media types together, 0 to 1000. Default: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
}

/// The highest level of a skill.
pub(crate) const MAX_SKILL_LEVEL: u32 = 100;

/// The most interactions that a capacity rule may allow.
pub(crate) const MAX_CAPACITY: u32 = 1_000;

impl Configuration {
    /// The ids of the agents that the target stands for; none when it names nothing that exists.
    #[must_use]
    pub fn target_agents(&self, target: &Target) -> BTreeSet<&str> {
        match target {
            Target::Agent(id) => {
                self.agents.iter().filter(|agent| agent.id == *id).map(|agent| agent.id.as_str()).collect()
            }
            Target::AgentGroup(name) => self
                .agent_groups
                .iter()
                .filter(|group| group.name == *name)
                .flat_map(|group| self.members(group))
                .collect(),
            Target::Skills(expression) => self.matching_agents(expression),
        }
    }

    /// The ids of the agents that a strategy has asked once all its steps are reached.
    #[must_use]
    pub fn strategy_agents(&self, strategy: &Strategy) -> BTreeSet<&str> {
        strategy
            .steps
            .iter()
            .flat_map(|step| &step.targets)
            .flat_map(|target| self.target_agents(target))
            .collect()
    }

    /// The ids of the agents of the group.
    #[must_use]
    pub fn members(&self, group: &AgentGroup) -> BTreeSet<&str> {
        let mut members = group.skills.as_deref().map(|text| self.matching_agents(text)).unwrap_or_default();
        let named: BTreeSet<&str> = group.agents.iter().map(String::as_str).collect();
        let named = self.agents.iter().filter(|agent| named.contains(agent.id.as_str()));
        members.extend(named.map(|agent| agent.id.as_str()));
        members
    }

    fn matching_agents(&self, expression: &str) -> BTreeSet<&str> {
        let Ok(expression) = SkillExpression::parse(expression) else { return BTreeSet::new() };
        self.agents
            .iter()
            .filter(|agent| expression.matches(&agent.skills))
            .map(|agent| agent.id.as_str())
            .collect()
    }
}
