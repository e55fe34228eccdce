//! How much may be on its way through the server: past the bound, streams are read no further. While the database has been
//! away for long they are read again, and requests are refused before the engine sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// The unit in which room is counted, so that small messages do not come for nothing.
const UNIT_BYTES: usize = 64;

/// The shared bound.
#[derive(Clone, Debug)]
pub(crate) struct Intake {
    room: Arc<Semaphore>,
    units: u32,
    refusing: watch::Sender<bool>,
    pub(crate) requests_received: Arc<AtomicU64>,
    requests_refused: Arc<AtomicU64>,
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

/// What a message may do.
#[derive(Debug)]
pub(crate) enum Admission {
    /// Go on to the engine; the permit is held until the answers have left.
    Admitted(OwnedSemaphorePermit),
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
            refusing: watch::Sender::new(false),
            requests_received: Arc::default(),
            requests_refused: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// Waits for room for a message of this size.
    pub(crate) async fn admit(&self, bytes: usize, requests: usize) -> Admission {
        self.requests_received.fetch_add(requests as u64, Ordering::Relaxed);
        let wanted = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(u32::MAX).min(self.units);
        let mut refusing = self.refusing.subscribe();
        loop {
            if *refusing.borrow_and_update() {
                return Admission::Refused;
            }
            tokio::select! {
                biased;
                _ = refusing.changed() => {}
                permit = Arc::clone(&self.room).acquire_many_owned(wanted) => match permit {
                    Ok(permit) => return Admission::Admitted(permit),
                    Err(_) => return Admission::Refused,
                },
            }
        }
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

    /// Counts requests that were refused because the database is away.
    pub(crate) fn count_refused(&self, requests: usize) {
        self.requests_refused.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> u64 {
        self.requests_refused.load(Ordering::Relaxed)
    }

    /// Whether requests are refused now.
    pub(crate) fn is_refusing(&self) -> bool {
        *self.refusing.borrow()
    }

    /// Switches refusing on or off.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.refusing.send_if_modified(|now| std::mem::replace(now, refuse) != refuse);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_no_room_waits_until_there_is_some_or_is_refused() {
        let intake = Intake::new(UNIT_BYTES * 2);
        let Admission::Admitted(first) = intake.admit(UNIT_BYTES, 1).await else { panic!("there is room") };
        let second = tokio::spawn({
            let intake = intake.clone();
            async move { intake.admit(UNIT_BYTES, 1).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        intake.refuse(true);
        assert!(matches!(second.await.unwrap(), Admission::Refused));
        intake.refuse(false);
        drop(first);
        assert!(matches!(intake.admit(UNIT_BYTES, 1).await, Admission::Admitted(_)));
        assert_eq!(intake.requests_received.load(Ordering::Relaxed), 3);
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
