//! Lengths of time as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time: a whole number and a unit, `250ms`, `30s`, `5min`, `24h`, `7d`, or several of them, `1h30min`.
/// A bare number is seconds. It is shown in the largest unit that keeps the number whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeSpan(Duration);

/// Why a text is not a [`TimeSpan`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTimeSpanError {
    /// Not whole numbers, each followed by a unit that is known.
    #[error(
        "write whole numbers, each with one of d, h, min, s, ms, such as 30s or 1h30min (a bare number is seconds)"
    )]
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

    /// Reads a text in which a number without a unit has one of this length, in milliseconds.
    ///
    /// # Errors
    /// The text is not a length of time, or too long a one.
    pub fn parse(text: &str, bare_unit_milliseconds: u64) -> Result<Self, ParseTimeSpanError> {
        let mut rest = text.trim();
        let mut total: Option<u64> = None;
        while !rest.is_empty() {
            let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
            let (unit, after) = split_where(after.trim_start(), |c| !c.is_ascii_alphabetic());
            let is_bare = unit.is_empty() && after.is_empty() && total.is_none();
            let unit = UNITS_MILLISECONDS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length);
            let unit = unit.or(is_bare.then_some(bare_unit_milliseconds)).ok_or(ParseTimeSpanError::Shape)?;
            if number.is_empty() {
                return Err(ParseTimeSpanError::Shape);
            }
            // The text is digits only, so the one way to fail is to be too large.
            let number: u64 = number.parse().map_err(|_| ParseTimeSpanError::TooLong)?;
            let part = number.checked_mul(unit).ok_or(ParseTimeSpanError::TooLong)?;
            total = Some(total.unwrap_or(0).checked_add(part).ok_or(ParseTimeSpanError::TooLong)?);
            rest = after.trim_start();
        }
        total.map(|milliseconds| Self(Duration::from_millis(milliseconds))).ok_or(ParseTimeSpanError::Shape)
    }

    /// The span as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

impl From<Duration> for TimeSpan {
    fn from(duration: Duration) -> Self {
        Self(duration)
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
        Self::parse(text, 1_000)
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
        assert_eq!(milliseconds("1h30min"), 5_400_000);
        assert_eq!(milliseconds(" 2 h 5 s "), 7_205_000);
        assert_eq!(TimeSpan::parse("3", 60_000), Ok(TimeSpan::from_seconds(180)));
        assert_eq!(TimeSpan::parse("250ms", 60_000).unwrap().duration(), Duration::from_millis(250));
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in
            ["", "s", "-1s", "1.5h", "5m", "1h30", "0h30", "h30", "1h-30min", "3 weeks", "30 seconds", "1S"]
        {
            assert_eq!(text.parse::<TimeSpan>(), Err(ParseTimeSpanError::Shape), "{text:?}");
        }
        for text in ["99999999999999999999", "99999999999999999d", "213503982334d213503982334d"] {
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
