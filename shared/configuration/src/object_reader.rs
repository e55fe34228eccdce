//! Reads one typed object from its node of the document, and tells every mistake in it.
//!
//! The types themselves say (through serde) which fields there are. Serde stops at the first mistake, so the node is
//! mended and read again: a misspelt field gets the name that it most likely means, a mistaken value is cut out, and a
//! needed field that is missing is [filled](Value::Lost). So an object with mistakes exists all the same, and what refers
//! to it, and the rest of it, can be checked.

use std::collections::BTreeSet;
use std::fmt;

use ixn_suggestion::nearest;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};

use crate::Position;
use crate::document::{Entry, Node, Value};

/// Fields that were cut out, by the place of their mapping: that they are missing then is no mistake of its own.
type CutFields = BTreeSet<(Position, String)>;

/// Reads the object; mistakes are reported and mended in the node. `None` when there is nothing to make an object of.
pub(crate) fn read_object<T: DeserializeOwned>(
    node: &mut Node,
    mut report: impl FnMut(Position, String),
) -> Option<T> {
    for (position, key) in node.take_repeated_keys() {
        report(position, format!("'{key}' is given twice"));
    }
    let mut cut_fields = CutFields::new();
    loop {
        let Mistake { message, at, mut path, field } = match T::deserialize(&*node) {
            Ok(object) => return Some(object),
            Err(mistake) => mistake,
        };
        path.reverse();
        let at = at.unwrap_or(node.at);
        let is_told =
            matches!(field, Some(Field::Missing(field)) if cut_fields.contains(&(at, field.to_owned())));
        if !is_told {
            report(at, message);
        }
        let is_mended = match field {
            Some(Field::Missing(field)) => fill(node, &path, field),
            Some(Field::Meant(field)) => rename(node, &path, field) || cut(node, &path, &mut cut_fields),
            None => cut(node, &path, &mut cut_fields),
        };
        if !is_mended {
            return None;
        }
    }
}

/// Puts a field into the mapping that the path leads to.
fn fill(node: &mut Node, path: &[usize], field: &str) -> bool {
    let Some(Node { at, bytes, value: Value::Map(entries) }) = node.at_path(path) else { return false };
    let value = Node { at: *at, bytes: *bytes, value: Value::Lost };
    entries.push(Entry { key: field.to_owned(), key_at: *at, value });
    true
}

/// Gives the entry that the path leads to the name that it most likely means, unless there is one of that name.
fn rename(node: &mut Node, path: &[usize], meant: &str) -> bool {
    let Some((&index, around)) = path.split_last() else { return false };
    let Some(Node { value: Value::Map(entries), .. }) = node.at_path(around) else { return false };
    if entries.iter().any(|entry| entry.key == meant) {
        return false;
    }
    let Some(entry) = entries.get_mut(index) else { return false };
    meant.clone_into(&mut entry.key);
    true
}

/// Cuts out the entry or element that the path leads to; false when that is the node itself, or was filled in here.
fn cut(node: &mut Node, path: &[usize], cut_fields: &mut CutFields) -> bool {
    let Some((&index, around)) = path.split_last() else { return false };
    let Some(around) = node.at_path(around) else { return false };
    match &mut around.value {
        Value::List(nodes) if index < nodes.len() => drop(nodes.remove(index)),
        Value::Map(entries)
            if entries.get(index).is_some_and(|entry| !matches!(entry.value.value, Value::Lost)) =>
        {
            cut_fields.insert((around.at, entries.remove(index).key));
        }
        _ => return false,
    }
    true
}

/// What serde reports, with the way to it.
#[derive(Debug)]
pub(crate) struct Mistake {
    message: String,
    at: Option<Position>,
    /// Indexes of entries and elements, the innermost first.
    path: Vec<usize>,
    /// When a field is what is wrong.
    field: Option<Field>,
}

