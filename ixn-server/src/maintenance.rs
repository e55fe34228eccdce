//! What happens every second beside the commits: heartbeats, room in the log ahead, and trimming behind. A heartbeat never
//! waits for the upkeep: readiness must tell of commits alone.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ixn_engine::commit::CommitNumber;
use ixn_store::{Database, Upkeep};
use prometheus::IntGauge;
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::driver::{DriverCounters, Message};
use crate::forgotten_keys::ForgottenKeys;
use crate::outage::{Asking, Outages};

/// How often.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much of the log is kept for subscribers that resume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) age: Duration,
    pub(crate) bytes: u64,
}

/// Which commits are old enough to go. Pure.
#[derive(Debug, Default)]
struct Ages {
    /// When each noted commit was the newest. By the steady clock: a jump of the wall clock makes no commit older.
    noted: VecDeque<(Instant, CommitNumber)>,
    trim_below: CommitNumber,
}

impl Ages {
    fn note(&mut self, now: Instant, newest: CommitNumber) {
        if self.noted.back().is_none_or(|(_, last)| *last < newest) {
            self.noted.push_back((now, newest));
        }
    }

    /// Everything below this may go: too old, or too much.
    fn trim_below(
        &mut self,
        now: Instant,
        retention: Retention,
        oldest: CommitNumber,
        bytes: u64,
    ) -> CommitNumber {
        while let Some((at, number)) = self.noted.front() {
            if now.saturating_duration_since(*at) < retention.age {
                break;
            }
            self.trim_below = self.trim_below.max(*number);
            self.noted.pop_front();
        }
        if bytes > retention.bytes {
            // The oldest part that is too much, assuming commits of like size.
            let newest = self.noted.back().map_or(oldest, |(_, number)| *number);
            let held = newest.0.saturating_sub(oldest.0) as f64;
            let excess = (bytes - retention.bytes) as f64 / bytes as f64;
            let too_many = (held * excess) as u64;
            self.trim_below = self.trim_below.max(CommitNumber(oldest.0 + too_many));
        }
        self.trim_below
    }
}

/// A tick every second.
fn every_second() -> Interval {
    let mut interval = tokio::time::interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Asks for a heartbeat whenever nothing was committed for a second, until cancelled or the driver is gone.
pub(crate) async fn heartbeats(
    driver: mpsc::Sender<Message>,
    counters: Arc<DriverCounters>,
    ended: CancellationToken,
) {
    let mut last_commit = CommitNumber(0);
    let mut interval = every_second();
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            _ = interval.tick() => {}
        }
        let newest = counters.durable_commit();
        if newest == last_commit && driver.send(Message::Heartbeat).is_err() {
            return;
        }
        last_commit = newest;
    }
}

/// Keeps the log in order until cancelled; `log_bytes` shows its size.
pub(crate) async fn run(
    database: Arc<dyn Database>,
    counters: Arc<DriverCounters>,
    retention: Retention,
    log_bytes: IntGauge,
    outages: Outages,
    ended: CancellationToken,
) {
    let mut ages = Ages::default();
    let mut forgotten_keys = ForgottenKeys::default();
    let mut interval = every_second();
    loop {
        let round = async {
            interval.tick().await;
            let (newest, keys) = counters.durable_commit_and_keys();
            let now = Instant::now();
            ages.note(now, newest);
            let (oldest, bytes) = database.log_extent().await?;
            log_bytes.set(bytes as i64);
            let log_below = ages.trim_below(now, retention, oldest, bytes);
            let now_seconds = counters.engine_milliseconds.load(Ordering::Relaxed) / 1000;
            let keys_below = forgotten_keys.below(newest, keys, now_seconds);
            database.maintain(&Upkeep { newest, log_below, keys_below, now_seconds }).await
        };
        let result = tokio::select! {
            () = ended.cancelled() => return,
            result = round => result,
        };
        match result {
            Ok(()) => outages.worked(Asking::Upkeep),
            Err(error) => outages.failed(Asking::Upkeep, &error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_database::FakeDatabase;

    const RETENTION: Retention = Retention { age: Duration::from_secs(60), bytes: 1000 };

    #[test]
    fn commits_go_when_they_are_too_old() {
        let mut ages = Ages::default();
        let began = Instant::now();
        let at = |second| began + Duration::from_secs(second);
        for second in 0..100 {
            ages.note(at(second), CommitNumber(second + 1));
        }
        assert_eq!(ages.trim_below(at(99), RETENTION, CommitNumber(1), 10), CommitNumber(40));
        assert_eq!(ages.trim_below(at(99), RETENTION, CommitNumber(40), 10), CommitNumber(40));
    }

    #[test]
    fn commits_go_when_they_are_too_many() {
        let mut ages = Ages::default();
        let now = Instant::now();
        ages.note(now, CommitNumber(101));
        assert_eq!(ages.trim_below(now, RETENTION, CommitNumber(1), 2000), CommitNumber(51));
    }

    #[tokio::test]
    async fn it_ends_although_the_database_does_not_answer() {
        let database = Arc::new(FakeDatabase::default());
        let ended = CancellationToken::new();
        let upkeep = tokio::spawn(run(
            database.clone(),
            Arc::default(),
            RETENTION,
            IntGauge::new("log_bytes", "Bytes.").unwrap(),
            Outages::default(),
            ended.clone(),
        ));
        database.was_asked().await;
        ended.cancel();
        upkeep.await.unwrap();
    }
}
