//! What must hold for each kind of object beside its name.

use std::time::Duration;

use ixn_conditions::{Condition, Order, Schema, SchemaError};

use super::conditions::Conditions;
use super::{Checker, MAX_CLIENT_NAME_BYTES, MAX_NAME_BYTES, Object, wrong_name};
use crate::agents::{MAX_CAPACITY, MAX_SKILL_LEVEL};
use crate::kind::Kind;
use crate::options::{HANDLING_RANGE, LONGEST, MAX_SUBMITTED, duration_out_of_range, number_out_of_range};
use crate::origin::Place::{self, Element, Field, Key};
use crate::{Configuration, CustomPropertyType, Executor, Strategy, Target, TextProblem};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

impl Checker<'_> {
    pub(super) fn rules(&mut self) {
        self.options();
        self.media_types();
        let conditions = self.custom_properties();
        self.views(&conditions);
        self.workbins(&conditions);
        self.strategies();
        self.agents();
        self.agent_groups();
        self.capacity_rules();
    }

    fn options(&mut self) {
        let object = Object { kind: Kind::Options, index: 0 };
        for (key, message) in self.configuration.options.out_of_range() {
            self.report(object, &[Field(key)], format!("{key}: {message}"));
        }
    }

    fn media_types(&mut self) {
        for (index, media_type) in self.configuration.media_types.iter().enumerate() {
            let object = Object { kind: Kind::MediaType, index };
            if let Some(timeout) = media_type.handling_timeout {
                self.duration(object, &[], "handling-timeout", timeout, HANDLING_RANGE.0, HANDLING_RANGE.1);
            }
        }
    }

    fn custom_properties(&mut self) -> Conditions {
        let custom = &self.configuration.custom_properties;
        let has_no_type =
            |index: usize| self.origin.is_value_lost(Kind::CustomProperty, index, &[Field("type")]);
        let (mut known, mut of_any_type) = (Configuration::default(), Vec::new());
        for (index, property) in custom.iter().enumerate() {
            if has_no_type(index) {
                of_any_type.push(property.name.clone());
            } else {
                known.custom_properties.push(property.clone());
            }
        }
        let conditions = Conditions {
            schema: known.schema(),
            of_any_type,
            names_are_known: !self.origin.is_section_lost(Kind::CustomProperty),
        };
        let (_, refused) = self.configuration.schema_and_refused();
        for (index, error) in refused {
            // Empty and repeated names are told by the check of names, as for all objects.
            if matches!(error, SchemaError::SystemProperty { .. } | SchemaError::TooMany) {
                self.report(
                    Object { kind: Kind::CustomProperty, index },
                    &[Field("name")],
                    error.to_string(),
                );
            }
        }
        conditions
    }

    fn views(&mut self, conditions: &Conditions) {
        for (index, view) in self.configuration.views.iter().enumerate() {
            let object = Object { kind: Kind::View, index };
            self.reference(object, &[Field("queue")], Kind::Queue, &view.queue);
            if let Some(strategy) = &view.strategy {
                self.reference(object, &[Field("strategy")], Kind::Strategy, strategy);
            }
            self.condition(object, "condition", conditions.mistakes(&view.condition, Condition::parse));
            self.condition(object, "order", conditions.mistakes(&view.order, Order::parse));
            self.duration(object, &[], "check-interval", view.check_interval, SECOND, DAY);
        }
    }

    fn condition(&mut self, object: Object, field: &'static str, mistakes: Vec<TextProblem>) {
        for mistake in mistakes {
            self.report_text(object, &[Field(field)], field, &mistake);
        }
    }

    fn workbins(&mut self, conditions: &Conditions) {
        for (index, workbin) in self.configuration.workbins.iter().enumerate() {
            let object = Object { kind: Kind::Workbin, index };
            let queue_bytes = workbin.queue_name().len();
            match &workbin.queue {
                Some(queue) => self.reference(object, &[Field("queue")], Kind::Queue, queue),
                None if queue_bytes > MAX_NAME_BYTES && workbin.name.len() <= MAX_NAME_BYTES => {
                    let message = format!(
                        "name: its private queue has the name of the workbin and '/PrivateQueue', {queue_bytes} bytes; at \
                         most {MAX_NAME_BYTES} are possible, so shorten the name or give the workbin a queue"
                    );
                    self.report(object, &[Field("name")], message);
                }
                None => {}
            }
            self.condition(object, "order", conditions.mistakes(&workbin.order, Order::parse));
        }
    }

    fn strategies(&mut self) {
        for (index, strategy) in self.configuration.strategies.iter().enumerate() {
            let object = Object { kind: Kind::Strategy, index };
            if let Some(queue) = &strategy.overflow_queue {
                self.reference(object, &[Field("overflow-queue")], Kind::Queue, queue);
            }
            if let Some(message) =
                strategy.max_submitted.and_then(|most| number_out_of_range(most, 0, MAX_SUBMITTED))
            {
                self.report(object, &[Field("max-submitted")], format!("max-submitted: {message}"));
            }
            match &strategy.executor {
                Executor::BuiltIn => self.steps(object, strategy),
                Executor::External(engine) => self.external(object, strategy, engine),
            }
        }
    }

    fn external(&mut self, object: Object, strategy: &Strategy, engine: &str) {
        if let Some(message) = wrong_name(engine, MAX_CLIENT_NAME_BYTES) {
            self.report(object, &[Field("executor"), Field("external")], format!("executor: {message}"));
        }
        let has = |field: &str| {
            format!("{field}: a strategy of a routing engine has none; the engine decides itself")
        };
        if !strategy.steps.is_empty() {
            self.report(object, &[Field("steps")], has("steps"));
        }
        if strategy.overflow_queue.is_some() {
            self.report(object, &[Field("overflow-queue")], has("overflow-queue"));
        }
    }

    fn steps(&mut self, object: Object, strategy: &Strategy) {
        let whole = !self.is_damaged(object);
        if strategy.steps.is_empty() && whole {
            self.report(object, &[Field("steps")], "there are no steps, so nobody is ever asked".to_owned());
        }
        for (number, step) in strategy.steps.iter().enumerate() {
            let way = [Field("steps"), Element(number)];
            for (target_number, target) in step.targets.iter().enumerate() {
                self.target(object, [way[0], way[1], Field("targets"), Element(target_number)], target);
            }
            if step.targets.is_empty() && whole {
                self.report(object, &way, format!("step no. {} has no targets", number + 1));
            }
            if let Some(timeout) = step.timeout {
                self.duration(object, &way, "timeout", timeout, SECOND, LONGEST);
            }
            let is_last = number + 1 == strategy.steps.len();
            if step.timeout.is_none() && whole {
                if !is_last {
                    let message =
                        format!("step no. {} has no timeout, so the next one is never reached", number + 1);
                    self.report(object, &way, message);
                } else if strategy.overflow_queue.is_some() {
                    let message = "the last step has no timeout, so overflow-queue is never used".to_owned();
                    self.report(object, &way, message);
                }
            }
            if is_last && step.timeout.is_some() && strategy.overflow_queue.is_none() && whole {
                let message = "the last step has a timeout but the strategy no overflow-queue, so nothing would happen \
                               then; name one, or remove the timeout"
                    .to_owned();
                self.report(object, &way, message);
            }
        }
    }

    fn target(&mut self, object: Object, way: [Place<'_>; 4], target: &Target) {
        let (field, kind, name) = match target {
            Target::Agent(id) => ("agent", Kind::Agent, id),
            Target::AgentGroup(name) => ("agent-group", Kind::AgentGroup, name),
            Target::Skills(expression) => {
                return self.skill_expression(object, &along(&way, Field("skills")), expression);
            }
        };
        self.reference(object, &along(&way, Field(field)), kind, name);
    }

    fn agents(&mut self) {
        for (index, agent) in self.configuration.agents.iter().enumerate() {
            let object = Object { kind: Kind::Agent, index };
            for (skill, level) in &agent.skills {
                self.reference(object, &[Field("skills"), Key(skill)], Kind::Skill, skill);
                self.number(object, "skills", skill, *level, MAX_SKILL_LEVEL);
            }
            if let Some(rule) = &agent.capacity_rule {
                self.reference(object, &[Field("capacity-rule")], Kind::CapacityRule, rule);
            }
            let place = agent.default_place.as_deref();
            if let Some(message) = place.and_then(|place| wrong_name(place, MAX_NAME_BYTES)) {
                self.report(object, &[Field("default-place")], format!("default-place: {message}"));
            }
        }
    }

    fn agent_groups(&mut self) {
        for (index, group) in self.configuration.agent_groups.iter().enumerate() {
            let object = Object { kind: Kind::AgentGroup, index };
            for (number, id) in group.agents.iter().enumerate() {
                self.reference(object, &[Field("agents"), Element(number)], Kind::Agent, id);
            }
            if let Some(expression) = &group.skills {
                self.skill_expression(object, &[Field("skills")], expression);
            }
        }
    }

    fn capacity_rules(&mut self) {
        for (index, rule) in self.configuration.capacity_rules.iter().enumerate() {
            let object = Object { kind: Kind::CapacityRule, index };
            for (media_type, most) in &rule.media {
                self.reference(object, &[Field("media"), Key(media_type)], Kind::MediaType, media_type);
                self.number(object, "media", media_type, *most, MAX_CAPACITY);
            }
            if let Some(message) = rule.total.and_then(|total| number_out_of_range(total, 0, MAX_CAPACITY)) {
                self.report(object, &[Field("total")], format!("total: {message}"));
            }
        }
    }

    fn duration(
        &mut self,
        object: Object,
        way: &[Place<'_>],
        field: &'static str,
        value: Duration,
        least: Duration,
        most: Duration,
    ) {
        if let Some(message) = duration_out_of_range(value, least, most) {
            self.report(object, &along(way, Field(field)), format!("{field}: {message}"));
        }
    }

    /// Checks a number of a mapping from names to numbers.
    fn number(&mut self, object: Object, field: &'static str, name: &str, value: u32, most: u32) {
        if let Some(message) = number_out_of_range(value, 0, most) {
            self.report(object, &[Field(field), Field(name)], format!("{field}: {name}: {message}"));
        }
    }
}

fn along<'a>(way: &[Place<'a>], last: Place<'a>) -> Vec<Place<'a>> {
    way.iter().copied().chain([last]).collect()
}

impl Configuration {
    /// The properties that conditions and orders of this configuration may name. Custom properties have
    /// the indexes of their order here.
    #[must_use]
    pub fn schema(&self) -> Schema {
        self.schema_and_refused().0
    }

    /// Also the custom properties that are refused, by index; a checked configuration has none.
    fn schema_and_refused(&self) -> (Schema, Vec<(usize, SchemaError)>) {
        let mut schema = Schema::new();
        let mut refused = Vec::new();
        for (index, property) in self.custom_properties.iter().enumerate() {
            if let Err(error) = schema.add_custom(&property.name, property.value_type.into()) {
                refused.push((index, error));
            }
        }
        (schema, refused)
    }
}

impl From<CustomPropertyType> for ixn_conditions::ValueType {
    fn from(value_type: CustomPropertyType) -> Self {
        match value_type {
            CustomPropertyType::String => Self::Text,
            CustomPropertyType::Integer => Self::Integer,
            CustomPropertyType::Timestamp => Self::Timestamp,
        }
    }
}
