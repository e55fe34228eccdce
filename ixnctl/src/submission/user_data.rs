//! A JSON object → a key-value list, in the order in which it is written.
//!
//! Text is text, whole numbers are integers, `true` and `false` are 1 and 0, an object is a nested list, an array
//! is the same key once for each value, and `{"$binary": "<hexadecimal digits>"}` is bytes. A number with a
//! fraction and `null` have no counterpart and are refused.

use std::fmt;

use ixn_proto::KeyValueList;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The name under which bytes stand.
const BINARY: &str = "$binary";

/// The entries of one list.
#[derive(Debug, PartialEq)]
pub(super) struct Entries(Vec<(String, Value)>);

#[derive(Debug, PartialEq)]
enum Value {
    Text(String),
    Integer(i64),
    Binary(Vec<u8>),
    List(Entries),
    Repeated(Vec<Value>),
}

impl Entries {
    pub(super) fn into_list(self) -> KeyValueList {
        let mut list = KeyValueList::new();
        for (key, value) in self.0 {
            value.push_to(&key, &mut list);
        }
        list
    }
}

impl Value {
    fn push_to(self, key: &str, list: &mut KeyValueList) {
        match self {
            Value::Text(text) => {
                list.push_text(key, &text);
            }
            Value::Integer(integer) => {
                list.push_integer(key, integer);
            }
            Value::Binary(bytes) => {
                list.push_binary(key, &bytes);
            }
            Value::List(entries) => {
                list.push_list(key, &entries.into_list());
            }
            Value::Repeated(values) => values.into_iter().for_each(|value| value.push_to(key, list)),
        }
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Entries(entries))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a whole number of 64 bits, true, false, an object or an array")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Integer(i64::from(truth)))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Value, E> {
        Ok(Value::Integer(integer))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Value, E> {
        i64::try_from(integer)
            .map(Value::Integer)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(integer), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            if matches!(value, Value::Repeated(_)) {
                return Err(de::Error::custom("an array in an array: a key cannot repeat twice over"));
            }
            values.push(value);
        }
        Ok(Value::Repeated(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        let entries = EntriesVisitor.visit_map(map)?;
        match entries.0.as_slice() {
            [(key, Value::Text(digits))] if key == BINARY => {
                bytes_of(digits).map(Value::Binary).ok_or_else(|| {
                    de::Error::custom(format_args!(
                        "{BINARY} is {digits:?}: give pairs of hexadecimal digits"
                    ))
                })
            }
            _ => Ok(Value::List(entries)),
        }
    }
}

fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> =
        digits.chars().map(|digit| digit.to_digit(16).and_then(|nibble| u8::try_from(nibble).ok())).collect();
    let nibbles = nibbles.filter(|nibbles| nibbles.len() % 2 == 0)?;
    Some(nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect())
}

#[cfg(test)]
mod tests {
    use crate::message_json::key_value_object;

    use super::*;

    fn read(json: &str) -> Result<KeyValueList, serde_json::Error> {
        serde_json::from_str::<Entries>(json).map(Entries::into_list)
    }

    #[test]
    fn what_is_read_is_what_is_shown() {
        let json =
            r#"{"Subject":"hello","Age":-3,"Tag":[1,"two"],"Skill":{"level":7},"Raw":{"$binary":"00ff"}}"#;
        let shown = key_value_object(&read(json).unwrap());
        assert_eq!(shown, serde_json::from_str::<serde_json::Value>(json).unwrap());
    }

    #[test]
    fn order_and_repeated_names_are_kept() {
        let list = read(r#"{"b":1,"a":2,"b":3,"c":[4,5],"d":true,"e":[]}"#).unwrap();
        let entries: Vec<String> = list.entries().map(|entry| format!("{:?}", entry.unwrap())).collect();
        assert_eq!(entries, [r#""b": 1"#, r#""a": 2"#, r#""b": 3"#, r#""c": 4"#, r#""c": 5"#, r#""d": 1"#]);
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        for json in [
            r#"{"a":null}"#,
            r#"{"a":1.5}"#,
            r#"{"a":18446744073709551615}"#,
            r#"{"a":[[1]]}"#,
            r#"{"a":{"$binary":"0"}}"#,
            r#"{"a":{"$binary":"zz"}}"#,
            r#"[1]"#,
        ] {
            assert!(read(json).is_err(), "{json} was read as {:?}", read(json));
        }
    }
}
