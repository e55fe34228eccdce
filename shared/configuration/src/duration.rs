//! Durations as they are written in the file: as in settings (`30s`, `180min`, `12h`, `1h30min`), but that a bare number
//! is in the unit in which the vendor gives the option.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use ixn_settings::TimeSpan;
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;

const EXPECTED: &str = "a duration such as 30s, 180min or 12h";

/// A duration in the shortest exact form that reads back: `90s`, `12h`, `0s`.
pub(crate) fn text(duration: Duration) -> String {
    TimeSpan::from(duration).to_string()
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
        TimeSpan::parse(text, self.bare_unit_ms)
            .map(Duration::from)
            .map_err(|_| E::custom(format!("expected {EXPECTED} (units d, h, min, s, ms), found '{text}'")))
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
    use serde::de::IntoDeserializer as _;
    use serde::de::value::{Error, StrDeserializer, U64Deserializer};

    use super::*;

    #[test]
    fn a_bare_number_has_the_unit_of_its_field() {
        let text = |written: &'static str| -> StrDeserializer<'_, Error> { written.into_deserializer() };
        let number = || -> U64Deserializer<Error> { 3_u64.into_deserializer() };
        assert_eq!(in_seconds(text("1h30min")), Ok(Duration::from_secs(5_400)));
        assert_eq!(in_seconds(text("3")), Ok(Duration::from_secs(3)));
        assert_eq!(in_minutes(text("3")), Ok(Duration::from_secs(180)));
        assert_eq!(
            (in_seconds(number()), in_minutes(number())),
            (Ok(Duration::from_secs(3)), Ok(Duration::from_secs(180)))
        );
        let refused = in_seconds(text("5m")).unwrap_err().to_string();
        assert!(refused.contains("such as 30s") && refused.contains("found '5m'"), "{refused}");
    }
}
