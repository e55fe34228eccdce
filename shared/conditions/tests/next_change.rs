//! `next_change` never comes too late: until then the value stays, second by second.
#![allow(clippy::expect_used, clippy::panic, reason = "functions beside the tests fail them too")]

mod generator;

use generator::{Flavour, Generator};
use ixn_conditions::{Condition, NextChange};

const CASES: u64 = 20_000;
/// How far into the future each case is followed.
const SECONDS: i64 = 400;

#[test]
fn the_value_stays_until_the_next_change() {
    let schema = generator::schema();
    let (mut changes, mut real_changes, mut constant, mut unpredictable) = (0_u64, 0_u64, 0_u64, 0_u64);
    for seed in 0..CASES {
        // Products and quotients of changing numbers are there in one case of eight.
        let flavour = if seed % 8 == 0 { Flavour::Full } else { Flavour::LinearTime };
        let mut generator = Generator::new(seed, flavour);
        let condition = generator.condition(2);
        let text = generator.text(&condition);
        let condition = Condition::parse(&text, &schema).unwrap_or_else(|error| panic!("{text}: {error}"));
        let row = generator.row(&schema);
        let now = generator.rng.i64(-100..=300);
        let value = condition.evaluate(&row, now);
        let next = condition.next_change(&row, now);
        if next.unpredictable {
            assert!(flavour == Flavour::Full, "seed {seed}: {text} can be foreseen");
            unpredictable += 1;
            continue;
        }
        let end = match next.at {
            Some(instant) => {
                assert!(instant > now, "seed {seed}: {text}");
                changes += 1;
                real_changes += u64::from(condition.evaluate(&row, instant) != value);
                instant.min(now + SECONDS)
            }
            None => {
                constant += u64::from(condition.depends_on_time());
                now + SECONDS
            }
        };
        for instant in now..end {
            let later = condition.evaluate(&row, instant);
            assert_eq!(later, value, "seed {seed}, now {now}, at {instant}, said {next:?}: {text}\n{row:?}");
        }
        // Far away, where numbers leave 64 bits; the last one is the end of the year 9999.
        for instant in [1 << 31, 1 << 33, 1 << 36, 253_402_300_799] {
            if next.at.is_none_or(|change| instant < change) {
                let later = condition.evaluate(&row, instant);
                assert_eq!(
                    later, value,
                    "seed {seed}, now {now}, at {instant}, said {next:?}: {text}\n{row:?}"
                );
            }
        }
    }
    // The test is worth something only when all this occurs; and few of the announced changes are none.
    let seen = (changes, real_changes, constant, unpredictable);
    assert!(changes > CASES / 20 && constant > CASES / 20 && unpredictable > CASES / 500, "{seen:?}");
    assert!(real_changes > changes * 3 / 4, "{seen:?}");
}

#[test]
fn changes_follow_one_another_to_the_end() {
    let schema = generator::schema();
    for seed in 0..CASES / 20 {
        let mut generator = Generator::new(seed, Flavour::LinearTime);
        let condition = generator.condition(3);
        let text = generator.text(&condition);
        let condition = Condition::parse(&text, &schema).unwrap_or_else(|error| panic!("{text}: {error}"));
        let row = generator.row(&schema);
        let mut now = 0;
        let mut steps = 0;
        while let Some(instant) = condition.next_change(&row, now).at {
            now = instant;
            steps += 1;
            assert!(steps < 1_000, "seed {seed}: {text}");
        }
    }
}

#[test]
fn what_is_not_foreseen_is_looked_at_again_in_turn() {
    let again = |at, unpredictable| NextChange { at, unpredictable }.recheck_at(100, 30);
    assert_eq!(again(Some(110), true), Some(110));
    assert_eq!(again(Some(150), true), Some(130));
    assert_eq!(again(Some(150), false), Some(150));
    assert_eq!(again(None, true), Some(130));
    assert_eq!(again(None, false), None);
}
