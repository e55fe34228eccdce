//! Reporting subscribers: each is a cursor over the commit log. Who keeps up is served from memory, who lags from the
//! database; a slow reader costs no memory and slows nobody.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use bytes::{Bytes, BytesMut};
use ixn_engine::commit::{CommitBatch, CommitNumber, EventNumber};
use ixn_engine::cursor::{CommitEvents, Cursor};
use ixn_engine::gate::RETRY_DELAY;
use ixn_engine::sessions::ClientRef;
use ixn_engine::{Input, Subscription};
use ixn_proto::encoded::append_proxy_client_id;
use ixn_sessions::{Outbound, PushError};
use ixn_store::{Database, LogRecord, StoreError};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::driver::{Message, ahead_bytes};
use crate::outage::{Asking, Outages};
use crate::tasks::Tasks;

/// Events kept in memory for subscribers who keep up.
const RING_BYTES: usize = 16 << 20;
/// How much one read of the log brings.
const READ_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
struct Ring {
    records: VecDeque<LogRecord>,
    bytes: usize,
}

/// The subscribers.
#[derive(Debug)]
pub(crate) struct Feed {
    ring: Mutex<Ring>,
    newest: watch::Sender<CommitNumber>,
    newest_event: AtomicU64,
    subscribers: Mutex<HashMap<ClientRef, Subscriber>>,
    database: Arc<dyn Database>,
    driver: mpsc::Sender<Message>,
    outages: Outages,
    tasks: Tasks,
}

#[derive(Debug)]
struct Subscriber {
    ended: CancellationToken,
    /// The event up to which it has been served.
    served: Arc<AtomicU64>,
    filter: SharedFilter,
}

/// What the database will answer.
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The database has it, damaged or in a newer format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unreadable;

/// What a subscriber wants to hear now; it may change while its cursor goes on.
type SharedFilter = Arc<Mutex<Arc<Subscription>>>;

struct Follower {
    client: ClientRef,
    cursor: Cursor,
    /// Where the cursor stands, for whoever looks.
    served: Arc<AtomicU64>,
    outbound: Outbound<Status>,
    filter: SharedFilter,
}

impl Feed {
    pub(crate) fn new(
        database: Arc<dyn Database>,
        driver: mpsc::Sender<Message>,
        newest: CommitNumber,
        outages: Outages,
        tasks: Tasks,
    ) -> Arc<Self> {
        Arc::new(Self {
            ring: Mutex::default(),
            newest: watch::Sender::new(newest),
            newest_event: AtomicU64::default(),
            subscribers: Mutex::default(),
            database,
            driver,
            outages,
            tasks,
        })
    }

    /// A commit is durable: its events may be heard.
    pub(crate) fn publish(&self, batch: &CommitBatch) {
        let record = LogRecord {
            number: batch.number,
            first_event: batch.first_event,
            last_event: batch.last_event,
            events: batch.events.clone(),
        };
        let mut ring = self.ring.lock();
        ring.bytes += cost_bytes(&record);
        ring.records.push_back(record);
        while ring.bytes > RING_BYTES {
            let Some(oldest) = ring.records.pop_front() else { break };
            ring.bytes -= cost_bytes(&oldest);
        }
        drop(ring);
        self.newest_event.store(batch.last_event.0, Ordering::Relaxed);
        self.newest.send_replace(batch.number);
    }

