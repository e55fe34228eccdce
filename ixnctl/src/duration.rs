//! Lengths of time on the command line.

use std::time::Duration;

/// Reads a length of time with its unit, or 0.
///
/// # Errors
/// A sentence that says how to write it.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match (number, unit) {
        ("0", "") => 0,
        (_, "ms") => 1,
        (_, "s") => 1_000,
        (_, "m" | "min") => 60_000,
        (_, "h") => 3_600_000,
        _ => return Err("give a number and a unit: 200ms, 3s, 1min, 1h".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "give a whole number and a unit: 200ms, 3s, 1min, 1h".to_owned())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "it is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "3", "s", "1.5s", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
