//! Any text gives a condition or an error, never a panic; and the text form of a condition is the same condition.
#![allow(clippy::expect_used, clippy::panic, reason = "functions beside the tests fail them too")]

mod generator;

use generator::{Flavour, Generator};
use ixn_conditions::{Condition, Order, Schema};
use proptest::prelude::*;

/// What the language is made of, and what it is not.
const PIECES: [&str; 46] = [
    "Priority",
    "media_type",
    "[lang]",
    "lang",
    "ReceivedAt",
    "due",
    "Bogus",
    "[",
    "]",
    "(",
    ")",
    ",",
    "=",
    "<>",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "'a'",
    "'",
    "''",
    "0",
    "1",
    "9223372036854775808",
    "1.5",
    "AND",
    "or",
    "NOT",
    "IN",
    "LIKE",
    "ESCAPE",
    "'!'",
    "BETWEEN",
    "IS",
    "NULL",
    "_age()",
    "_timestamp('2024-01-01 00:00:00')",
    "_current_time(",
    "desc",
    "é",
    "\0",
];

/// Parses it, and if that is possible, checks that its text form is the same.
fn check(text: &str, schema: &Schema) -> Result<(), TestCaseError> {
    match Condition::parse(text, schema) {
        Ok(condition) => {
            let shown = condition.to_string();
            let again = Condition::parse(&shown, schema);
            prop_assert_eq!(again.as_ref(), Ok(&condition), "{:?} was shown as {:?}", text, shown);
        }
        Err(error) => {
            prop_assert!(text.is_char_boundary(error.offset_bytes), "{:?}: {:?}", text, error);
            prop_assert!(!error.message.is_empty());
        }
    }
    if let Ok(order) = Order::parse(text, schema) {
        let shown = order.to_string();
        prop_assert_eq!(Order::parse(&shown, schema), Ok(order), "{:?} was shown as {:?}", text, shown);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text, &generator::schema())?;
    }

    #[test]
    fn pieces_of_the_language(
        pieces in proptest::collection::vec((proptest::sample::select(&PIECES[..]), any::<bool>()), 0..14)
    ) {
        let text: String =
            pieces.into_iter().flat_map(|(piece, space)| [piece, if space { " " } else { "" }]).collect();
        check(&text, &generator::schema())?;
    }

    #[test]
    fn spoilt_conditions(seed in any::<u64>(), cut in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut generator = Generator::new(seed, Flavour::Full);
        let condition = generator.condition(3);
        let mut chars: Vec<char> = generator.text(&condition).chars().collect();
        let position = cut.index(chars.len());
        chars[position] = with;
        check(&chars.iter().collect::<String>(), &generator::schema())?;
        chars.truncate(position);
        check(&chars.iter().collect::<String>(), &generator::schema())?;
    }

    #[test]
    fn conditions(seed in any::<u64>()) {
        let mut generator = Generator::new(seed, Flavour::Full);
        let condition = generator.condition(4);
        let text = generator.text(&condition);
        let schema = generator::schema();
        prop_assert!(Condition::parse(&text, &schema).is_ok(), "{:?}: {:?}", text, Condition::parse(&text, &schema));
        check(&text, &schema)?;
    }
}

#[test]
fn nesting_is_refused_before_the_stack_ends() {
    let schema = generator::schema();
    for opening in ["(", "NOT ", "- ", "Priority IN (", "NOT (- (", "Priority - (", "Priority = 1 AND ("] {
        let text = opening.repeat(60_000 / opening.len());
        assert!(Condition::parse(&text, &schema).is_err());
    }
    let sides = [" + Priority", " = Priority", ", Priority", " OR Priority = 1"];
    for side in sides {
        let _ = Condition::parse(&format!("Priority{}", side.repeat(60_000 / side.len())), &schema);
    }
}
