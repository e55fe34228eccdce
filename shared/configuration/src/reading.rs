//! From a text or file to checked objects.

use std::path::Path;

use ixn_suggestion::nearest;
use serde::de::DeserializeOwned;

use crate::check::check;
use crate::document::{Node, Value};
use crate::kind::Kind;
use crate::object_reader::read_object;
use crate::origin::Origin;
use crate::{Configuration, Position, Problem, Problems};

impl Configuration {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// All problems of the file, or the one that it cannot be read at all.
    pub fn read(path: impl AsRef<Path>) -> Result<Configuration, Problems> {
        let path = path.as_ref();
        let bytes = std::fs::read(path);
        Self::parse_bytes(bytes.as_deref().map_err(ToString::to_string), &path.display().to_string())
    }

    /// As [`Configuration::parse`], from what reading a file gave.
    pub(crate) fn parse_bytes(bytes: Result<&[u8], String>, file: &str) -> Result<Configuration, Problems> {
        let bytes =
            bytes.map_err(|error| Problems::of_file(file, format!("cannot read the file: {error}")))?;
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Problems::of_file(file, format!("the file is not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        Self::parse(text, file)
    }

    /// Reads and checks a YAML text; `file` is its name in problems.
    ///
    /// # Errors
    ///
    /// All problems of the text.
    pub fn parse(text: &str, file: &str) -> Result<Configuration, Problems> {
        // A text editor's byte order mark is no part of the text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut sections = Sections::new(Node::parse(text, file)?, text, file)?;
        let configuration = Configuration {
            options: sections.options(),
            media_types: sections.objects(Kind::MediaType),
            custom_properties: sections.objects(Kind::CustomProperty),
            queues: sections.objects(Kind::Queue),
            views: sections.objects(Kind::View),
            workbins: sections.objects(Kind::Workbin),
            strategies: sections.objects(Kind::Strategy),
            skills: sections.objects(Kind::Skill),
            agents: sections.objects(Kind::Agent),
            agent_groups: sections.objects(Kind::AgentGroup),
            capacity_rules: sections.objects(Kind::CapacityRule),
        };
        let mut problems = sections.problems;
        problems.extend(check(&configuration, &sections.origin));
        Problems::none_of(problems)?;
        Ok(configuration)
    }
}

/// The document, taken apart section by section.
struct Sections<'a> {
    file: &'a str,
    sections: Vec<(Kind, Node)>,
    origin: Origin<'a>,
    problems: Vec<Problem>,
}

impl<'a> Sections<'a> {
    fn new(mut document: Node, text: &'a str, file: &'a str) -> Result<Self, Problems> {
        let mut sections = Sections {
            file,
            sections: Vec::new(),
            origin: Origin::of_text(file, text),
            problems: Vec::new(),
        };
        let Value::Map(entries) = &mut document.value else {
            let sample = "start from the sample configuration";
            let message = match document.value {
                Value::Nothing => format!("the file is empty; {sample}"),
                _ => format!("expected a mapping with keys such as queues, views and agents; {sample}"),
            };
            return Err(Problems::of_file(file, message));
        };
        let mut is_any_unknown = false;
        for entry in std::mem::take(entries) {
            let section = |key: &str| Kind::ALL.into_iter().find(|kind| kind.section() == key);
            let meant = match section(&entry.key) {
                Some(kind) => {
                    if sections.has(kind) {
                        let message = format!("'{}' is given twice", entry.key);
                        sections.report(entry.key_at, String::new(), message);
                    }
                    Some(kind)
                }
                None => sections.unknown_section(&entry.key, entry.key_at).and_then(section),
            };
            match meant {
                // Also a second one, or one that is misspelt: what is in it exists and is checked.
                Some(kind) => sections.sections.push((kind, entry.value)),
                None => is_any_unknown = true,
            }
        }
        if is_any_unknown {
            // Whatever it means, its objects are missing where there is no section.
            let missing: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !sections.has(*kind)).collect();
            missing.into_iter().for_each(|kind| sections.origin.lose_section(kind));
        }
        Ok(sections)
    }

    fn has(&self, kind: Kind) -> bool {
        self.sections.iter().any(|(seen, _)| *seen == kind)
    }

    /// Reports it, and answers which section is probably meant.
    fn unknown_section(&mut self, key: &str, at: Position) -> Option<&'static str> {
        let meant = nearest(key, Kind::ALL.map(Kind::section));
        let hint = match meant {
            Some(meant) => format!("; did you mean '{meant}'?"),
            None => format!("; known are: {}", Kind::ALL.map(Kind::section).join(", ")),
        };
        self.report(at, String::new(), format!("there is no section '{key}'{hint}"));
        meant
    }

    fn report(&mut self, position: Position, object: String, message: String) {
        self.problems.push(Problem { file: self.file.to_owned(), position: Some(position), object, message });
    }

    /// The section's nodes: one, or more when it is given twice.
    fn take(&mut self, kind: Kind) -> Vec<Node> {
        self.sections.extract_if(.., |(seen, _)| *seen == kind).map(|(_, node)| node).collect()
    }

    fn options(&mut self) -> crate::Options {
        let nodes = self.take(Kind::Options).into_iter().filter(|node| !matches!(node.value, Value::Nothing));
        let read: Vec<_> = nodes.filter_map(|node| self.object(Kind::Options, 0, node)).collect();
        read.into_iter().next().unwrap_or_default()
    }

    fn objects<T: DeserializeOwned>(&mut self, kind: Kind) -> Vec<T> {
        let mut nodes = Vec::new();
        for section in self.take(kind) {
            match section.value {
                Value::List(more) => nodes.extend(more),
                Value::Nothing => {}
                _ => {
                    self.origin.lose_section(kind);
                    let message = format!(
                        "{}: expected a list, one '- {}: …' for each {}",
                        kind.section(),
                        kind.name_field(),
                        kind.noun()
                    );
                    self.report(section.at, String::new(), message);
                }
            }
        }
        let numbered = nodes.into_iter().enumerate();
        numbered.filter_map(|(index, node)| self.object(kind, index, node)).collect()
    }

    fn object<T: DeserializeOwned>(&mut self, kind: Kind, index: usize, mut node: Node) -> Option<T> {
        let name = node.text_of(kind.name_field()).map(str::to_owned);
        let called = kind.called(index, name.as_deref());
        let before = self.problems.len();
        let object =
            read_object(&mut node, |position, message| self.report(position, called.clone(), message));
        match (&object, name) {
            (Some(_), _) => self.origin.add(kind, node, self.problems.len() > before),
            (None, Some(name)) => self.origin.lose(kind, &name),
            (None, None) => {}
        }
        object
    }
}
