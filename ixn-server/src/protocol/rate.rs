//! So many a second, with a burst. All that must be remembered is one instant: when what was taken so far will have been
//! paid off at the allowed rate (the generic cell rate algorithm).

use std::time::{Duration, Instant};

/// An allowed rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    each: Duration,
    burst: Duration,
}

impl Rate {
    /// So many a second, after a pause so many at once. None: no limit.
    pub(crate) fn new(per_second: u32, burst: u32) -> Option<Self> {
        let each = Duration::from_secs(1).checked_div(per_second)?;
        Some(Self { each, burst: each * burst.max(1) })
    }

    /// Takes one, and answers how long to wait for it. When that is longer than `patience`, nothing is taken and the wait
    /// is the error.
    pub(crate) fn take(
        &self,
        paid_off: &mut Option<Instant>,
        now: Instant,
        patience: Duration,
    ) -> Result<Duration, Duration> {
        let paid = paid_off.map_or(now, |paid_off| paid_off.max(now)) + self.each;
        let wait = (paid - now).saturating_sub(self.burst);
        if wait > patience {
            return Err(wait);
        }
        *paid_off = Some(paid);
        Ok(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds_and_a_pause_earns_a_burst_again() {
        let rate = Rate::new(10, 3).unwrap();
        let began = Instant::now();
        let at = |milliseconds: u64| began + Duration::from_millis(milliseconds);
        let mut paid_off = None;
        let mut taken =
            |milliseconds: u64| rate.take(&mut paid_off, at(milliseconds), Duration::ZERO).is_ok();
        assert_eq!([0, 0, 0, 0].map(&mut taken), [true, true, true, false]);
        assert_eq!([99, 100, 100].map(&mut taken), [false, true, false]);
        assert_eq!([900, 900, 900, 900].map(&mut taken), [true, true, true, false]);
    }

    #[test]
    fn who_may_wait_is_told_how_long_in_turn() {
        let rate = Rate::new(10, 1).unwrap();
        let now = Instant::now();
        let mut paid_off = None;
        let mut take = || rate.take(&mut paid_off, now, Duration::from_millis(200));
        let milliseconds = Duration::from_millis;
        assert_eq!(
            [take(), take(), take()],
            [Ok(milliseconds(0)), Ok(milliseconds(100)), Ok(milliseconds(200))]
        );
        assert_eq!(take(), Err(milliseconds(300)));
        assert_eq!(take(), Err(milliseconds(300)), "who is refused takes nothing");
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        assert!(Rate::new(0, 5).is_none());
    }
}
