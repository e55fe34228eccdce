//! The state behind the three probes: named conditions and beats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde::Serialize;

/// Time since some fixed moment, never going back. Tests give their own.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The question that is asked about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Is it running, or must it be killed and started again?
    Live,
    /// May work be sent to it?
    Ready,
    /// Has it finished starting?
    Startup,
}

/// What keeps a probe from answering *ok*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// The name of the condition or beat.
    pub condition: &'static str,
    /// Why it fails, for people.
    pub reason: String,
}

/// The health of a service. Clones share one state.
///
/// A probe is *ok* when all that was declared for it is; with nothing declared it is *ok*.
#[derive(Clone)]
pub struct Health {
    clock: Clock,
    checks: Arc<Mutex<Vec<Check>>>,
}

#[derive(Clone)]
enum Check {
    Condition(Condition),
    Beat(Beat),
    Watch(Watch),
}

/// Something that is known elsewhere, and asked for whenever the probe is.
#[derive(Clone)]
struct Watch {
    probe: Probe,
    name: &'static str,
    failure: Arc<dyn Fn() -> Option<String> + Send + Sync>,
}

impl Default for Health {
    fn default() -> Self {
        let start = Instant::now();
        Self::with_clock(Arc::new(move || start.elapsed()))
    }
}

impl Health {
    /// A state that measures beats with `clock`.
    #[must_use]
    pub fn with_clock(clock: Clock) -> Self {
        Self { clock, checks: Arc::default() }
    }

    /// Declares a condition of `probe`. It fails with `reason` until [`Condition::ok`] is called.
    #[must_use]
    pub fn condition(&self, probe: Probe, name: &'static str, reason: &str) -> Condition {
        let condition = Condition { probe, name, failure: Arc::new(Mutex::new(Some(reason.to_owned()))) };
        self.checks.lock().push(Check::Condition(condition.clone()));
        condition
    }

    /// Declares that `probe` fails when [`Beat::touch`] was not called for longer than `max_age`. It counts from now.
    #[must_use]
    pub fn beat(&self, probe: Probe, name: &'static str, max_age: Duration) -> Beat {
        let last = Arc::new(AtomicU64::new(0));
        let beat = Beat { probe, name, max_age, last_milliseconds: last, clock: self.clock.clone() };
        beat.touch();
        self.checks.lock().push(Check::Beat(beat.clone()));
        beat
    }

    /// Declares that `probe` fails while `failure` answers a reason. It is asked with every probe, and must not wait.
    pub fn watch(
        &self,
        probe: Probe,
        name: &'static str,
        failure: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) {
        self.checks.lock().push(Check::Watch(Watch { probe, name, failure: Arc::new(failure) }));
    }

    /// What fails `probe` now, in the order of declaration; nothing means *ok*.
    #[must_use]
    pub fn failing(&self, probe: Probe) -> Vec<Failing> {
        self.checks.lock().iter().filter_map(|check| check.failing(probe)).collect()
    }
}

impl Check {
    fn failing(&self, probe: Probe) -> Option<Failing> {
        let (of, condition, reason) = match self {
            Self::Condition(condition) => (condition.probe, condition.name, condition.failure.lock().clone()),
            Self::Beat(beat) => (beat.probe, beat.name, beat.failure()),
            Self::Watch(watch) => (watch.probe, watch.name, (watch.failure)()),
        };
        reason.filter(|_| of == probe).map(|reason| Failing { condition, reason })
    }
}

/// One named condition of a probe. Clones share one state.
#[derive(Clone)]
pub struct Condition {
    probe: Probe,
    name: &'static str,
    failure: Arc<Mutex<Option<String>>>,
}

impl Condition {
    /// The condition holds.
    pub fn ok(&self) {
        if self.failure.lock().take().is_some() {
            tracing::info!(probe = ?self.probe, condition = self.name, "condition holds");
        }
    }

    /// The condition fails; `reason` is shown to people.
    pub fn fail(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let before = self.failure.lock().replace(reason.clone());
        if before.is_none() {
            tracing::warn!(probe = ?self.probe, condition = self.name, reason, "condition fails");
        }
    }
}

/// The sign of life of one thread or loop. Clones share one state.
#[derive(Clone)]
pub struct Beat {
    probe: Probe,
    name: &'static str,
    max_age: Duration,
    last_milliseconds: Arc<AtomicU64>,
    clock: Clock,
}

impl Beat {
    /// Says "still running". One reading of the clock and one store, fit for a busy loop.
    pub fn touch(&self) {
        self.last_milliseconds.store(self.now_milliseconds(), Ordering::Relaxed);
    }

    fn now_milliseconds(&self) -> u64 {
        u64::try_from((self.clock)().as_millis()).unwrap_or(u64::MAX)
    }

    fn failure(&self) -> Option<String> {
        let last = self.last_milliseconds.load(Ordering::Relaxed);
        let age = Duration::from_millis(self.now_milliseconds().saturating_sub(last));
        (age > self.max_age).then(|| {
            format!(
                "no beat for {} s, at most {} s are allowed",
                age.as_secs_f64(),
                self.max_age.as_secs_f64()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manual_clock() -> (Arc<AtomicU64>, Health) {
        let seconds = Arc::new(AtomicU64::new(1_000));
        let reading = seconds.clone();
        let clock = move || Duration::from_secs(reading.load(Ordering::Relaxed));
        (seconds, Health::with_clock(Arc::new(clock)))
    }

    #[test]
    fn a_beat_that_stops_fails_its_probe_until_it_goes_on() {
        let (seconds, health) = manual_clock();
        let beat = health.beat(Probe::Live, "engine", Duration::from_secs(10));
        seconds.store(1_010, Ordering::Relaxed);
        assert_eq!(health.failing(Probe::Live), []);
        seconds.store(1_011, Ordering::Relaxed);
        let reason = "no beat for 11 s, at most 10 s are allowed".to_owned();
        assert_eq!(health.failing(Probe::Live), [Failing { condition: "engine", reason }]);
        assert_eq!(health.failing(Probe::Ready), []);
        beat.touch();
        assert_eq!(health.failing(Probe::Live), []);
    }

    #[test]
    fn a_condition_fails_until_it_is_ok_and_again_when_it_is_lost() {
        let health = Health::default();
        let rows = health.condition(Probe::Startup, "rows", "loading");
        let primary = health.condition(Probe::Ready, "primary", "waiting for the lock");
        let reason = |probe| health.failing(probe).into_iter().map(|f| f.reason).collect::<Vec<_>>();
        assert_eq!(reason(Probe::Startup), ["loading"]);
        assert_eq!(reason(Probe::Ready), ["waiting for the lock"]);
        rows.ok();
        primary.ok();
        assert_eq!(reason(Probe::Startup), [""; 0]);
        primary.fail("fenced by ixn-1");
        primary.fail("fenced by ixn-2");
        assert_eq!(reason(Probe::Ready), ["fenced by ixn-2"]);
        assert_eq!(reason(Probe::Live), [""; 0]);
    }

    #[test]
    fn what_is_watched_fails_its_probe_while_it_says_so() {
        let (seconds, health) = manual_clock();
        let reading = seconds.clone();
        health.watch(Probe::Ready, "commits", move || {
            (reading.load(Ordering::Relaxed) > 1_000).then(|| "too late".to_owned())
        });
        assert_eq!(health.failing(Probe::Ready), []);
        seconds.store(1_001, Ordering::Relaxed);
        let reason = "too late".to_owned();
        assert_eq!(health.failing(Probe::Ready), [Failing { condition: "commits", reason }]);
        assert_eq!(health.failing(Probe::Live), []);
    }
}
