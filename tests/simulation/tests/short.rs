//! Short random runs of fixed seeds; `ixn-simulation` makes long ones of any seed.

#![allow(clippy::panic, reason = "a test may fail")]

/// Runs of each test; each test is a thread of its own.
const RUNS: u64 = 400;
const STEPS: usize = 100;

fn runs(first_seed: u64) {
    for seed in first_seed..first_seed + RUNS {
        if let Err(broken) = ixn_simulation::run(seed, STEPS) {
            panic!(
                "{}\n\nseed {seed} breaks with {} operations: {}\n{}\n`cargo run --release -p ixn-simulation -- --seed {seed} \
                 --runs 1 --steps {STEPS}` shows it again",
                broken.trace.join("\n"),
                broken.operations,
                broken.name,
                broken.what
            );
        }
    }
}

#[test]
fn whatever_happens_everything_holds_1() {
    runs(1_000);
}

#[test]
fn whatever_happens_everything_holds_2() {
    runs(2_000);
}

#[test]
fn whatever_happens_everything_holds_3() {
    runs(3_000);
}

#[test]
fn whatever_happens_everything_holds_4() {
    runs(4_000);
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let hash = |seed| ixn_simulation::run(seed, 300).map(|held| held.hash).ok();
    assert!(hash(7).is_some());
    assert_eq!(hash(7), hash(7));
    assert_ne!(hash(7), hash(8));
}
