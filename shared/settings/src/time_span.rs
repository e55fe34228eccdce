//! Lengths of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time: a whole number and a unit, `250ms`, `30s`, `5min`, `24h`, `7d`.
/// A bare number is seconds. It is shown in the largest unit that keeps the number whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

/// Why a text is not a [`TimeSpan`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTimeSpanError {
    /// Not a whole number followed by a unit that is known.
    #[error("write a whole number and one of ms, s, min, h, d, such as 30s (a bare number is seconds)")]
    Shape,
    /// More than 2^64 milliseconds.
    #[error("this is longer than can be counted, write a shorter time")]
    TooLong,
}

/// Units by length, longest first.
const UNITS_MILLISECONDS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

impl TimeSpan {
    /// A span of seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds as u64))
    }

    /// The span as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Self {
        span.0
    }
}

impl FromStr for TimeSpan {
    type Err = ParseTimeSpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = if unit.is_empty() { "s" } else { unit.trim_start() };
        if number.is_empty() {
            return Err(ParseTimeSpanError::Shape);
        }
        let (_, milliseconds) =
            UNITS_MILLISECONDS.iter().find(|(name, _)| *name == unit).ok_or(ParseTimeSpanError::Shape)?;
        // The text is digits only, so the one way to fail is to be too large.
        let number: u64 = number.parse().map_err(|_| ParseTimeSpanError::TooLong)?;
        let total = number.checked_mul(*milliseconds).ok_or(ParseTimeSpanError::TooLong)?;
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        if total == 0 {
            return f.write_str("0s");
        }
        let whole = UNITS_MILLISECONDS.iter().find(|(_, unit)| total.is_multiple_of(u128::from(*unit)));
        let (name, unit) = whole.unwrap_or(&("ms", 1));
        write!(f, "{}{name}", total / u128::from(*unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(text: &str) -> u64 {
        u64::try_from(text.parse::<TimeSpan>().unwrap().duration().as_millis()).unwrap()
    }

    #[test]
    fn reads_every_unit_and_bare_seconds() {
        assert_eq!(milliseconds("250ms"), 250);
        assert_eq!(milliseconds("30s"), 30_000);
        assert_eq!(milliseconds(" 30 s "), 30_000);
        assert_eq!(milliseconds("5min"), 300_000);
        assert_eq!(milliseconds("24h"), 86_400_000);
        assert_eq!(milliseconds("7d"), 604_800_000);
        assert_eq!(milliseconds("45"), 45_000);
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in ["", "s", "-1s", "1.5h", "5m", "1h30min", "30 seconds", "1S"] {
            assert_eq!(text.parse::<TimeSpan>(), Err(ParseTimeSpanError::Shape), "{text:?}");
        }
        for text in ["99999999999999999999", "99999999999999999d"] {
            assert_eq!(text.parse::<TimeSpan>(), Err(ParseTimeSpanError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn is_shown_in_the_largest_whole_unit_and_reads_back() {
        for text in ["0s", "1ms", "1500ms", "90s", "2min", "1h", "25h", "1d"] {
            assert_eq!(text.parse::<TimeSpan>().unwrap().to_string(), text);
        }
        assert_eq!("3600".parse::<TimeSpan>().unwrap().to_string(), "1h");
    }
}
