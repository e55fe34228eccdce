//! Telling that the database fails: once when it begins, once a minute while it lasts, once when it works again, however many
//! ask it and however often.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long nothing more is said about an outage that goes on.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// What fails so soon after an outage belongs to it: a connection that was broken by it and is used only now.
const AFTERMATH: Duration = Duration::from_secs(10);

/// What is asked of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Asking {
    /// Writing a commit, or looking one up. There is one every second at least: when it works, the database does.
    Commit,
    /// Reading user data.
    UserData,
    /// Reading the log for subscribers.
    Log,
    /// Keeping the log in order.
    Upkeep,
}

impl Asking {
    fn doing(self) -> &'static str {
        match self {
            Self::Commit => "writing a commit",
            Self::UserData => "reading user data",
            Self::Log => "reading the log for a subscriber",
            Self::Upkeep => "keeping the log in order",
        }
    }
}

/// Shared by all who ask the database; clones share what was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outages {
    fails: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    failing: BTreeSet<Asking>,
    /// Since when.
    since: Option<Instant>,
    /// When something was said last.
    said: Option<Instant>,
    ended: Option<Instant>,
    /// Of this outage.
    is_told: bool,
}

impl State {
    /// Whether to say so.
    fn failed(&mut self, asking: Asking, now: Instant) -> bool {
        let is_new = self.failing.is_empty();
        self.failing.insert(asking);
        if is_new {
            self.since = Some(now);
            self.is_told = false;
        }
        let is_aftermath = self.ended.is_some_and(|ended| now < ended + AFTERMATH);
        let is_due = self.said.is_none_or(|said| now >= said + SAY_EVERY);
        let say = if self.is_told { is_due } else { is_due || !is_aftermath };
        if say {
            self.said = Some(now);
            self.is_told = true;
        }
        say
    }

    /// For how long it failed, when that is to be said.
    fn worked(&mut self, asking: Asking, now: Instant) -> Option<Duration> {
        if !self.failing.remove(&asking) {
            return None;
        }
        if asking == Asking::Commit {
            // The others may have nothing left to ask.
            self.failing.clear();
        }
        if !self.failing.is_empty() {
            return None;
        }
        self.ended = Some(now);
        let since = self.since.take().filter(|_| self.is_told)?;
        Some(now.saturating_duration_since(since))
    }
}

impl Outages {
    /// The database did not do what it was asked, and is asked again.
    pub(crate) fn failed(&self, asking: Asking, error: &dyn Display) {
        self.fails.store(true, Ordering::Relaxed);
        if self.state.lock().failed(asking, Instant::now()) {
            let doing = asking.doing();
            tracing::warn!(%error, "the database fails while {doing}; trying again");
        } else {
            tracing::debug!(%error, doing = asking.doing(), "the database still fails");
        }
    }

    /// It did.
    pub(crate) fn worked(&self, asking: Asking) {
        if !self.fails.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.state.lock();
        let lasted = state.worked(asking, Instant::now());
        self.fails.store(!state.failing.is_empty(), Ordering::Relaxed);
        drop(state);
        if let Some(lasted) = lasted {
            tracing::info!(seconds = lasted.as_secs_f64(), "the database works again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_when_it_begins_every_minute_and_when_it_ends() {
        let (mut state, began) = (State::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        let asked = [Asking::Upkeep, Asking::Commit, Asking::UserData, Asking::Log];
        let said: Vec<u64> =
            (0..150).filter(|second| asked.iter().any(|asking| state.failed(*asking, at(*second)))).collect();
        assert_eq!(said, [0, 60, 120]);
        assert_eq!(state.worked(Asking::UserData, at(150)), None);
        assert_eq!(state.worked(Asking::Commit, at(151)), Some(Duration::from_secs(151)));
        assert_eq!(state.worked(Asking::Commit, at(152)), None);
        // A connection that broke with it.
        assert!(!state.failed(Asking::Log, at(153)));
        assert_eq!(state.worked(Asking::Log, at(153)), None);
        // Another outage.
        assert!(state.failed(Asking::Commit, at(170)));
    }

    #[test]
    fn what_fails_alone_is_told_alone() {
        let (mut state, began) = (State::default(), Instant::now());
        let mut said = 0;
        for second in 0..60 {
            said += u32::from(state.failed(Asking::Upkeep, began + Duration::from_secs(second)));
            assert_eq!(state.worked(Asking::Commit, began + Duration::from_secs(second)), None);
        }
        assert_eq!(said, 1);
        assert_eq!(
            state.worked(Asking::Upkeep, began + Duration::from_secs(60)),
            Some(Duration::from_secs(60))
        );
    }
}
