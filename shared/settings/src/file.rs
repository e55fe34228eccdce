//! The settings file as a flat list of names and values, each with its place in the file.
//!
//! Values stay the text that was written (`0089` is not a number here): the option decides what they are.

use std::path::Path;

use serde_saphyr::granit_parser::{Event, Marker, Options, Parser, ScalarStyle, Span, StrInput};

use crate::error::SettingsError;
use crate::origin::Position;

/// Deeper mappings cannot be the name of an option; the bound keeps the recursion flat.
const DEEPEST_MAPPING: usize = 8;

/// One key of the file that has no mapping below it.
#[derive(Debug, PartialEq)]
pub(crate) struct Entry {
    /// The keys from the top, joined with `-`: the name of an option.
    pub(crate) name: String,
    pub(crate) key_at: Position,
    pub(crate) value: Value,
    pub(crate) value_at: Position,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    /// Nothing written, `~`, `null` or `{}`.
    Nothing,
    Text(String),
    List(Vec<String>),
}

/// Reads the settings file. `path` is repeated in errors as it was given.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>, SettingsError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| SettingsError::ReadFile { path: path.to_owned(), source })?;
    parse(path, &text)
}

pub(crate) fn parse(path: &Path, text: &str) -> Result<Vec<Entry>, SettingsError> {
    let mut options = Options::default();
    options.emit_comments = false;
    let events = Parser::new_from_str_with_options(text, options);
    let mut reader = Reader { path, events, entries: Vec::new() };
    reader.stream()?;
    Ok(reader.entries)
}

struct Reader<'a> {
    path: &'a Path,
    events: Parser<'a, StrInput<'a>>,
    entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), SettingsError> {
        match self.events.next() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => self.refuse(*error.marker(), error.info()),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn position(&self, marker: Marker) -> Position {
        Position::new(self.path, marker.line(), marker.col() + 1)
    }

    fn refuse<T>(&self, marker: Marker, message: impl Into<String>) -> Result<T, SettingsError> {
        Err(SettingsError::Syntax { position: self.position(marker), message: message.into() })
    }

    fn stream(&mut self) -> Result<(), SettingsError> {
        let mut documents = 0;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart(..) if documents == 0 => documents = 1,
                Event::DocumentStart(..) => {
                    return self.refuse(span.start, "a settings file is one document, remove the others");
                }
                Event::MappingStart(_, _, None) => self.mapping("", 1)?,
                Event::Scalar(text, style, _, None) if is_nothing(&text, style) => {}
                _ => return self.refuse(span.start, "a settings file is a mapping, write `name: value`"),
            }
        }
    }

    fn mapping(&mut self, prefix: &str, depth: usize) -> Result<(), SettingsError> {
        loop {
            let (event, key) = self.next()?;
            let name = match event {
                Event::MappingEnd => return Ok(()),
                Event::Scalar(text, _, _, None) if prefix.is_empty() => text.into_owned(),
                Event::Scalar(text, _, _, None) => format!("{prefix}-{text}"),
                _ => return self.refuse(key.start, "a key is plain text"),
            };
            let (event, span) = self.next()?;
            let value = match event {
                Event::Scalar(text, style, _, None) if is_nothing(&text, style) => Value::Nothing,
                Event::Scalar(text, _, _, None) => Value::Text(text.into_owned()),
                Event::SequenceStart(_, _, None) => Value::List(self.list()?),
                Event::MappingStart(_, _, None) if depth < DEEPEST_MAPPING => {
                    let entries_before = self.entries.len();
                    self.mapping(&name, depth + 1)?;
                    if self.entries.len() > entries_before {
                        continue;
                    }
                    Value::Nothing
                }
                Event::MappingStart(_, _, None) => {
                    return self.refuse(span.start, "no option is nested this deeply");
                }
                _ => return self.refuse(span.start, "aliases (*name) and tags (!name) are not used here"),
            };
            let (key_at, value_at) = (self.position(key.start), self.position(span.start));
            if let Some(first) = self.entries.iter().find(|entry| entry.name == name) {
                let line = first.key_at.line;
                return self.refuse(key.start, format!("{name} is already set in line {line}, keep one"));
            }
            self.entries.push(Entry { name, key_at, value, value_at });
        }
    }

    fn list(&mut self) -> Result<Vec<String>, SettingsError> {
        let mut texts = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(texts),
                (Event::Scalar(text, _, _, None), _) => texts.push(text.into_owned()),
                (_, span) => return self.refuse(span.start, "a list holds plain values"),
            }
        }
    }
}

