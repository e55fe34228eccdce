//! The checks of objects: names, references, ranges, and texts that have a language of their own.
//!
//! They work on the typed objects, whatever source these came from; the [`Origin`] adds positions.

mod conditions;
mod rules;

use std::collections::{BTreeMap, BTreeSet};

use ixn_suggestion::did_you_mean;

use crate::kind::Kind;
use crate::origin::{Origin, Place};
use crate::{Configuration, Position, Problem, SkillExpression, TextProblem};

/// The longest name of an object: the longest that a request can hold.
const MAX_NAME_BYTES: usize = 256;

/// The longest name of a client, and so of a routing engine.
const MAX_CLIENT_NAME_BYTES: usize = 128;

/// How many references get a suggestion: each is a search through all names.
const MAX_SUGGESTIONS: usize = 20;

/// All problems of the objects, in no special order.
pub(crate) fn check(configuration: &Configuration, origin: &Origin<'_>) -> Vec<Problem> {
    let names: BTreeMap<_, _> =
        Kind::ALL.map(|kind| (kind, names(configuration, kind))).into_iter().collect();
    let known = names.iter().map(|(kind, names)| (*kind, names.iter().copied().collect())).collect();
    let private = configuration.workbins.iter().filter(|workbin| workbin.queue.is_none());
    let private_queues = private.map(crate::Workbin::queue_name).collect();
    let mut checker = Checker {
        configuration,
        origin,
        names,
        known,
        private_queues,
        problems: Vec::new(),
        suggestions_left: MAX_SUGGESTIONS,
    };
    checker.names();
    checker.rules();
    checker.problems
}

/// The names of all objects of the kind, in their order.
fn names(configuration: &Configuration, kind: Kind) -> Vec<&str> {
    let Configuration {
        options: _,
        media_types,
        custom_properties,
        queues,
        views,
        workbins,
        strategies,
        skills,
        agents,
        agent_groups,
        capacity_rules,
    } = configuration;
    match kind {
        Kind::Options => Vec::new(),
        Kind::MediaType => media_types.iter().map(|object| object.name.as_str()).collect(),
        Kind::CustomProperty => custom_properties.iter().map(|object| object.name.as_str()).collect(),
        Kind::Queue => queues.iter().map(|object| object.name.as_str()).collect(),
        Kind::View => views.iter().map(|object| object.name.as_str()).collect(),
        Kind::Workbin => workbins.iter().map(|object| object.name.as_str()).collect(),
        Kind::Strategy => strategies.iter().map(|object| object.name.as_str()).collect(),
        Kind::Skill => skills.iter().map(|object| object.name.as_str()).collect(),
        Kind::Agent => agents.iter().map(|object| object.id.as_str()).collect(),
        Kind::AgentGroup => agent_groups.iter().map(|object| object.name.as_str()).collect(),
        Kind::CapacityRule => capacity_rules.iter().map(|object| object.name.as_str()).collect(),
    }
}

/// One object.
#[derive(Debug, Clone, Copy)]
struct Object {
    kind: Kind,
    /// Its place among the objects of its kind.
    index: usize,
}

struct Checker<'a> {
    configuration: &'a Configuration,
    origin: &'a Origin<'a>,
    /// By the index of the object.
    names: BTreeMap<Kind, Vec<&'a str>>,
    known: BTreeMap<Kind, BTreeSet<&'a str>>,
    /// The queues of workbins, which exist without an entry of their own.
    private_queues: BTreeSet<String>,
    problems: Vec<Problem>,
    suggestions_left: usize,
}

