//! Deadlines, ordered by time and then by the order in which they were set. A timer that is no longer wanted is cancelled
//! by its handle, so that what fires is always meant.

use std::collections::BTreeMap;

use crate::time::Milliseconds;

/// Names one set timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerHandle {
    at: Milliseconds,
    sequence: u64,
}

impl TimerHandle {
    /// When it is due.
    pub fn at(self) -> Milliseconds {
        self.at
    }
}

/// All deadlines of the engine.
#[derive(Debug)]
pub struct Timers<T> {
    waiting: BTreeMap<TimerHandle, T>,
    sequence: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), sequence: 0 }
    }
}

impl<T> Timers<T> {
    /// Sets a timer.
    pub fn set(&mut self, at: Milliseconds, what: T) -> TimerHandle {
        self.sequence += 1;
        let handle = TimerHandle { at, sequence: self.sequence };
        self.waiting.insert(handle, what);
        handle
    }

    /// Takes a timer back. Cancelling one that has fired does nothing.
    pub fn cancel(&mut self, handle: TimerHandle) {
        self.waiting.remove(&handle);
    }

    /// The next timer that is due, if any.
    pub fn pop_due(&mut self, now: Milliseconds) -> Option<T> {
        let entry = self.waiting.first_entry()?;
        if entry.key().at <= now { Some(entry.remove()) } else { None }
    }

    /// Whether a timer is still set.
    pub fn is_set(&self, handle: TimerHandle) -> bool {
        self.waiting.contains_key(&handle)
    }

    /// When the next timer is due.
    pub fn next_at(&self) -> Option<Milliseconds> {
        self.waiting.first_key_value().map(|(handle, _)| handle.at)
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

    #[test]
    fn timers_fire_in_order_of_time_then_of_setting_and_never_after_a_cancel() {
        let mut timers = Timers::default();
        timers.set(Milliseconds(20), "late");
        timers.set(Milliseconds(10), "first");
        let unwanted = timers.set(Milliseconds(10), "unwanted");
        timers.set(Milliseconds(10), "second");
        timers.cancel(unwanted);
        assert_eq!(timers.next_at(), Some(Milliseconds(10)));
        assert_eq!(timers.pop_due(Milliseconds(9)), None);
        assert_eq!(timers.pop_due(Milliseconds(15)), Some("first"));
        assert_eq!(timers.pop_due(Milliseconds(15)), Some("second"));
        assert_eq!(timers.pop_due(Milliseconds(15)), None);
        assert_eq!(timers.len(), 1);
    }
}
