//! How much may be on its way through the server, and for how long: past the bounds, streams are read no further. While the
//! database has been away for long they are read again, and requests are refused before the engine sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The unit in which room is counted, so that small messages do not come for nothing.
const UNIT_BYTES: usize = 64;

/// What becomes of requests now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They go to the engine as long as there is room.
    #[default]
    Reading,
    /// They wait: what was admitted before has waited too long.
    Holding,
    /// They are refused: the database is away.
    Refusing,
}

/// The shared bound.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    room: Arc<Semaphore>,
    units: u32,
    flow: watch::Sender<Flow>,
    pub(crate) requests_received: Arc<AtomicU64>,
    requests_refused: Arc<AtomicU64>,
    requests_over_limit: Arc<AtomicU64>,
    waiting: Arc<AtomicU64>,
}

/// Something on its way to the engine: it counts as waiting until this is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    count: u64,
    waiting: Arc<AtomicU64>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.count, Ordering::Relaxed);
    }
}

/// The room that a message takes from its admission until its answers have left.
#[derive(Debug)]
pub(crate) struct Permit {
    admitted_at: Instant,
    _room: OwnedSemaphorePermit,
}

impl Permit {
    /// How long ago the message was admitted.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.admitted_at)
    }

    /// One that takes a unit of this room.
    #[cfg(test)]
    pub(crate) fn admitted(room: &Arc<Semaphore>, admitted_at: Instant) -> Self {
        Self { admitted_at, _room: Arc::clone(room).try_acquire_owned().unwrap() }
    }
}

/// What a message may do.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Go on to the engine; the permit is held until the answers have left.
    Admitted(Permit),
    /// Be refused: the database is away.
    Refused,
}

impl Intake {
    /// A bound of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes / UNIT_BYTES).unwrap_or(u32::MAX).max(1);
        Self {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            flow: watch::Sender::default(),
            requests_received: Arc::default(),
            requests_refused: Arc::default(),
            requests_over_limit: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Waits for room for a message of this size, and for what was admitted before to be dealt with in time.
    pub(crate) async fn admit(&self, bytes: usize) -> Admission {
        let mut flow = self.flow.subscribe();
        loop {
            let now = *flow.borrow_and_update();
            let room = async {
                match now {
                    Flow::Reading => self.room(bytes).await,
                    Flow::Holding => std::future::pending().await,
                    Flow::Refusing => None,
                }
            };
            tokio::select! {
                biased;
                _ = flow.changed() => {}
                permit = room => return permit.map_or(Admission::Refused, Admission::Admitted),
            }
        }
    }

    /// Waits for room alone, and only while requests are let in: who leaves is never held and never refused.
    pub(crate) async fn let_leave(&self, bytes: usize) -> Option<Permit> {
        let mut flow = self.flow.subscribe();
        tokio::select! {
            biased;
            _ = flow.wait_for(|flow| *flow != Flow::Reading) => None,
            permit = self.room(bytes) => permit,
        }
    }

    async fn room(&self, bytes: usize) -> Option<Permit> {
        let wanted = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(u32::MAX).min(self.units);
        // The semaphore is never closed.
        let room = Arc::clone(&self.room).acquire_many_owned(wanted).await.ok()?;
        Some(Permit { admitted_at: Instant::now(), _room: room })
    }

    /// Counts requests that have arrived.
    pub(crate) fn count_received(&self, requests: usize) {
        self.requests_received.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// Counts requests, a connect or a disconnect as waiting for the engine.
    pub(crate) fn waits(&self, count: usize) -> Waiting {
        self.waiting.fetch_add(count as u64, Ordering::Relaxed);
        Waiting { count: count as u64, waiting: Arc::clone(&self.waiting) }
    }

    /// How much waits for the engine.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts a request that was refused because the database is away.
    pub(crate) fn count_refused(&self) {
        self.requests_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request with which its client went over a limit.
    pub(crate) fn count_over_limit(&self) {
        self.requests_over_limit.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests were refused because the database is away.
    pub(crate) fn refused(&self) -> u64 {
        self.requests_refused.load(Ordering::Relaxed)
    }

    /// With how many requests clients went over a limit.
    pub(crate) fn over_limit(&self) -> u64 {
        self.requests_over_limit.load(Ordering::Relaxed)
    }

    /// Whether requests are refused now because the database is away.
    pub(crate) fn is_refusing(&self) -> bool {
        *self.flow.borrow() == Flow::Refusing
    }

    /// Waits until requests are refused because the database is away.
    pub(crate) async fn refusing(&self) {
        // It fails only when `self`, which sends, is gone.
        let _ = self.flow.subscribe().wait_for(|flow| *flow == Flow::Refusing).await;
    }

    /// Says what becomes of requests from now on.
    pub(crate) fn set_flow(&self, flow: Flow) {
        self.flow.send_if_modified(|now| std::mem::replace(now, flow) != flow);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn waits_for_admission(intake: &Intake) -> tokio::task::JoinHandle<Admission> {
        let intake = intake.clone();
        let admission = tokio::spawn(async move { intake.admit(UNIT_BYTES).await });
        // The only other task of this runtime: it runs until it waits.
        tokio::task::yield_now().await;
        assert!(!admission.is_finished());
        admission
    }

    #[tokio::test]
    async fn what_has_no_room_waits_until_there_is_some_or_is_refused() {
        let intake = Intake::new(UNIT_BYTES * 2);
        let Admission::Admitted(first) = intake.admit(UNIT_BYTES).await else { panic!("there is room") };
        let second = waits_for_admission(&intake).await;
        intake.set_flow(Flow::Refusing);
        assert!(matches!(second.await.unwrap(), Admission::Refused));
        intake.set_flow(Flow::Reading);
        let third = waits_for_admission(&intake).await;
        drop(first);
        assert!(matches!(third.await.unwrap(), Admission::Admitted(_)));
    }

    #[tokio::test]
    async fn while_streams_are_held_nothing_is_admitted_although_there_is_room() {
        let intake = Intake::new(UNIT_BYTES * 2);
        intake.set_flow(Flow::Holding);
        let first = waits_for_admission(&intake).await;
        intake.set_flow(Flow::Refusing);
        assert!(matches!(first.await.unwrap(), Admission::Refused));
        intake.set_flow(Flow::Holding);
        let second = waits_for_admission(&intake).await;
        intake.set_flow(Flow::Reading);
        assert!(matches!(second.await.unwrap(), Admission::Admitted(_)));
    }

    #[tokio::test]
    async fn who_leaves_waits_for_nothing_but_room() {
        let intake = Intake::new(UNIT_BYTES);
        let permit = intake.let_leave(1).await;
        assert!(permit.is_some());
        let waits = tokio::spawn({
            let intake = intake.clone();
            async move { intake.let_leave(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        intake.set_flow(Flow::Holding);
        assert!(waits.await.unwrap().is_none(), "it goes on without room");
        intake.set_flow(Flow::Refusing);
        assert!(intake.let_leave(1).await.is_none());
    }

    #[test]
    fn what_is_on_its_way_counts_until_it_is_dropped() {
        let intake = Intake::new(UNIT_BYTES);
        let requests = intake.waits(3);
        let connect = intake.waits(1);
        assert_eq!(intake.waiting(), 4);
        drop(requests);
        assert_eq!(intake.waiting(), 1);
        drop(connect);
        assert_eq!(intake.waiting(), 0);
    }
}
