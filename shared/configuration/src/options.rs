//! Options of the server that live among the configuration objects, under the vendor's names.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
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

    /// How many interactions one snapshot holds at most; a request may ask for fewer. Default 500, 100 to
    /// 10000.
    pub max_interactions_per_snapshot: u32,

    /// How many interactions of one strategy are in routing at the same time, unless the strategy says
    /// otherwise. 0 = no limit. Default 5000, 0 to 50000.
    pub default_max_submitted_per_strategy: u32,

    /// How fast interactions are given to one routing engine: `N/second`, `N/minute` or `N/hour`.
    /// 0 = no limit. Default 0, at most 1000/second.
    pub default_max_submission_rate: SubmissionRate,

    /// How long an agent whose connection broke is kept logged in with the interactions that he holds,
    /// so that he may log in again and go on. Not an option of the vendor. A bare number is seconds.
    /// Default 60s, 0s to 86400s.
    #[serde(deserialize_with = "duration::in_seconds", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub agent_reconnect_timeout: Duration,

    /// How long the interactions of a routing engine whose connection broke wait for it to come back
    /// before they return to their queues. Not an option of the vendor. A bare number is seconds.
    /// Default 60s, 0s to 86400s.
    #[serde(deserialize_with = "duration::in_seconds", serialize_with = "duration::as_text")]
    #[schemars(with = "duration::Text")]
    pub router_reconnect_timeout: Duration,

    /// A full reload from a configuration server that would delete more than this percentage of one kind
    /// of objects (of kinds with more than 20) waits for a confirmation. 100 = never waits. Not an option
    /// of the vendor. Default 10, 0 to 100.
    pub reload_delete_confirmation_percent: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delivering_timeout: Duration::from_secs(30),
            handling_timeout: Duration::from_secs(180 * MINUTE),
            routing_timeout: Duration::from_secs(720 * MINUTE),
            not_ready_on_invitation_timeout: true,
            allow_multiple_agent_connections: MultipleConnections::Allow,
            max_interactions_per_snapshot: 500,
            default_max_submitted_per_strategy: 5_000,
            default_max_submission_rate: SubmissionRate::UNLIMITED,
            agent_reconnect_timeout: Duration::from_secs(60),
            router_reconnect_timeout: Duration::from_secs(60),
            reload_delete_confirmation_percent: 10,
        }
    }
}

/// The longest time that any step, view or option may name: the vendor's longest routing time-out.
pub(crate) const LONGEST: Duration = Duration::from_secs(525_600 * MINUTE);

/// The range of a handling time-out, shared by the option and by media types.
pub(crate) const HANDLING_RANGE: (Duration, Duration) =
    (Duration::from_secs(MINUTE), Duration::from_secs(1_440 * MINUTE));

/// The largest cap of interactions in routing, shared by the option, strategies and views.
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
            ("router-reconnect-timeout", self.router_reconnect_timeout, Duration::ZERO, day),
        ];
        let numbers = [
            ("max-interactions-per-snapshot", self.max_interactions_per_snapshot, 100, 10_000),
            ("default-max-submitted-per-strategy", self.default_max_submitted_per_strategy, 0, MAX_SUBMITTED),
            ("reload-delete-confirmation-percent", self.reload_delete_confirmation_percent, 0, 100),
        ];
        let mut found = Vec::new();
        for (key, value, least, most) in durations {
            found.extend(duration_out_of_range(value, least, most).map(|sentence| (key, sentence)));
        }
        for (key, value, least, most) in numbers {
            found.extend(number_out_of_range(value, least, most).map(|sentence| (key, sentence)));
        }
        if self.default_max_submission_rate.is_too_fast() {
            found.push(("default-max-submission-rate", "is at most 1000/second".to_owned()));
        }
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

/// How many interactions may be handed over in one period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubmissionRate {
    /// Interactions per period; 0 = no limit.
    pub interactions: u32,
    /// The period.
    pub per: RatePeriod,
}

/// The period of a [`SubmissionRate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RatePeriod {
    /// 1 second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3600 seconds.
    Hour,
}

impl RatePeriod {
    /// The length of the period in seconds.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
        }
    }
}

impl SubmissionRate {
    /// No limit.
    pub const UNLIMITED: Self = Self { interactions: 0, per: RatePeriod::Second };

    /// Whether there is no limit.
    #[must_use]
    pub fn is_unlimited(self) -> bool {
        self.interactions == 0
    }

    fn is_too_fast(self) -> bool {
        u64::from(self.interactions) > 1_000 * u64::from(self.per.seconds())
    }
}

impl fmt::Display for SubmissionRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unlimited() {
            return formatter.write_str("0");
        }
        let period = match self.per {
            RatePeriod::Second => "second",
            RatePeriod::Minute => "minute",
            RatePeriod::Hour => "hour",
        };
        write!(formatter, "{}/{period}", self.interactions)
    }
}

impl FromStr for SubmissionRate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected a rate such as 100/second, 100/minute, 100/hour or 0, found '{text}'");
        let Some((count, period)) = text.split_once('/') else {
            return if text.trim() == "0" { Ok(Self::UNLIMITED) } else { Err(wrong()) };
        };
        let interactions = count.trim().parse().map_err(|_| wrong())?;
        let per = match period.trim() {
            "second" => RatePeriod::Second,
            "minute" => RatePeriod::Minute,
            "hour" => RatePeriod::Hour,
            _ => return Err(wrong()),
        };
        Ok(if interactions == 0 { Self::UNLIMITED } else { Self { interactions, per } })
    }
}

impl Serialize for SubmissionRate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SubmissionRate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A bare 0 is a number in YAML; the reader of this crate hands numbers to a text as written.
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for SubmissionRate {
    fn schema_name() -> Cow<'static, str> {
        "SubmissionRate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "N/second, N/minute or N/hour, at most 1000/second; 0 = no limit.",
            "type": ["string", "integer"],
            "pattern": r"^\s*(0|\d+\s*/\s*(second|minute|hour))\s*$",
            "minimum": 0,
            "maximum": 0
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
            max_interactions_per_snapshot: 99,
            default_max_submitted_per_strategy: 50_001,
            default_max_submission_rate: SubmissionRate { interactions: 60_001, per: RatePeriod::Minute },
            agent_reconnect_timeout: Duration::from_secs(86_401),
            router_reconnect_timeout: Duration::from_secs(86_401),
            reload_delete_confirmation_percent: 101,
            ..Options::default()
        };
        let keys: Vec<_> = options.out_of_range().into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys.len(), 9, "{keys:?}");
    }

    #[test]
    fn rates_read_back() {
        for text in ["0", "1000/second", "5/minute", "7/hour"] {
            assert_eq!(text.parse::<SubmissionRate>().unwrap().to_string(), text);
        }
        for text in ["", "5", "5/day", "-1/second", "x/second"] {
            text.parse::<SubmissionRate>().unwrap_err();
        }
    }
}
