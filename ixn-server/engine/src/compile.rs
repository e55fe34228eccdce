//! From configuration objects to the engine's [`Setup`].

use std::collections::BTreeSet;

use ixn_conditions::{Condition, ConditionError, Order, Schema, SchemaError, ValueType};
use ixn_configuration::{Configuration, CustomPropertyType, WorkbinOwner};

use crate::mapped_properties::CustomType;
use crate::names::{Id, QueueId, TooManyNames};
use crate::setup::{
    AgentSetup, MediaTypeSetup, OwnerKind, QueueSetup, Setup, StepSetup, StrategySetup, ViewSetup,
    WorkbinSetup,
};
use crate::vocabulary::{ConfiguredNames, Vocabulary};

/// Why a configuration that was checked cannot be used all the same.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Too many objects.
    #[error(transparent)]
    Names(#[from] TooManyNames),
    /// A condition or an order.
    #[error("{object}: {source}")]
    Condition {
        /// Of which object.
        object: String,
        /// What is wrong.
        source: ConditionError,
    },
    /// A custom property.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A reference that leads nowhere.
    #[error("{object} refers to '{name}', which is not configured")]
    Missing {
        /// Which object.
        object: String,
        /// The name.
        name: String,
    },
}

/// A configuration made ready for one engine.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) setup: Setup,
    pub(crate) names: ConfiguredNames,
}

/// Makes configurations ready for one engine. That may take long, so it is not for the engine's thread: this has a copy of
/// the names.
#[derive(Debug)]
pub struct Compiler {
    names: ConfiguredNames,
}

impl Compiler {
    /// For the engine that has this vocabulary.
    pub fn new(vocabulary: &Vocabulary) -> Self {
        Self { names: vocabulary.configured.clone() }
    }

    /// Makes a configuration ready.
    ///
    /// # Errors
    /// When a configuration that was checked cannot be used all the same; nothing has changed then.
    pub fn compile(&mut self, configuration: &Configuration) -> Result<Compiled, CompileError> {
        let mut names = self.names.clone();
        let setup = compile(configuration, &mut names)?;
        self.names = names.clone();
        Ok(Compiled { setup, names })
    }
}

/// Resolves names and parses conditions.
fn compile(configuration: &Configuration, words: &mut ConfiguredNames) -> Result<Setup, CompileError> {
    let mut setup = Setup { options: configuration.options.clone(), ..Setup::default() };
    for media_type in &configuration.media_types {
        let id = words.media_types.intern(&media_type.name)?;
        let media_type = MediaTypeSetup { handling_timeout: media_type.handling_timeout };
        setup.media_types.insert(id, media_type);
    }
    for property in &configuration.custom_properties {
        let id = words.custom_properties.intern(&property.name)?;
        let kind = match property.value_type {
            CustomPropertyType::String => CustomType::Text,
            CustomPropertyType::Integer => CustomType::Integer,
            CustomPropertyType::Timestamp => CustomType::Timestamp,
        };
        setup.custom_properties.insert(id, kind);
    }
    let schema = schema(&setup, words)?;
    for queue in &configuration.queues {
        let id = words.queues.intern(&queue.name)?;
        setup.queues.insert(id, QueueSetup { completed: queue.completed, views: Vec::new() });
    }
    workbins(configuration, words, &schema, &mut setup)?;
    setup.agent_groups = configuration.agent_groups.iter().map(|group| group.name.clone()).collect();
    for agent in &configuration.agents {
        let id = words.agents.intern(&agent.id)?;
        let mut compiled = AgentSetup {
            other_media: 1,
            default_place: agent.default_place.clone(),
            ..AgentSetup::default()
        };
        let rule = agent.capacity_rule.as_ref();
        if let Some(rule) =
            rule.and_then(|name| configuration.capacity_rules.iter().find(|rule| rule.name == *name))
        {
            compiled.other_media = 0;
            compiled.total = rule.total;
            for (media_type, most) in &rule.media {
                compiled.capacity.insert(words.media_types.intern(media_type)?, *most);
            }
        }
        setup.agents.insert(id, compiled);
    }
    strategies(configuration, words, &mut setup)?;
    views(configuration, words, &schema, &mut setup)?;
    Ok(setup)
}

