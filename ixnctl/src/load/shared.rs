//! What the parts of a run share: its name, the time and what is due, the ledger.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::ledger::Ledger;
use super::names::Run;
use super::pace::Pace;

/// Shared by all parts of a run.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The run's name.
    pub run: Run,
    /// What is due, and the time.
    pub pace: Arc<Pace>,
    ledger: Mutex<Ledger>,
}

impl Shared {
    /// A run with nothing done yet.
    pub(crate) fn new(run: Run, pace: Pace, ledger: Ledger) -> Self {
        Self { run, pace: Arc::new(pace), ledger: Mutex::new(ledger) }
    }

    /// The ledger; must not be held over an await.
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock()
    }

    /// Writes into the ledger what happens now; `write` is given the time. What ends makes room for more.
    pub(crate) fn note(&self, write: impl FnOnce(&mut Ledger, u64)) {
        let now = self.pace.now();
        let (before, ended) = {
            let mut ledger = self.ledger.lock();
            let before = ledger.counts().ended;
            write(&mut ledger, now);
            (before, ledger.counts().ended)
        };
        if ended != before {
            self.pace.ended(ended);
        }
    }
}
