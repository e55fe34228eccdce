//! A condition as a whole.

use std::fmt;

use crate::display::Writer;
use crate::evaluate::Row;
use crate::expression::Predicate;
use crate::parser::{Names, Parser};
use crate::{ConditionError, NextChange, Properties, Schema, Truth};

/// A parsed and checked condition, ready to be evaluated. Its text form parses back to an equal condition, unless the
/// longer spelling of names takes it over the length limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    predicate: Predicate,
    names: Names,
    depends_on_time: bool,
}

impl Condition {
    /// Parses and checks a condition. Empty text is always true.
    ///
    /// # Errors
    /// The first mistake in the text: its kind, its place, and what would be possible there.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, ConditionError> {
        let parse = || {
            let mut parser = Parser::new(text, schema)?;
            Ok((parser.condition()?, parser.names))
        };
        let (predicate, names) =
            parse().map_err(|mistake: Box<crate::error::Mistake>| mistake.locate(text))?;
        let depends_on_time = predicate.depends_on_time();
        Ok(Self { predicate, names, depends_on_time })
    }

    /// The condition's value for one interaction. `now_seconds`: UTC seconds since 1970.
    ///
    /// The properties must be those of the schema that the condition was parsed with.
    pub fn evaluate<P: Properties + ?Sized>(&self, properties: &P, now_seconds: i64) -> Truth {
        self.predicate.evaluate(&Row { properties, now_seconds })
    }

    /// When the value may change next after `now_seconds` although the properties do not.
    pub fn next_change<P: Properties + ?Sized>(&self, properties: &P, now_seconds: i64) -> NextChange {
        if !self.depends_on_time {
            return NextChange::NEVER;
        }
        self.predicate.outlook(&Row { properties, now_seconds }).change
    }

    /// Whether time occurs in it at all.
    pub fn depends_on_time(&self) -> bool {
        self.depends_on_time
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Writer { names: &self.names, out: f }.condition(&self.predicate)
    }
}
