//! Amounts of memory and disk as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes: a whole number and a binary unit, `64MiB`. A bare number is bytes.
/// It is shown in the largest unit that keeps the number whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Why a text is not a [`ByteSize`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseByteSizeError {
    /// Not a whole number followed by a unit that is known.
    #[error("write a whole number and one of B, KiB, MiB, GiB, TiB, such as 64MiB (a bare number is bytes)")]
    Shape,
    /// More than 2^64 bytes.
    #[error("this is more than can be counted, write a smaller size")]
    TooLarge,
}

/// Units, largest first.
const UNITS_BYTES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl ByteSize {
    /// A number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory; the largest possible one where that is smaller.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = if unit.is_empty() { "B" } else { unit.trim_start() };
        if number.is_empty() {
            return Err(ParseByteSizeError::Shape);
        }
        let (_, bytes) =
            UNITS_BYTES.iter().find(|(name, _)| *name == unit).ok_or(ParseByteSizeError::Shape)?;
        // The text is digits only, so the one way to fail is to be too large.
        let number: u64 = number.parse().map_err(|_| ParseByteSizeError::TooLarge)?;
        number.checked_mul(*bytes).map(Self).ok_or(ParseByteSizeError::TooLarge)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS_BYTES.iter().find(|(_, unit)| self.0 != 0 && self.0.is_multiple_of(*unit));
        let (name, unit) = whole.unwrap_or(&("B", 1));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_and_bare_bytes() {
        let bytes = |text: &str| text.parse::<ByteSize>().unwrap().bytes();
        assert_eq!(bytes("10"), 10);
        assert_eq!(bytes("10B"), 10);
        assert_eq!(bytes("2KiB"), 2_048);
        assert_eq!(bytes("64 MiB"), 67_108_864);
        assert_eq!(bytes("20GiB"), 21_474_836_480);
        assert_eq!(bytes("1TiB"), 1_099_511_627_776);
    }

    #[test]
    fn refuses_what_could_be_misread() {
        for text in ["", "MiB", "-1", "1.5GiB", "64MB", "64M", "64mib"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ParseByteSizeError::Shape), "{text:?}");
        }
        for text in ["99999999999999999999", "16777216TiB"] {
            assert_eq!(text.parse::<ByteSize>(), Err(ParseByteSizeError::TooLarge), "{text:?}");
        }
    }

    #[test]
    fn is_shown_in_the_largest_whole_unit_and_reads_back() {
        for text in ["0B", "1B", "1025B", "3KiB", "64MiB", "20GiB", "2TiB"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
        assert_eq!("1048576".parse::<ByteSize>().unwrap().to_string(), "1MiB");
    }
}
