//! The shipped JSON Schema, and that reader, writer and schema know the same fields.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its own functions too")]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ixn_configuration::{Configuration, Executor, MultipleConnections};
use serde_json::Value;

const SCHEMA: &str = "schema/configuration.schema.json";
const MANUAL: &str = "../../docs/configuration.md";
const EVERY_FIELD: &str = include_str!("every-field.yaml");

/// Set to write the schema anew.
const REWRITE: &str = "IXN_REWRITE_SCHEMA";

#[test]
fn the_shipped_schema_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCHEMA);
    let current = serde_json::to_string_pretty(&Configuration::json_schema()).unwrap() + "\n";
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == current, "{SCHEMA} is not current; run this test with {REWRITE}=1");
}

/// As an editor sees a file: by YAML alone, without the types.
fn is_valid(text: &str) -> Result<(), String> {
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("schema.json", Configuration::json_schema()).unwrap();
    let schema = compiler.compile("schema.json", &mut schemas).unwrap();
    let document: Value = serde_saphyr::from_str(text).unwrap();
    schemas.validate(&document, schema).map_err(|error| error.to_string())
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let nothing: String = ["options", "media-types", "queues", "views", "agents", "agent-groups", "skills"]
        .map(|section| format!("{section}:\n"))
        .concat();
    let numbers = "agents: [{id: 42, first-name: 1, skills: }, {id: 0042}]
agent-groups: [{name: 7, agents: [42]}, {name: x, agents: }]
queues: [{name: 1.5}]
strategies: [{name: s, steps: [{targets: [{agent: 42}]}]}]
views: [{name: v, queue: 1.5, strategy: s}]
";
    for text in [ixn_configuration::SAMPLE, EVERY_FIELD, &nothing, numbers] {
        Configuration::parse(text, "x.yaml").unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        is_valid(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}

#[test]
fn the_schema_refuses_what_the_reader_refuses() {
    for text in [
        "queue: []",
        "queues: [{}]",
        "queues: [{name: q, completed: 1}]",
        "queues: [{name: q, description: [x]}]",
        "agents: [{id: a, skills: {Billing: x}}]",
        "media-types: [{name: email, handling-timeout: 3 weeks}]",
        "custom-properties: [{name: p, type: 3}]",
        "strategies: [{name: s, steps: [{targets: [{agents: x}]}]}]",
    ] {
        assert!(Configuration::parse(text, "x.yaml").is_err(), "{text}");
        assert!(is_valid(text).is_err(), "{text}");
    }
}

#[test]
fn every_field_of_the_schema_is_read_and_documented() {
    let configuration = every_field();
    let written = serde_json::to_value(&configuration).unwrap();
    let mut used = BTreeSet::new();
    collect_keys(&written, &mut used);
    let schema = Configuration::json_schema();
    let mut fields = 0;
    for (definition, properties) in objects_of(&schema) {
        for (field, described) in properties {
            fields += 1;
            assert!(used.contains(field.as_str()), "{definition}.{field} is not in every-field.yaml");
            let is_alternative = ["Target", "Executor"].contains(&definition.as_str());
            assert!(
                is_alternative || described.get("description").is_some(),
                "{definition}.{field} has no description"
            );
        }
    }
    assert!(fields > 50, "only {fields} fields found: has the shape of the schema changed?");
}

#[test]
fn every_field_of_the_schema_is_in_the_manual() {
    let manual = manual();
    let schema = Configuration::json_schema();
    for (definition, properties) in objects_of(&schema) {
        for (field, _) in properties {
            let is_told = manual.contains(&format!("`{field}`")) || manual.contains(&format!("`{field}: "));
            assert!(is_told, "{MANUAL} does not tell of {definition}.{field}");
        }
    }
}

/// Until routing engines can pull, such a strategy is a plan that the manual must call one.
#[test]
fn a_strategy_of_a_routing_engine_is_read_and_the_manual_says_what_it_does_today() {
    let text = "queues: [{name: inbox}]
views: [{name: all, queue: inbox, strategy: orchestrated}]
strategies: [{name: orchestrated, executor: {external: ors-node}}]
";
    let configuration = Configuration::parse(text, "x.yaml").unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(configuration.strategies[0].executor, Executor::External("ors-node".to_owned()));
    let manual = manual();
    let (_, not_yet) = manual.split_once("\n## Not yet\n").unwrap();
    assert!(not_yet.contains("`executor: {external: …}`"), "{MANUAL} does not say so under 'Not yet'");
}

#[test]
fn bare_numbers_are_in_the_unit_of_the_vendor() {
    let configuration = every_field();
    let options = &configuration.options;
    assert_eq!(options.delivering_timeout, Duration::from_secs(45));
    assert_eq!(options.handling_timeout, Duration::from_secs(90 * 60));
    assert_eq!(options.routing_timeout, Duration::from_secs(60 * 60));
    assert_eq!(options.agent_reconnect_timeout, Duration::from_secs(90));
    assert_eq!(options.allow_multiple_agent_connections, MultipleConnections::ForceLogout);
    assert_eq!(configuration.media_types[0].handling_timeout, Some(Duration::from_secs(240 * 60)));
    assert_eq!(configuration.views[0].check_interval, Duration::from_secs(60));
    assert_eq!(configuration.strategies[0].steps[0].timeout, Some(Duration::from_secs(20)));
    assert_eq!(configuration.strategies[1].executor, Executor::External("engine".to_owned()));
    assert_eq!(configuration.agents[0].id, "0042");
}

#[test]
fn every_field_is_written_and_read_back() {
    let configuration = every_field();
    let json = serde_json::to_string(&configuration).unwrap();
    assert_eq!(Configuration::parse(&json, "x.json").unwrap(), configuration);
}

fn every_field() -> Configuration {
    Configuration::parse(EVERY_FIELD, "every-field.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

fn manual() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(MANUAL)).unwrap()
}

fn collect_keys<'a>(value: &'a Value, keys: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                keys.insert(key);
                collect_keys(value, keys);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_keys(value, keys)),
        _ => {}
    }
}

/// Name and fields of every object of the schema, alternatives of enums included.
fn objects_of(schema: &Value) -> Vec<(String, Vec<(&String, &Value)>)> {
    let root = ("Configuration".to_owned(), schema);
    let definitions =
        schema["$defs"].as_object().unwrap().iter().map(|(name, definition)| (name.clone(), definition));
    [root]
        .into_iter()
        .chain(definitions)
        .flat_map(|(name, definition)| {
            let alternatives = definition["oneOf"].as_array().into_iter().flatten();
            [definition].into_iter().chain(alternatives).map(move |object| (name.clone(), object))
        })
        .filter_map(|(name, object)| Some((name, object["properties"].as_object()?.iter().collect())))
        .collect()
}
