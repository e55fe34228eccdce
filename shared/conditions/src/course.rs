//! Numbers over time.
//!
//! A number is followed as a straight line, or as the whole part of a straight line divided by a constant (minutes of an
//! age), and the instant at which two of them cross is computed. A number that leaves or enters the range of 64 bits
//! counts as a change too, since outside it has no value.

use crate::Properties;
use crate::evaluate::{Row, Term};
use crate::expression::{ArithmeticOperator, Comparison, Number};
use crate::outlook::{NextChange, Outlook};

/// The end of the year 9999, the last time that can be written. Without an end, nearly every sum would have its change:
/// the overflow after some billions of years.
const LAST_SECOND: i64 = 253_402_300_799;

/// A number over time, from now on. Delays are seconds from now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Course {
    /// The value now.
    value: Option<i64>,
    motion: Motion,
}

#[derive(Debug, Clone, Copy)]
enum Motion {
    /// The value grows by `slope` each second (or stays without a value) before the delay `until`; `None`: for ever.
    Line { slope: i128, until: Option<i128> },
    /// The value is that of the quotient before the delay `until`.
    Quotient { quotient: Quotient, until: Option<i128> },
    /// Anything.
    Irregular,
}

/// A line divided by a positive constant, without the fraction.
#[derive(Debug, Clone, Copy)]
struct Quotient {
    /// The line's value now.
    dividend: i64,
    slope: i128,
    divisor: i64,
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
    /// A quotient on the left and what does not move on the right.
    Quotient {
        quotient: Quotient,
        right: i64,
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
            (
                Course { motion: Motion::Quotient { quotient, until: left_until }, .. },
                Course { value: Some(right), motion: Motion::Line { slope: 0, until: right_until } },
            ) => Self::Quotient { quotient, right, until: earlier(left_until, right_until) },
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

    pub(crate) fn of<P: Properties + ?Sized>(number: &Number, row: &Row<'_, P>) -> Self {
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
            // Hours of minutes are hours.
            Pair::Quotient { quotient, right, until } => {
                let divisor = quotient.divisor.checked_mul(right).filter(|_| right > 0);
                return match divisor.filter(|_| operator == ArithmeticOperator::Divide) {
                    Some(divisor) => {
                        let quotient = Quotient { divisor, ..quotient };
                        Self { value: value_now, motion: Motion::Quotient { quotient, until } }
                    }
                    None => irregular,
                };
            }
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
            ArithmeticOperator::Divide if right_slope == 0 && right > 0 => {
                let quotient = Quotient { dividend: left, slope: left_slope, divisor: right };
                return Self { value: value_now, motion: Motion::Quotient { quotient, until } };
            }
            ArithmeticOperator::Multiply | ArithmeticOperator::Divide => return irregular,
        };
        match slope.filter(|slope| slope.checked_neg().is_some()) {
            Some(slope) => Self::line(value, slope, until),
            None => irregular,
        }
    }

    pub(crate) fn is_null(self, now_seconds: i64) -> Outlook {
        let change = match self.motion {
            Motion::Line { until, .. } | Motion::Quotient { until, .. } => change_after(until, now_seconds),
            Motion::Irregular => UNPREDICTABLE,
        };
        Outlook { truth: self.value.is_none().into(), change }
    }

    pub(crate) fn compare(operator: Comparison, left: Self, right: Self, now_seconds: i64) -> Outlook {
        if let Motion::Quotient { .. } = right.motion
            && let Motion::Line { .. } = left.motion
        {
            return Self::compare(operator.mirrored(), right, left, now_seconds);
        }
        let truth = operator.compare(left.value, right.value);
        let change = match Pair::of(left, right) {
            Pair::Null { until } => change_after(until, now_seconds),
            Pair::Irregular => UNPREDICTABLE,
            Pair::Lines { left, right, until } => match left.1.checked_sub(right.1) {
                Some(slope) => {
                    let difference = i128::from(left.0) - i128::from(right.0);
                    let crossing = crossing(operator, slope, |bound| bound, difference, 0);
                    change_after(earlier(until, crossing), now_seconds)
                }
                None => UNPREDICTABLE,
            },
            Pair::Quotient { quotient: Quotient { dividend, slope, divisor }, right, until } => {
                let divisor = i128::from(divisor);
                // The least dividend of a quotient: with the fraction cut off, 0 is that of -59 / 60 too.
                let least = |bound: i128| if bound > 0 { bound * divisor } else { (bound - 1) * divisor + 1 };
                let crossing = crossing(operator, slope, least, dividend.into(), right.into());
                change_after(earlier(until, crossing), now_seconds)
            }
        };
        Outlook { truth, change }
    }
}

/// The delay after which `f(value) operator bound` first changes, when the value grows by `slope` each second. `f` never
/// falls, and `f(-value)` is `-f(value)`; it is given by the least value that reaches a bound.
fn crossing(
    operator: Comparison,
    slope: i128,
    least: impl Fn(i128) -> i128,
    value: i128,
    bound: i128,
) -> Option<i128> {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    if slope < 0 {
        return crossing(operator.mirrored(), slope.checked_neg()?, least, -value, -bound);
    }
    if slope == 0 {
        return None;
    }
    let after = |growth: i128| (growth > 0).then(|| divided_up(growth, slope));
    let (to_bound, beyond) = (least(bound) - value, least(bound + 1) - value);
    match operator {
        Less | GreaterOrEqual => after(to_bound),
        LessOrEqual | Greater => after(beyond),
        Equal | NotEqual if to_bound <= 0 => after(beyond),
        // It may step over the bound.
        Equal | NotEqual => {
            after(to_bound).filter(|delay| delay.checked_mul(slope).is_some_and(|growth| growth < beyond))
        }
    }
}

/// The quotient of two positive numbers, rounded up.
fn divided_up(dividend: i128, divisor: i128) -> i128 {
    (dividend - 1) / divisor + 1
}

fn earlier(a: Option<i128>, b: Option<i128>) -> Option<i128> {
    a.into_iter().chain(b).min()
}

fn change_after(delay: Option<i128>, now_seconds: i64) -> NextChange {
    let at = delay
        .and_then(|delay| i64::try_from(i128::from(now_seconds).checked_add(delay)?).ok())
        .filter(|instant| *instant <= LAST_SECOND);
    NextChange { at, unpredictable: false }
}

const UNPREDICTABLE: NextChange = NextChange { at: None, unpredictable: true };
