//! Points in time as text: `yyyy-mm-ddThh:mi:ssZ` or `yyyy-mm-dd hh:mi:ss`, always UTC, no leap seconds.

use std::fmt;

const SECONDS_PER_DAY: i64 = 86_400;
/// From 0000-03-01, where the arithmetic below starts its years, to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;
/// The Gregorian calendar repeats after 400 years.
const DAYS_PER_ERA: i64 = 146_097;

/// UTC seconds since 1970 of a text in one of the two forms; `None` for another form or a date that does not exist.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let bytes: &[u8; 19] = match text.len() {
        20 => text.strip_suffix('Z')?.as_bytes().try_into().ok().filter(|b: &&[u8; 19]| b[10] == b'T')?,
        19 => text.as_bytes().try_into().ok().filter(|b: &&[u8; 19]| b[10] == b' ')?,
        _ => return None,
    };
    let separators = (bytes[4], bytes[7], bytes[13], bytes[16]);
    if separators != (b'-', b'-', b':', b':') {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes
            .get(range)?
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let date_exists = year >= 1 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
    let time_exists = hour < 24 && minute < 60 && second < 60;
    (date_exists && time_exists)
        .then(|| days_since_1970(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// Writes what [`parse`] reads (for the years 1 to 9999, which is all that `parse` gives).
pub(crate) fn write(seconds: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (year, month, day) = date(seconds.div_euclid(SECONDS_PER_DAY));
    let second = seconds.rem_euclid(SECONDS_PER_DAY);
    write!(f, "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Years are taken to begin in March, so that a leap day is the last day of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    year.div_euclid(400) * DAYS_PER_ERA + day_of_era - DAYS_TO_1970
}

fn date(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + DAYS_TO_1970;
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year_of_era + days.div_euclid(DAYS_PER_ERA) * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(i64);
    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(self.0, f)
        }
    }

    #[test]
    fn reads_both_forms() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("1970-01-01 00:00:01"), Some(1));
        assert_eq!(parse("1969-12-31 23:59:59"), Some(-1));
        assert_eq!(parse("2024-02-29 12:34:56"), Some(1_709_210_096));
        assert_eq!(parse("0001-01-01 00:00:00"), Some(-62_135_596_800));
        assert_eq!(parse("9999-12-31T23:59:59Z"), Some(253_402_300_799));
    }

    #[test]
    fn refuses_what_does_not_exist_or_is_written_differently() {
        for wrong in [
            "2023-02-29 00:00:00",
            "1900-02-29 00:00:00",
            "2024-13-01 00:00:00",
            "2024-00-01 00:00:00",
            "2024-01-00 00:00:00",
            "2024-01-01 24:00:00",
            "2024-01-01 00:60:00",
            "2024-01-01 00:00:60",
            "0000-01-01 00:00:00",
            "2024-01-01T00:00:00",
            "2024-01-01 00:00:00Z",
            "2024-01-01",
            "+024-01-01 00:00:00",
            "2024-01-01 00:00:0é",
            "",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_written_and_read_back() {
        let first = parse("1799-12-31 00:00:00").unwrap();
        for day in 0..DAYS_PER_ERA {
            let seconds = first + day * SECONDS_PER_DAY + day % SECONDS_PER_DAY;
            assert_eq!(parse(&Shown(seconds).to_string()), Some(seconds));
        }
    }
}
