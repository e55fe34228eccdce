//! Deadlines, ordered by time and then by the order in which they were set. A timer that is no longer wanted is cancelled
//! by its handle, so that what fires is always meant.
//!
//! They can be stopped: while nobody can be answered, nobody's time runs out. All of them move on by the time for which they
//! stood still, at once: each is kept by what a clock would show that stands still with them.

use std::collections::BTreeMap;

use crate::time::Milliseconds;

/// Names one set timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerHandle {
    /// By the clock that stands still with the timers.
    at_milliseconds: u64,
    sequence: u64,
}

/// All deadlines of the engine.
#[derive(Debug)]
pub struct Timers<T> {
    waiting: BTreeMap<TimerHandle, T>,
    sequence: u64,
    now: Milliseconds,
    /// For how long they have stood still, up to the last time they went on.
    stood_still_milliseconds: u64,
    /// Since when they have stood still.
    stopped_at: Option<Milliseconds>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            sequence: 0,
            now: Milliseconds(0),
            stood_still_milliseconds: 0,
            stopped_at: None,
        }
    }
}

impl<T> Timers<T> {
    /// Tells what time it is; it never goes back.
    pub fn advance(&mut self, now: Milliseconds) {
        self.now = now;
    }

    /// From now on no timer fires, until [`go_on`](Self::go_on).
    pub fn stop(&mut self) {
        self.stopped_at.get_or_insert(self.now);
    }

    /// Timers run again; each has as long to go as when they were stopped.
    pub fn go_on(&mut self) {
        self.stood_still_milliseconds = self.behind();
        self.stopped_at = None;
    }

    /// How far the clock that stands still with the timers is behind.
    fn behind(&self) -> u64 {
        let stopped_for = self.stopped_at.map_or(0, |since| self.now.0.saturating_sub(since.0));
        self.stood_still_milliseconds + stopped_for
    }

    /// Sets a timer.
    pub fn set(&mut self, at: Milliseconds, what: T) -> TimerHandle {
        self.sequence += 1;
        let at_milliseconds = at.0.saturating_sub(self.behind());
        let handle = TimerHandle { at_milliseconds, sequence: self.sequence };
        self.waiting.insert(handle, what);
        handle
    }

    /// Takes a timer back. Cancelling one that has fired does nothing.
    pub fn cancel(&mut self, handle: TimerHandle) {
        self.waiting.remove(&handle);
    }

    /// The next timer that is due, if any.
    pub fn pop_due(&mut self) -> Option<T> {
        if self.next_at()? > self.now {
            return None;
        }
        self.waiting.pop_first().map(|(_, what)| what)
    }

    /// Whether a timer is still set.
    pub fn is_set(&self, handle: TimerHandle) -> bool {
        self.waiting.contains_key(&handle)
    }

    /// When a timer fires, if they run from now on.
    pub fn fires_at(&self, handle: TimerHandle) -> Milliseconds {
        Milliseconds(handle.at_milliseconds + self.behind())
    }

    /// When the next timer is due; never while they are stopped.
    pub fn next_at(&self) -> Option<Milliseconds> {
        let (next, _) = self.waiting.first_key_value().filter(|_| self.stopped_at.is_none())?;
        Some(self.fires_at(*next))
    }

    /// How many timers are set.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due_at(timers: &mut Timers<&'static str>, milliseconds: u64) -> Option<&'static str> {
        timers.advance(Milliseconds(milliseconds));
        timers.pop_due()
    }

    #[test]
    fn timers_fire_in_order_of_time_then_of_setting_and_never_after_a_cancel() {
        let mut timers = Timers::default();
        timers.set(Milliseconds(20), "late");
        timers.set(Milliseconds(10), "first");
        let unwanted = timers.set(Milliseconds(10), "unwanted");
        timers.set(Milliseconds(10), "second");
        timers.cancel(unwanted);
        assert_eq!(timers.next_at(), Some(Milliseconds(10)));
        assert_eq!(due_at(&mut timers, 9), None);
        assert_eq!(due_at(&mut timers, 15), Some("first"));
        assert_eq!(due_at(&mut timers, 15), Some("second"));
        assert_eq!(due_at(&mut timers, 15), None);
        assert_eq!(timers.len(), 1);
    }

    #[test]
    fn stopped_timers_keep_the_time_that_they_had() {
        let mut timers = Timers::default();
        timers.advance(Milliseconds(100));
        timers.set(Milliseconds(110), "set before");
        timers.stop();
        assert_eq!(timers.next_at(), None);
        assert_eq!(due_at(&mut timers, 500), None);
        let meanwhile = timers.set(Milliseconds(505), "set meanwhile");
        assert_eq!(timers.fires_at(meanwhile), Milliseconds(505));
        assert_eq!(due_at(&mut timers, 1_000), None);
        // Stopping again changes nothing.
        timers.stop();
        timers.go_on();
        assert_eq!(due_at(&mut timers, 1_004), None);
        assert_eq!(due_at(&mut timers, 1_005), Some("set meanwhile"));
        assert_eq!(due_at(&mut timers, 1_010), Some("set before"));
        timers.set(Milliseconds(1_020), "set after");
        assert_eq!(timers.next_at(), Some(Milliseconds(1_020)));
    }
}
