//! Tokens → checked expression: logic and tests. Values are read in `operands`.

use std::collections::BTreeMap;

use crate::error::{ConditionErrorKind as Kind, Mistake, quoted};
use crate::expression::{Atom, Comparison, Predicate};
use crate::lexer::{Lexer, Token};
use crate::like::Pattern;
use crate::operands::{Operand, Term, mismatch};
use crate::{NESTING_LIMIT, Schema, TEXT_LENGTH_LIMIT_BYTES, ValueType};

/// The words that a bare property name cannot be.
const KEYWORDS: [&str; 9] = ["OR", "AND", "NOT", "IN", "LIKE", "ESCAPE", "BETWEEN", "IS", "NULL"];

/// Words of the database's SQL that people try where an operator or the end is expected.
const NATIVE_WORDS: [&str; 16] = [
    "ilike",
    "similar",
    "collate",
    "at",
    "order",
    "group",
    "having",
    "limit",
    "offset",
    "union",
    "except",
    "intersect",
    "isnull",
    "notnull",
    "overlaps",
    "regexp",
];

pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// The names of the custom properties in an expression, by index.
pub(crate) type Names = BTreeMap<u16, Box<str>>;

pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    pub(crate) schema: &'a Schema,
    /// The token ahead.
    pub(crate) token: Token<'a>,
    /// Where it begins.
    pub(crate) offset_bytes: usize,
    depth: usize,
    pub(crate) names: Names,
}

/// What an expression turned out to be.
pub(crate) enum Parsed {
    Predicate { predicate: Predicate, offset_bytes: usize },
    Operand(Operand),
}

impl Parsed {
    fn predicate(self) -> Result<Predicate, Box<Mistake>> {
        match self {
            Self::Predicate { predicate, .. } => Ok(predicate),
            Self::Operand(operand) => Err(Mistake::new(
                Kind::Type,
                operand.offset_bytes,
                format!(
                    "{} alone is neither true nor false; compare it with something: =, <, IN, LIKE, IS NULL …",
                    operand.term.value_type()
                ),
            )),
        }
    }

    pub(crate) fn operand(self) -> Result<Operand, Box<Mistake>> {
        match self {
            Self::Operand(operand) => Ok(operand),
            Self::Predicate { offset_bytes, .. } => Err(Mistake::new(
                Kind::Type,
                offset_bytes,
                "a condition cannot be compared or computed with; join conditions by AND and OR",
            )),
        }
    }
}

