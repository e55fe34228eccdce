//! What a commit costs before PostgreSQL sees it: rows and events packed and bound as the values of its statement.
//!
//! `cargo bench -p ixn-store --bench encode`

#![allow(clippy::expect_used, reason = "a bench may fail")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ixn_engine::commit::{
    CommitBatch, CommitNumber, Counters, Epoch, EventNumber, IdempotencyRow, InteractionKey,
};

const HOT_BYTES: usize = 250;
const COLD_BYTES: usize = 1024;
const EVENT_BYTES: usize = 200;
const EVENTS: usize = 8;

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode a commit of lifecycles");
    for lifecycles in [1, 1000] {
        let batch = lifecycle_batch(lifecycles);
        group.throughput(Throughput::Elements(lifecycles));
        group.bench_with_input(BenchmarkId::from_parameter(lifecycles), &batch, |bencher, batch| {
            bencher.iter_with_large_drop(|| {
                ixn_store::encode_for_postgres(black_box(batch)).expect("a batch that can be stored")
            });
        });
    }
    group.finish();
}

/// As under load: some interactions come, as many older ones take two steps, as many go.
fn lifecycle_batch(lifecycles: u64) -> CommitBatch {
    let rows = |from: u64, count: u64, bytes: usize| -> Vec<_> {
        (from..from + count).map(|key| (InteractionKey(key), text(bytes))).collect()
    };
    let events = lifecycles as usize * EVENTS;
    let key = |number: u64| IdempotencyRow {
        key_hash: u128::from(number) << 64,
        body_hash: number,
        expires_at_seconds: 1_700_086_400,
        answer: text(60),
    };
    CommitBatch {
        number: CommitNumber(1_000_000),
        epoch: Epoch(1),
        first_event: EventNumber(1),
        last_event: EventNumber(events as u64),
        counters: Counters::default(),
        at_milliseconds: 1_700_000_000_000,
        events: (0..events).flat_map(|_| text(EVENT_BYTES)).collect(),
        hot: rows(1_000_000, 3 * lifecycles, HOT_BYTES),
        cold: rows(1_000_000 + 2 * lifecycles, lifecycles, COLD_BYTES),
        deleted: (0..lifecycles).map(|step| InteractionKey(900_000 + step)).collect(),
        agents: (0..lifecycles.min(200)).map(|agent| (format!("agent-{agent:04}"), text(120))).collect(),
        deleted_agents: Vec::new(),
        idempotency: (0..lifecycles).map(key).collect(),
        hash: 1,
    }
}

/// Half of it repeats, as names and values of attributes do; half does not.
fn text(bytes: usize) -> Bytes {
    let mut text = Vec::with_capacity(bytes + 32);
    while text.len() < bytes {
        text.extend_from_slice(b"CustomerSegment=");
        text.extend_from_slice(format!("{:016x}", fastrand::u64(..)).as_bytes());
    }
    text.truncate(bytes);
    text.into()
}

criterion_group!(benches, encode);
criterion_main!(benches);