fn is_nothing(text: &str, style: ScalarStyle) -> bool {
    style == ScalarStyle::Plain && matches!(text, "" | "~" | "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_and_values(text: &str) -> Vec<(String, Value)> {
        let entries = parse(Path::new("ixn.yaml"), text).unwrap();
        entries.into_iter().map(|entry| (entry.name, entry.value)).collect()
    }

    fn refusal(text: &str) -> String {
        parse(Path::new("ixn.yaml"), text).unwrap_err().to_string()
    }

    #[test]
    fn nested_keys_become_option_names_and_values_stay_text() {
        let text = "# settings\ntenant:\n  sid: 0089\n  id: \"null\"\ndatabase:\n  pool: { size: 3 }\nlog-level: info\n";
        let of = |name: &str, value: &str| (name.to_owned(), Value::Text(value.to_owned()));
        assert_eq!(
            names_and_values(text),
            [
                of("tenant-sid", "0089"),
                of("tenant-id", "null"),
                of("database-pool-size", "3"),
                of("log-level", "info")
            ]
        );
    }

    #[test]
    fn lists_and_nothing() {
        let list = Value::List(vec!["a:1".into(), "b:2".into()]);
        assert_eq!(
            names_and_values("redis: [a:1, b:2]\nport:\nkafka: {}\nname: ~\n"),
            [
                ("redis".to_owned(), list),
                ("port".to_owned(), Value::Nothing),
                ("kafka".to_owned(), Value::Nothing),
                ("name".to_owned(), Value::Nothing)
            ]
        );
        for empty in ["", "# nothing\n", "---\n", "~"] {
            assert_eq!(names_and_values(empty), [], "{empty:?}");
        }
    }

    #[test]
    fn places_count_from_one_in_characters() {
        let entries = parse(Path::new("ixn.yaml"), "\ntenant:\n  sid: \"ü\"\n  {}: x\n");
        assert!(entries.is_err(), "a mapping is not a key");
        let entries = parse(Path::new("ixn.yaml"), "a: { ü: 1, sid: 2 }\n").unwrap();
        assert_eq!(entries[1].key_at.to_string(), "ixn.yaml:1:12");
        assert_eq!(entries[1].value_at.to_string(), "ixn.yaml:1:17");
    }

    #[test]
    fn refuses_what_it_would_misread() {
        assert_eq!(refusal("- a\n"), "ixn.yaml:1:1: a settings file is a mapping, write `name: value`");
        assert_eq!(refusal("a:\n  b: 1\na-b: 2\n"), "ixn.yaml:3:1: a-b is already set in line 2, keep one");
        assert_eq!(
            refusal("a: &x 1\nb: *x\n"),
            "ixn.yaml:2:4: aliases (*name) and tags (!name) are not used here"
        );
        assert!(refusal("a: !vault x\n").starts_with("ixn.yaml:1:"));
        assert_eq!(refusal("a: [1, {b: 2}]\n"), "ixn.yaml:1:8: a list holds plain values");
        assert_eq!(
            refusal("a: 1\n---\nb: 2\n"),
            "ixn.yaml:2:1: a settings file is one document, remove the others"
        );
        let deep = format!("{}1{}", "{a: ".repeat(9), "}".repeat(9));
        assert_eq!(refusal(&deep), "ixn.yaml:1:33: no option is nested this deeply");
        assert!(refusal(&"{a: ".repeat(5_000)).starts_with("ixn.yaml:1:"));
        assert_eq!(refusal("a: 1\nb: [1,\n"), "ixn.yaml:2:4: unclosed bracket '['");
    }
}
