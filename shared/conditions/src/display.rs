//! Checked expression → text that parses back to the same expression.

use std::fmt::{self, Write};

use crate::expression::{ArithmeticOperator, Atom, Comparison, Number, Predicate, Text};
use crate::lexer::is_word;
use crate::parser::{Names, is_keyword};
use crate::{PropertyRef, timestamp};

/// How tightly an arithmetic expression holds together; the tighter, the greater.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Sum,
    Product,
    Sign,
    Whole,
}

pub(crate) struct Writer<'w, 'f> {
    pub(crate) names: &'w Names,
    pub(crate) out: &'w mut fmt::Formatter<'f>,
}

impl Writer<'_, '_> {
    /// A whole condition. The empty one is empty text.
    pub(crate) fn condition(&mut self, predicate: &Predicate) -> fmt::Result {
        match predicate {
            Predicate::Or(parts) => self.joined(parts, " OR ", |_| false),
            Predicate::And(parts) => self.joined(parts, " AND ", |part| matches!(part, Predicate::Or(_))),
            Predicate::Not(operand) => {
                self.out.write_str("NOT ")?;
                self.part(operand, matches!(**operand, Predicate::And(_) | Predicate::Or(_)))
            }
            Predicate::Number(atom) => self.atom(atom, Self::number),
            Predicate::Text(atom) => self.atom(atom, Self::text),
            Predicate::Like { operand, pattern, negated } => {
                self.text(operand)?;
                self.out.write_str(if *negated { " NOT LIKE " } else { " LIKE " })?;
                self.literal(&pattern.to_string())
            }
        }
    }

    fn joined(
        &mut self,
        parts: &[Predicate],
        between: &str,
        parenthesized: impl Fn(&Predicate) -> bool,
    ) -> fmt::Result {
        for (position, part) in parts.iter().enumerate() {
            if position > 0 {
                self.out.write_str(between)?;
            }
            self.part(part, parenthesized(part))?;
        }
        Ok(())
    }

    fn part(&mut self, predicate: &Predicate, parenthesized: bool) -> fmt::Result {
        if !parenthesized {
            return self.condition(predicate);
        }
        self.out.write_char('(')?;
        self.condition(predicate)?;
        self.out.write_char(')')
    }

    fn atom<T>(&mut self, atom: &Atom<T>, term: fn(&mut Self, &T) -> fmt::Result) -> fmt::Result {
        let not = |negated: &bool| if *negated { " NOT" } else { "" };
        match atom {
            Atom::Compare { operator, left, right } => {
                term(self, left)?;
                self.out.write_str(match operator {
                    Comparison::Equal => " = ",
                    Comparison::NotEqual => " <> ",
                    Comparison::Less => " < ",
                    Comparison::LessOrEqual => " <= ",
                    Comparison::Greater => " > ",
                    Comparison::GreaterOrEqual => " >= ",
                })?;
                term(self, right)
            }
            Atom::Between { operand, low, high, negated } => {
                term(self, operand)?;
                write!(self.out, "{} BETWEEN ", not(negated))?;
                term(self, low)?;
                self.out.write_str(" AND ")?;
                term(self, high)
            }
            Atom::In { operand, list, negated } => {
                term(self, operand)?;
                write!(self.out, "{} IN (", not(negated))?;
                for (position, element) in list.iter().enumerate() {
                    if position > 0 {
                        self.out.write_str(", ")?;
                    }
                    term(self, element)?;
                }
                self.out.write_char(')')
            }
            Atom::IsNull { operand, negated } => {
                term(self, operand)?;
                write!(self.out, " IS{} NULL", not(negated))
            }
        }
    }

    fn text(&mut self, text: &Text) -> fmt::Result {
        match text {
            Text::Literal(text) => self.literal(text),
            Text::Property(property) => self.property(*property),
        }
    }

    fn number(&mut self, number: &Number) -> fmt::Result {
        match number {
            Number::Integer(value) => write!(self.out, "{value}"),
            Number::Timestamp(seconds) => {
                self.out.write_str("_timestamp('")?;
                timestamp::write(*seconds, self.out)?;
                self.out.write_str("')")
            }
            Number::Property(property) => self.property(*property),
            Number::Age => self.out.write_str("_age()"),
            Number::TimeInQueue => self.out.write_str("_time_in_queue()"),
            Number::CurrentTime => self.out.write_str("_current_time()"),
            Number::Negate(operand) => {
                // The space keeps a second minus apart: `--` would begin a comment.
                self.out.write_str("- ")?;
                self.factor(operand, Binding::Sign)
            }
            Number::Arithmetic(node) => {
                let (binding, tighter, symbol) = match node.operator {
                    ArithmeticOperator::Add => (Binding::Sum, Binding::Product, " + "),
                    ArithmeticOperator::Subtract => (Binding::Sum, Binding::Product, " - "),
                    ArithmeticOperator::Multiply => (Binding::Product, Binding::Sign, " * "),
                    ArithmeticOperator::Divide => (Binding::Product, Binding::Sign, " / "),
                };
                self.factor(&node.left, binding)?;
                self.out.write_str(symbol)?;
                // The same operators join from left to right.
                self.factor(&node.right, tighter)
            }
        }
    }

    /// A part of an expression, in parentheses when it is bound more loosely than its surroundings.
    fn factor(&mut self, number: &Number, surroundings: Binding) -> fmt::Result {
        let binding = match number {
            Number::Arithmetic(node) => match node.operator {
                ArithmeticOperator::Add | ArithmeticOperator::Subtract => Binding::Sum,
                ArithmeticOperator::Multiply | ArithmeticOperator::Divide => Binding::Product,
            },
            Number::Negate(_) => Binding::Sign,
            _ => Binding::Whole,
        };
        if binding >= surroundings {
            return self.number(number);
        }
        self.out.write_char('(')?;
        self.number(number)?;
        self.out.write_char(')')
    }

    fn literal(&mut self, text: &str) -> fmt::Result {
        self.delimited('\'', text, '\'')
    }

    pub(crate) fn property(&mut self, property: PropertyRef) -> fmt::Result {
        match property {
            PropertyRef::System(property) => self.out.write_str(property.name()),
            PropertyRef::Custom(index) => {
                let name = self.names.get(&index).map_or("", |name| &**name);
                if is_word(name) && !is_keyword(name) {
                    return self.out.write_str(name);
                }
                self.delimited('[', name, ']')
            }
        }
    }

    fn delimited(&mut self, opening: char, content: &str, closing: char) -> fmt::Result {
        self.out.write_char(opening)?;
        for c in content.chars() {
            if c == closing {
                self.out.write_char(c)?;
            }
            self.out.write_char(c)?;
        }
        self.out.write_char(closing)
    }
}
