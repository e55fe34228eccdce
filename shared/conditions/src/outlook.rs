//! When a condition may change by the passing of time alone.
//!
//! The two sides of a comparison are followed as straight lines over time, and the instant at which they cross is
//! computed. A number that leaves or enters the range of 64 bits counts as a change too, since outside it has no value.

use crate::Properties;
use crate::evaluate::{Row, Term, Truth};
use crate::expression::{ArithmeticOperator, Atom, Comparison, Number, Predicate};

/// The end of the year 9999, the last time that can be written. Without an end, nearly every sum would have its change:
/// the overflow after some billions of years.
const LAST_SECOND: i64 = 253_402_300_799;

/// The first instant after now at which a condition's value may change while the row does not.
///
/// In this order the earlier change is the lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NextChange {
    /// At any time: it depends on time in a way that is not a straight line. Evaluate it again now and then.
    Unpredictable,
    /// Not before this instant, in UTC seconds. Ask again then.
    At(i64),
    /// Not at all, or not before the year 10000.
    Never,
}

/// A truth value now, and how long it is sure to stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outlook {
    truth: Truth,
    pub(crate) change: NextChange,
}

impl Outlook {
    fn constant(truth: Truth) -> Self {
        Self { truth, change: NextChange::Never }
    }

    fn negate_if(self, negated: bool) -> Self {
        Self { truth: self.truth.negate_if(negated), ..self }
    }

