//! Options of the server that live among the configuration objects, under the vendor's names.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;

/// Options of the server. The names, defaults and ranges are those of the vendor's public page
/// "Interaction Server options" (section `settings`) unless the field says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// How long an invited agent may take to accept; then the invitation is revoked and the interaction
    /// goes on to the next choice. A bare number is seconds. Default 30s, 1s to 86400s.
    #[serde(deserialize_with = "duration::in_seconds", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub delivering_timeout: Duration,

    /// How long an agent may hold an interaction without any request about it; then he is presumed gone
    /// and the interaction returns to its queue. The user data key `handling-timeout` of an interaction
    /// comes first, then the media type's `handling-timeout`, then this. A bare number is minutes.
    /// Default 180min, 1min to 1440min.
    #[serde(deserialize_with = "duration::in_minutes", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub handling_timeout: Duration,

    /// How long an interaction may stay in routing before routing is considered failed and it returns to
    /// its queue. Holds for interactions that enter routing after the change. A bare number is minutes.
    /// Default 720min, 20min to 525600min.
    #[serde(deserialize_with = "duration::in_minutes", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub routing_timeout: Duration,

    /// Whether an agent who lets an invitation run out is set not ready for its media type. Default true.
    pub not_ready_on_invitation_timeout: bool,

    /// What a second login of an agent on another connection does. Default true.
    pub allow_multiple_agent_connections: MultipleConnections,

    /// How many interactions of one strategy are in routing at the same time, unless the strategy says
    /// otherwise. 0 = no limit. Default 5000, 0 to 50000.
    pub default_max_submitted_per_strategy: u32,

    /// How long an agent whose connection broke is kept logged in with the interactions that he holds,
    /// so that he may log in again and go on. Not an option of the vendor. A bare number is seconds.
    /// Default 60s, 0s to 86400s.
    #[serde(deserialize_with = "duration::in_seconds", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub agent_reconnect_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delivering_timeout: Duration::from_secs(30),
            handling_timeout: Duration::from_secs(180 * MINUTE),
            routing_timeout: Duration::from_secs(720 * MINUTE),
            not_ready_on_invitation_timeout: true,
            allow_multiple_agent_connections: MultipleConnections::Allow,
            default_max_submitted_per_strategy: 5_000,
            agent_reconnect_timeout: Duration::from_secs(60),
        }
    }
}

/// The longest time that any step or option may name: the vendor's longest routing time-out.
pub(crate) const LONGEST: Duration = Duration::from_secs(525_600 * MINUTE);

/// The range of a handling time-out, shared by the option and by media types.
pub(crate) const HANDLING_RANGE: (Duration, Duration) =
    (Duration::from_secs(MINUTE), Duration::from_secs(1_440 * MINUTE));

/// The largest cap of interactions in routing, shared by the option and strategies.
pub(crate) const MAX_SUBMITTED: u32 = 50_000;

impl Options {
    /// Each option that is out of its range: its key and a sentence.
    pub(crate) fn out_of_range(&self) -> Vec<(&'static str, String)> {
        let day = Duration::from_secs(86_400);
        let durations = [
            ("delivering-timeout", self.delivering_timeout, Duration::from_secs(SECOND), day),
            ("handling-timeout", self.handling_timeout, HANDLING_RANGE.0, HANDLING_RANGE.1),
            ("routing-timeout", self.routing_timeout, Duration::from_secs(20 * MINUTE), LONGEST),
            ("agent-reconnect-timeout", self.agent_reconnect_timeout, Duration::ZERO, day),
        ];
        let mut found = Vec::new();
        for (key, value, least, most) in durations {
            found.extend(duration_out_of_range(value, least, most).map(|sentence| (key, sentence)));
        }
        let cap = number_out_of_range(self.default_max_submitted_per_strategy, 0, MAX_SUBMITTED);
        found.extend(cap.map(|sentence| ("default-max-submitted-per-strategy", sentence)));
        found
    }
}

/// A sentence when the duration is outside `least..=most`.
pub(crate) fn duration_out_of_range(value: Duration, least: Duration, most: Duration) -> Option<String> {
    (value < least || value > most).then(|| {
        format!("{} is not from {} to {}", duration::text(value), duration::text(least), duration::text(most))
    })
}

/// A sentence when the number is outside `least..=most`.
pub(crate) fn number_out_of_range(value: u32, least: u32, most: u32) -> Option<String> {
    (value < least || value > most).then(|| format!("{value} is not from {least} to {most}"))
}

/// What a second login of an agent on another connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MultipleConnections {
    /// `true`: the agent is logged in on both connections.
    Allow,
    /// `false`: the second login is refused.
    Refuse,
    /// `force-logout`: the older connection is closed.
    ForceLogout,
}

impl Serialize for MultipleConnections {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Allow => serializer.serialize_bool(true),
            Self::Refuse => serializer.serialize_bool(false),
            Self::ForceLogout => serializer.serialize_str("force-logout"),
        }
    }
}

impl<'de> Deserialize<'de> for MultipleConnections {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl serde::de::Visitor<'_> for Visitor {
            type Value = MultipleConnections;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("true, false or force-logout")
            }

            fn visit_bool<E: serde::de::Error>(self, allowed: bool) -> Result<Self::Value, E> {
                Ok(if allowed { MultipleConnections::Allow } else { MultipleConnections::Refuse })
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    "true" => Ok(MultipleConnections::Allow),
                    "false" => Ok(MultipleConnections::Refuse),
                    "force-logout" => Ok(MultipleConnections::ForceLogout),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for MultipleConnections {
    fn schema_name() -> Cow<'static, str> {
        "MultipleConnections".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "true: logged in on both; false: the second login is refused; force-logout: the older connection is closed.",
            "enum": [true, false, "force-logout"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_range() {
        assert_eq!(Options::default().out_of_range(), vec![]);
    }

    #[test]
    fn every_range_is_checked() {
        let options = Options {
            delivering_timeout: Duration::ZERO,
            handling_timeout: Duration::from_secs(86_401),
            routing_timeout: Duration::from_secs(19 * MINUTE),
            default_max_submitted_per_strategy: 50_001,
            agent_reconnect_timeout: Duration::from_secs(86_401),
            ..Options::default()
        };
        let keys: Vec<_> = options.out_of_range().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), 5, "{keys:?}");
    }
}
