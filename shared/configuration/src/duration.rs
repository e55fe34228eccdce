//! Durations as they are written in the file: `30s`, `180min`, `12h`, `1h30min`, or a bare number in
//! the unit in which the vendor gives the option.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;

/// Units, the longest first, with their length in milliseconds.
const UNITS: [(&str, u64); 5] =
    [("d", 24 * 60 * MINUTE_MS), ("h", 60 * MINUTE_MS), ("min", MINUTE_MS), ("s", SECOND_MS), ("ms", 1)];

const EXPECTED: &str = "a duration such as 30s, 180min or 12h";

/// A duration in the shortest exact form that [`parse`] reads back: `90s`, `12h`, `0s`.
pub(crate) fn text(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    UNITS
        .iter()
        .find(|(_, length)| milliseconds > 0 && milliseconds.is_multiple_of(u128::from(*length)))
        .map_or_else(
            || "0s".to_owned(),
            |(unit, length)| format!("{}{unit}", milliseconds / u128::from(*length)),
        )
}

/// Reads a duration; `bare_unit_ms` is the length of the unit of a number without one.
fn parse(text: &str, bare_unit_ms: u64) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total_ms = None;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit_ms = if letters == 0 && rest.is_empty() && total_ms.is_none() {
            bare_unit_ms
        } else {
            UNITS.iter().find(|(unit, _)| *unit == &rest[..letters])?.1
        };
        total_ms = Some(total_ms.unwrap_or(0_u64).checked_add(number.checked_mul(unit_ms)?)?);
        rest = rest[letters..].trim_start();
    }
    total_ms.map(Duration::from_millis)
}

struct DurationVisitor {
    bare_unit_ms: u64,
}

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EXPECTED)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
        number
            .checked_mul(self.bare_unit_ms)
            .map(Duration::from_millis)
            .ok_or_else(|| E::custom(format!("expected {EXPECTED}, and {number} is far too large")))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("expected {EXPECTED}, and {number} is negative"))),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        parse(text, self.bare_unit_ms)
            .ok_or_else(|| E::custom(format!("expected {EXPECTED} (units d, h, min, s, ms), found '{text}'")))
    }
}

pub(crate) fn in_seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor { bare_unit_ms: SECOND_MS })
}

pub(crate) fn in_minutes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor { bare_unit_ms: MINUTE_MS })
}

pub(crate) fn as_text<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text(*duration))
}

/// A duration that may be left out, in seconds when it is a bare number.
pub(crate) mod optional {
    use super::{
        Deserializer, Duration, DurationVisitor, MINUTE_MS, SECOND_MS, Serializer, Visitor, as_text,
    };
    use std::fmt;

    struct OptionVisitor {
        bare_unit_ms: u64,
    }

    impl<'de> Visitor<'de> for OptionVisitor {
        type Value = Option<Duration>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(super::EXPECTED)
        }

        fn visit_none<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(DurationVisitor { bare_unit_ms: self.bare_unit_ms }).map(Some)
        }
    }

    pub(crate) fn in_seconds<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_option(OptionVisitor { bare_unit_ms: SECOND_MS })
    }

    pub(crate) fn in_minutes<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_option(OptionVisitor { bare_unit_ms: MINUTE_MS })
    }

    #[allow(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn as_text_if_any<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => as_text(duration, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// How a duration looks to the JSON Schema.
pub(crate) struct Text;

impl schemars::JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A duration: 30s, 180min, 12h, 1h30min (units d, h, min, s, ms), or a bare number in the unit that the field names.",
            "type": ["string", "integer"],
            "pattern": r"^\s*(\d+|(\d+\s*(d|h|min|s|ms)\s*)+)\s*$",
            "minimum": 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_and_bare_numbers() {
        for (written, seconds) in [
            ("30s", 30),
            ("180min", 10_800),
            ("12h", 43_200),
            ("1d", 86_400),
            ("1h30min", 5_400),
            (" 2 h 5 s ", 7_205),
        ] {
            assert_eq!(parse(written, SECOND_MS), Some(Duration::from_secs(seconds)), "{written}");
        }
        assert_eq!(parse("3", MINUTE_MS), Some(Duration::from_secs(180)));
        assert_eq!(parse("250ms", MINUTE_MS), Some(Duration::from_millis(250)));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for written in [
            "",
            "s",
            "-3s",
            "1.5h",
            "3 weeks",
            "5m",
            "1h30",
            "0h30",
            "99999999999999999999s",
            "9999999999999999d",
        ] {
            assert_eq!(parse(written, SECOND_MS), None, "{written}");
        }
    }

    #[test]
    fn text_reads_back() {
        for milliseconds in [0, 1, 999, 1_000, 90_000, 3_600_000, 10_800_000, 86_400_000, 5_400_000] {
            let duration = Duration::from_millis(milliseconds);
            assert_eq!(parse(&text(duration), 7), Some(duration), "{}", text(duration));
        }
        assert_eq!(text(Duration::from_secs(180 * 60)), "3h");
    }
}
