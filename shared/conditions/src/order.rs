//! The order in which a view or a snapshot takes interactions.

use std::fmt;

use crate::display::Writer;
use crate::error::{ConditionErrorKind as Kind, Mistake};
use crate::evaluate::Row;
use crate::lexer::Token;
use crate::parser::{Names, Parser};
use crate::{ConditionError, Properties, Property, PropertyRef, Schema, ValueType};

/// A parsed order. Its text form parses back to an equal order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    items: Box<[Item]>,
    names: Names,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    property: PropertyRef,
    is_text: bool,
    descending: bool,
}

/// An interaction's place in an [`Order`]: the lesser key comes first. Only keys of one order can be compared with each
/// other. Interactions that the order does not tell apart have equal keys; the caller decides among them, by SubmitSeq.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey(Key);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    /// Up to two integers or timestamps, 24 bytes in all. The flag tells values from NULL and goes first.
    Numbers(bool, u64, bool, u64),
    /// Anything else, so encoded that bytes compare as the values do.
    Bytes(Box<[u8]>),
}

/// The order of submission, for the empty text.
const BY_SUBMISSION: &[Item] =
    &[Item { property: PropertyRef::System(Property::SubmitSeq), is_text: false, descending: false }];

impl Order {
    /// Parses an order: `property [asc|desc] [, …]`. Empty text is the order of submission (by SubmitSeq).
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn parse(text: &str, schema: &Schema) -> Result<Self, ConditionError> {
        let parse = || {
            let mut parser = Parser::new(text, schema)?;
            Ok((items(&mut parser)?, parser.names))
        };
        let (items, names) = parse().map_err(|mistake: Box<Mistake>| mistake.locate(text))?;
        Ok(Self { items: items.into(), names })
    }

    fn items(&self) -> &[Item] {
        if self.items.is_empty() { BY_SUBMISSION } else { &self.items }
    }

    /// Whether this is the order of submission: then SubmitSeq alone says who comes first.
    pub fn is_by_submission(&self) -> bool {
        self.items() == BY_SUBMISSION
    }

    /// The key of one interaction. Values not set come last in ascending and first in descending order.
    pub fn key<P: Properties + ?Sized>(&self, properties: &P) -> OrderKey {
        let row = Row { properties, now_seconds: 0 };
        let number = |item: &Item| number_key(row.number(item.property), item.descending);
        OrderKey(match self.items() {
            [item] if !item.is_text => {
                let (flag, value) = number(item);
                Key::Numbers(flag, value, false, 0)
            }
            [first, second] if !first.is_text && !second.is_text => {
                let ((first_flag, first), (second_flag, second)) = (number(first), number(second));
                Key::Numbers(first_flag, first, second_flag, second)
            }
            items => {
                let mut bytes = Vec::with_capacity(items.len() * 9);
                for item in items {
                    if item.is_text {
                        append_text(&mut bytes, row.text(item.property), item.descending);
                    } else {
                        let (flag, value) = number(item);
                        bytes.push(flag.into());
                        bytes.extend(value.to_be_bytes());
                    }
                }
                Key::Bytes(bytes.into())
            }
        })
    }
}

/// A flag and a number that compare, in this order, as the value does. Whether NULL or the values come first depends on
/// the direction, hence also what the flag means.
fn number_key(value: Option<i64>, descending: bool) -> (bool, u64) {
    const SIGN: u64 = 1 << 63;
    match value {
        None => (!descending, 0),
        Some(value) => {
            let ascending = value.cast_unsigned() ^ SIGN;
            (descending, if descending { !ascending } else { ascending })
        }
    }
}

/// As [`number_key`]: a flag, then the text with an end mark that is less than any byte of a longer text. A NUL is
/// written so that it differs from the mark.
fn append_text(bytes: &mut Vec<u8>, text: Option<&str>, descending: bool) {
    let Some(text) = text else {
        bytes.push((!descending).into());
        return;
    };
    bytes.push(descending.into());
    let start = bytes.len();
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend([0, 0]);
    if descending {
        bytes.iter_mut().skip(start).for_each(|byte| *byte = !*byte);
    }
}

fn items(parser: &mut Parser<'_>) -> Result<Vec<Item>, Box<Mistake>> {
    let mut items = Vec::new();
    if parser.token == Token::End {
        return Ok(items);
    }
    loop {
        let offset_bytes = parser.offset_bytes;
        let name = match &mut parser.token {
            Token::Word(word) => (*word).to_owned(),
            Token::Name(name) => std::mem::take(name),
            _ => return Err(parser.expected("a property")),
        };
        parser.advance()?;
        if parser.at_symbol("(") {
            let message = "an order names properties; functions are not possible in it";
            return Err(Mistake::new(Kind::Syntax, offset_bytes, message));
        }
        let (property, value_type) = parser.property(&name, offset_bytes)?;
        let descending = parser.take_keyword("DESC")?;
        if !descending {
            parser.take_keyword("ASC")?;
        }
        items.push(Item { property, is_text: value_type == ValueType::Text, descending });
        if !parser.take_symbol(",")? {
            break;
        }
    }
    parser.expect_end("asc, desc, a comma or the end")?;
    Ok(items)
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, item) in self.items.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            Writer { names: &self.names, out: f }.property(item.property)?;
            if item.descending {
                f.write_str(" desc")?;
            }
        }
        Ok(())
    }
}
