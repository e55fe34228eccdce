//! How many lifecycles are due: at a given rate by the clock, or as many as the server ends.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The clock tells what has become due at most so often: telling costs processor time that the server needs.
const TICK: Duration = Duration::from_micros(500);

/// How fast lifecycles begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rate {
    /// So many a second, whatever the server does (an open loop).
    PerSecond(f64),
    /// A new one begins when one ends (a closed loop).
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(rate) if rate.is_finite() && rate > 0.0 => Ok(Self::PerSecond(rate)),
            _ => Err("give lifecycles a second, such as 500, or max".to_owned()),
        }
    }
}

/// Says how many lifecycles are due, and what time it is.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    origin: Instant,
    /// When lifecycles began to become due, microseconds since the origin.
    begun: OnceLock<u64>,
    lifecycles: u64,
    /// How many more may be under way than have ended; only for [`Rate::Max`].
    window: u64,
    due: watch::Sender<u64>,
}

impl Pace {
    /// A pace whose time counts from now, with nothing due.
    pub(crate) fn new(rate: Rate, lifecycles: usize, window: u64) -> Self {
        let (origin, begun, due) = (Instant::now(), OnceLock::new(), watch::Sender::new(0));
        Self { rate, origin, begun, lifecycles: lifecycles as u64, window, due }
    }

    /// Lets lifecycles become due from now on.
    pub(crate) fn begin(self: &Arc<Self>) {
        let _ = self.begun.set(self.now());
        if self.rate == Rate::Max {
            self.ended(0);
            return;
        }
        let clock = Arc::clone(self);
        // A thread, for the timers of the runtime are only good to a millisecond.
        thread::spawn(move || {
            loop {
                clock.tell(clock.due_at(clock.now()));
                let due = *clock.due.borrow();
                if due == clock.lifecycles || clock.due.receiver_count() == 0 {
                    break;
                }
                let next = clock.intended(due, 0).saturating_sub(clock.now());
                thread::sleep(Duration::from_micros(next).max(TICK));
            }
        });
    }

    /// When lifecycles began to become due, microseconds since the origin.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.get().copied().unwrap_or_default()
    }

    /// How many are due, now and from now on.
    pub(crate) fn due(&self) -> watch::Receiver<u64> {
        self.due.subscribe()
    }

    /// So many have ended. In a closed loop further ones become due.
    pub(crate) fn ended(&self, ended: u64) {
        if self.rate == Rate::Max {
            self.tell(ended + self.window);
        }
    }

    /// Microseconds since the origin.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// When this lifecycle is to be submitted, microseconds since the origin. In a closed loop that is now.
    pub(crate) fn intended(&self, lifecycle: u64, now: u64) -> u64 {
        match self.rate {
            Rate::PerSecond(rate) => self.begun() + (lifecycle as f64 * 1e6 / rate) as u64,
            Rate::Max => now,
        }
    }

    fn due_at(&self, now: u64) -> u64 {
        match self.rate {
            Rate::PerSecond(rate) => (now.saturating_sub(self.begun()) as f64 * rate / 1e6) as u64 + 1,
            Rate::Max => 0,
        }
    }

    fn tell(&self, due: u64) {
        let due = due.min(self.lifecycles);
        self.due.send_if_modified(|told| {
            let more = due > *told;
            *told = due.max(*told);
            more
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_max() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("2.5".parse(), Ok(Rate::PerSecond(2.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN", ""] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rate_makes_each_lifecycle_due_at_its_instant() {
        let pace = Pace::new(Rate::PerSecond(100.0), 50, 0);
        assert_eq!((pace.due_at(0), pace.due_at(9_999), pace.due_at(10_000)), (1, 1, 2));
        assert_eq!((pace.intended(0, 7), pace.intended(1, 7)), (0, 10_000));
    }

    #[test]
    fn a_closed_loop_keeps_its_window_full_and_ends_with_the_last() {
        let pace = Arc::new(Pace::new(Rate::Max, 10, 4));
        let due = pace.due();
        assert_eq!(*due.borrow(), 0);
        pace.begin();
        assert_eq!(*due.borrow(), 4);
        pace.ended(3);
        pace.ended(1);
        assert_eq!(*due.borrow(), 7, "it never shrinks");
        pace.ended(9);
        assert_eq!(*due.borrow(), 10);
    }

    #[test]
    fn the_clock_makes_all_due_and_ends() {
        let pace = Arc::new(Pace::new(Rate::PerSecond(1e6), 100, 0));
        let mut due = pace.due();
        pace.begin();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(due.wait_for(|due| *due == 100)).unwrap();
    }
}
