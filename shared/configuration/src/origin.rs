//! Where objects come from, so that a problem of an object can name its place in the file.

use std::collections::{BTreeMap, BTreeSet};

use crate::Position;
use crate::document::{Node, Value};
use crate::kind::Kind;

/// The source of a configuration: its name, and its nodes when it is a file.
#[derive(Debug, Default)]
pub(crate) struct Origin<'a> {
    /// The name of the file or other source.
    pub(crate) source: &'a str,
    text: &'a str,
    /// The node of each object, in the order of the objects.
    nodes: BTreeMap<Kind, Vec<Node>>,
    /// Objects of which something was cut out: what they lack is no mistake of its own.
    damaged: BTreeSet<(Kind, usize)>,
    /// Names of objects that could not be made: what refers to them is no mistake of its own.
    lost_names: BTreeSet<(Kind, String)>,
    /// Sections that could not be read: what refers to their objects is no mistake of its own.
    lost_sections: BTreeSet<Kind>,
}

/// A step of the way from an object to a place in it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place<'a> {
    /// The value of a field.
    Field(&'a str),
    /// The key of an entry itself.
    Key(&'a str),
    /// An element of a list.
    Element(usize),
}

impl<'a> Origin<'a> {
    pub(crate) fn of_text(source: &'a str, text: &'a str) -> Origin<'a> {
        Origin { source, text, ..Origin::default() }
    }

    /// Keeps the node of the next object of the kind.
    pub(crate) fn add(&mut self, kind: Kind, node: Node, damaged: bool) {
        let nodes = self.nodes.entry(kind).or_default();
        if damaged {
            self.damaged.insert((kind, nodes.len()));
        }
        nodes.push(node);
    }

    pub(crate) fn lose(&mut self, kind: Kind, name: &str) {
        self.lost_names.insert((kind, name.to_owned()));
    }

    pub(crate) fn lose_section(&mut self, kind: Kind) {
        self.lost_sections.insert(kind);
    }

    pub(crate) fn is_damaged(&self, kind: Kind, index: usize) -> bool {
        self.damaged.contains(&(kind, index))
    }

    pub(crate) fn is_lost(&self, kind: Kind, name: &str) -> bool {
        self.is_section_lost(kind) || self.lost_names.contains(&(kind, name.to_owned()))
    }

    pub(crate) fn is_section_lost(&self, kind: Kind) -> bool {
        self.lost_sections.contains(&kind)
    }

    /// Whether what is at this place could not be read: it was told already.
    pub(crate) fn is_value_lost(&self, kind: Kind, index: usize, way: &[Place<'_>]) -> bool {
        let Some(object) = self.nodes.get(&kind).and_then(|nodes| nodes.get(index)) else { return false };
        let value = way.iter().try_fold(object, |node, place| step(node, *place));
        value.is_some_and(|node| matches!(node.value, Value::Lost))
    }

    /// The position of a place in an object; of the nearest thing around it when the file leaves it out.
    pub(crate) fn position(&self, kind: Kind, index: usize, way: &[Place<'_>]) -> Option<Position> {
        let mut node = self.nodes.get(&kind)?.get(index)?;
        for place in way {
            if let (Place::Key(key), Value::Map(entries)) = (place, &node.value) {
                let entry = entries.iter().find(|entry| entry.key == *key);
                return Some(entry.map_or(node.at, |entry| entry.key_at));
            }
            let Some(deeper) = step(node, *place) else { break };
            node = deeper;
        }
        Some(node.at)
    }

    /// The position of a byte of a text field, when its spelling in the file shows it.
    pub(crate) fn position_in_text(
        &self,
        kind: Kind,
        index: usize,
        way: &[Place<'_>],
        offset_bytes: usize,
    ) -> Option<Position> {
        let mut node = self.nodes.get(&kind)?.get(index)?;
        for place in way {
            node = step(node, *place)?;
        }
        let Value::Text(value) = &node.value else { return None };
        let written = self.text.get(node.bytes.0..node.bytes.1)?;
        let byte = node.bytes.0 + offset_as_written(written, value, offset_bytes)?;
        let before = self.text.get(..byte)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Some(Position {
            line: number(before.matches('\n').count() + 1),
            column: number(before[line_start..].chars().count() + 1),
        })
    }
}

fn step<'n>(node: &'n Node, place: Place<'_>) -> Option<&'n Node> {
    match (place, &node.value) {
        (Place::Field(key), Value::Map(entries)) => {
            entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
        }
        (Place::Element(index), Value::List(nodes)) => nodes.get(index),
        _ => None,
    }
}

/// Where the byte `offset` of `value` stands in `written`, the same text as the file spells it: plain,
/// quoted, over several lines. `None` when the spelling differs by more than blanks and quotes.
fn offset_as_written(written: &str, value: &str, offset: usize) -> Option<usize> {
    aligned(written, 0, None, value, offset).or_else(|| {
        let quote = written.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        // Inside single quotes a single quote is written twice.
        aligned(written, 1, (quote == '\'').then_some(quote), value, offset)
    })
}

/// Walks both texts side by side, past the blanks of each, from byte `start` of `written`.
fn aligned(written: &str, start: usize, doubled: Option<char>, value: &str, offset: usize) -> Option<usize> {
    let mut rest = written.get(start..)?;
    for (at, c) in value.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        let next = rest.trim_start();
        if at >= offset {
            return Some(written.len() - next.len());
        }
        rest = next.strip_prefix(c)?;
        if doubled == Some(c) {
            rest = rest.strip_prefix(c)?;
        }
    }
    Some(written.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rest of the text as written, from where the byte stands that `value` has before `rest`.
    fn written_from<'a>(written: &'a str, value: &str, rest: &str) -> Option<&'a str> {
        let offset = value.len() - rest.len();
        assert!(value.ends_with(rest));
        offset_as_written(written, value, offset).map(|byte| &written[byte..])
    }

    #[test]
    fn finds_a_byte_in_each_spelling() {
        assert_eq!(written_from("a = 1", "a = 1", "= 1"), Some("= 1"));
        assert_eq!(written_from("\"a = 1\"", "a = 1", "1"), Some("1\""));
        assert_eq!(written_from("'a = ''x'' + b'", "a = 'x' + b", "+ b"), Some("+ b'"));
        assert_eq!(written_from("'''x'' = a'", "'x' = a", "= a"), Some("= a'"));
        assert_eq!(written_from("a = 1\n    OR b\n", "a = 1 OR b", "b"), Some("b\n"));
        assert_eq!(written_from("'x' = a\n  OR b\n", "'x' = a OR b", "b"), Some("b\n"));
        assert_eq!(written_from("ä = 1", "ä = 1", "= 1"), Some("= 1"));
        assert_eq!(written_from("a =", "a =", ""), Some(""));
    }

    #[test]
    fn an_escaped_spelling_is_not_guessed() {
        assert_eq!(written_from(r#""a = \x41 + b""#, "a = A + b", "b"), None);
    }
}
