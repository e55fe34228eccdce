//! When a run is over.

use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::ledger::Counts;
use super::names::QUEUE;
use super::reporter::Heard;
use super::shared::Shared;
use crate::inspector::Inspector;

/// How often the run is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Waits until every lifecycle is confirmed; a sentence when nothing has happened for too long.
pub(super) async fn confirmed(shared: &Shared, patience: Duration, bar: &ProgressBar) -> Option<String> {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = [0; 5];
    let mut since = Instant::now();
    loop {
        looks.tick().await;
        let (counts, is_complete) = {
            let ledger = shared.ledger();
            (ledger.counts(), ledger.is_complete())
        };
        bar.set_position(counts.ended);
        if is_complete {
            return None;
        }
        let Counts { sent, acknowledged, refused, ended, confirmed, .. } = counts;
        // The steps of lifecycles: of events, refused agents and so on there may be ever more while one is lost.
        let steps = [sent, acknowledged, refused, ended, confirmed];
        let nothing_under_way = acknowledged + refused == sent && confirmed == acknowledged;
        if steps != last || nothing_under_way {
            (last, since) = (steps, Instant::now());
        }
        if since.elapsed() >= patience {
            return Some(format!("nothing has happened for {patience:?}"));
        }
    }
}

/// What the server still has to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outstanding {
    /// Interactions in the queue of the load.
    left: u64,
    last_event_number: u64,
}

impl Outstanding {
    /// What the server says; `None` = it does not answer.
    pub(super) async fn of(inspector: &Inspector) -> Option<Self> {
        let last_event_number = inspector.server().await.ok()?.last_event_number;
        let queues = inspector.queues().await.ok()?;
        let of_load = queues.iter().filter(|queue| queue.queue_name == QUEUE).flat_map(|queue| &queue.media);
        let left = of_load.map(|media| media.waiting_processing + media.in_processing).sum();
        Some(Self { left, last_event_number })
    }
}

/// Waits until the queue is empty and all events are heard: a lifecycle that was begun twice shows there. Without an
/// answer for too long it gives up; what is known is told then.
pub(super) async fn nothing_follows(
    look: impl AsyncFn() -> Option<Outstanding>,
    heard: &Heard,
    patience: Duration,
) {
    let mut looks = interval(LOOK);
    let quiet = async {
        loop {
            looks.tick().await;
            let Some(Outstanding { left, last_event_number }) = look().await else { continue };
            if left == 0 && heard.load(Ordering::Relaxed) >= last_event_number {
                return;
            }
        }
    };
    // A quiet that never comes, say because somebody else submits, is not an error of the run.
    let _ = timeout(patience, quiet).await;
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::load::ledger::Ledger;
    use crate::load::names::Run;
    use crate::load::pace::{Pace, Rate};

    const PATIENCE: Duration = Duration::from_secs(120);

    fn shared(lifecycles: usize) -> Arc<Shared> {
        Arc::new(Shared::new(Run::new(1), Pace::new(Rate::Max, lifecycles, 1), Ledger::new(lifecycles)))
    }

    /// The moments at which these things happen to the ledger, one a second.
    async fn happen(shared: &Shared, steps: &[fn(&mut Ledger)]) {
        for step in steps {
            tokio::time::sleep(Duration::from_secs(1)).await;
            shared.note(|ledger, _| step(ledger));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_lifecycle_ends_the_wait_although_events_and_errors_go_on() {
        let shared = shared(1);
        shared.note(|ledger, _| ledger.sent(0, 0, 0));
        shared.note(|ledger, _| ledger.acknowledged(0, "a", 0));
        let noise = async {
            loop {
                happen(&shared, &[Ledger::event, |ledger| ledger.failed("x"), Ledger::missed_offer]).await;
            }
        };
        let (started, bar) = (Instant::now(), ProgressBar::hidden());
        let stalled = tokio::select! {
            stalled = confirmed(&shared, PATIENCE, &bar) => stalled,
            () = noise => None,
        };
        assert_eq!(stalled.as_deref(), Some("nothing has happened for 120s"));
        assert!(started.elapsed() < PATIENCE * 2, "{:?}", started.elapsed());
        assert_eq!(shared.ledger().faults().lost, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn all_confirmed_is_the_end_and_nothing_under_way_is_no_stall() {
        let shared = shared(2);
        let steps: [fn(&mut Ledger); 6] = [
            |ledger| ledger.sent(0, 0, 0),
            |ledger| ledger.acknowledged(0, "a", 0),
            |ledger| ledger.reported_stop(0, "a", 0),
            |ledger| ledger.sent(1, 0, 0),
            |ledger| ledger.acknowledged(1, "b", 0),
            |ledger| ledger.reported_stop(1, "b", 0),
        ];
        let happens = async {
            happen(&shared, &steps[..3]).await;
            tokio::time::sleep(PATIENCE * 3).await;
            happen(&shared, &steps[3..]).await;
        };
        let bar = ProgressBar::hidden();
        assert_eq!(tokio::join!(confirmed(&shared, PATIENCE, &bar), happens).0, None);
        assert!(shared.ledger().is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_queue_and_for_the_events_but_not_for_ever() {
        let looks = Cell::new(0);
        let heard = Heard::new(AtomicU64::new(5));
        let look = async || {
            looks.set(looks.get() + 1);
            match looks.get() {
                1 => None,
                2 => Some(Outstanding { left: 1, last_event_number: 5 }),
                3 => Some(Outstanding { left: 0, last_event_number: 6 }),
                _ => Some(Outstanding { left: 0, last_event_number: 5 }),
            }
        };
        nothing_follows(look, &heard, PATIENCE).await;
        assert_eq!(looks.get(), 4);
        let started = Instant::now();
        nothing_follows(async || Some(Outstanding { left: 0, last_event_number: 6 }), &heard, PATIENCE).await;
        assert_eq!(started.elapsed(), PATIENCE);
    }
}