type Result<T, E = Box<Mistake>> = std::result::Result<T, E>;

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, schema: &'a Schema) -> Result<Self> {
        if text.len() > TEXT_LENGTH_LIMIT_BYTES {
            let message =
                format!("the text has {} bytes; at most {TEXT_LENGTH_LIMIT_BYTES} are possible", text.len());
            return Err(Mistake::new(Kind::TooLong, 0, message));
        }
        let mut lexer = Lexer::new(text);
        let (token, offset_bytes) = lexer.next()?;
        Ok(Self { lexer, schema, token, offset_bytes, depth: 0, names: Names::new() })
    }

    /// The whole text as a condition; empty text is true.
    pub(crate) fn condition(&mut self) -> Result<Predicate> {
        if self.token == Token::End {
            return Ok(Predicate::And(Box::default()));
        }
        let predicate = self.any_of()?.predicate()?;
        self.expect_end("an operator, AND, OR or the end")?;
        Ok(predicate)
    }

    pub(crate) fn advance(&mut self) -> Result<()> {
        (self.token, self.offset_bytes) = self.lexer.next()?;
        Ok(())
    }

    pub(crate) fn mistake(&self, kind: Kind, message: impl Into<String>) -> Box<Mistake> {
        Mistake::new(kind, self.offset_bytes, message)
    }

    pub(crate) fn expected(&self, what: &str) -> Box<Mistake> {
        let found = format!("expected {what}, found {}", self.token.describe());
        self.native_word().unwrap_or_else(|| self.mistake(Kind::Syntax, found))
    }

    /// The mistake of a word of the database's SQL ahead.
    fn native_word(&self) -> Option<Box<Mistake>> {
        let Token::Word(word) = self.token else { return None };
        let is_native = NATIVE_WORDS.iter().any(|native| native.eq_ignore_ascii_case(word));
        let message = || format!("{} is native SQL, which is not supported", quoted(word));
        is_native.then(|| self.mistake(Kind::NativeSql, message()))
    }

    pub(crate) fn expect_end(&self, what: &str) -> Result<()> {
        match self.token {
            Token::End => Ok(()),
            _ => {
                let mut mistake = self.expected(what);
                if mistake.kind == Kind::Syntax {
                    mistake.kind = Kind::TrailingText;
                }
                Err(mistake)
            }
        }
    }

    pub(crate) fn at_symbol(&self, symbol: &str) -> bool {
        matches!(self.token, Token::Symbol(found) if found == symbol)
    }

    pub(crate) fn take_symbol(&mut self, symbol: &str) -> Result<bool> {
        let found = self.at_symbol(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str, what: &str) -> Result<()> {
        if self.take_symbol(symbol)? { Ok(()) } else { Err(self.expected(what)) }
    }

    fn at_keyword(&self, keyword: &str) -> bool {
        matches!(self.token, Token::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(crate) fn take_keyword(&mut self, keyword: &str) -> Result<bool> {
        let found = self.at_keyword(keyword);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    /// Parses something one level deeper.
    pub(crate) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.check_depth(self.depth + 1)?;
        self.depth += 1;
        let parsed = parse(self)?;
        self.depth -= 1;
        Ok(parsed)
    }

    pub(crate) fn check_depth(&self, depth: usize) -> Result<()> {
        if depth > NESTING_LIMIT {
            let message = format!("nested too deep; at most {NESTING_LIMIT} levels are possible");
            return Err(self.mistake(Kind::TooDeep, message));
        }
        Ok(())
    }

    pub(crate) fn any_of(&mut self) -> Result<Parsed> {
        self.joined("OR", Self::all_of, Predicate::Or, |predicate| match predicate {
            Predicate::Or(parts) => Ok(parts),
            other => Err(other),
        })
    }

    fn all_of(&mut self) -> Result<Parsed> {
        self.joined("AND", Self::not, Predicate::And, |predicate| match predicate {
            Predicate::And(parts) => Ok(parts),
            other => Err(other),
        })
    }

    /// One part, as it is; or several with a keyword between them, joined. Joins of the same kind among the parts are
    /// dissolved.
    fn joined(
        &mut self,
        keyword: &str,
        parse: fn(&mut Self) -> Result<Parsed>,
        join: fn(Box<[Predicate]>) -> Predicate,
        dissolve: fn(Predicate) -> Result<Box<[Predicate]>, Predicate>,
    ) -> Result<Parsed> {
        let offset_bytes = self.offset_bytes;
        let mut next = parse(self)?;
        if !self.at_keyword(keyword) {
            return Ok(next);
        }
        let mut parts = Vec::new();
        loop {
            match dissolve(next.predicate()?) {
                Ok(dissolved) => parts.extend(dissolved),
                Err(part) => parts.push(part),
            }
            if !self.take_keyword(keyword)? {
                return Ok(Parsed::Predicate { predicate: join(parts.into()), offset_bytes });
            }
            next = parse(self)?;
        }
    }

    fn not(&mut self) -> Result<Parsed> {
        let offset_bytes = self.offset_bytes;
        if !self.take_keyword("NOT")? {
            return self.test();
        }
        let operand = self.nested(Self::not)?.predicate()?;
        Ok(Parsed::Predicate { predicate: Predicate::Not(Box::new(operand)), offset_bytes })
    }

    fn test(&mut self) -> Result<Parsed> {
        let offset_bytes = self.offset_bytes;
        let left = self.sum()?;
        let found = |predicate| Ok(Parsed::Predicate { predicate, offset_bytes });
        if let Token::Symbol(symbol) = self.token
            && let Some(operator) = comparison(symbol)
        {
            let left = left.operand()?;
            self.advance()?;
            let right = self.sum()?.operand()?;
            return found(typed(left.term.value_type(), Atom::Compare { operator, left, right })?);
        }
        if self.take_keyword("IS")? {
            let operand = left.operand()?;
            let negated = self.take_keyword("NOT")?;
            if !self.take_keyword("NULL")? {
                return Err(self.expected("NULL (only IS NULL and IS NOT NULL are possible)"));
            }
            return found(typed(operand.term.value_type(), Atom::IsNull { operand, negated })?);
        }
        let negated = self.take_keyword("NOT")?;
        if self.take_keyword("IN")? {
            let operand = left.operand()?;
            let list = self.list()?;
            return found(typed(operand.term.value_type(), Atom::In { operand, list, negated })?);
        }
        if self.take_keyword("BETWEEN")? {
            let operand = left.operand()?;
            let wanted = operand.term.value_type();
            let low = self.sum()?.operand()?;
            if !self.take_keyword("AND")? {
                return Err(self.expected("AND and the upper bound of BETWEEN"));
            }
            let high = self.sum()?.operand()?;
            let atom = Atom::Between { operand, low, high, negated };
            return found(typed(wanted, atom)?);
        }
        if self.take_keyword("LIKE")? {
            return found(self.like(left.operand()?, negated)?);
        }
        if negated {
            return Err(self.expected("IN, LIKE or BETWEEN after NOT"));
        }
        self.native_word().map_or(Ok(left), Err)
    }

    fn list(&mut self) -> Result<Box<[Operand]>> {
        self.expect_symbol("(", "( and a list of values")?;
        let mut list = Vec::new();
        loop {
            list.push(self.sum()?.operand()?);
            if !self.take_symbol(",")? {
                break;
            }
        }
        self.expect_symbol(")", "a comma or ) in the list")?;
        Ok(list.into())
    }

    fn like(&mut self, operand: Operand, negated: bool) -> Result<Predicate> {
        let Term::Text(operand) = operand.term else {
            let message = format!("LIKE works on a text, not on {}", operand.term.value_type());
            return Err(Mistake::new(Kind::Type, operand.offset_bytes, message));
        };
        let Token::Text(pattern) = &mut self.token else {
            return Err(self.expected("a pattern in quotes such as 'abc%'"));
        };
        let pattern_offset = self.offset_bytes;
        let pattern = std::mem::take(pattern);
        self.advance()?;
        let mut escape = Some('\\');
        if self.take_keyword("ESCAPE")? {
            let Token::Text(text) = &self.token else {
                return Err(self.expected("one character in quotes after ESCAPE such as '!'"));
            };
            let mut chars = text.chars();
            escape = chars.next();
            if chars.next().is_some() {
                let message =
                    format!("ESCAPE takes one character (or none, ''), not {}", self.token.describe());
                return Err(self.mistake(Kind::Pattern, message));
            }
            self.advance()?;
        }
        match Pattern::compile(&pattern, escape) {
            Some(pattern) => Ok(Predicate::Like { operand, pattern, negated }),
            None => Err(Mistake::new(
                Kind::Pattern,
                pattern_offset,
                "the pattern ends with its escape character; double it, or name another one by ESCAPE",
            )),
        }
    }
}

/// The test, when all its operands have the wanted type: that of its first one.
fn typed(wanted: ValueType, atom: Atom<Operand>) -> Result<Predicate> {
    Ok(match wanted {
        ValueType::Text => Predicate::Text(atom.try_map(|operand| match operand.term {
            Term::Text(text) => Ok(text),
            _ => Err(mismatch(wanted, &operand)),
        })?),
        ValueType::Integer => Predicate::Number(atom.try_map(|operand| match operand.term {
            Term::Integer(number) => Ok(number),
            _ => Err(mismatch(wanted, &operand)),
        })?),
        ValueType::Timestamp => Predicate::Number(atom.try_map(|operand| match operand.term {
            Term::Timestamp(number) => Ok(number),
            _ => Err(mismatch(wanted, &operand)),
        })?),
    })
}

fn comparison(symbol: &str) -> Option<Comparison> {
    Some(match symbol {
        "=" => Comparison::Equal,
        "<>" | "!=" => Comparison::NotEqual,
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
