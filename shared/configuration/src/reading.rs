//! From a text or file to checked objects.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::check::check;
use crate::document::{Node, Value};
use crate::kind::Kind;
use crate::object_reader::read_object;
use crate::origin::Origin;
use crate::suggestion::nearest;
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

    /// Checks objects that were built otherwise than by reading a file; `source` is the name of where they
    /// come from, for the problems.
    ///
    /// # Errors
    ///
    /// All problems of the objects, without positions.
    pub fn check(&self, source: &str) -> Result<(), Problems> {
        Problems::none_of(check(self, &Origin::without_text(source)))
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
        for entry in std::mem::take(entries) {
            match Kind::ALL.into_iter().find(|kind| kind.section() == entry.key) {
                Some(kind) if sections.sections.iter().any(|(seen, _)| *seen == kind) => {
                    sections.report(entry.key_at, String::new(), format!("'{}' is given twice", entry.key));
                }
                Some(kind) => sections.sections.push((kind, entry.value)),
                None => sections.unknown_section(&entry.key, entry.key_at),
            }
        }
        Ok(sections)
    }

    fn unknown_section(&mut self, key: &str, at: Position) {
        let meant = nearest(key, Kind::ALL.map(Kind::section));
        let hint = match meant {
            Some(meant) => format!("; did you mean '{meant}'?"),
            None => format!("; known are: {}", Kind::ALL.map(Kind::section).join(", ")),
        };
        // Whatever it means, its objects are missing from there.
        let lost = Kind::ALL.into_iter().filter(|kind| meant.is_none_or(|meant| meant == kind.section()));
        lost.for_each(|kind| self.origin.lose_section(kind));
        self.report(at, String::new(), format!("there is no section '{key}'{hint}"));
    }

    fn report(&mut self, position: Position, object: String, message: String) {
        self.problems.push(Problem { file: self.file.to_owned(), position: Some(position), object, message });
    }

    fn take(&mut self, kind: Kind) -> Option<Node> {
        let index = self.sections.iter().position(|(seen, _)| *seen == kind)?;
        Some(self.sections.swap_remove(index).1)
    }

    fn options(&mut self) -> crate::Options {
        let node = self.take(Kind::Options).filter(|node| !matches!(node.value, Value::Nothing));
        node.and_then(|node| self.object(Kind::Options, 0, node)).unwrap_or_default()
    }

    fn objects<T: DeserializeOwned>(&mut self, kind: Kind) -> Vec<T> {
        let Some(section) = self.take(kind) else { return Vec::new() };
        match section.value {
            Value::List(nodes) => nodes
                .into_iter()
                .enumerate()
                .filter_map(|(index, node)| self.object(kind, index, node))
                .collect(),
            Value::Nothing => Vec::new(),
            _ => {
                self.origin.lose_section(kind);
                let message = format!(
                    "{}: expected a list, one '- {}: …' for each {}",
                    kind.section(),
                    kind.name_field(),
                    kind.noun()
                );
                self.report(section.at, String::new(), message);
                Vec::new()
            }
        }
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
