//! JSON as it is written: names in their order, also when one stands twice.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The longest value that is repeated in a message, characters.
const SHOWN_CHARACTERS: usize = 60;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Truth(bool),
    Integer(i128),
    Fraction(f64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// Reads one value.
///
/// # Errors
/// A sentence: where it is not JSON, and why.
pub(super) fn read(text: &str) -> Result<Json, String> {
    // The end of the line is not a line of its own.
    serde_json::from_str(text.trim_end()).map_err(|error| {
        let said = error.to_string();
        let said = said.split(" at line ").next().unwrap_or_default();
        let reason = match said {
            "expected value" | "expected ident" => {
                "no value begins like this (texts stand in double quotation marks)"
            }
            "key must be a string" => "a name must stand in double quotation marks",
            "trailing characters" => "something follows after the value",
            "recursion limit exceeded" => "it is nested too deeply",
            _ if error.is_eof() => "it ends too early",
            said => said,
        };
        format!("it is not JSON at column {}: {reason}", error.column())
    })
}

/// In messages: cut when it is long.
impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Null => "null".to_owned(),
            Self::Truth(truth) => truth.to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Fraction(fraction) => fraction.to_string(),
            Self::Text(text) => format!("{text:?}"),
            Self::Array(_) => "an array".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        };
        if text.chars().count() <= SHOWN_CHARACTERS {
            return formatter.write_str(&text);
        }
        write!(formatter, "{}…", text.chars().take(SHOWN_CHARACTERS).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Truth(truth))
    }

    fn visit_i64<E: de::Error>(self, integer: i64) -> Result<Json, E> {
        Ok(Json::Integer(integer.into()))
    }

    fn visit_u64<E: de::Error>(self, integer: u64) -> Result<Json, E> {
        Ok(Json::Integer(integer.into()))
    }

    fn visit_f64<E: de::Error>(self, fraction: f64) -> Result<Json, E> {
        Ok(Json::Fraction(fraction))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_told_with_its_column_in_plain_words() {
        for (text, column, part) in [
            ("nonsense", 2, "quotation marks"),
            (r#"{"a":1"#, 6, "it ends too early"),
            ("{\"a\":1\r\n", 6, "it ends too early"),
            (r#"{a:1}"#, 2, "a name must stand"),
            (r#"{"a":1} {}"#, 9, "something follows"),
            (r#"{"a":1,}"#, 8, "trailing comma"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(&format!("column {column}:")) && problem.contains(part), "{problem}");
        }
        assert!(read(&"[".repeat(1000)).unwrap_err().contains("too deeply"));
    }

    #[test]
    fn long_values_are_cut_in_messages() {
        assert_eq!(Json::Text("a\n".to_owned()).to_string(), r#""a\n""#);
        assert_eq!(Json::Text("x".repeat(999)).to_string().chars().count(), SHOWN_CHARACTERS + 1);
    }
}