/// What is wrong with a field, rather than with its value.
#[derive(Debug)]
enum Field {
    /// It is needed and not there.
    Missing(&'static str),
    /// It is not known; this one is probably meant.
    Meant(&'static str),
}

impl Mistake {
    fn new(message: String) -> Self {
        Self { message, at: None, path: Vec::new(), field: None }
    }

    /// The mistake lies at this place, unless a place nearer to it is known.
    fn at(mut self, position: Position) -> Self {
        self.at.get_or_insert(position);
        self
    }

    /// The mistake lies in this entry or element.
    fn inside(mut self, index: usize, position: Position) -> Self {
        self.path.push(index);
        self.at(position)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}, found {}", plain_expected(expected), plain_found(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        match nearest(field, known.iter().copied()) {
            Some(meant) => Self {
                field: Some(Field::Meant(meant)),
                ..Self::new(format!("there is no field '{field}' here; did you mean '{meant}'?"))
            },
            None => Self::new(format!("there is no field '{field}' here; known are: {}", known.join(", "))),
        }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(format!("expected one of {}, found '{variant}'", known.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { field: Some(Field::Missing(field)), ..Self::new(format!("the field '{field}' is missing")) }
    }
}

/// Serde's names of Rust types, in the words of someone who writes YAML.
fn plain_expected(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u8" | "u16" | "u32" | "u64" => "a whole number, not negative".to_owned(),
        "i8" | "i16" | "i32" | "i64" => "a whole number".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a mapping".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if expected.starts_with("struct ") => "a mapping".to_owned(),
        _ => expected,
    }
}

fn plain_found(found: &Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(text) => format!("'{text}'"),
        Unexpected::Bool(value) => value.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Map => "a mapping".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        other => other.to_string(),
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Nothing | Value::Lost => Unexpected::Unit,
        Value::Boolean(value) => Unexpected::Bool(*value),
        Value::Number { integer: Some(integer), .. } => Unexpected::Signed(*integer),
        Value::Number { written, integer: None } => Unexpected::Other(written),
        Value::Text(text) => Unexpected::Str(text),
        Value::List(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
    }
}

impl<'de> Deserializer<'de> for &Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Nothing | Value::Lost => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Number { integer: Some(integer), .. } => visitor.visit_i64(*integer),
            Value::Number { .. } => Err(Error::invalid_type(unexpected(&self.value), &visitor)),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(nodes) => visitor.visit_seq(Elements { nodes, next: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { entries, next: 0 }),
        }
        .map_err(|mistake| mistake.at(self.at))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Number { written, .. } => {
                visitor.visit_str(written).map_err(|mistake: Mistake| mistake.at(self.at))
            }
            Value::Lost => visitor.visit_str(""),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Nothing | Value::Lost => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    // A list or mapping of which every entry is commented out is nothing to YAML, and empty to its writer.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Nothing | Value::Lost => visitor.visit_seq(Elements { nodes: &[], next: 0 }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Nothing | Value::Lost => visitor.visit_map(Entries { entries: &[], next: 0 }),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::List(_) => Err(Mistake::invalid_type(Unexpected::Seq, &visitor).at(self.at)),
            _ => self.deserialize_map(visitor).map_err(|mistake| mistake.at(self.at)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match &self.value {
            Value::Text(text) => visitor.visit_enum(Variant { name: text, value: None }),
            Value::Lost => visitor.visit_enum(Variant { name: variants.first().unwrap_or(&""), value: None }),
            Value::Map(entries) if entries.len() == 1 => {
                visitor.visit_enum(Variant { name: &entries[0].key, value: Some(&entries[0].value) })
            }
            Value::Map(_) => Err(Mistake::new(format!("expected exactly one of {}", variants.join(", ")))),
            other => Err(Mistake::new(format!(
                "expected one of {}, found {}",
                variants.join(", "),
                plain_found(&unexpected(other))
            ))),
        }
        .map_err(|mistake| mistake.at(self.at))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        tuple tuple_struct identifier ignored_any
    }
}

struct Elements<'n> {
    nodes: &'n [Node],
    next: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mistake> {
        let index = self.next;
        let Some(node) = self.nodes.get(index) else { return Ok(None) };
        self.next += 1;
        seed.deserialize(node).map(Some).map_err(|mistake| mistake.inside(index, node.at))
    }
}

struct Entries<'n> {
    entries: &'n [Entry],
    next: usize,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mistake> {
        let Some(entry) = self.entries.get(self.next) else { return Ok(None) };
        let key: StrDeserializer<'_, Mistake> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mistake| mistake.inside(self.next, entry.key_at))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mistake> {
        let index = self.next;
        let Some(entry) = self.entries.get(index) else {
            return Err(Mistake::new("the entry has no value".to_owned()));
        };
        self.next += 1;
        seed.deserialize(&entry.value).map_err(|mistake| {
            let at = entry.value.at;
            let named = Mistake { message: format!("{}: {}", entry.key, mistake.message), ..mistake };
            named.inside(index, at)
        })
    }
}

/// One alternative of an enum: a text, or a mapping with one entry.
struct Variant<'n> {
    name: &'n str,
    value: Option<&'n Node>,
}

impl<'de, 'n> EnumAccess<'de> for Variant<'n> {
    type Error = Mistake;
    type Variant = Variant<'n>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mistake> {
        let name: StrDeserializer<'_, Mistake> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Mistake;

    fn unit_variant(self) -> Result<(), Mistake> {
        match self.value {
            None => Ok(()),
            Some(_) => Err(Mistake::new(format!("expected only '{}', without a value", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mistake> {
        match self.value {
            // An inner path would lead into the value of this alternative; without it nothing is left.
            Some(value) => seed.deserialize(value).map_err(|mistake| Mistake { path: Vec::new(), ..mistake }),
            None => Err(Mistake::new(format!("expected '{}: …', found only the key", self.name))),
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Mistake> {
        Err(Mistake::new(format!("'{}' does not take a list", self.name)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Mistake> {
        Err(Mistake::new(format!("'{}' does not take a mapping", self.name)))
    }
}
