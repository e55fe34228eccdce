//! What a condition costs: reading it, and asking it about one interaction.
//!
//! `cargo bench -p ixn-conditions`

#![allow(clippy::expect_used, reason = "a bench may fail")]

use std::hint::black_box;

use criterion::Criterion;
use ixn_conditions::{Condition, Properties, Property, PropertyRef, Schema, Value, ValueType};

const SIMPLE: &str = "MediaType = 'email' AND Priority >= 5";
const TIMED: &str = "MediaType = 'email' AND (_time_in_queue() > 600 OR _age() / 60 >= 30)";
/// As the sample's view of invoices: many patterns over two texts, of which none fits.
const LONG: &str = "Subject LIKE '%invoice%' OR Subject LIKE '%Invoice%' OR Subject LIKE '%INVOICE%' \
                    OR Subject LIKE '%payment%' OR Subject LIKE '%Payment%' OR FromAddress LIKE 'billing@%' \
                    OR FromAddress LIKE '%@billing.%' OR Priority IN (100, 200, 300) \
                    OR ReceivedAt BETWEEN _timestamp('2020-01-01 00:00:00') AND _timestamp('2020-12-31 00:00:00')";

const NOW_SECONDS: i64 = 1_760_000_000;

struct Interaction;

impl Properties for Interaction {
    fn get(&self, property: PropertyRef) -> Value<'_> {
        match property {
            PropertyRef::System(Property::MediaType) => Value::Text("email"),
            PropertyRef::System(Property::Priority) => Value::Integer(7),
            PropertyRef::System(Property::ReceivedAt) => Value::Timestamp(NOW_SECONDS - 500),
            PropertyRef::System(Property::PlacedInQueueAt) => Value::Timestamp(NOW_SECONDS - 300),
            PropertyRef::Custom(0) => Value::Text("Question about the opening hours of your shop in Lyon"),
            PropertyRef::Custom(_) => Value::Text("a.customer@example.com"),
            PropertyRef::System(_) => Value::Null,
        }
    }
}

fn main() {
    let mut schema = Schema::new();
    for name in ["Subject", "FromAddress"] {
        schema.add_custom(name, ValueType::Text).expect("a good name");
    }
    let parse = |text| Condition::parse(text, &schema).expect("a good condition");
    let mut criterion = Criterion::default().configure_from_args();
    for (name, text) in [("simple", SIMPLE), ("timed", TIMED), ("long", LONG)] {
        criterion.bench_function(&format!("parse/{name}"), |bench| bench.iter(|| parse(black_box(text))));
        let condition = parse(text);
        criterion.bench_function(&format!("evaluate/{name}"), |bench| {
            bench.iter(|| condition.evaluate(black_box(&Interaction), NOW_SECONDS));
        });
    }
    let condition = parse(TIMED);
    criterion.bench_function("next_change/timed", |bench| {
        bench.iter(|| condition.next_change(black_box(&Interaction), NOW_SECONDS));
    });
    criterion.final_summary();
}