/// Custom properties stand in the schema in the order of their ids, also those that are no longer mapped.
pub(crate) fn schema(setup: &Setup, words: &ConfiguredNames) -> Result<Schema, CompileError> {
    let mut schema = Schema::new();
    for index in 0..words.custom_properties.len() {
        let id = crate::vocabulary::CustomPropertyId::from_index(index as u32);
        let value_type = match setup.custom_properties.get(&id) {
            Some(CustomType::Integer) => ValueType::Integer,
            Some(CustomType::Timestamp) => ValueType::Timestamp,
            Some(CustomType::Text) | None => ValueType::Text,
        };
        schema.add_custom(words.custom_properties.name(id), value_type)?;
    }
    Ok(schema)
}

fn condition(object: &str, text: &str, schema: &Schema) -> Result<Condition, CompileError> {
    Condition::parse(text, schema)
        .map_err(|source| CompileError::Condition { object: object.to_owned(), source })
}

fn order(object: &str, text: &str, schema: &Schema) -> Result<Order, CompileError> {
    Order::parse(text, schema).map_err(|source| CompileError::Condition { object: object.to_owned(), source })
}

fn missing(object: &str, name: &str) -> CompileError {
    CompileError::Missing { object: object.to_owned(), name: name.to_owned() }
}

/// A queue of this configuration, not of one before.
fn configured_queue(
    words: &ConfiguredNames,
    setup: &Setup,
    object: &str,
    name: &str,
) -> Result<QueueId, CompileError> {
    let queue = words.queues.find(name).filter(|queue| setup.queues.contains_key(queue));
    queue.ok_or_else(|| missing(object, name))
}

fn workbins(
    configuration: &Configuration,
    words: &mut ConfiguredNames,
    schema: &Schema,
    setup: &mut Setup,
) -> Result<(), CompileError> {
    for workbin in &configuration.workbins {
        let object = format!("workbin '{}'", workbin.name);
        let queue = words.queues.intern(&workbin.queue_name())?;
        setup.queues.entry(queue).or_default();
        let compiled = WorkbinSetup {
            owner: match workbin.owner {
                WorkbinOwner::Agent => OwnerKind::Agent,
                WorkbinOwner::AgentGroup => OwnerKind::AgentGroup,
                WorkbinOwner::Place => OwnerKind::Place,
                WorkbinOwner::PlaceGroup => OwnerKind::PlaceGroup,
            },
            queue,
            order: order(&object, &workbin.order, schema)?,
        };
        setup.workbins.insert(words.workbins.intern(&workbin.name)?, compiled);
    }
    Ok(())
}

fn strategies(
    configuration: &Configuration,
    words: &mut ConfiguredNames,
    setup: &mut Setup,
) -> Result<(), CompileError> {
    for strategy in &configuration.strategies {
        let object = format!("strategy '{}'", strategy.name);
        let id = words.strategies.intern(&strategy.name)?;
        let mut reach = BTreeSet::new();
        let mut steps = Vec::new();
        for (position, step) in strategy.steps.iter().enumerate() {
            for agent in step.targets.iter().flat_map(|target| configuration.target_agents(target)) {
                reach.insert(words.agents.intern(agent)?);
            }
            for agent in &reach {
                if let Some(agent) = setup.agents.get_mut(agent) {
                    agent.reached_by.push((id, position));
                }
            }
            steps.push(StepSetup { reach: reach.clone(), timeout: step.timeout });
        }
        let overflow_queue = match &strategy.overflow_queue {
            Some(name) => Some(configured_queue(words, setup, &object, name)?),
            None => None,
        };
        let compiled = StrategySetup {
            executor: strategy.executor.clone(),
            steps,
            overflow_queue,
            max_submitted: configuration.max_submitted(strategy).map_or(usize::MAX, |most| most as usize),
        };
        setup.strategies.insert(id, compiled);
    }
    Ok(())
}

fn views(
    configuration: &Configuration,
    words: &mut ConfiguredNames,
    schema: &Schema,
    setup: &mut Setup,
) -> Result<(), CompileError> {
    for view in &configuration.views {
        let object = format!("view '{}'", view.name);
        let queue = configured_queue(words, setup, &object, &view.queue)?;
        let strategy = match &view.strategy {
            Some(name) => Some(
                words
                    .strategies
                    .find(name)
                    .filter(|strategy| setup.strategies.contains_key(strategy))
                    .ok_or_else(|| missing(&object, name))?,
            ),
            None => None,
        };
        let compiled = ViewSetup {
            name: view.name.clone(),
            queue,
            condition: condition(&object, &view.condition, schema)?,
            order: order(&object, &view.order, schema)?,
            strategy,
            check_interval: view.check_interval,
            enabled: view.enabled,
        };
        if view.enabled
            && let Some(queue) = setup.queues.get_mut(&queue)
        {
            queue.views.push(setup.views.len());
        }
        setup.views.push(compiled);
    }
    Ok(())
}
