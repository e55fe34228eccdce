//! When a condition may change by the passing of time alone: what is known of its tests, put together.

use crate::Properties;
use crate::course::Course;
use crate::evaluate::{Row, Truth};
use crate::expression::{Atom, Comparison, Number, Predicate};

/// What is known of the changes of a condition's value while the row does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NextChange {
    /// The first instant after now, in UTC seconds, of a foreseen change. `None`: there is none, or none before the year
    /// 10000.
    pub at: Option<i64>,
    /// The value may also change at any other time: a part of it depends on time in a way that is not foreseen.
    pub unpredictable: bool,
}

impl NextChange {
    /// The value stays as it is.
    pub const NEVER: Self = Self { at: None, unpredictable: false };

    /// When to evaluate again, if what is not foreseen is looked at every `interval_seconds`. `None`: the value stays.
    pub fn recheck_at(self, now_seconds: i64, interval_seconds: i64) -> Option<i64> {
        let regular = self.unpredictable.then(|| now_seconds.saturating_add(interval_seconds.max(1)));
        self.at.into_iter().chain(regular).min()
    }

    /// Until the first of two.
    fn either(self, other: Self) -> Self {
        Self {
            at: self.at.into_iter().chain(other.at).min(),
            unpredictable: self.unpredictable || other.unpredictable,
        }
    }

    /// Until it is no longer sure that one of two has not come.
    fn both(self, other: Self) -> Self {
        match (self.unpredictable, other.unpredictable) {
            (false, false) => Self { at: self.at.zip(other.at).map(|(a, b)| a.max(b)), unpredictable: false },
            (false, true) => self,
            (true, false) => other,
            (true, true) => self.either(other),
        }
    }
}

/// A truth value now, and how long it is sure to stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    pub(crate) truth: Truth,
    pub(crate) change: NextChange,
}

impl Outlook {
    fn constant(truth: Truth) -> Self {
        Self { truth, change: NextChange::NEVER }
    }

    fn negate_if(self, negated: bool) -> Self {
        Self { truth: self.truth.negate_if(negated), ..self }
    }

    /// AND, where `decisive` is false, or OR, where it is true: one part with the decisive value settles the result for
    /// as long as that part keeps it; without one, any part's change may change the result.
    fn combine(parts: impl Iterator<Item = Outlook>, decisive: Truth) -> Self {
        let mut truth = Truth::True.negate_if(decisive == Truth::True);
        let mut settled_until: Option<NextChange> = None;
        let mut first_change = NextChange::NEVER;
        for part in parts {
            if part.truth == decisive {
                settled_until = Some(settled_until.map_or(part.change, |until| until.both(part.change)));
            } else if part.truth == Truth::Unknown {
                truth = Truth::Unknown;
            }
            first_change = first_change.either(part.change);
        }
        match settled_until {
            Some(change) => Self { truth: decisive, change },
            None => Self { truth, change: first_change },
        }
    }

    fn all(parts: impl Iterator<Item = Outlook>) -> Self {
        Self::combine(parts, Truth::False)
    }

    fn any(parts: impl Iterator<Item = Outlook>) -> Self {
        Self::combine(parts, Truth::True)
    }
}

impl Atom<Number> {
    fn outlook<P: Properties + ?Sized>(&self, row: &Row<'_, P>) -> Outlook {
        let compare = |operator, left, right| Course::compare(operator, left, right, row.now_seconds);
        match self {
            Self::Compare { operator, left, right } => {
                compare(*operator, Course::of(left, row), Course::of(right, row))
            }
            Self::Between { operand, low, high, negated } => {
                let operand = Course::of(operand, row);
                let low = compare(Comparison::GreaterOrEqual, operand, Course::of(low, row));
                let high = compare(Comparison::LessOrEqual, operand, Course::of(high, row));
                Outlook::all([low, high].into_iter()).negate_if(*negated)
            }
            Self::In { operand, list, negated } => {
                let operand = Course::of(operand, row);
                let elements = list.iter().map(|e| compare(Comparison::Equal, operand, Course::of(e, row)));
                Outlook::any(elements).negate_if(*negated)
            }
            Self::IsNull { operand, negated } => {
                Course::of(operand, row).is_null(row.now_seconds).negate_if(*negated)
            }
        }
    }
}

impl Predicate {
    pub(crate) fn outlook<P: Properties + ?Sized>(&self, row: &Row<'_, P>) -> Outlook {
        match self {
            Self::And(parts) => Outlook::all(parts.iter().map(|part| part.outlook(row))),
            Self::Or(parts) => Outlook::any(parts.iter().map(|part| part.outlook(row))),
            Self::Not(operand) => operand.outlook(row).negate_if(true),
            Self::Number(atom) => atom.outlook(row),
            Self::Text(_) | Self::Like { .. } => Outlook::constant(self.evaluate(row)),
        }
    }
}
