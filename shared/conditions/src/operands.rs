//! Tokens → checked values: literals, properties, functions and arithmetic, with their types.

use ixn_suggestion::nearest;

use crate::error::{ConditionErrorKind as Kind, Mistake, quoted};
use crate::expression::{ArithmeticOperator, Number, Text};
use crate::lexer::{Token, out_of_range};
use crate::parser::{Parsed, Parser, is_keyword};
use crate::property::why_not_usable;
use crate::{Property, PropertyRef, ValueType, timestamp};

/// A value in the text: what it is and where it begins.
pub(crate) struct Operand {
    pub(crate) term: Term,
    pub(crate) offset_bytes: usize,
    /// How deep its arithmetic is nested.
    depth: usize,
}

/// An expression with its type.
pub(crate) enum Term {
    Integer(Number),
    Timestamp(Number),
    Text(Text),
}

impl Term {
    pub(crate) fn value_type(&self) -> ValueType {
        match self {
            Self::Integer(_) => ValueType::Integer,
            Self::Timestamp(_) => ValueType::Timestamp,
            Self::Text(_) => ValueType::Text,
        }
    }
}

type Result<T, E = Box<Mistake>> = std::result::Result<T, E>;

const FUNCTIONS: [(&str, Function); 4] = [
    ("_age", Function::Age),
    ("_time_in_queue", Function::TimeInQueue),
    ("_current_time", Function::CurrentTime),
    ("_timestamp", Function::Timestamp),
];
const FUNCTION_FORMS: &str =
    "_age(), _time_in_queue(), _current_time() and _timestamp('yyyy-mm-dd hh:mi:ss')";

#[derive(Clone, Copy, PartialEq)]
enum Function {
    Age,
    TimeInQueue,
    CurrentTime,
    Timestamp,
}

