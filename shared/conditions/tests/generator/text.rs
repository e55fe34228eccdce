//! Trees written as condition text, with as few parentheses as the precedences allow (and some more at random), names
//! in either spelling and keywords in any case.

use ixn_conditions::Property;

use super::{Condition, Flavour, Generator, PROPERTIES, Term};

/// Precedences, from loose to tight.
const OR: u8 = 0;
const AND: u8 = 1;
const NOT: u8 = 2;
const TEST: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const SIGN: u8 = 6;
const WHOLE: u8 = 7;

impl Generator {
    pub(crate) fn text(&mut self, condition: &Condition) -> String {
        self.condition_text(condition, OR)
    }

    fn condition_text(&mut self, condition: &Condition, surroundings: u8) -> String {
        let (text, own) = match condition {
            Condition::Or(parts) => (self.joined(parts, "OR", AND), OR),
            Condition::And(parts) => (self.joined(parts, "AND", NOT), AND),
            Condition::Not(operand) => {
                (format!("{} {}", self.keyword("NOT"), self.condition_text(operand, NOT)), NOT)
            }
            Condition::Compare(operator, left, right) => {
                let space = if self.rng.bool() { " " } else { "\n" };
                let (left, right) = (self.term_text(left, SUM), self.term_text(right, SUM));
                (format!("{left}{space}{operator}{space}{right}"), TEST)
            }
            Condition::Between(negated, operand, low, high) => {
                let [operand, low, high] = [operand, low, high].map(|term| self.term_text(term, SUM));
                let (between, and) = (self.test(*negated, "BETWEEN"), self.keyword("AND"));
                (format!("{operand}{between} {low} {and} {high}"), TEST)
            }
            Condition::In(negated, operand, list) => {
                let list: Vec<String> = list.iter().map(|element| self.term_text(element, SUM)).collect();
                let operand = self.term_text(operand, SUM);
                (format!("{operand}{} ({})", self.test(*negated, "IN"), list.join(",")), TEST)
            }
            Condition::Like(negated, operand, pattern, escape) => {
                let (operand, like) = (self.term_text(operand, SUM), self.test(*negated, "LIKE"));
                let escape = escape.map(|escape| format!(" {} {}", self.keyword("ESCAPE"), literal(escape)));
                (format!("{operand}{like} {}{}", literal(pattern), escape.unwrap_or_default()), TEST)
            }
            Condition::IsNull(negated, operand) => {
                let not = if *negated { format!(" {}", self.keyword("NOT")) } else { String::new() };
                let operand = self.term_text(operand, SUM);
                (format!("{operand} {}{not} {}", self.keyword("IS"), self.keyword("NULL")), TEST)
            }
        };
        self.parenthesized(text, own < surroundings)
    }

    fn parenthesized(&mut self, text: String, needed: bool) -> String {
        if needed || self.rng.u8(..10) == 0 { format!("({text})") } else { text }
    }

    fn joined(&mut self, parts: &[Condition], keyword: &str, tighter: u8) -> String {
        let parts: Vec<String> = parts.iter().map(|part| self.condition_text(part, tighter)).collect();
        parts.join(&format!(" {} ", self.keyword(keyword)))
    }

    fn test(&mut self, negated: bool, keyword: &str) -> String {
        let not = if negated { format!(" {}", self.keyword("NOT")) } else { String::new() };
        format!("{not} {}", self.keyword(keyword))
    }

    fn keyword(&mut self, keyword: &str) -> String {
        if self.rng.bool() { keyword.into() } else { keyword.to_lowercase() }
    }

    fn term_text(&mut self, term: &Term, surroundings: u8) -> String {
        let (text, own) = match term {
            Term::Integer(value) => (value.to_string(), if *value < 0 { SIGN } else { WHOLE }),
            Term::Text(text) => (literal(text), WHOLE),
            Term::Timestamp(time) => (format!("_timestamp('{time}')"), WHOLE),
            Term::Property(property) => (self.name(*property), WHOLE),
            Term::Age => (self.keyword("_AGE()"), WHOLE),
            Term::TimeInQueue => ("_time_in_queue()".into(), WHOLE),
            Term::CurrentTime => ("_current_time( )".into(), WHOLE),
            Term::Negate(operand) => (format!("- {}", self.term_text(operand, SIGN)), SIGN),
            Term::Arithmetic(operator, left, right) => {
                let own = if matches!(operator, '+' | '-') { SUM } else { PRODUCT };
                let (left, right) = (self.term_text(left, own), self.term_text(right, own + 1));
                (format!("{left} {operator} {right}"), own)
            }
        };
        self.parenthesized(text, own < surroundings)
    }

    pub(crate) fn name(&mut self, property: usize) -> String {
        let (name, column, _) = PROPERTIES[property];
        if self.flavour == Flavour::Plain {
            return column.into();
        }
        let is_system = Property::from_name(name).is_some();
        let name = match self.rng.u8(..3) {
            0 if is_system => column.into(),
            1 if is_system => name.to_uppercase(),
            _ => name.to_owned(),
        };
        let needs_brackets = name.contains(' ');
        if needs_brackets || self.rng.u8(..4) == 0 { format!("[{}]", name.replace(']', "]]")) } else { name }
    }
}

pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
