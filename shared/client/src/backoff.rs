//! Waits that grow, with full jitter.

use std::time::Duration;

/// Waits between attempts: a random time between zero and a bound that doubles with every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait.
    pub initial: Duration,
    /// The highest bound.
    pub max: Duration,
}

impl Backoff {
    /// The bound of a wait; attempts count from 0.
    pub fn bound(&self, attempt: u32) -> Duration {
        self.initial.saturating_mul(2_u32.saturating_pow(attempt)).min(self.max)
    }

    /// A wait: anything between zero and the bound.
    pub fn wait(&self, attempt: u32) -> Duration {
        self.bound(attempt).mul_f64(fastrand::f64())
    }

    /// A wait that begins where the server said and then adds its random part.
    pub(crate) fn wait_after(&self, attempt: u32, at_least: Duration) -> Duration {
        at_least + self.bound(attempt).max(at_least / 2).mul_f64(fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(2) };

    #[test]
    fn the_bound_doubles_up_to_the_highest() {
        let bounds = [0, 1, 2, 5, 40, u32::MAX].map(|attempt| BACKOFF.bound(attempt).as_millis());
        assert_eq!(bounds, [100, 200, 400, 2000, 2000, 2000]);
    }

    #[test]
    fn waits_spread_over_the_whole_range() {
        let waits: Vec<_> = (0..1000).map(|_| BACKOFF.wait(3)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_millis(800)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_millis(200)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_millis(600)));
    }

    #[test]
    fn the_server_can_ask_for_a_longer_wait() {
        let asked = Duration::from_secs(10);
        for _ in 0..100 {
            let wait = BACKOFF.wait_after(0, asked);
            assert!(wait >= asked && wait <= asked + Duration::from_secs(5), "{wait:?}");
        }
    }
}
