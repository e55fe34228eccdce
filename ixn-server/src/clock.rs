//! The wall clock, and the engine's clock: steady, and led gently to the wall.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ixn_engine::time::Milliseconds;

/// How far apart the two clocks may be before it is told, microseconds.
const JUMP_MICROSECONDS: i64 = 1_000_000;

/// The wall clock's time.
pub(crate) fn now() -> Milliseconds {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Milliseconds(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The engine's clock. It goes as the machine's steady clock goes, at most a tenth faster or slower while the wall clock
/// is ahead or behind: a jump of the wall clock neither fires all deadlines at once nor stops them.
#[derive(Debug)]
pub(crate) struct Clock {
    read_at: Instant,
    now_microseconds: i64,
    told: bool,
}

impl Clock {
    /// Begins at the wall clock's time, but never before what the engine has seen.
    pub(crate) fn new(seen: Milliseconds) -> Self {
        let begin = now().max(seen);
        Self { read_at: Instant::now(), now_microseconds: to_microseconds(begin), told: false }
    }

    /// The engine's time.
    pub(crate) fn now(&mut self) -> Milliseconds {
        let passed = self.read_at.elapsed();
        self.read_at += passed;
        self.advance(passed, to_microseconds(now()))
    }

    fn advance(&mut self, passed: Duration, wall_microseconds: i64) -> Milliseconds {
        let passed = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX / 2);
        let off = wall_microseconds.saturating_sub(self.now_microseconds + passed);
        self.now_microseconds += passed + off.clamp(-passed / 10, passed / 10);
        if off.abs() <= JUMP_MICROSECONDS {
            self.told = false;
        } else if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                ahead_seconds = off as f64 / 1e6,
                "the machine's clock has jumped; deadlines keep their distance and the engine's time follows slowly"
            );
        }
        Milliseconds((self.now_microseconds / 1000) as u64)
    }
}

fn to_microseconds(time: Milliseconds) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX / 2000).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock_at(milliseconds: i64) -> Clock {
        Clock { read_at: Instant::now(), now_microseconds: milliseconds * 1000, told: false }
    }

    #[test]
    fn a_wall_clock_set_back_does_not_stop_it() {
        let mut clock = clock_at(1_000_000);
        assert_eq!(clock.advance(SECOND, 1_000_000 - 3_600_000_000), Milliseconds(1_000_900));
    }

    #[test]
    fn a_wall_clock_set_ahead_is_followed_slowly() {
        let mut clock = clock_at(1_000_000);
        assert_eq!(clock.advance(SECOND, 1_001_000_000 + 3_600_000_000), Milliseconds(1_001_100));
    }

    #[test]
    fn it_meets_the_wall_clock_and_stays_with_it() {
        let mut clock = clock_at(1_000_000);
        let mut wall = 1_000_500_000;
        for _ in 0..10 {
            wall += 1_000_000;
            clock.advance(SECOND, wall);
        }
        assert_eq!(clock.now_microseconds, wall);
    }
}
