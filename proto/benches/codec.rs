//! What the codec costs: user data of 24 entries (1 KB) and of 9,000 (380 KB), and envelopes that carry it.
//!
//! `cargo bench -p ixn-proto`

#![allow(clippy::expect_used, reason = "a bench may fail")]

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use ixn_proto::client_envelope::Request;
use ixn_proto::encoded::encode_envelope;
use ixn_proto::key_value_list::Limits;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientMessage, EventInteractionSubmitted, InteractionProperties, KeyValueList, RequestSubmit,
    ServerEnvelope,
};
use prost::Message as _;

/// Texts and integers in turn, with a nested list at the end.
fn user_data(entries: i64) -> KeyValueList {
    let mut list = KeyValueList::new();
    for number in 0..entries {
        let key = format!("key-{number}");
        if number % 2 == 0 {
            list.push_text(&key, "Question about the opening hours of your shop in Lyon");
        } else {
            list.push_integer(&key, number << 20);
        }
    }
    let nested =
        KeyValueList::from_entries(list.entries().flatten().take(3).map(|entry| (entry.key, entry.value)));
    list.push_list("nested", &nested);
    list
}

fn submit(user_data: &KeyValueList) -> ClientMessage {
    let request = RequestSubmit {
        queue: "inbox".to_owned(),
        media_type: "email".to_owned(),
        user_data: Some(user_data.clone()),
        ..RequestSubmit::default()
    };
    let envelope = ixn_proto::ClientEnvelope {
        reference_id: 7,
        request: Some(Request::RequestSubmit(request)),
        ..ixn_proto::ClientEnvelope::default()
    };
    ClientMessage { envelopes: vec![envelope] }
}

fn submitted(user_data: &KeyValueList) -> ServerEnvelope {
    let interaction = InteractionProperties { user_data: Some(user_data.clone()), ..Default::default() };
    let event = EventInteractionSubmitted { interaction: Some(interaction), ..Default::default() };
    ServerEnvelope { event: Some(Event::EventInteractionSubmitted(event)), ..ServerEnvelope::default() }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, entries) in [("24_entries", 24), ("9000_entries", 9_000)] {
        let list = user_data(entries);
        let last = format!("key-{}", entries - 1);
        let change =
            KeyValueList::from_entries([(last.as_str(), list.get("key-0").expect("the first entry"))]);
        let nothing = KeyValueList::new();
        let request = submit(&list).encode_to_vec();
        let event = submitted(&list);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Bytes(list.as_bytes().len() as u64));
        group.bench_function("walk", |bench| bench.iter(|| black_box(&list).get(&last).is_some()));
        group.bench_function("check", |bench| bench.iter(|| black_box(&list).check(&Limits::default())));
        group.bench_function("change", |bench| {
            bench.iter(|| black_box(&list).apply_change(&nothing, &change, &nothing));
        });
        group.bench_function("decode_request", |bench| {
            bench.iter(|| ClientMessage::decode(black_box(&request[..])));
        });
        group.bench_function("encode_event", |bench| bench.iter(|| encode_envelope(black_box(&event))));
        group.finish();
    }
    criterion.final_summary();
}
