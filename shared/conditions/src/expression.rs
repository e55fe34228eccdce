//! The checked form of a condition: names resolved, types known, patterns compiled.

use crate::PropertyRef;
use crate::like::Pattern;

/// An expression with a truth value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Predicate {
    /// All of them; of none: true. Never directly inside another `And`.
    And(Box<[Predicate]>),
    /// Any of them. Never directly inside another `Or`.
    Or(Box<[Predicate]>),
    Not(Box<Predicate>),
    /// A test of integers or of timestamps.
    Number(Atom<Number>),
    Text(Atom<Text>),
    Like {
        operand: Text,
        pattern: Pattern,
        negated: bool,
    },
}

/// A test of values of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Atom<T> {
    Compare { operator: Comparison, left: T, right: T },
    Between { operand: T, low: T, high: T, negated: bool },
    In { operand: T, list: Box<[T]>, negated: bool },
    IsNull { operand: T, negated: bool },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// The same test with its sides exchanged.
    pub(crate) fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}

/// An expression whose value is an integer or a timestamp; both are an `i64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    Integer(i64),
    /// UTC seconds, from `_timestamp('…')`.
    Timestamp(i64),
    Property(PropertyRef),
    Age,
    TimeInQueue,
    CurrentTime,
    Negate(Box<Number>),
    Arithmetic(Box<Arithmetic>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arithmetic {
    pub(crate) operator: ArithmeticOperator,
    pub(crate) left: Number,
    pub(crate) right: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArithmeticOperator {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// An expression whose value is a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Text {
    Literal(Box<str>),
    Property(PropertyRef),
}

impl ArithmeticOperator {
    /// `None`: division by zero, or the result does not fit.
    pub(crate) fn apply(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Self::Add => left.checked_add(right),
            Self::Subtract => left.checked_sub(right),
            Self::Multiply => left.checked_mul(right),
            Self::Divide => left.checked_div(right),
        }
    }
}

impl Number {
    /// Integers known now are computed now; what has no value stays as it is.
    pub(crate) fn negate(operand: Number) -> Self {
        if let Self::Integer(value) = operand
            && let Some(negated) = value.checked_neg()
        {
            return Self::Integer(negated);
        }
        Self::Negate(Box::new(operand))
    }

    /// As [`Number::negate`].
    pub(crate) fn arithmetic(operator: ArithmeticOperator, left: Number, right: Number) -> Self {
        if let (Self::Integer(left), Self::Integer(right)) = (&left, &right)
            && let Some(value) = operator.apply(*left, *right)
        {
            return Self::Integer(value);
        }
        Self::Arithmetic(Box::new(Arithmetic { operator, left, right }))
    }

    pub(crate) fn depends_on_time(&self) -> bool {
        match self {
            Self::Integer(_) | Self::Timestamp(_) | Self::Property(_) => false,
            Self::Age | Self::TimeInQueue | Self::CurrentTime => true,
            Self::Negate(operand) => operand.depends_on_time(),
            Self::Arithmetic(node) => node.left.depends_on_time() || node.right.depends_on_time(),
        }
    }
}

impl<T> Atom<T> {
    /// The same test of other terms.
    pub(crate) fn try_map<U, E>(self, mut f: impl FnMut(T) -> Result<U, E>) -> Result<Atom<U>, E> {
        Ok(match self {
            Self::Compare { operator, left, right } => {
                Atom::Compare { operator, left: f(left)?, right: f(right)? }
            }
            Self::Between { operand, low, high, negated } => {
                Atom::Between { operand: f(operand)?, low: f(low)?, high: f(high)?, negated }
            }
            Self::In { operand, list, negated } => Atom::In {
                operand: f(operand)?,
                list: list.into_iter().map(f).collect::<Result<_, E>>()?,
                negated,
            },
            Self::IsNull { operand, negated } => Atom::IsNull { operand: f(operand)?, negated },
        })
    }

    fn any(&self, test: impl Fn(&T) -> bool) -> bool {
        match self {
            Self::Compare { left, right, .. } => test(left) || test(right),
            Self::Between { operand, low, high, .. } => test(operand) || test(low) || test(high),
            Self::In { operand, list, .. } => test(operand) || list.iter().any(test),
            Self::IsNull { operand, .. } => test(operand),
        }
    }
}

impl Predicate {
    pub(crate) fn depends_on_time(&self) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::depends_on_time),
            Self::Not(operand) => operand.depends_on_time(),
            Self::Number(atom) => atom.any(Number::depends_on_time),
            Self::Text(_) | Self::Like { .. } => false,
        }
    }
}