impl Parser<'_> {
    /// A value with `+` and `-`, or whatever stands in parentheses.
    pub(crate) fn sum(&mut self) -> Result<Parsed> {
        self.chain(&[("+", ArithmeticOperator::Add), ("-", ArithmeticOperator::Subtract)], Self::product)
    }

    fn product(&mut self) -> Result<Parsed> {
        self.chain(&[("*", ArithmeticOperator::Multiply), ("/", ArithmeticOperator::Divide)], Self::signed)
    }

    /// Parts with operators of one precedence between them, from left to right.
    fn chain(
        &mut self,
        operators: &[(&str, ArithmeticOperator)],
        parse: fn(&mut Self) -> Result<Parsed>,
    ) -> Result<Parsed> {
        let mut left = parse(self)?;
        while let Some((symbol, operator)) = operators.iter().find(|(symbol, _)| self.at_symbol(symbol)) {
            let operand = left.operand()?;
            let operator_offset = self.offset_bytes;
            self.advance()?;
            let right = parse(self)?.operand()?;
            let depth = operand.depth.max(right.depth) + 1;
            self.check_depth(depth)?;
            let offset_bytes = operand.offset_bytes;
            let term = arithmetic(*operator, operand.term, right.term).map_err(|message| {
                Mistake::new(Kind::Type, operator_offset, format!("'{symbol}': {message}"))
            })?;
            left = Parsed::Operand(Operand { depth: depth_of(&term, depth), term, offset_bytes });
        }
        Ok(left)
    }

    fn signed(&mut self) -> Result<Parsed> {
        let offset_bytes = self.offset_bytes;
        if !self.take_symbol("-")? {
            return self.primary();
        }
        // The least integer has no positive counterpart that could be negated.
        if let Token::Integer(value) = self.token {
            let value = 0_i64.checked_sub_unsigned(value).ok_or_else(|| out_of_range(offset_bytes))?;
            self.advance()?;
            return Ok(leaf(Term::Integer(Number::Integer(value)), offset_bytes));
        }
        let operand = self.nested(Self::signed)?.operand()?;
        let depth = operand.depth + 1;
        self.check_depth(depth)?;
        let Term::Integer(number) = operand.term else {
            let message = format!("only an integer can have a minus sign, not {}", operand.term.value_type());
            return Err(Mistake::new(Kind::Type, operand.offset_bytes, message));
        };
        let term = Term::Integer(Number::negate(number));
        Ok(Parsed::Operand(Operand { depth: depth_of(&term, depth), term, offset_bytes }))
    }

    fn primary(&mut self) -> Result<Parsed> {
        let offset_bytes = self.offset_bytes;
        let term = match &mut self.token {
            Token::Integer(value) => {
                let value = i64::try_from(*value).map_err(|_| out_of_range(offset_bytes))?;
                Term::Integer(Number::Integer(value))
            }
            Token::Text(text) => Term::Text(Text::Literal(std::mem::take(text).into())),
            Token::Symbol("(") => {
                self.advance()?;
                let inner = self.nested(Self::any_of)?;
                self.expect_symbol(")", "an operator or )")?;
                return Ok(match inner {
                    Parsed::Operand(operand) => Parsed::Operand(Operand { offset_bytes, ..operand }),
                    Parsed::Predicate { predicate, .. } => Parsed::Predicate { predicate, offset_bytes },
                });
            }
            Token::Word(word) if !is_keyword(word) => {
                let word = *word;
                self.advance()?;
                let term = if self.at_symbol("(") {
                    self.function(word, offset_bytes)?
                } else {
                    self.property_term(word, offset_bytes)?
                };
                return Ok(leaf(term, offset_bytes));
            }
            Token::Name(name) => {
                let name = std::mem::take(name);
                self.advance()?;
                return Ok(leaf(self.property_term(&name, offset_bytes)?, offset_bytes));
            }
            Token::Word(word) if word.eq_ignore_ascii_case("NULL") => {
                let message = "nothing compares with NULL; write IS NULL or IS NOT NULL";
                return Err(Mistake::new(Kind::Syntax, offset_bytes, message));
            }
            _ => return Err(self.expected("a property, a value or a function")),
        };
        self.advance()?;
        Ok(leaf(term, offset_bytes))
    }

    /// The function whose name was read, from its opening parenthesis on.
    fn function(&mut self, name: &str, offset_bytes: usize) -> Result<Term> {
        let found = FUNCTIONS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((known, function)) = found else {
            let near = nearest(name, FUNCTIONS.iter().map(|(known, _)| *known));
            let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
            let (kind, what) = if name.starts_with('_') {
                (Kind::UnknownFunction, "unknown function")
            } else {
                (Kind::NativeSql, "native SQL is not supported: function")
            };
            let message = format!("{what} {}; {near}possible are {FUNCTION_FORMS}", quoted(name));
            return Err(Mistake::new(kind, offset_bytes, message));
        };
        self.advance()?;
        if *function == Function::Timestamp {
            return self.timestamp();
        }
        if !self.take_symbol(")")? {
            let message = format!("{known}() takes no arguments, found {}", self.token.describe());
            return Err(self.mistake(Kind::UnknownFunction, message));
        }
        Ok(match function {
            Function::Age => Term::Integer(Number::Age),
            Function::TimeInQueue => Term::Integer(Number::TimeInQueue),
            Function::CurrentTime | Function::Timestamp => Term::Timestamp(Number::CurrentTime),
        })
    }

    fn timestamp(&mut self) -> Result<Term> {
        const FORMS: &str = "'yyyy-mm-ddThh:mi:ssZ' or 'yyyy-mm-dd hh:mi:ss' (UTC, years 0001 to 9999)";
        let Token::Text(text) = &self.token else {
            let message = format!("_timestamp takes {FORMS}, found {}", self.token.describe());
            return Err(self.mistake(Kind::UnknownFunction, message));
        };
        let Some(seconds) = timestamp::parse(text) else {
            let message = format!("{} is not a time of the form {FORMS}", quoted(text));
            return Err(self.mistake(Kind::Timestamp, message));
        };
        self.advance()?;
        self.expect_symbol(")", ") after the time")?;
        Ok(Term::Timestamp(Number::Timestamp(seconds)))
    }

    fn property_term(&mut self, name: &str, offset_bytes: usize) -> Result<Term> {
        let (property, value_type) = self.property(name, offset_bytes)?;
        Ok(match value_type {
            ValueType::Integer => Term::Integer(Number::Property(property)),
            ValueType::Timestamp => Term::Timestamp(Number::Property(property)),
            ValueType::Text => Term::Text(Text::Property(property)),
        })
    }

    /// The property of this name.
    pub(crate) fn property(&mut self, name: &str, offset_bytes: usize) -> Result<(PropertyRef, ValueType)> {
        let Some((property, value_type)) = self.schema.find(name) else {
            let (kind, message) = self.unknown(name);
            return Err(Mistake::new(kind, offset_bytes, message));
        };
        if let PropertyRef::Custom(index) = property {
            self.names.entry(index).or_insert_with(|| name.into());
        }
        Ok((property, value_type))
    }

    fn unknown(&self, name: &str) -> (Kind, String) {
        const NATIVE: [&str; 10] = [
            "select",
            "case",
            "exists",
            "interval",
            "distinct",
            "row",
            "array",
            "current_timestamp",
            "current_date",
            "cast",
        ];
        let is_one_of = |names: &[&str]| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let shown = quoted(name);
        if let Some(reason) = why_not_usable(name) {
            return (Kind::UnknownProperty, format!("property {shown} {reason}"));
        }
        if is_one_of(&["true", "false"]) {
            return (Kind::Syntax, format!("{shown} is not a value; flags are written 1 and 0"));
        }
        if is_one_of(&NATIVE) {
            return (Kind::NativeSql, format!("{shown} is native SQL, which is not supported"));
        }
        let hint = if let Some((function, _)) =
            FUNCTIONS.iter().find(|(function, _)| function.eq_ignore_ascii_case(name))
        {
            format!("the function is written {function}(…)")
        } else {
            let system = Property::ALL.iter().flat_map(|property| [property.name(), property.column()]);
            match nearest(name, system.chain(self.schema.custom().map(|(name, _)| name))) {
                Some(near) => format!("did you mean {near}?"),
                None => format!(
                    "possible are system properties and mapped custom properties; a text is written {shown}"
                ),
            }
        };
        (Kind::UnknownProperty, format!("unknown property {shown}; {hint}"))
    }
}

