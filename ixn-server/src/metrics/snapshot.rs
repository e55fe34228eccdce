//! What the scrapes show of the engine: asked for every second, kept until there is something newer. So a scrape waits for
//! nobody, and while the engine is busy it shows what was known last.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use ixn_engine::figures::Figures;
use ixn_store::Database;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::driver::Message;
use crate::feed::Feed;

/// How often the driver is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// What was known at one moment.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(super) engine: Figures,
    /// What waits to be sent to clients.
    pub(super) outbound_waiting_bytes: usize,
    /// Clients that follow the log.
    pub(super) subscribers: usize,
    /// How many events the last of them is behind.
    pub(super) subscriber_lag_events: u64,
    /// Open connections to the database.
    pub(super) database_connections: usize,
}

/// The newest snapshot, none until the engine runs; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Latest(Arc<Mutex<Option<Arc<Snapshot>>>>);

impl Latest {
    pub(super) fn get(&self) -> Option<Arc<Snapshot>> {
        self.0.lock().clone()
    }

    pub(super) fn set(&self, snapshot: Snapshot) {
        *self.0.lock() = Some(Arc::new(snapshot));
    }
}

/// Keeps `latest` fresh until cancelled, or the driver is gone.
pub(crate) async fn follow(
    driver: mpsc::Sender<Message>,
    feed: Arc<Feed>,
    database: Arc<dyn Database>,
    latest: Latest,
    ended: CancellationToken,
) {
    let mut interval = interval(INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (sender, answer) = oneshot::channel();
        let answer = async {
            interval.tick().await;
            driver.send(Message::Figures(sender)).ok()?;
            answer.await.ok()
        };
        let figures = tokio::select! {
            () = ended.cancelled() => return,
            answer = answer => match answer {
                Some(figures) => figures,
                None => return,
            },
        };
        let (subscribers, subscriber_lag_events) = feed.lag();
        latest.set(Snapshot {
            engine: figures.engine,
            outbound_waiting_bytes: figures.outbound_waiting_bytes,
            subscribers,
            subscriber_lag_events,
            database_connections: database.open_connections(),
        });
    }
}
