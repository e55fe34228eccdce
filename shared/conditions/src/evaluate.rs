//! The value of a condition for one row at one time, with SQL's three truth values. Nothing here allocates.

use std::cmp::Ordering;

use crate::expression::{Atom, Comparison, Number, Predicate, Text};
use crate::{Properties, Property, PropertyRef, Value};

/// SQL's truth values. A view takes an interaction only when its condition is `True`.
///
/// In this order AND is the minimum and OR the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Truth {
    /// No.
    False,
    /// It cannot be said: something needed has no value.
    Unknown,
    /// Yes.
    True,
}

impl Truth {
    /// Whether it is `True`.
    pub fn is_true(self) -> bool {
        self == Self::True
    }

    pub(crate) fn negate_if(self, negated: bool) -> Self {
        match self {
            Self::True if negated => Self::False,
            Self::False if negated => Self::True,
            other => other,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// What an evaluation looks at.
pub(crate) struct Row<'a, P: ?Sized> {
    pub(crate) properties: &'a P,
    pub(crate) now_seconds: i64,
}

impl<'a, P: Properties + ?Sized> Row<'a, P> {
    pub(crate) fn number(&self, property: PropertyRef) -> Option<i64> {
        match self.properties.get(property) {
            Value::Integer(value) | Value::Timestamp(value) => Some(value),
            Value::Null | Value::Text(_) => None,
        }
    }

    pub(crate) fn text(&self, property: PropertyRef) -> Option<&'a str> {
        match self.properties.get(property) {
            Value::Text(text) => Some(text),
            Value::Null | Value::Integer(_) | Value::Timestamp(_) => None,
        }
    }

    /// Where `_age()` starts: when the interaction was received, or submitted when that is not known.
    pub(crate) fn age_starts_at(&self) -> Option<i64> {
        self.number(PropertyRef::System(Property::ReceivedAt))
            .or_else(|| self.number(PropertyRef::System(Property::SubmittedAt)))
    }

    /// Where `_time_in_queue()` starts: the last placement in the queue.
    pub(crate) fn time_in_queue_starts_at(&self) -> Option<i64> {
        self.number(PropertyRef::System(Property::PlacedInQueueAt))
    }

    fn seconds_since(&self, start: Option<i64>) -> Option<i64> {
        self.now_seconds.checked_sub(start?)
    }
}

/// An expression with a value: `None` is SQL's NULL.
pub(crate) trait Term {
    type Value<'a>: Ord + Copy
    where
        Self: 'a;

    fn value<'a, P: Properties + ?Sized>(&'a self, row: &Row<'a, P>) -> Option<Self::Value<'a>>;
}

impl Term for Number {
    type Value<'a> = i64;

    fn value<'a, P: Properties + ?Sized>(&'a self, row: &Row<'a, P>) -> Option<i64> {
        match self {
            Self::Integer(value) | Self::Timestamp(value) => Some(*value),
            Self::Property(property) => row.number(*property),
            Self::Age => row.seconds_since(row.age_starts_at()),
            Self::TimeInQueue => row.seconds_since(row.time_in_queue_starts_at()),
            Self::CurrentTime => Some(row.now_seconds),
            Self::Negate(operand) => operand.value(row)?.checked_neg(),
            Self::Arithmetic(node) => node.operator.apply(node.left.value(row)?, node.right.value(row)?),
        }
    }
}

impl Term for Text {
    type Value<'a> = &'a str;

    fn value<'a, P: Properties + ?Sized>(&'a self, row: &Row<'a, P>) -> Option<&'a str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Property(property) => row.text(*property),
        }
    }
}

impl Comparison {
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }

    pub(crate) fn compare<V: Ord>(self, left: Option<V>, right: Option<V>) -> Truth {
        match (left, right) {
            (Some(left), Some(right)) => self.holds(left.cmp(&right)).into(),
            _ => Truth::Unknown,
        }
    }
}

impl<T: Term> Atom<T> {
    pub(crate) fn evaluate<P: Properties + ?Sized>(&self, row: &Row<'_, P>) -> Truth {
        match self {
            Self::Compare { operator, left, right } => operator.compare(left.value(row), right.value(row)),
            Self::Between { operand, low, high, negated } => {
                let value = operand.value(row);
                Comparison::GreaterOrEqual
                    .compare(value, low.value(row))
                    .min(Comparison::LessOrEqual.compare(value, high.value(row)))
                    .negate_if(*negated)
            }
            Self::In { operand, list, negated } => {
                let Some(value) = operand.value(row) else { return Truth::Unknown };
                let mut found = Truth::False;
                for element in list {
                    match element.value(row) {
                        Some(other) if other == value => return Truth::True.negate_if(*negated),
                        Some(_) => {}
                        None => found = Truth::Unknown,
                    }
                }
                found.negate_if(*negated)
            }
            Self::IsNull { operand, negated } => {
                Truth::from(operand.value(row).is_none()).negate_if(*negated)
            }
        }
    }
}

impl Predicate {
    pub(crate) fn evaluate<P: Properties + ?Sized>(&self, row: &Row<'_, P>) -> Truth {
        match self {
            Self::And(parts) => {
                let mut all = Truth::True;
                for part in parts {
                    all = all.min(part.evaluate(row));
                    if all == Truth::False {
                        break;
                    }
                }
                all
            }
            Self::Or(parts) => {
                let mut any = Truth::False;
                for part in parts {
                    any = any.max(part.evaluate(row));
                    if any == Truth::True {
                        break;
                    }
                }
                any
            }
            Self::Not(operand) => operand.evaluate(row).negate_if(true),
            Self::Number(atom) => atom.evaluate(row),
            Self::Text(atom) => atom.evaluate(row),
            Self::Like { operand, pattern, negated } => match operand.value(row) {
                Some(text) => Truth::from(pattern.matches(text)).negate_if(*negated),
                None => Truth::Unknown,
            },
        }
    }
}
