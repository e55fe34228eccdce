//! A JSON object → a key-value list, in the order in which it is written.
//!
//! Text is text, whole numbers are integers, `true` and `false` are 1 and 0, an object is a nested list, an array
//! is the same key once for each value, and `{"$binary": "<hexadecimal digits>"}` is bytes. A number with a
//! fraction and `null` have no counterpart and are refused.

use ixn_proto::KeyValueList;

use super::fields::wrong;
use super::json::Json;

/// The name under which bytes stand.
const BINARY: &str = "$binary";

/// The entries of the object that stands in the field `name`.
///
/// # Errors
/// A sentence: it is no object, or a value in it has no counterpart.
pub(super) fn list(name: &str, value: Json) -> Result<KeyValueList, String> {
    let Json::Object(object) = value else {
        return Err(wrong(name, &value, r#"an object such as {"Subject":"hello"}"#));
    };
    let mut list = KeyValueList::new();
    for (key, value) in object {
        push(&format!("{name}.{key}"), &key, value, &mut list)?;
    }
    Ok(list)
}

fn push(name: &str, key: &str, value: Json, to: &mut KeyValueList) -> Result<(), String> {
    let allowed = "a text, a whole number of 64 bits, true, false, an object or an array";
    match value {
        Json::Text(text) => to.push_text(key, &text),
        Json::Truth(truth) => to.push_integer(key, i64::from(truth)),
        Json::Integer(integer) => match i64::try_from(integer) {
            Ok(integer) => to.push_integer(key, integer),
            Err(_) => return Err(wrong(name, &value, allowed)),
        },
        Json::Null | Json::Fraction(_) => return Err(wrong(name, &value, allowed)),
        Json::Array(values) => {
            for value in values {
                if let Json::Array(_) = value {
                    return Err(format!(
                        "the field \"{name}\" is an array in an array: a key cannot repeat twice over"
                    ));
                }
                push(name, key, value, to)?;
            }
            to
        }
        Json::Object(object) => match object.as_slice() {
            [(only, digits)] if only == BINARY => {
                let bytes = if let Json::Text(digits) = digits { bytes_of(digits) } else { None };
                let name = format!("{name}.{BINARY}");
                let bytes = bytes
                    .ok_or_else(|| wrong(&name, digits, "pairs of hexadecimal digits, such as \"00ff\""))?;
                to.push_binary(key, &bytes)
            }
            _ => to.push_list(key, &list(name, Json::Object(object))?),
        },
    };
    Ok(())
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
    use crate::submission::json;

    use super::*;

    fn read(text: &str) -> Result<KeyValueList, String> {
        list("user_data", json::read(text).unwrap())
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
    fn what_has_no_counterpart_is_refused_with_its_place() {
        for (json, place) in [
            (r#"{"a":null}"#, r#""user_data.a" is null: give a text, a whole number"#),
            (r#"{"a":{"b":[1,1.5]}}"#, r#""user_data.a.b" is 1.5: give"#),
            (r#"{"a":18446744073709551615}"#, r#""user_data.a" is 18446744073709551615: give"#),
            (r#"{"a":[[1]]}"#, r#""user_data.a" is an array in an array"#),
            (r#"{"a":{"$binary":"0"}}"#, r#""user_data.a.$binary" is "0": give pairs of hexadecimal digits"#),
            (r#"{"a":{"$binary":"zz"}}"#, r#""user_data.a.$binary" is "zz""#),
            (r#"[1]"#, r#""user_data" is an array: give an object such as"#),
        ] {
            let problem = read(json).unwrap_err();
            assert!(problem.contains(place), "{problem}");
        }
    }
}