    /// AND, where `decisive` is false, or OR, where it is true: one part with the decisive value settles the result for
    /// as long as that part keeps it; without one, any part's change may change the result.
    fn combine(parts: impl Iterator<Item = Outlook>, decisive: Truth) -> Self {
        let mut truth = Truth::True.negate_if(decisive == Truth::True);
        let mut settled_until: Option<NextChange> = None;
        let mut first_change = NextChange::Never;
        for part in parts {
            if part.truth == decisive {
                settled_until = settled_until.max(Some(part.change));
            } else if part.truth == Truth::Unknown {
                truth = Truth::Unknown;
            }
            first_change = first_change.min(part.change);
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

/// A number over time, from now on. Delays are seconds from now.
#[derive(Debug, Clone, Copy)]
struct Course {
    /// The value now.
    value: Option<i64>,
    motion: Motion,
}

#[derive(Debug, Clone, Copy)]
enum Motion {
    /// The value grows by `slope` each second (or stays without a value) before the delay `until`; `None`: for ever.
    Line { slope: i128, until: Option<i128> },
    /// Anything.
    Irregular,
}

/// What two courses have in common.
enum Pair {
    /// One of them stays without a value.
    Null {
        until: Option<i128>,
    },
    /// Value now and slope of both.
    Lines {
        left: (i64, i128),
        right: (i64, i128),
        until: Option<i128>,
    },
    Irregular,
}

impl Pair {
    fn of(left: Course, right: Course) -> Self {
        let null_until = [left, right]
            .into_iter()
            .filter_map(|course| match course {
                Course { value: None, motion: Motion::Line { until, .. } } => Some(until),
                _ => None,
            })
            .max_by_key(|until| until.unwrap_or(i128::MAX));
        if let Some(until) = null_until {
            return Self::Null { until };
        }
        match (left, right) {
            (
                Course { value: Some(left), motion: Motion::Line { slope: left_slope, until: left_until } },
                Course {
                    value: Some(right),
                    motion: Motion::Line { slope: right_slope, until: right_until },
                },
            ) => Self::Lines {
                left: (left, left_slope),
                right: (right, right_slope),
                until: earlier(left_until, right_until),
            },
            _ => Self::Irregular,
        }
    }
}

impl Course {
    fn constant(value: Option<i64>) -> Self {
        Self { value, motion: Motion::Line { slope: 0, until: None } }
    }

    /// The line through `value` now, which has a value only while it is in the range of 64 bits.
    fn line(value: i128, slope: i128, until: Option<i128>) -> Self {
        const MIN: i128 = i64::MIN as i128;
        const MAX: i128 = i64::MAX as i128;
        let in_range = i64::try_from(value).ok();
        let crossing = match in_range {
            Some(_) if slope > 0 => Some((MAX - value) / slope + 1),
            Some(_) if slope < 0 => Some((value - MIN) / -slope + 1),
            None if value > MAX && slope < 0 => Some(divided_up(value - MAX, -slope)),
            None if value < MIN && slope > 0 => Some(divided_up(MIN - value, slope)),
            _ => None,
        };
        Self { value: in_range, motion: Motion::Line { slope, until: earlier(until, crossing) } }
    }

    /// Seconds from `start` to now.
    fn since<P: Properties + ?Sized>(start: Option<i64>, row: &Row<'_, P>) -> Self {
        match start {
            Some(start) => Self::line(i128::from(row.now_seconds) - i128::from(start), 1, None),
            None => Self::constant(None),
        }
    }

    fn of<P: Properties + ?Sized>(number: &Number, row: &Row<'_, P>) -> Self {
        match number {
            Number::Integer(_) | Number::Timestamp(_) | Number::Property(_) => {
                Self::constant(number.value(row))
            }
            Number::Age => Self::since(row.age_starts_at(), row),
            Number::TimeInQueue => Self::since(row.time_in_queue_starts_at(), row),
            Number::CurrentTime => Self::line(row.now_seconds.into(), 1, None),
            Number::Negate(operand) => {
                let zero = Self::constant(Some(0));
                Self::arithmetic(ArithmeticOperator::Subtract, zero, Self::of(operand, row))
            }
            Number::Arithmetic(node) => {
                Self::arithmetic(node.operator, Self::of(&node.left, row), Self::of(&node.right, row))
            }
        }
    }

    fn arithmetic(operator: ArithmeticOperator, left: Self, right: Self) -> Self {
        let value_now = left.value.zip(right.value).and_then(|(left, right)| operator.apply(left, right));
        let irregular = Self { value: value_now, motion: Motion::Irregular };
        let ((left, left_slope), (right, right_slope), until) = match Pair::of(left, right) {
            Pair::Null { until } => return Self { value: None, motion: Motion::Line { slope: 0, until } },
            Pair::Irregular => return irregular,
            Pair::Lines { left, right, until } => (left, right, until),
        };
        let (left_wide, right_wide) = (i128::from(left), i128::from(right));
        let (value, slope) = match operator {
            ArithmeticOperator::Add => (left_wide + right_wide, left_slope.checked_add(right_slope)),
            ArithmeticOperator::Subtract => (left_wide - right_wide, left_slope.checked_sub(right_slope)),
            ArithmeticOperator::Multiply if right_slope == 0 => {
                (left_wide * right_wide, left_slope.checked_mul(right_wide))
            }
            ArithmeticOperator::Multiply if left_slope == 0 => {
                (left_wide * right_wide, right_slope.checked_mul(left_wide))
            }
            ArithmeticOperator::Divide if right_slope == 0 && (right == 0 || left_slope == 0) => {
                return Self { value: value_now, motion: Motion::Line { slope: 0, until } };
            }
            ArithmeticOperator::Multiply | ArithmeticOperator::Divide => return irregular,
        };
        match slope.filter(|slope| slope.checked_neg().is_some()) {
            Some(slope) => Self::line(value, slope, until),
            None => irregular,
        }
    }

    fn is_null(self, now_seconds: i64) -> Outlook {
        let change = match self.motion {
            Motion::Line { until, .. } => change_after(until, now_seconds),
            Motion::Irregular => NextChange::Unpredictable,
        };
        Outlook { truth: self.value.is_none().into(), change }
    }

    fn compare(operator: Comparison, left: Self, right: Self, now_seconds: i64) -> Outlook {
        let truth = operator.compare(left.value, right.value);
        let change = match Pair::of(left, right) {
            Pair::Null { until } => change_after(until, now_seconds),
            Pair::Irregular => NextChange::Unpredictable,
            Pair::Lines { left, right, until } => match left.1.checked_sub(right.1) {
                Some(slope) => {
                    let difference = i128::from(left.0) - i128::from(right.0);
                    change_after(earlier(until, crossing(operator, difference, slope)), now_seconds)
                }
                None => NextChange::Unpredictable,
            },
        };
        Outlook { truth, change }
    }
}

/// The delay after which `difference operator 0` first changes, when the difference grows by `slope` each second.
fn crossing(operator: Comparison, difference: i128, slope: i128) -> Option<i128> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    if slope < 0 {
        let mirrored = match operator {
            Less => Greater,
            LessOrEqual => GreaterOrEqual,
            Greater => Less,
            GreaterOrEqual => LessOrEqual,
            Equal | NotEqual => operator,
        };
        return crossing(mirrored, -difference, slope.checked_neg()?);
    }
    if slope == 0 || difference > 0 {
        return None;
    }
    let missing = -difference;
    match operator {
        Less | GreaterOrEqual => (missing > 0).then(|| divided_up(missing, slope)),
        LessOrEqual | Greater => Some(missing / slope + 1),
        Equal | NotEqual if missing == 0 => Some(1),
        Equal | NotEqual => (missing % slope == 0).then_some(missing / slope),
    }
}

/// The quotient of two positive numbers, rounded up.
fn divided_up(dividend: i128, divisor: i128) -> i128 {
    (dividend - 1) / divisor + 1
}

fn earlier(a: Option<i128>, b: Option<i128>) -> Option<i128> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

fn change_after(delay: Option<i128>, now_seconds: i64) -> NextChange {
    delay
        .and_then(|delay| i64::try_from(i128::from(now_seconds).checked_add(delay)?).ok())
        .filter(|instant| *instant <= LAST_SECOND)
        .map_or(NextChange::Never, NextChange::At)
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
