//! The short form of the crash runner: a few rounds of what goes wrong most often, and nothing acknowledged is lost.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use std::time::Duration;

use ixn_crash::clients::Sizes;
use ixn_crash::plan::Fault;
use ixn_crash::run::{Plan, carry_out};
use ixn_crash::stage::DatabaseKind;
use ixn_tests::binary;

/// Small enough for a debug build on a busy machine.
const SIZES: Sizes = Sizes { submitters: 2, in_flight: 64, agents: 8, proxies: 2 };

/// Well before the runner of the tests ends a test that hangs: the run says what it waited for.
const PATIENCE: Duration = Duration::from_secs(60);

async fn rounds_are_clean(database: DatabaseKind, faults: &[Fault], rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan {
        server: binary("ixn-server"),
        database,
        rounds,
        seed: 1,
        faults: faults.to_vec(),
        submits_per_round: 600,
        out: folder.path().to_owned(),
        resume: false,
        sizes: SIZES,
        patience: PATIENCE,
        without_fsync: false,
    };
    let outcome = carry_out(plan, |round| println!("{round}")).await.unwrap();
    if !outcome.is_clean() {
        panic!("{outcome:?}, the evidence is kept in {}", folder.keep().display());
    }
    assert_eq!(outcome.rounds, u64::from(rounds));
    assert_eq!(outcome.acknowledged, u64::from(rounds) * 600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_on_the_embedded_database() {
    rounds_are_clean(DatabaseKind::Sqlite, &[Fault::Kill], 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_the_configuration_under_load_lose_nothing() {
    rounds_are_clean(DatabaseKind::Sqlite, &[Fault::Configuration], 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_server_or_database_and_cut_connections_lose_nothing_on_postgresql() {
    rounds_are_clean(DatabaseKind::Postgres, &[Fault::Kill, Fault::PgKill, Fault::Cut], 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_its_last_round() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = Plan {
        server: binary("ixn-server"),
        database: DatabaseKind::Sqlite,
        rounds: 1,
        seed: 7,
        faults: vec![Fault::Kill],
        submits_per_round: 100,
        out: folder.path().to_owned(),
        resume: true,
        sizes: SIZES,
        patience: PATIENCE,
        without_fsync: false,
    };
    let mut told = 0;
    carry_out(plan.clone(), |_| told += 1).await.unwrap();
    plan.rounds = 2;
    let outcome = carry_out(plan, |_| told += 1).await.unwrap();
    assert_eq!((outcome.rounds, outcome.acknowledged, told), (2, 200, 2), "{outcome:?}");
    assert!(outcome.is_clean(), "{outcome:?}");
}
