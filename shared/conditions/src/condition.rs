//! A condition as a whole.

use std::fmt;

use crate::display::Writer;
use crate::evaluate::Row;
use crate::expression::{Atom, Comparison, Number, Predicate, Text};
use crate::parser::{Names, Parser};
use crate::{ConditionError, NextChange, Properties, PropertyRef, Schema, Truth, Value};

/// A parsed and checked condition, ready to be evaluated. Its text form parses back to an equal condition, unless the
/// longer spelling of names takes it over the length limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    predicate: Predicate,
    names: Names,
    depends_on_time: bool,
}

/// A part of a condition without which it cannot be true: the property has one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equality<'a> {
    /// The property.
    pub property: PropertyRef,
    /// Its possible values, of its type, in the order of the text; a value may be there twice.
    pub values: Vec<Value<'a>>,
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

    /// The tests `property = value` and `property IN (values)` that must all be true for the condition to be true:
    /// the condition itself, or the parts of its outermost AND.
    pub fn equalities(&self) -> Vec<Equality<'_>> {
        match &self.predicate {
            Predicate::And(parts) => parts.iter().filter_map(equality).collect(),
            whole => equality(whole).into_iter().collect(),
        }
    }
}

fn equality(predicate: &Predicate) -> Option<Equality<'_>> {
    match predicate {
        Predicate::Number(atom) => equality_of(atom, |number| match number {
            Number::Property(property) => Side::Property(*property),
            Number::Integer(value) => Side::Value(Value::Integer(*value)),
            Number::Timestamp(seconds) => Side::Value(Value::Timestamp(*seconds)),
            _ => Side::Computed,
        }),
        Predicate::Text(atom) => equality_of(atom, |text| match text {
            Text::Property(property) => Side::Property(*property),
            Text::Literal(text) => Side::Value(Value::Text(text)),
        }),
        _ => None,
    }
}

enum Side<'a> {
    Property(PropertyRef),
    Value(Value<'a>),
    Computed,
}

fn equality_of<'a, T>(atom: &'a Atom<T>, side: impl Fn(&'a T) -> Side<'a>) -> Option<Equality<'a>> {
    match atom {
        Atom::Compare { operator: Comparison::Equal, left, right } => match (side(left), side(right)) {
            (Side::Property(property), Side::Value(value))
            | (Side::Value(value), Side::Property(property)) => {
                Some(Equality { property, values: vec![value] })
            }
            _ => None,
        },
        Atom::In { operand, list, negated: false } => {
            let Side::Property(property) = side(operand) else { return None };
            let values = list.iter().map(|element| match side(element) {
                Side::Value(value) => Some(value),
                Side::Property(_) | Side::Computed => None,
            });
            Some(Equality { property, values: values.collect::<Option<_>>()? })
        }
        _ => None,
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Writer { names: &self.names, out: f }.condition(&self.predicate)
    }
}
