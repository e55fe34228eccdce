//! Random runs of the whole server in one thread and in virtual time: engine, commit gate, router, outbound queues and
//! reporting cursors, over a database that misbehaves, with clients who vanish, come back, read slowly and repeat
//! themselves, processes that are killed or taken over from, a clock that jumps. Everything comes from one seed, so the same
//! seed gives the same run.
//!
//! What must hold is checked throughout: the engine's invariants after every step (`ixn_engine::invariants`), nothing
//! leaves before its commit (`process`), the database's own rules (`database`), what was acknowledged stays so (`ledger`),
//! every subscriber hears everything once or is told what it missed (`watcher`), and the events alone tell the whole state
//! (`replay`).
//!
//! Must never: look at the real clock, use a thread, or draw a random number elsewhere than in [`operations`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a run says what went wrong"
)]

mod configuration;
mod database;
mod ledger;
pub mod operations;
mod process;
mod replay;
mod requests;
mod shrink;
mod watcher;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use operations::Op;
use world::World;

/// A run that held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The hash of everything that clients have read.
    pub hash: u64,
    /// How many requests were acknowledged.
    pub acknowledged: u64,
}

/// A run that did not.
#[derive(Debug)]
pub struct Broken {
    /// What does not hold.
    pub what: String,
    /// The shortest run found that breaks in this way, step by step.
    pub trace: Vec<String>,
    /// How many operations it has.
    pub operations: usize,
}

/// The operations of a seed.
pub fn operations(seed: u64, steps: usize) -> Vec<Op> {
    let mut rng = fastrand::Rng::with_seed(seed);
    (0..steps).map(|_| operations::draw(&mut rng)).collect()
}

/// Runs a seed.
///
/// # Errors
/// What does not hold, with a shortened run that shows it.
pub fn run(seed: u64, steps: usize) -> Result<Held, Box<Broken>> {
    let mut operations = operations(seed, steps);
    match attempt(&operations, false) {
        (Ok(held), _, _) => Ok(held),
        (Err(what), begun, _) => {
            // What comes after the one that broke it does not matter.
            operations.truncate(begun);
            let short = shrink::shrink(operations, |operations| attempt(operations, false).0.is_err());
            let (again, _, trace) = attempt(&short, true);
            // A run that only breaks with what was before it shows itself in the first message.
            let what = again.err().unwrap_or(what);
            Err(Box::new(Broken { what, trace, operations: short.len() }))
        }
    }
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Carries operations out; answers what came of it, how many were begun, and what happened when that is wanted.
fn attempt(operations: &[Op], traces: bool) -> (Result<Held, String>, usize, Vec<String>) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_run = PANIC.with(|panic| panic.borrow().is_some());
            if is_run {
                PANIC.with(|panic| *panic.borrow_mut() = Some(info.to_string()));
            } else {
                before(info);
            }
        }));
    });
    PANIC.with(|panic| *panic.borrow_mut() = Some(String::new()));
    let mut world = World::new(traces);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for op in operations {
            world.carry_out(op);
        }
        world.finish();
    }));
    let what = PANIC.with(|panic| panic.borrow_mut().take()).unwrap_or_default();
    let held = Held { hash: world.hash(), acknowledged: world.acknowledged() };
    (result.map(|()| held).map_err(|_| what), world.operations(), world.trace().to_vec())
}
