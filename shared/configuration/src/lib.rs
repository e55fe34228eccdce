//! Configuration objects: what the server routes by.
//!
//! Queues, views, workbins, strategies, skills, agents, groups, capacity rules, media types and
//! custom properties, and the options of the server that the vendor keeps among them. They come from
//! one YAML file ([`Configuration::read`], [`ConfigurationFile`]) or from another source that builds
//! the same objects and has them checked as that one is.
//!
//! Two rules hold here. A reader is told *all* mistakes of a file, each with its place and its object.
//! And nothing that has a mistake ever comes into force: a broken file leaves the configuration of
//! before in place, so this crate must never hand out half a configuration.
//!
//! What is not here: the settings of a process (ports, database, secrets) and what the objects make
//! the server do.

mod agents;
mod check;
mod document;
mod duration;
mod kind;
mod object_reader;
mod objects;
mod options;
mod origin;
mod problem;
mod reading;
mod routing;
mod schema;
mod skill_expression;
mod watch;

pub use agents::{Agent, AgentGroup, CapacityRule, Skill};
pub use objects::{
    Configuration, CustomProperty, CustomPropertyType, MediaType, Queue, View, Workbin, WorkbinOwner,
};
pub use options::{MultipleConnections, Options};
pub use problem::{Position, Problem, Problems, TextProblem};
pub use routing::{Executor, Step, Strategy, Target};
pub use skill_expression::SkillExpression;
pub use watch::{ConfigurationFile, Reading};

/// The sample configuration as text: a good example to copy, with comments.
pub const SAMPLE: &str = include_str!("sample.yaml");

/// The name under which problems of [`SAMPLE`] would be reported.
const SAMPLE_NAME: &str = "sample.yaml";

impl Configuration {
    /// The sample configuration, which a server without any file starts from.
    ///
    /// # Errors
    ///
    /// None in a build whose tests pass; the type says that nothing is in force unchecked.
    pub fn sample() -> Result<Configuration, Problems> {
        Configuration::parse(SAMPLE, SAMPLE_NAME)
    }

    /// The JSON Schema of the file, for editors that complete and check while one types.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        let mut schema = schemars::schema_for!(Configuration).to_value();
        schema::as_it_is_read(&mut schema);
        schema
    }
}
