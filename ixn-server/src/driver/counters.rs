//! What can be read of the driver from outside, at any time and without asking it.

use std::sync::atomic::{AtomicU64, Ordering};

/// When something has waited behind the same commit for this long, it counts as waiting: above what a commit takes on a
/// healthy system, however busy.
const BATCH_WAITS_AFTER_MILLISECONDS: u64 = 100;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct DriverCounters {
    /// Requests that the engine has handled.
    pub(crate) requests_handled: AtomicU64,
    /// Microseconds that the newest request waited for the engine.
    pub(crate) queue_wait_microseconds: AtomicU64,
    /// When it was handled, Unix milliseconds.
    pub(crate) last_request_at_milliseconds: AtomicU64,
    /// The newest durable commit.
    pub(crate) durable_commit: AtomicU64,
    /// Since when something has been waiting behind the commit that is under way, Unix milliseconds; 0: nothing waits.
    pub(crate) gathering_since_milliseconds: AtomicU64,
}

impl DriverCounters {
    /// Whether a batch waits for the database longer than is usual under load, where something waits behind every commit.
    pub(crate) fn has_batch_waiting(&self, now_milliseconds: u64) -> bool {
        let since = self.gathering_since_milliseconds.load(Ordering::Relaxed);
        since != 0 && now_milliseconds.saturating_sub(since) > BATCH_WAITS_AFTER_MILLISECONDS
    }
}
