//! The sample configuration does what its comments say.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its own functions too")]

use std::collections::BTreeSet;

use ixn_conditions::{Condition, Properties, PropertyRef, Truth, Value};
use ixn_configuration::Configuration;

fn sample() -> Configuration {
    Configuration::sample().unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn each_routed_view_reaches_an_agent() {
    let configuration = sample();
    let mut routed = 0;
    for view in &configuration.views {
        let Some(name) = &view.strategy else { continue };
        let strategy = configuration.strategies.iter().find(|strategy| strategy.name == *name).unwrap();
        assert!(!configuration.strategy_agents(strategy).is_empty(), "view '{}'", view.name);
        for step in &strategy.steps {
            let asked: BTreeSet<_> =
                step.targets.iter().flat_map(|target| configuration.target_agents(target)).collect();
            assert!(!asked.is_empty(), "a step of strategy '{name}' adds nobody");
        }
        routed += 1;
    }
    assert_eq!(routed, 3);
}

#[test]
fn it_shows_every_kind_of_object() {
    let configuration = sample();
    assert_eq!(configuration.agents.len(), 4);
    assert_eq!(configuration.strategies.len(), 3);
    assert!(!configuration.workbins.is_empty() && !configuration.agent_groups.is_empty());
    assert!(configuration.agents.iter().all(|agent| agent.capacity_rule.is_some()));
    let media_types: Vec<_> =
        configuration.media_types.iter().map(|media_type| media_type.name.as_str()).collect();
    assert_eq!(media_types, ["email", "chat", "workitem", "sms"]);
    for rule in &configuration.capacity_rules {
        assert!(media_types.iter().all(|name| rule.media.contains_key(*name)), "{}", rule.name);
    }
}

/// An e-mail of the mixed bag; a key that the media server did not set is `None`.
struct Mail<'a> {
    configuration: &'a Configuration,
    subject: Option<&'a str>,
    from: Option<&'a str>,
    attachment: Option<i64>,
}

impl Properties for Mail<'_> {
    fn get(&self, property: PropertyRef) -> Value<'_> {
        let PropertyRef::Custom(index) = property else { return Value::Null };
        let text = |text: Option<&'static str>| text.map_or(Value::Null, Value::Text);
        match self.configuration.custom_properties[usize::from(index)].name.as_str() {
            "Subject" => self.subject.map_or(Value::Null, Value::Text),
            "FromAddress" => self.from.map_or(Value::Null, Value::Text),
            "_ContainsAttachment" => self.attachment.map_or(Value::Null, Value::Integer),
            _ => text(None),
        }
    }
}

#[test]
fn every_mail_belongs_to_exactly_one_view_of_the_inbox() {
    let configuration = sample();
    let schema = configuration.schema();
    let conditions: Vec<_> = configuration
        .views
        .iter()
        .filter(|view| view.queue == "inbox")
        .map(|view| (view.name.as_str(), Condition::parse(&view.condition, &schema).unwrap()))
        .collect();
    let subjects = [
        None,
        Some(""),
        Some("Hello"),
        Some("Your invoice 17"),
        Some("Invoice"),
        Some("INVOICE"),
        Some("late payment"),
        Some("Payment due"),
    ];
    let senders =
        [None, Some(""), Some("joe@example.com"), Some("billing@example.com"), Some("a@billing.example.com")];
    let mut seen = BTreeSet::new();
    for subject in subjects {
        for from in senders {
            for attachment in [None, Some(0), Some(1)] {
                let mail = Mail { configuration: &configuration, subject, from, attachment };
                let matching: Vec<_> = conditions
                    .iter()
                    .filter(|(_, condition)| condition.evaluate(&mail, 0) == Truth::True)
                    .map(|(name, _)| *name)
                    .collect();
                assert_eq!(
                    matching.len(),
                    1,
                    "{subject:?} from {from:?}, attachment {attachment:?}: {matching:?}"
                );
                let money = subject.is_some_and(|text| {
                    let text = text.to_lowercase();
                    text.contains("invoice") || text.contains("payment")
                }) || from.is_some_and(|text| text.contains("billing"));
                let expected = match (money, attachment) {
                    (true, _) => "billing",
                    (false, Some(1)) => "attachments",
                    (false, _) => "everything-else",
                };
                assert_eq!(matching, [expected], "{subject:?} from {from:?}, attachment {attachment:?}");
                seen.insert(expected);
            }
        }
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn it_reads_back_from_what_it_is_written_as() {
    let configuration = sample();
    let json = serde_json::to_string_pretty(&configuration).unwrap();
    // JSON is YAML, so the reader of files takes it as well as serde's own.
    assert_eq!(
        Configuration::parse(&json, "sample.json").unwrap_or_else(|problems| panic!("{problems}")),
        configuration
    );
    assert_eq!(serde_json::from_str::<Configuration>(&json).unwrap(), configuration);
}

#[test]
fn the_cap_of_a_strategy_is_its_own_or_the_default() {
    let mut configuration = sample();
    let mut strategy = configuration.strategies[0].clone();
    assert_eq!(configuration.max_submitted(&strategy), Some(5_000));
    strategy.max_submitted = Some(7);
    assert_eq!(configuration.max_submitted(&strategy), Some(7));
    strategy.max_submitted = Some(0);
    assert_eq!(configuration.max_submitted(&strategy), None);
    strategy.max_submitted = None;
    configuration.options.default_max_submitted_per_strategy = 0;
    assert_eq!(configuration.max_submitted(&strategy), None);
}
