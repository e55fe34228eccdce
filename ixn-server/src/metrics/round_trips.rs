//! How long the database takes now: the median of the newest commits, so that one slow one does not tell of all.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// How many commits count.
const NEWEST: usize = 100;

/// How long the newest commits took; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoundTrips(Arc<Mutex<VecDeque<Duration>>>);

impl RoundTrips {
    /// Notes a commit.
    pub(crate) fn note(&self, took: Duration) {
        let mut newest = self.0.lock();
        if newest.len() == NEWEST {
            newest.pop_front();
        }
        newest.push_back(took);
    }

    /// None before the first commit.
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut newest: Vec<Duration> = self.0.lock().iter().copied().collect();
        newest.sort_unstable();
        newest.get(newest.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_that_of_the_newest() {
        let round_trips = RoundTrips::default();
        assert_eq!(round_trips.median(), None);
        let milliseconds = Duration::from_millis;
        for took in [9, 1, 500] {
            round_trips.note(milliseconds(took));
        }
        assert_eq!(round_trips.median(), Some(milliseconds(9)));
        for _ in 0..NEWEST {
            round_trips.note(milliseconds(3));
        }
        assert_eq!(round_trips.median(), Some(milliseconds(3)));
    }
}