fn leaf(term: Term, offset_bytes: usize) -> Parsed {
    Parsed::Operand(Operand { term, offset_bytes, depth: 0 })
}

/// What was computed already is nested no longer.
fn depth_of(term: &Term, depth: usize) -> usize {
    if matches!(term, Term::Integer(Number::Integer(_))) { 0 } else { depth }
}

fn arithmetic(operator: ArithmeticOperator, left: Term, right: Term) -> Result<Term, String> {
    use ArithmeticOperator::{Add, Subtract};
    let types = (left.value_type(), right.value_type());
    Ok(match (operator, left, right) {
        (_, Term::Integer(left), Term::Integer(right)) => {
            Term::Integer(Number::arithmetic(operator, left, right))
        }
        (Subtract, Term::Timestamp(left), Term::Timestamp(right)) => {
            Term::Integer(Number::arithmetic(operator, left, right))
        }
        (Add | Subtract, Term::Timestamp(left), Term::Integer(right))
        | (Add, Term::Integer(left), Term::Timestamp(right)) => {
            Term::Timestamp(Number::arithmetic(operator, left, right))
        }
        (_, Term::Text(_), _) | (_, _, Term::Text(_)) => return Err("a text cannot be computed with".into()),
        _ => {
            return Err(format!(
                "does not go with {} and {}; possible are timestamp - timestamp and timestamp + or - seconds",
                types.0, types.1
            ));
        }
    })
}

/// The mistake of an operand that does not have the type of the first one in its test.
pub(crate) fn mismatch(wanted: ValueType, operand: &Operand) -> Box<Mistake> {
    let hint = match (wanted, &operand.term) {
        (ValueType::Integer, Term::Text(Text::Literal(text))) if text.trim().parse::<i64>().is_ok() => {
            format!("write {} without quotes", text.trim())
        }
        (ValueType::Timestamp, Term::Text(_)) => "write _timestamp('yyyy-mm-dd hh:mi:ss')".into(),
        (ValueType::Timestamp, Term::Integer(_)) | (ValueType::Integer, Term::Timestamp(_)) => {
            "timestamp - timestamp is an integer (seconds), and timestamp + seconds a timestamp".into()
        }
        (ValueType::Text, Term::Integer(Number::Integer(value))) => format!("write '{value}' in quotes"),
        _ => "both sides need the same type".into(),
    };
    let found = operand.term.value_type();
    Mistake::new(Kind::Type, operand.offset_bytes, format!("cannot compare {wanted} with {found}; {hint}"))
}