impl Checker<'_> {
    /// Reports what is wrong at a place; nothing when what is there could not be read, which was told already.
    fn report(&mut self, object: Object, way: &[Place<'_>], message: String) {
        if self.origin.is_value_lost(object.kind, object.index, way) {
            return;
        }
        let position = self.origin.position(object.kind, object.index, way);
        self.report_at(object, position, message);
    }

    fn report_at(&mut self, object: Object, position: Option<Position>, message: String) {
        let name = self.names.get(&object.kind).and_then(|names| names.get(object.index)).copied();
        self.problems.push(Problem {
            file: self.origin.source.to_owned(),
            position,
            object: object.kind.called(object.index, name),
            message,
        });
    }

    /// Whether something was cut out of the object, so that what it lacks is no mistake of its own.
    fn is_damaged(&self, object: Object) -> bool {
        self.origin.is_damaged(object.kind, object.index)
    }

    fn names(&mut self) {
        for kind in Kind::ALL {
            let mut first_index = BTreeMap::new();
            let way = [Place::Field(kind.name_field())];
            for (index, name) in self.names.get(&kind).cloned().unwrap_or_default().into_iter().enumerate() {
                let object = Object { kind, index };
                if let Some(message) = wrong_name(name, MAX_NAME_BYTES) {
                    self.report(object, &way, format!("{}: {message}", kind.name_field()));
                }
                if let Some(first) = first_index.get(name) {
                    let line = self.origin.position(kind, *first, &way);
                    let where_ = line.map(|at| format!(" in line {}", at.line)).unwrap_or_default();
                    self.report(object, &way, format!("there is a {} '{name}' already{where_}", kind.noun()));
                } else {
                    first_index.insert(name, index);
                }
            }
        }
    }

    /// Reports when there is no object of the kind with the name.
    fn reference(&mut self, object: Object, way: &[Place<'_>], kind: Kind, name: &str) {
        if let Some(message) = self.missing(kind, name) {
            self.report(object, way, message);
        }
    }

    /// A sentence when there is no object of the kind with the name.
    fn missing(&mut self, kind: Kind, name: &str) -> Option<String> {
        let known = self.known.get(&kind)?;
        if known.contains(name) || self.origin.is_lost(kind, name) {
            return None;
        }
        if kind == Kind::Queue && self.is_private_queue(name) {
            return None;
        }
        let hint = match self.suggestions_left.checked_sub(1) {
            Some(left) => {
                self.suggestions_left = left;
                did_you_mean(name, known.iter().copied())
            }
            None => String::new(),
        };
        Some(format!("there is no {} '{name}'{hint}", kind.noun()))
    }

    /// Whether a workbin has this queue, or one may have it that could not be read.
    fn is_private_queue(&self, name: &str) -> bool {
        let lost = || {
            let workbin = name.strip_suffix("/PrivateQueue");
            workbin.is_some_and(|workbin| self.origin.is_lost(Kind::Workbin, workbin))
        };
        self.private_queues.contains(name) || lost()
    }

    /// Reports a problem inside a text field, at its own place in the file when that is known.
    fn report_text(&mut self, object: Object, way: &[Place<'_>], field: &str, problem: &TextProblem) {
        let TextProblem { offset_bytes, message } = problem;
        let exact = self.origin.position_in_text(object.kind, object.index, way, *offset_bytes);
        let position = exact.or_else(|| self.origin.position(object.kind, object.index, way));
        let whereabouts =
            if exact.is_some() { String::new() } else { format!(" (byte {offset_bytes} of the text)") };
        self.report_at(object, position, format!("{field}: {message}{whereabouts}"));
    }

    /// Checks a skill expression and the skills in it.
    fn skill_expression(&mut self, object: Object, way: &[Place<'_>], text: &str) {
        match SkillExpression::parse(text) {
            Err(problem) => self.report_text(object, way, "skills", &problem),
            Ok(expression) => {
                for (skill, offset_bytes) in expression.skills() {
                    if let Some(message) = self.missing(Kind::Skill, skill) {
                        self.report_text(object, way, "skills", &TextProblem { offset_bytes, message });
                    }
                }
            }
        }
    }
}

/// A sentence when this is no name for an object.
fn wrong_name(name: &str, most_bytes: usize) -> Option<String> {
    if name.is_empty() {
        return Some("the name is empty".to_owned());
    }
    let bytes = name.len();
    if bytes > most_bytes {
        return Some(format!("this name has at most {most_bytes} bytes, and here it has {bytes}"));
    }
    if name.chars().any(char::is_control) {
        return Some("a name has no control characters".to_owned());
    }
    (name.trim() != name).then(|| "a name has no blanks at its beginning or end".to_owned())
}
