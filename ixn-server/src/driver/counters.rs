//! What can be read of the driver from outside, at any time and without asking it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ixn_engine::commit::CommitNumber;
use ixn_engine::idempotency::SubmitKeys;

/// When something has waited behind the same commit for this long, it counts as waiting: above what a commit takes on a
/// healthy system, however busy.
const BATCH_WAITS_AFTER: Duration = Duration::from_millis(100);

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct DriverCounters {
    /// Requests that the engine has handled.
    pub(crate) requests_handled: AtomicU64,
    /// Microseconds that the newest request waited for the engine.
    pub(crate) queue_wait_microseconds: AtomicU64,
    /// When it was handled; none: none was.
    pub(crate) last_request_at: Moment,
    durable_commit: AtomicU64,
    /// The engine's time, Unix milliseconds: what expires does so by it.
    pub(crate) engine_milliseconds: AtomicU64,
    /// Keys of submits that the engine has seen, and those that it has forgotten.
    submit_keys: [AtomicU64; 2],
    /// Since when something has been waiting behind the commit that is under way; none: nothing waits.
    pub(crate) gathering_since: Moment,
}

impl DriverCounters {
    /// A commit is durable; these are the engine's keys by now.
    pub(super) fn durable(&self, commit: CommitNumber, keys: SubmitKeys) {
        let [seen, forgotten] = &self.submit_keys;
        seen.store(keys.seen, Ordering::Release);
        forgotten.store(keys.forgotten, Ordering::Release);
        // Behind them: who reads this commit reads no older counts.
        self.durable_commit.store(commit.0, Ordering::Release);
    }

    /// The newest durable commit.
    pub(crate) fn durable_commit(&self) -> CommitNumber {
        CommitNumber(self.durable_commit.load(Ordering::Acquire))
    }

    /// The newest durable commit and the engine's counts: those when it became durable, or when its successor did.
    pub(crate) fn durable_commit_and_keys(&self) -> (CommitNumber, SubmitKeys) {
        let [seen, forgotten] = &self.submit_keys;
        loop {
            let commit = self.durable_commit();
            let keys = SubmitKeys {
                seen: seen.load(Ordering::Acquire),
                forgotten: forgotten.load(Ordering::Acquire),
            };
            if self.durable_commit() == commit {
                return (commit, keys);
            }
        }
    }

    /// Whether a batch waits for the database longer than is usual under load, where something waits behind every commit.
    pub(crate) fn has_batch_waiting(&self, now: Instant) -> bool {
        let since = self.gathering_since.get();
        since.is_some_and(|since| now.saturating_duration_since(since) > BATCH_WAITS_AFTER)
    }
}

/// A moment of the steady clock that one thread sets and others read: no jump of the wall clock shows in what has passed.
#[derive(Debug)]
pub(crate) struct Moment {
    since: Instant,
    /// One more than the milliseconds from there; 0: none.
    milliseconds: AtomicU64,
}

impl Default for Moment {
    fn default() -> Self {
        Self { since: Instant::now(), milliseconds: AtomicU64::default() }
    }
}

impl Moment {
    pub(crate) fn set(&self, moment: Option<Instant>) {
        let milliseconds = moment.map_or(0, |moment| {
            let passed = moment.saturating_duration_since(self.since).as_millis();
            u64::try_from(passed).unwrap_or(u64::MAX - 1).saturating_add(1)
        });
        self.milliseconds.store(milliseconds, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<Instant> {
        let passed = self.milliseconds.load(Ordering::Relaxed).checked_sub(1)?;
        self.since.checked_add(Duration::from_millis(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_it_was_set_to_the_millisecond() {
        let moment = Moment::default();
        assert_eq!(moment.get(), None);
        for milliseconds in [0, 1, 86_400_000] {
            let at = moment.since + Duration::from_millis(milliseconds);
            moment.set(Some(at));
            assert_eq!(moment.get(), Some(at));
        }
        moment.set(None);
        assert_eq!(moment.get(), None);
    }
}
