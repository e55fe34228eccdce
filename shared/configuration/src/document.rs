//! A YAML text as a tree in which every node knows its place.
//!
//! The tree stands between the text and the typed objects so that *all* mistakes of a file can be
//! told: a mistaken node is reported, cut out, and reading goes on.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};

use crate::{Position, Problem};

/// A hundred thousand agents fit; a file that goes beyond is no configuration.
const MAX_NODES: usize = 10_000_000;
const MAX_EVENTS: usize = 2 * MAX_NODES;

/// One node of the tree.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// Where it begins.
    pub(crate) at: Position,
    /// Its bytes in the text; a block scalar without its `|` or `>`.
    pub(crate) bytes: (usize, usize),
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Nothing,
    Boolean(bool),
    /// A number without quotes, as it is written: a text field such as an agent's id takes it so.
    Number {
        written: String,
        integer: Option<i64>,
    },
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Stands for a needed value that is missing or could not be read. It reads as whatever is wanted, so that the
    /// object exists and the rest of it is checked; nothing is said about it again.
    Lost,
}

/// One entry of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// Reads a text as one YAML document.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Node, Problem> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_nodes: MAX_NODES, max_events: MAX_EVENTS },
            emit_comments: false,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            strict_booleans: true,
            reject_unsupported_tags: true,
            non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        };
        let parsed: Result<Spanned<Value>, _> = serde_saphyr::from_str_with_options(text, options);
        let mut node = Node::from(parsed.map_err(|error| no_yaml(&error, file))?);
        node.keep_numbers_as_written(text);
        Ok(node)
    }

    /// The text or number of an entry of a mapping.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        let Value::Map(entries) = &self.value else { return None };
        match &entries.iter().find(|entry| entry.key == key)?.value.value {
            Value::Text(text) | Value::Number { written: text, .. } => Some(text),
            _ => None,
        }
    }

    /// The node that a path of indexes leads to.
    pub(crate) fn at_path(&mut self, path: &[usize]) -> Option<&mut Node> {
        let Some((&index, rest)) = path.split_first() else { return Some(self) };
        let deeper = match &mut self.value {
            Value::List(nodes) => nodes.get_mut(index),
            Value::Map(entries) => entries.get_mut(index).map(|entry| &mut entry.value),
            _ => None,
        };
        deeper?.at_path(rest)
    }

    /// Cuts every repeated key out of the mappings below and hands out what was cut.
    pub(crate) fn take_repeated_keys(&mut self) -> Vec<(Position, String)> {
        let mut taken = Vec::new();
        match &mut self.value {
            Value::List(nodes) => taken.extend(nodes.iter_mut().flat_map(Node::take_repeated_keys)),
            Value::Map(entries) => {
                let mut seen = std::collections::HashSet::new();
                entries.retain(|entry| {
                    let first = seen.insert(entry.key.clone());
                    if !first {
                        taken.push((entry.key_at, entry.key.clone()));
                    }
                    first
                });
                taken.extend(entries.iter_mut().flat_map(|entry| entry.value.take_repeated_keys()));
            }
            _ => {}
        }
        taken
    }

    fn keep_numbers_as_written(&mut self, text: &str) {
        match &mut self.value {
            Value::Number { written, .. } => {
                if let Some(source) = text.get(self.bytes.0..self.bytes.1).filter(|source| !source.is_empty())
                {
                    source.clone_into(written);
                }
            }
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.keep_numbers_as_written(text)),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|entry| entry.value.keep_numbers_as_written(text));
            }
            _ => {}
        }
    }
}

fn no_yaml(error: &serde_saphyr::Error, file: &str) -> Problem {
    let error = error.without_snippet();
    let location = error.location().map(position);
    let message = match (error, location) {
        (serde_saphyr::Error::MultipleDocuments { .. }, _) => {
            "the file holds several YAML documents; keep one and take out the '---' before the others"
                .to_owned()
        }
        // The place stands before the message already.
        (_, Some(Position { line, column })) => {
            format!("this is not YAML: {error}").replace(&format!(" at line {line}, column {column}"), "")
        }
        (_, None) => format!("this is not YAML: {error}"),
    };
    Problem { file: file.to_owned(), position: location, object: String::new(), message }
}

fn position(location: Location) -> Position {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    Position { line: number(location.line()), column: number(location.column()) }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Node {
        // `defined` is where the text stands that has to be mended, also behind an alias.
        let span = spanned.defined.span();
        let number = |value: Option<u64>| usize::try_from(value.unwrap_or(0)).unwrap_or(0);
        let start = number(span.byte_offset());
        Node {
            at: position(spanned.defined),
            bytes: (start, start.saturating_add(number(span.byte_len()))),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl ValueVisitor {
    fn number(number: impl fmt::Display, integer: Option<i64>) -> Value {
        Value::Number { written: number.to_string(), integer }
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Self::number(value, Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Self::number(value, i64::try_from(value).ok()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Self::number(value, None))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Self::number(value, None))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Self::number(value, None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Spanned<Value>>()? {
            nodes.push(Node::from(node));
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<Value>>()? {
            let value = Node::from(map.next_value::<Spanned<Value>>()?);
            let key_at = position(key.defined);
            let key = match key.value {
                Value::Text(text) | Value::Number { written: text, .. } => text,
                Value::Boolean(value) => value.to_string(),
                _ => return Err(A::Error::custom("the key of an entry is not a text")),
            };
            entries.push(Entry { key, key_at, value });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Node {
        Node::parse(text, "test.yaml").unwrap()
    }

    #[test]
    fn numbers_stay_as_written() {
        let node = parse("id: 0042\nsmall: 1\nhex: 0x1F\nlong: 12345678901234567890123\nfloat: 1.50\n");
        for (key, written) in [
            ("id", "0042"),
            ("small", "1"),
            ("hex", "0x1F"),
            ("long", "12345678901234567890123"),
            ("float", "1.50"),
        ] {
            assert_eq!(node.text_of(key), Some(written), "{key}");
        }
    }

    #[test]
    fn repeated_keys_are_taken_out_at_every_depth() {
        let mut node = parse("a: 1\nb:\n  - c: 1\n    c: 2\na: 3\n");
        let taken = node.take_repeated_keys();
        let at = |line, column| Position { line, column };
        assert_eq!(taken, vec![(at(5, 1), "a".to_owned()), (at(4, 5), "c".to_owned())]);
        assert_eq!(node.text_of("a"), Some("1"));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        for (text, shown) in [
            ("a: [1,\nb: 2\n", "test.yaml:1:4: this is not YAML: unclosed bracket '['"),
            ("a: \"x\n", "test.yaml:1:4: this is not YAML: unclosed quote"),
            (
                "a: 1\n---\nb: 2\n",
                "test.yaml:3:1: the file holds several YAML documents; keep one and take out the '---' before the others",
            ),
            ("a: !secret x\n", "test.yaml:1"),
        ] {
            let problem = Node::parse(text, "test.yaml").unwrap_err().to_string();
            assert!(problem.starts_with(shown), "{text:?} gave {problem}");
        }
    }

    #[test]
    fn aliases_and_merges_point_at_what_they_stand_for() {
        let node = parse("a: &x\n  b: one\nc:\n  <<: *x\n");
        let Value::Map(entries) = &node.value else { panic!("a mapping") };
        let Value::Map(merged) = &entries[1].value.value else { panic!("a mapping") };
        assert_eq!((merged[0].key.as_str(), merged[0].value.at), ("b", Position { line: 2, column: 6 }));
    }
}