    /// Lets a client follow the log; a subscription that it has ends.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        client: ClientRef,
        outbound: Outbound<Status>,
        after_event: u64,
        filter: Subscription,
    ) {
        let ended = CancellationToken::new();
        let served = Arc::new(AtomicU64::new(after_event));
        let filter: SharedFilter = Arc::new(Mutex::new(Arc::new(filter)));
        let subscriber =
            Subscriber { ended: ended.clone(), served: Arc::clone(&served), filter: Arc::clone(&filter) };
        if let Some(before) = self.subscribers.lock().insert(client, subscriber) {
            before.ended.cancel();
        }
        let feed = Arc::clone(self);
        let cursor = Cursor::after(EventNumber(after_event));
        let follower = Follower { client, cursor, served, outbound, filter };
        self.tasks.spawn(async move {
            tokio::select! {
                () = ended.cancelled() => {}
                () = feed.follow(follower) => {}
            }
        });
    }

    /// Lets a subscriber go on where it is, and hear something else from now on.
    pub(crate) fn change(&self, client: ClientRef, filter: Subscription) {
        if let Some(subscriber) = self.subscribers.lock().get(&client) {
            *subscriber.filter.lock() = Arc::new(filter);
        }
    }

    /// Ends a client's subscription.
    pub(crate) fn unsubscribe(&self, client: ClientRef) {
        if let Some(subscriber) = self.subscribers.lock().remove(&client) {
            subscriber.ended.cancel();
        }
    }

    /// How many subscribers there are, and how many events the one farthest behind has yet to be served.
    pub(crate) fn lag(&self) -> (usize, u64) {
        let subscribers = self.subscribers.lock();
        let newest = self.newest_event.load(Ordering::Relaxed);
        let behind = subscribers.values().map(|of| newest.saturating_sub(of.served.load(Ordering::Relaxed)));
        (subscribers.len(), behind.max().unwrap_or_default())
    }

    async fn follow(&self, mut follower: Follower) {
        let mut newest = self.newest.subscribe();
        let Some(mut commit) = self.find(&follower).await else { return };
        loop {
            loop {
                let until = *newest.borrow_and_update();
                if commit >= until {
                    break;
                }
                let Ok(records) = self.read_after(commit, until).await else {
                    // What it misses nobody can tell it; how all is, the engine can.
                    self.report_gap(&follower, EventNumber(self.newest_event.load(Ordering::Relaxed) + 1));
                    return;
                };
                if let Some(first) = records.first().map(|record| record.first_event)
                    && follower.cursor.misses_events_before(first)
                {
                    // Trimmed while this reader slept: it is told, and starts anew.
                    self.report_gap(&follower, first);
                    return;
                }
                for record in records {
                    if !self.send(&mut follower, &record).await {
                        return;
                    }
                    commit = record.number;
                }
            }
            if newest.changed().await.is_err() || follower.outbound.is_closed() {
                return;
            }
        }
    }

    /// The commit to go on after. `None`: a gap, which the engine now answers.
    async fn find(&self, follower: &Follower) -> Option<CommitNumber> {
        let event = follower.cursor.served();
        {
            let ring = self.ring.lock();
            let position = ring.records.partition_point(|record| record.last_event <= event);
            if position > 0 {
                return ring.records.get(position - 1).map(|record| record.number);
            }
        }
        let found = self.ask(|| self.database.commit_before(event)).await.unwrap_or_default();
        if found.is_none() {
            let oldest = self.oldest_event().await.unwrap_or_default();
            self.report_gap(follower, oldest);
        }
        found
    }

    async fn oldest_event(&self) -> Result<EventNumber, Unreadable> {
        let (oldest, _) = self.ask(|| self.database.log_extent()).await?;
        let before = CommitNumber(oldest.0.saturating_sub(1));
        let records = self.ask(|| self.database.log_after(before, 1)).await?;
        Ok(records.first().map(|record| record.first_event).unwrap_or_default())
    }

    /// Asks the database until it answers, or has something that asking again does not mend.
    async fn ask<'a, T>(&self, question: impl Fn() -> Answer<'a, T>) -> Result<T, Unreadable> {
        loop {
            match question().await {
                Ok(answer) => {
                    self.outages.worked(Asking::Log);
                    return Ok(answer);
                }
                Err(error @ (StoreError::Damaged(_) | StoreError::Newer(_))) => {
                    tracing::error!(
                        %error,
                        "a part of the commit log cannot be read; who subscribes to it gets a gap and the full state instead"
                    );
                    return Err(Unreadable);
                }
                Err(error) => {
                    self.outages.failed(Asking::Log, &error);
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    fn report_gap(&self, follower: &Follower, oldest: EventNumber) {
        let _ = self.driver.send(Message::Input(Input::ReportingGap {
            client: follower.client,
            asked: follower.cursor.served().0,
            oldest_held: oldest.0,
            with_interactions: follower.filter.lock().with_interactions,
        }));
    }

    /// Some of the log behind `commit`. The database may hold more than `until`, the newest commit that has been published:
    /// whose answers have not left is not told either.
    async fn read_after(
        &self,
        commit: CommitNumber,
        until: CommitNumber,
    ) -> Result<Vec<LogRecord>, Unreadable> {
        {
            let ring = self.ring.lock();
            let first = ring.records.front().map(|record| record.number);
            if first.is_some_and(|first| first.0 <= commit.0 + 1) {
                let start = ring.records.partition_point(|record| record.number <= commit);
                let mut bytes = 0;
                let records = ring.records.iter().skip(start).take_while(|record| {
                    let take = bytes < READ_BYTES;
                    bytes += cost_bytes(record);
                    take
                });
                return Ok(records.cloned().collect());
            }
        }
        let mut records = self.ask(|| self.database.log_after(commit, READ_BYTES)).await?;
        records.retain(|record| record.number <= until);
        Ok(records)
    }

    /// Sends a commit's events that the subscriber has not heard. `false`: nobody listens any more.
    async fn send(&self, follower: &mut Follower, record: &LogRecord) -> bool {
        let client = follower.client.proxy_client_id;
        let filter = Arc::clone(&follower.filter.lock());
        let mut events = CommitEvents::new(record.first_event, record.events.clone());
        while let Some(envelope) = follower.cursor.next(&mut events, &filter) {
            let ahead = ahead_bytes(&follower.outbound);
            if follower.outbound.waiting_for_client_bytes(client) > ahead {
                follower.outbound.wake();
                follower.outbound.drained(client, ahead).await;
            }
            let envelope = addressed(envelope, client);
            match follower.outbound.queue(client, envelope) {
                Ok(()) => {}
                Err(PushError::Closed | PushError::Dropped) => return false,
                Err(PushError::Overflow(_)) => {
                    // What waited for the client is lost; only the engine can tell it so.
                    let overflowed = Input::ClientOverflowed(follower.client);
                    let _ = self.driver.send(Message::Input(overflowed));
                    return false;
                }
            }
            follower.served.store(follower.cursor.served().0, Ordering::Relaxed);
        }
        follower.outbound.wake();
        follower.served.store(follower.cursor.served().0, Ordering::Relaxed);
        true
    }
}

/// What a record takes in the ring; an idle server's heartbeats have no events.
fn cost_bytes(record: &LogRecord) -> usize {
    record.events.len() + size_of::<LogRecord>()
}

fn addressed(envelope: Bytes, proxy_client_id: u32) -> Bytes {
    if proxy_client_id == 0 {
        return envelope;
    }
    let mut addressed = BytesMut::with_capacity(envelope.len() + 8);
    addressed.extend_from_slice(&envelope);
    append_proxy_client_id(&mut addressed, proxy_client_id);
    addressed.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_database::FakeDatabase;
    use ixn_engine::sessions::ConnectionId;
    use ixn_proto::encoded::encode_envelope;
    use ixn_proto::server_envelope::Event;
    use ixn_proto::{AgentInfo, EventAgentLogin, EventPlacedInWorkbin, ServerEnvelope};
    use prost::Message as _;

    #[test]
    fn an_event_is_addressed_without_decoding_it() {
        let envelope = ServerEnvelope {
            event_number: 7,
            event_time_milliseconds: 1_800_000_000_000,
            event: Some(Event::EventPlacedInWorkbin(EventPlacedInWorkbin::default())),
            ..ServerEnvelope::default()
        };
        let encoded = encode_envelope(&envelope);
        let decoded = ServerEnvelope::decode(addressed(encoded, 12)).unwrap();
        assert_eq!((decoded.proxy_client_id, decoded.event_number), (12, 7));
    }

    #[tokio::test]
    async fn a_subscriber_whose_queue_overflows_is_reported_to_the_engine_and_another_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("ixn.db").display());
        let database = ixn_store::open(&url, &ixn_store::OpenOptions::default()).await.unwrap();
        let (driver, messages) = mpsc::channel();
        let feed = Feed::new(database, driver, CommitNumber(0), Outages::default(), Tasks::here());
        let limits =
            ixn_sessions::Limits { client_bytes: 1_000, connection_bytes: 10_000, message_bytes: 1_000 };
        let (outbound, _unread) = ixn_sessions::outbound(limits);
        let login = encode_envelope(&ServerEnvelope {
            event: Some(Event::EventAgentLogin(EventAgentLogin {
                agent: Some(AgentInfo { agent_id: "a".repeat(950), ..AgentInfo::default() }),
                ..EventAgentLogin::default()
            })),
            ..ServerEnvelope::default()
        });
        let mut events = BytesMut::new();
        prost::encoding::encode_varint(login.len() as u64, &mut events);
        events.extend_from_slice(&login);
        let record = LogRecord {
            number: CommitNumber(1),
            first_event: EventNumber(1),
            last_event: EventNumber(1),
            events: events.freeze(),
        };
        let client = |proxy_client_id| ClientRef { connection: ConnectionId(1), proxy_client_id };
        // Little enough waits for the first that the event is tried, and too much for it to fit.
        outbound.push(1, Bytes::from(vec![0; 100])).unwrap();
        for (proxy_client_id, goes_on) in [(1, false), (2, true)] {
            let mut follower = Follower {
                client: client(proxy_client_id),
                cursor: Cursor::after(EventNumber(0)),
                served: Arc::default(),
                outbound: outbound.clone(),
                filter: SharedFilter::default(),
            };
            assert_eq!(feed.send(&mut follower, &record).await, goes_on);
        }
        let told = messages.try_recv().unwrap();
        assert!(matches!(told, Message::Input(Input::ClientOverflowed(of)) if of == client(1)), "{told:?}");
        assert!(messages.try_recv().is_err());
        assert_eq!(outbound.waiting_for_client_bytes(1), 0);
        assert!(outbound.waiting_for_client_bytes(2) > 950);
    }

    fn record(number: u64) -> LogRecord {
        LogRecord {
            number: CommitNumber(number),
            first_event: EventNumber(1),
            last_event: EventNumber(0),
            events: Bytes::new(),
        }
    }

    fn feed(database: FakeDatabase) -> Arc<Feed> {
        let (driver, _) = mpsc::channel();
        Feed::new(Arc::new(database), driver, CommitNumber(0), Outages::default(), Tasks::here())
    }

    #[tokio::test]
    async fn a_commit_whose_answers_have_not_left_is_not_read_from_the_log() {
        let feed = feed(FakeDatabase::with_log((1..=3).map(record).collect()));
        let records = feed.read_after(CommitNumber(0), CommitNumber(2)).await.unwrap();
        assert_eq!(records, [record(1), record(2)]);
    }

    #[tokio::test]
    async fn a_subscriber_to_what_cannot_be_read_gets_a_gap() {
        let with_an_event = |number| LogRecord {
            first_event: EventNumber(number),
            last_event: EventNumber(number),
            ..record(number)
        };
        let log = (1..=3).map(with_an_event).collect();
        let database = FakeDatabase::with_damaged_log(log, CommitNumber(2));
        let (driver, messages) = mpsc::channel();
        let feed = Feed::new(Arc::new(database), driver, CommitNumber(3), Outages::default(), Tasks::here());
        let (outbound, _unread) = ixn_sessions::outbound(ixn_sessions::Limits::default());
        let client = ClientRef { connection: ConnectionId(1), proxy_client_id: 0 };
        let filter = SharedFilter::default();
        let cursor = Cursor::after(EventNumber(0));
        let follower = Follower { client, cursor, served: Arc::default(), outbound, filter };
        let followed = tokio::time::timeout(std::time::Duration::from_secs(30), feed.follow(follower)).await;
        assert!(followed.is_ok(), "it reads on");
        let told = messages.try_recv().unwrap();
        assert!(
            matches!(told, Message::Input(Input::ReportingGap { client: of, oldest_held: 1, .. }) if of == client),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn one_reading_of_memory_is_bounded_also_when_there_are_no_events() {
        let feed = feed(FakeDatabase::default());
        let held = RING_BYTES / cost_bytes(&record(1));
        feed.ring.lock().records.extend((1..=held as u64).map(record));
        let records = feed.read_after(CommitNumber(0), CommitNumber(held as u64)).await.unwrap();
        assert_eq!(records.first(), Some(&record(1)));
        assert!(records.len() <= READ_BYTES / cost_bytes(&record(1)) + 1, "{} of {held}", records.len());
    }
}
