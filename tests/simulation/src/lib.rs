//! Random runs of the server's engine and commit gate, with the sessions' outbound queues and reporting cursors, in one thread
//! and in virtual time: over a database that misbehaves, with clients who vanish, come back, read slowly and repeat themselves,
//! processes that are killed or taken over from, configurations that change, a clock that is set back. Everything comes from one seed,
//! so the same seed gives the same run.
//!
//! The threads around them are not in it: sessions, intake, the driver's loop, the writer, the feed's tasks, PostgreSQL and
//! SQLite. `process` does in turns what the driver does; the crash runner shows the rest.
//!
//! What must hold is checked throughout: the engine's invariants after every step (`ixn_engine::invariants`), nothing
//! leaves before its commit (`process`), the database's own rules (`database`), what was acknowledged stays so (`ledger`) and
//! is carried out once (`keys`), every subscriber hears everything once or is told what it missed (`watcher`), the events
//! alone tell the whole state and all that is shown (`replay`, `shown`), user data included (`user_data`). That the checks can
//! fail is shown by planted defects (`defects`).
//!
//! Must never: look at the real clock, use a thread, or draw a random number elsewhere than in [`mod@operations`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a run says what went wrong"
)]

mod asking;
mod clients;
mod configuration;
mod database;
pub mod defects;
mod faults;
mod followers;
mod keys;
mod ledger;
mod offers;
pub mod operations;
mod outputs;
mod process;
mod replay;
mod requests;
mod seen;
mod shown;
mod shrink;
mod told;
mod user_data;
mod watcher;
mod who;
mod world;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use defects::Defect;
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
    /// The name of what does not hold, or where that was seen.
    pub name: String,
    /// What was seen.
    pub what: String,
    /// The shortest run found in which the same does not hold, step by step.
    pub trace: Vec<String>,
    /// How many operations it has.
    pub operations: usize,
}

/// What does not hold, as it was seen.
struct Fault {
    /// Two runs that break in the same way have the same.
    name: String,
    what: String,
}

impl Fault {
    /// Texts say `'name' does not hold`; of others the place names them.
    fn new(place: String, what: String) -> Self {
        let named = what.split_once("' does not hold").and_then(|(before, _)| before.rsplit_once('\''));
        let name = named.map_or(place, |(_, name)| name.to_owned());
        Self { name, what }
    }
}

/// The operations of a seed.
pub fn operations(seed: u64, steps: usize) -> Vec<Op> {
    operations::draw_all(&mut fastrand::Rng::with_seed(seed), steps)
}

/// Runs a seed.
///
/// # Errors
/// What does not hold, with a shortened run that shows it.
pub fn run(seed: u64, steps: usize) -> Result<Held, Box<Broken>> {
    let mut operations = operations(seed, steps);
    match attempt(&operations, None, false) {
        (Ok(held), _, _) => Ok(held),
        (Err(fault), begun, _) => {
            // What comes after the one that broke it does not matter.
            operations.truncate(begun);
            let breaks = |operations: &[Op]| {
                attempt(operations, None, false).0.is_err_and(|other| other.name == fault.name)
            };
            let short = shrink::shrink(operations, breaks);
            let (again, _, trace) = attempt(&short, None, true);
            // A run that only breaks with what was before it shows itself in the first message.
            let Fault { name, what } = again.err().unwrap_or(fault);
            Err(Box::new(Broken { name, what, trace, operations: short.len() }))
        }
    }
}

/// Runs a seed with a planted defect; answers the name of what then does not hold, if it was found.
pub fn finds(defect: Defect, seed: u64, steps: usize) -> Option<String> {
    attempt(&operations(seed, steps), Some(defect), false).0.err().map(|fault| fault.name)
}

thread_local! {
    /// Where a run has panicked, and with what.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Carries operations out; answers what came of it, how many were begun, and what happened when that is wanted.
fn attempt(
    operations: &[Op],
    defect: Option<Defect>,
    traces: bool,
) -> (Result<Held, Fault>, usize, Vec<String>) {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_run = PANIC.with(|panic| panic.borrow().is_some());
            if is_run {
                let place = info.location().map(ToString::to_string).unwrap_or_default();
                PANIC.with(|panic| *panic.borrow_mut() = Some((place, info.to_string())));
            } else {
                before(info);
            }
        }));
    });
    PANIC.with(|panic| *panic.borrow_mut() = Some(Default::default()));
    let mut world = World::new(traces, defect);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for op in operations {
            world.carry_out(op);
        }
        world.finish();
    }));
    let (place, what) = PANIC.with(|panic| panic.borrow_mut().take()).unwrap_or_default();
    let held = Held { hash: world.hash(), acknowledged: world.acknowledged() };
    let result = result.map(|()| held).map_err(|_| Fault::new(place, what));
    (result, world.operations(), world.trace().to_vec())
}
