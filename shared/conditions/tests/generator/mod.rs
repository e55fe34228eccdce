//! Random conditions, orders and rows from a seed. A condition is made as a tree of the test's own and written in two
//! ways: as condition text, and as PostgreSQL, so that parser and evaluator are checked by something independent.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod row;
pub(crate) mod text;

use fastrand::Rng;
use ixn_conditions::{Property, PropertyRef, Schema, ValueType};

/// What the conditions of one test consist of.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Flavour {
    /// Everything, extreme integers too.
    Full,
    /// Time only in straight lines, and in these divided by a constant: no product or quotient of two changing sides.
    LinearTime,
    /// What PostgreSQL understands word for word and computes without an error.
    Plain,
}

pub(crate) struct Generator {
    pub(crate) rng: Rng,
    pub(crate) flavour: Flavour,
}

#[derive(Clone, Debug)]
pub(crate) enum Condition {
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
    Compare(&'static str, Term, Term),
    Between(bool, Term, Term, Term),
    In(bool, Term, Vec<Term>),
    /// Negated, operand, pattern, escape clause.
    Like(bool, Term, String, Option<&'static str>),
    IsNull(bool, Term),
}

#[derive(Clone, Debug)]
pub(crate) enum Term {
    Integer(i64),
    Text(&'static str),
    Timestamp(&'static str),
    Property(usize),
    Age,
    TimeInQueue,
    CurrentTime,
    Negate(Box<Term>),
    Arithmetic(char, Box<Term>, Box<Term>),
}

/// The properties in use: name in conditions, column in the test's tables, type.
pub(crate) const PROPERTIES: [(&str, &str, ValueType); 15] = [
    ("Priority", "priority", ValueType::Integer),
    ("ServiceObjective", "service_objective", ValueType::Integer),
    ("InteractionState", "state", ValueType::Integer),
    ("SubmitSeq", "submit_seq", ValueType::Integer),
    ("score", "score", ValueType::Integer),
    ("MediaType", "media_type", ValueType::Text),
    ("Queue", "queue", ValueType::Text),
    ("ExternalId", "external_id", ValueType::Text),
    ("lang", "lang", ValueType::Text),
    ("odd ] näme", "odd_name", ValueType::Text),
    ("ReceivedAt", "received_at", ValueType::Timestamp),
    ("SubmittedAt", "submitted_at", ValueType::Timestamp),
    ("PlacedInQueueAt", "placed_in_queue_at", ValueType::Timestamp),
    ("DeliveredAt", "delivered_at", ValueType::Timestamp),
    ("due", "due", ValueType::Timestamp),
];

pub(crate) fn schema() -> Schema {
    let mut schema = Schema::new();
    for (name, _, value_type) in PROPERTIES.iter().filter(|(name, ..)| Property::from_name(name).is_none()) {
        schema.add_custom(*name, *value_type).expect("names are good");
    }
    schema
}

pub(crate) fn reference(schema: &Schema, property: usize) -> PropertyRef {
    schema.find(PROPERTIES[property].0).expect("a known name").0
}

pub(crate) const TEXTS: [&str; 20] = [
    "", "email", "Email", "chat", "a", "ab", "abc", "b", "a%b", "a_b", "it's", "\\", "a\\b", "ä", "äöü",
    "日本", "😀", "e\u{301}", " x ", "\u{ffff}",
];

const PATTERN_PIECES: [&str; 16] =
    ["%", "%", "_", "_", "a", "b", "e", "mail", "ab", "\\%", "\\_", "\\\\", "!%", "ä", "😀", "'"];

const TIMES: [(&str, i64); 5] = [
    ("1970-01-01 00:00:00", 0),
    ("1970-01-01T00:02:00Z", 120),
    ("2024-02-29 12:34:56", 1_709_210_096),
    ("0001-01-01 00:00:00", -62_135_596_800),
    ("9999-12-31T23:59:59Z", 253_402_300_799),
];

impl Generator {
    pub(crate) fn new(seed: u64, flavour: Flavour) -> Self {
        Self { rng: Rng::with_seed(seed), flavour }
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.usize(..from.len())]
    }

    pub(crate) fn integer(&mut self) -> i64 {
        match (self.flavour, self.rng.u8(..10)) {
            (Flavour::Plain, _) | (_, 0..5) => self.rng.i64(-5..=5),
            (Flavour::LinearTime, 5..8) => self.rng.i64(-200..=200),
            (_, 5) => self.pick(&[i64::MIN, i64::MIN + 1, i64::MAX, i64::MAX - 1]),
            (_, 6) => self.rng.i64(..),
            (_, 7) => self.pick(&[1 << 31, -(1 << 31), 1 << 32, 3_037_000_500, -3_037_000_500]),
            _ => self.rng.i64(-200..=200),
        }
    }

    /// UTC seconds that PostgreSQL has a timestamp for.
    pub(crate) fn seconds(&mut self) -> i64 {
        match self.rng.u8(..8) {
            0 if self.flavour == Flavour::Full => self.rng.i64(-200_000_000_000..=9_000_000_000_000),
            1 => self.pick(&TIMES).1,
            _ => self.rng.i64(0..=200),
        }
    }

    pub(crate) fn condition(&mut self, depth: usize) -> Condition {
        match self.rng.u8(..if depth == 0 { 5 } else { 10 }) {
            0 => {
                let value_type = self.value_type();
                let list = (0..self.rng.usize(1..5)).map(|_| self.term(value_type, 1)).collect();
                Condition::In(self.rng.bool(), self.term(value_type, 2), list)
            }
            1 => {
                let value_type = self.value_type();
                let [operand, low, high] = [2, 1, 1].map(|depth| self.term(value_type, depth));
                Condition::Between(self.rng.bool(), operand, low, high)
            }
            2 if self.rng.bool() => {
                let operand = self.term(ValueType::Text, 1);
                let escape = self.pick(&[None, None, None, Some("!"), Some("\\"), Some("")]);
                Condition::Like(self.rng.bool(), operand, self.pattern(escape), escape)
            }
            2 => {
                let value_type = self.value_type();
                Condition::IsNull(self.rng.bool(), self.term(value_type, 3))
            }
            3 if self.flavour == Flavour::LinearTime && self.rng.bool() => self.quotient(),
            3 | 4 => {
                let value_type = self.value_type();
                let operator = self.pick(&["=", "<>", "!=", "<", "<=", ">", ">="]);
                Condition::Compare(operator, self.term(value_type, 3), self.term(value_type, 2))
            }
            5 => Condition::Not(Box::new(self.condition(depth - 1))),
            6 | 7 => Condition::And(self.conditions(depth)),
            _ => Condition::Or(self.conditions(depth)),
        }
    }

    /// What is changing divided by a constant, once or twice, beside what stays.
    fn quotient(&mut self) -> Condition {
        let mut left = self.term(ValueType::Integer, 2);
        for _ in 0..self.rng.usize(1..3) {
            let divisor = Term::Integer(self.pick(&[1, 2, 3, 7, 60]));
            left = Term::Arithmetic('/', left.into(), divisor.into());
        }
        let right = Term::Integer(self.rng.i64(-5..=5));
        let operator = self.pick(&["=", "<>", "<", "<=", ">", ">="]);
        let mirrored = self.rng.bool();
        let (left, right) = if mirrored { (right, left) } else { (left, right) };
        Condition::Compare(operator, left, right)
    }

    fn conditions(&mut self, depth: usize) -> Vec<Condition> {
        (0..self.rng.usize(2..4)).map(|_| self.condition(depth - 1)).collect()
    }

    fn pattern(&mut self, escape: Option<&str>) -> String {
        let mut pattern: String = (0..self.rng.usize(..6)).map(|_| self.pick(&PATTERN_PIECES)).collect();
        // A lone escape character at the end is a mistake.
        if let Some(escape) = escape.unwrap_or("\\").chars().next() {
            let trailing = pattern.chars().rev().take_while(|c| *c == escape).count();
            if trailing % 2 == 1 {
                pattern.push(escape);
            }
        }
        pattern
    }

    fn value_type(&mut self) -> ValueType {
        match (self.flavour, self.rng.u8(..6)) {
            (Flavour::LinearTime, 0..5) | (_, 0..3) => ValueType::Integer,
            (_, 3 | 4) => ValueType::Text,
            _ => ValueType::Timestamp,
        }
    }

    fn property(&mut self, value_type: ValueType) -> Term {
        loop {
            let property = self.rng.usize(..PROPERTIES.len());
            let (name, _, found) = PROPERTIES[property];
            if found == value_type && (self.flavour != Flavour::Plain || !name.contains(' ')) {
                return Term::Property(property);
            }
        }
    }

    fn term(&mut self, value_type: ValueType, depth: usize) -> Term {
        let deeper = depth > 0 && self.rng.u8(..3) > 0;
        match (value_type, self.flavour) {
            (ValueType::Text, _) if self.rng.u8(..4) == 0 => Term::Text(self.pick(&TEXTS)),
            (ValueType::Text, _) | (ValueType::Timestamp, Flavour::Plain) => self.property(value_type),
            (ValueType::Timestamp, _) if deeper => {
                let (operator, timestamp_left) = self.pick(&[('+', true), ('+', false), ('-', true)]);
                let timestamp = self.term(ValueType::Timestamp, depth - 1);
                let seconds = self.term(ValueType::Integer, depth - 1);
                let (left, right) = if timestamp_left { (timestamp, seconds) } else { (seconds, timestamp) };
                Term::Arithmetic(operator, left.into(), right.into())
            }
            (ValueType::Timestamp, _) => match self.rng.u8(..4) {
                0 => Term::Timestamp(self.pick(&TIMES).0),
                1 => Term::CurrentTime,
                _ => self.property(value_type),
            },
            (ValueType::Integer, _) if deeper => self.arithmetic(depth),
            (ValueType::Integer, flavour) => match self.rng.u8(..6) {
                0 | 1 => Term::Integer(self.integer()),
                2 if flavour != Flavour::Plain => Term::Age,
                3 if flavour != Flavour::Plain => Term::TimeInQueue,
                _ => self.property(value_type),
            },
        }
    }

    fn arithmetic(&mut self, depth: usize) -> Term {
        let operator = self.pick(&['+', '-', '-', '*', '/', 'n', 't']);
        let integer = |generator: &mut Self| Box::new(generator.term(ValueType::Integer, depth - 1));
        match (operator, self.flavour) {
            ('n', _) => Term::Negate(integer(self)),
            ('t', Flavour::Full | Flavour::LinearTime) => {
                let [left, right] = [(); 2].map(|()| Box::new(self.term(ValueType::Timestamp, depth - 1)));
                Term::Arithmetic('-', left, right)
            }
            ('*', Flavour::LinearTime) => {
                let constant = Box::new(Term::Integer(self.integer()));
                Term::Arithmetic('*', integer(self), constant)
            }
            ('*', Flavour::Plain) => {
                let [left, right] = [(); 2].map(|()| Box::new(self.term(ValueType::Integer, 0)));
                Term::Arithmetic('*', left, right)
            }
            ('/', Flavour::LinearTime) => {
                let [left, right] = [(); 2].map(|()| {
                    let constant = self.rng.bool();
                    if constant { Term::Integer(self.integer()) } else { self.property(ValueType::Integer) }
                });
                Term::Arithmetic('/', left.into(), right.into())
            }
            ('/', Flavour::Plain) => {
                let divisor = Term::Integer(self.pick(&[-3, -1, 1, 2, 7]));
                Term::Arithmetic('/', integer(self), divisor.into())
            }
            ('t', Flavour::Plain) => Term::Arithmetic('+', integer(self), integer(self)),
            _ => Term::Arithmetic(operator, integer(self), integer(self)),
        }
    }

    /// An order as (property, descending).
    pub(crate) fn order(&mut self) -> Vec<(usize, bool)> {
        (0..self.rng.usize(1..5)).map(|_| (self.rng.usize(..PROPERTIES.len()), self.rng.bool())).collect()
    }
}
