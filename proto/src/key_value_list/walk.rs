//! Reading an encoded list: one level at a time, without recursion and without copies.

use std::fmt;

use super::KeyValueError;

/// Field 1 of the list, length-delimited.
pub(super) const ENTRIES_KEY: u8 = 0x0a;
/// How many levels `Debug` shows.
const DEBUG_DEPTH: usize = 32;

/// The wire types that the encoding has; groups (3 and 4) are malformed here.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// One entry of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
    /// The encoded entry, unframed.
    pub(super) encoded: &'a [u8],
}

/// The value of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// There is none, or one of a kind that this version does not know. It is an error in user data, but not where
    /// keys alone count.
    None,
    /// Text.
    Text(&'a str),
    /// A whole number.
    Integer(i64),
    /// Bytes.
    Binary(&'a [u8]),
    /// A nested list.
    List(ListView<'a>),
}

/// An encoded list or nested list, not yet looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ListView<'a> {
    encoded: &'a [u8],
}

impl<'a> ListView<'a> {
    pub(super) const fn new(encoded: &'a [u8]) -> Self {
        Self { encoded }
    }

    pub(super) const fn encoded(&self) -> &'a [u8] {
        self.encoded
    }

    /// The entries in order. After the first error the iterator ends. Nested lists are not entered.
    pub fn entries(&self) -> Entries<'a> {
        Entries { fields: Fields::new(self.encoded) }
    }

    /// The value of the first entry with this key; `None` also when the list is malformed before it.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.entries().map_while(Result::ok).find(|entry| entry.key == key).map(|entry| entry.value)
    }

    /// The text of the first entry with this key; `None` also when its value is not text.
    pub fn get_text(&self, key: &str) -> Option<&'a str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of the first entry with this key; `None` also when its value is not an integer.
    pub fn get_integer(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::Integer(integer) => Some(integer),
            _ => None,
        }
    }
}

/// The entries of one level of a list.
#[derive(Clone)]
pub struct Entries<'a> {
    fields: Fields<'a>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, KeyValueError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let result = match self.fields.next()? {
                Ok(Field { number: 1, content: Content::Bytes(entry) }) => read_entry(entry),
                Ok(Field { number: 1, .. }) => Err(self.fields.malformed()),
                // A field of a newer version.
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            if result.is_err() {
                self.fields.stop();
            }
            return Some(result);
        }
    }
}

/// Reads one unframed entry.
fn read_entry(encoded: &[u8]) -> Result<Entry<'_>, KeyValueError> {
    let mut key = None;
    let mut value = None;
    let mut fields = Fields::new(encoded);
    while let Some(field) = fields.next() {
        let known = match field? {
            Field { number: 1, content: Content::Bytes(bytes) } => {
                set_once(&mut key, utf8(bytes, "key")?)?;
                continue;
            }
            Field { number: 2, content: Content::Bytes(bytes) } => Value::Text(utf8(bytes, "text")?),
            Field { number: 3, content: Content::Varint(zigzag) } => Value::Integer(unzigzag(zigzag)),
            Field { number: 4, content: Content::Bytes(bytes) } => Value::Binary(bytes),
            Field { number: 5, content: Content::Bytes(bytes) } => Value::List(ListView::new(bytes)),
            Field { number: 1..=5, .. } => return Err(fields.malformed()),
            // A kind of value of a newer version.
            _ => continue,
        };
        set_once(&mut value, known)?;
    }
    Ok(Entry { key: key.unwrap_or_default(), value: value.unwrap_or(Value::None), encoded })
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), KeyValueError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(KeyValueError::SeveralValues),
    }
}

fn utf8<'a>(bytes: &'a [u8], what: &'static str) -> Result<&'a str, KeyValueError> {
    std::str::from_utf8(bytes).map_err(|_| KeyValueError::NotUtf8 { what })
}

const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// One field of an encoded message.
struct Field<'a> {
    number: u64,
    content: Content<'a>,
}

enum Content<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

/// The fields of one encoded message, without a look at their meaning.
#[derive(Clone)]
struct Fields<'a> {
    whole: &'a [u8],
    /// Where the field begins that was read last.
    last: usize,
    at: usize,
}

impl<'a> Fields<'a> {
    const fn new(whole: &'a [u8]) -> Self {
        Self { whole, last: 0, at: 0 }
    }

    /// The mistake of the field that was read last.
    const fn malformed(&self) -> KeyValueError {
        KeyValueError::Malformed { at: self.last, within: self.whole.len() }
    }

    const fn stop(&mut self) {
        self.at = self.whole.len();
    }

    fn next(&mut self) -> Option<Result<Field<'a>, KeyValueError>> {
        if self.at >= self.whole.len() {
            return None;
        }
        self.last = self.at;
        let rest = self.whole.get(self.at..).unwrap_or_default();
        match read_field(rest) {
            Some((field, after)) => {
                self.at = self.whole.len() - after.len();
                Some(Ok(field))
            }
            None => Some(Err(self.malformed())),
        }
    }
}

/// Splits one field off; `None` when the bytes are not a field.
fn read_field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (key, rest) = read_varint(bytes)?;
    let number = key >> 3;
    if number == 0 || key > u64::from(u32::MAX) {
        return None;
    }
    let (content, rest) = match key & 7 {
        VARINT => {
            let (value, rest) = read_varint(rest)?;
            (Content::Varint(value), rest)
        }
        FIXED_64 => (Content::Fixed, rest.get(8..)?),
        FIXED_32 => (Content::Fixed, rest.get(4..)?),
        LENGTH_DELIMITED => {
            let (length, rest) = read_varint(rest)?;
            let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Content::Bytes(content), rest)
        }
        _ => return None,
    };
    Some((Field { number, content }, rest))
}

/// Splits a varint of at most 64 bits off.
fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(10).enumerate() {
        if index == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

impl fmt::Debug for ListView<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_list(*self, DEBUG_DEPTH, formatter)
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}: ", self.key)?;
        debug_value(self.value, DEBUG_DEPTH, formatter)
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_value(*self, DEBUG_DEPTH, formatter)
    }
}

fn debug_list(list: ListView<'_>, levels: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    if levels == 0 {
        return formatter.write_str("{…}");
    }
    formatter.write_str("{")?;
    for (index, entry) in list.entries().enumerate() {
        if index > 0 {
            formatter.write_str(", ")?;
        }
        match entry {
            Ok(entry) => {
                write!(formatter, "{:?}: ", entry.key)?;
                debug_value(entry.value, levels - 1, formatter)?;
            }
            Err(error) => write!(formatter, "<{error}>")?,
        }
    }
    formatter.write_str("}")
}

fn debug_value(value: Value<'_>, levels: usize, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::None => formatter.write_str("none"),
        Value::Text(text) => write!(formatter, "{text:?}"),
        Value::Integer(integer) => write!(formatter, "{integer}"),
        Value::Binary(bytes) => write!(formatter, "<{} bytes>", bytes.len()),
        Value::List(list) => debug_list(list, levels, formatter),
    }
}
