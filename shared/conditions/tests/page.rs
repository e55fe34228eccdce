//! The table of properties in the manual is the table of the crate. `IXN_REWRITE_DOCS=1` writes it anew.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use std::path::{Path, PathBuf};

use ixn_conditions::{Condition, Property, Schema, ValueType};

const BEGIN: &str = "<!-- generated: properties -->\n";
const END: &str = "<!-- end -->";

fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md")
}

#[test]
fn the_examples_of_the_manual_are_good_conditions() {
    let text = std::fs::read_to_string(page()).unwrap();
    let section = &text[text.find("## Conditions and orders").unwrap()..];
    let begin = section.find("```text\n").unwrap() + "```text\n".len();
    let examples = &section[begin..begin + section[begin..].find("```").unwrap()];
    assert!(examples.lines().count() >= 3, "{examples}");
    for example in examples.lines() {
        Condition::parse(example, &Schema::new()).unwrap();
    }
}

#[test]
fn the_manual_lists_every_property() {
    let page = page();
    let before = std::fs::read_to_string(&page).unwrap();
    let begin = before.find(BEGIN).unwrap() + BEGIN.len();
    let end = begin + before[begin..].find(END).unwrap();
    let mut after = before.clone();
    after.replace_range(begin..end, &table());
    if std::env::var_os("IXN_REWRITE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&page, after).unwrap();
        return;
    }
    assert!(before == after, "docs/configuration.md is out of date; run the test with IXN_REWRITE_DOCS=1");
}

fn table() -> String {
    let rows = Property::ALL.iter().map(|property| {
        let value_type = match property.value_type() {
            ValueType::Integer => "integer",
            ValueType::Text => "text",
            ValueType::Timestamp => "timestamp",
        };
        let (name, column) = (property.name(), property.column());
        let meaning = property.meaning().trim_end_matches('.');
        format!("| `{name}` | `{column}` | {value_type} | {meaning} |\n")
    });
    let head = "| property | or | type | meaning |\n| --- | --- | --- | --- |\n".to_owned();
    std::iter::once(head).chain(rows).collect()
}
