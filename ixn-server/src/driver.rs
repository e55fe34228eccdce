//! The engine's thread: takes messages, lets the engine step, lets the gate decide, carries out what it says.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ixn_engine::figures::{Figures, Gathering};
use ixn_engine::gate::{Action, Gate, Source as _};
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_engine::{Engine, Input, Output};
use ixn_proto::encoded::encode_envelope;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ErrorCode, EventClientDisconnected, ServerEnvelope};
use ixn_sessions::{Closed, Outbound, Overflow, PushError};
use ixn_telemetry::Beat;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::clock::Clock;
use crate::configuration::Retired;
use crate::feed::Feed;
use crate::intake::{Flow, Intake, Permit, Waiting};
use crate::metrics::OwnMetrics;
use crate::protocol::Loads;
use crate::writer::{Done, Job};

/// How many messages one turn takes before the gate is asked.
const TURN_MESSAGES: usize = 1024;
/// How clients are spread when they are asked to connect again: so many slots of so many milliseconds.
const RECONNECT_SLOTS: u64 = 20;
const RECONNECT_SLOT: u32 = 50;
/// The longest the thread sleeps.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);
/// The longest it sleeps while requests are held: nobody else wakes it when they need not be any more.
const HOLDING_SLEEP: Duration = Duration::from_millis(5);
/// How long after one commit began the next begins at the soonest. On a database that answers at once a server with little to
/// do would otherwise commit every single request, and do for each what it can do for many: that takes the processor that
/// others on the machine need, and makes no client noticeably faster.
const COMMIT_SPACING: Duration = Duration::from_millis(1);
/// When requests have been in here for this long, unanswered, no further ones are let in until that is over.
const LAG: Duration = Duration::from_secs(1);
/// When a commit has been under way for this long, requests are refused instead of waiting.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);
/// When something has waited behind the same commit for this long, it counts as waiting: above what a commit takes on a
/// healthy system, however busy.
const BATCH_WAITS_AFTER_MILLISECONDS: u64 = 100;
/// Field 1 of a server envelope, varint: the number of the request that it answers. It is encoded first.
const REFERENCE_ID_KEY: u8 = 0x08;

/// A connection, as the driver knows it.
#[derive(Debug)]
pub(crate) struct Link {
    /// What waits to be sent.
    pub(crate) outbound: Outbound<Status>,
    /// Ends the reading side.
    pub(crate) closed: CancellationToken,
    /// What its clients have under way.
    pub(crate) loads: Arc<Loads>,
    /// With what its stream ends, when not normally.
    pub(crate) end: Option<Status>,
    /// Where the client is.
    pub(crate) peer: String,
    /// When it came, Unix seconds.
    pub(crate) connected_at: i64,
    /// Requests that it has sent.
    pub(crate) requests: u64,
}

/// What comes to the driver.
#[derive(Debug)]
pub(crate) enum Message {
    /// A connection was opened.
    Connected(ConnectionId, Link, Waiting),
    /// Requests of one stream message, with the room that they take.
    Requests {
        connection: ConnectionId,
        envelopes: Vec<ClientEnvelope>,
        permit: Option<Permit>,
        arrived: Instant,
        waiting: Waiting,
    },
    /// A connection is gone.
    /// A status: that with which its stream ends, when not normally.
    Disconnected(ConnectionId, Option<Status>, Waiting),
    /// Any other input of the engine.
    Input(Input),
    /// The writer has finished a job.
    Written(Done),
    /// A look, answered when all that it may show is durable.
    Inspect(InspectionRequest, oneshot::Sender<InspectionResponse>),
    /// A look for the metrics, answered within a few turns, durable or not.
    Figures(oneshot::Sender<DriverFigures>),
    /// Nothing has been committed for a while: show that this server still owns the database.
    Heartbeat,
    /// End all connections, finish what was applied, leave.
    Shutdown,
    /// Leave at once: what is not durable by now stays without an answer.
    GiveUp,
}

/// Why the driver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Shutdown,
    /// Another server has taken over the database.
    Fenced,
    /// The database refused a batch: a defect.
    Refused,
    /// The database has lost what was acknowledged, or is not there any more.
    Lost,
}

/// What the metrics show of the driver and its engine.
#[derive(Debug)]
pub(crate) struct DriverFigures {
    pub(crate) engine: Figures,
    /// What waits to be sent to clients.
    pub(crate) outbound_waiting_bytes: usize,
}

/// What can be read of the driver from outside.
#[derive(Debug, Default)]
pub(crate) struct DriverCounters {
    /// Requests that the engine has handled.
    pub(crate) requests_handled: AtomicU64,
    /// Microseconds that the newest request waited for the engine.
    pub(crate) queue_wait_microseconds: AtomicU64,
    /// When it was handled, Unix milliseconds.
    pub(crate) last_request_at_milliseconds: AtomicU64,
    /// The newest durable commit.
    pub(crate) durable_commit: AtomicU64,
    /// Since when something has been waiting behind the commit that is under way, Unix milliseconds; 0: nothing waits.
    pub(crate) gathering_since_milliseconds: AtomicU64,
}

impl DriverCounters {
    /// Whether a batch waits for the database longer than is usual under load, where something waits behind every commit.
    pub(crate) fn has_batch_waiting(&self, now_milliseconds: u64) -> bool {
        let since = self.gathering_since_milliseconds.load(Ordering::Relaxed);
        since != 0 && now_milliseconds.saturating_sub(since) > BATCH_WAITS_AFTER_MILLISECONDS
    }
}

/// What the driver carries things out with.
pub(crate) struct Surroundings {
    pub(crate) jobs: UnboundedSender<Job>,
    pub(crate) loads: UnboundedSender<Vec<ixn_engine::commit::InteractionKey>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) intake: Intake,
    pub(crate) counters: Arc<DriverCounters>,
    pub(crate) metrics: OwnMetrics,
    /// Beats while the thread turns.
    pub(crate) alive: Beat,
    /// Beats with every durable commit.
    pub(crate) committed: Beat,
    /// Where a refused batch is kept.
    pub(crate) dump_directory: std::path::PathBuf,
}

/// The driver.
pub(crate) struct Driver {
    engine: Engine,
    gate: Gate<Output>,
    messages: mpsc::Receiver<Message>,
    around: Surroundings,
    links: HashMap<ConnectionId, Link>,
    inspections: HashMap<u64, oneshot::Sender<InspectionResponse>>,
    next_inspection: u64,
    /// Figures that are being gathered, and for whom.
    gathering: Option<(Gathering, oneshot::Sender<DriverFigures>)>,
    /// Room held by requests whose answers wait for the next commit, and for the one in flight.
    permits_gathering: Vec<Permit>,
    permits_in_flight: Vec<Permit>,
    /// How long the oldest request of this turn had waited when it was taken.
    taken_after: Duration,
    commit_began: Option<Instant>,
    /// When the next commit may begin.
    next_commit_at: Instant,
    /// Since when something has been waiting behind the commit in flight, Unix milliseconds.
    gathering_since: Option<u64>,
    /// Requests wait outside until there is less lag.
    is_holding: bool,
    /// Connections to wake when all that leaves now is queued. Empty in between; kept for its room.
    sent_to: HashSet<ConnectionId>,
    /// Inputs that the driver itself has for the engine.
    own_inputs: Vec<Input>,
    leaving: bool,
    ended: Option<Ended>,
    clock: Clock,
}

impl Driver {
    pub(crate) fn new(engine: Engine, messages: mpsc::Receiver<Message>, around: Surroundings) -> Self {
        let durable = ixn_engine::commit::CommitNumber(engine.next_commit().0 - 1);
        around.counters.durable_commit.store(durable.0, Ordering::Relaxed);
        let clock = Clock::new(engine.now());
        Self {
            gate: Gate::new(durable),
            engine,
            messages,
            around,
            links: HashMap::new(),
            inspections: HashMap::new(),
            next_inspection: 0,
            gathering: None,
            permits_gathering: Vec::new(),
            permits_in_flight: Vec::new(),
            taken_after: Duration::ZERO,
            commit_began: None,
            next_commit_at: Instant::now(),
            gathering_since: None,
            is_holding: false,
            sent_to: HashSet::new(),
            own_inputs: Vec::new(),
            leaving: false,
            ended: None,
            clock,
        }
    }

    /// Turns until it is asked to leave, or must.
    pub(crate) fn run(mut self) -> Ended {
        loop {
            self.turn();
            if let Some(ended) = self.ended {
                self.close_all(ended);
                return ended;
            }
        }
    }

    fn turn(&mut self) {
        self.around.alive.touch();
        let mut next = self.wait();
        let mut taken = 0;
        while let Some(message) = next.take() {
            taken += 1;
            self.take(message);
            if taken < TURN_MESSAGES && self.ended.is_none() {
                next = self.messages.try_recv().ok();
            }
        }
        if self.ended.is_some() {
            return;
        }
        for input in std::mem::take(&mut self.own_inputs) {
            self.engine.step(self.clock.now(), input);
        }
        // Work in slices goes on once a turn, however many requests came.
        if self.engine.has_more_work() || self.is_due() {
            self.engine.step(self.clock.now(), Input::Tick);
        }
        let loads = self.engine.take_loads();
        if !loads.is_empty() {
            // Without the loader there is no database and nothing left to do here.
            let _ = self.around.loads.send(loads);
        }
        self.gather();
        if self.gate.is_gathering() {
            self.gathering_since.get_or_insert_with(|| self.clock.now().0);
        }
        let gathering_since = self.gathering_since.unwrap_or_default();
        self.around.counters.gathering_since_milliseconds.store(gathering_since, Ordering::Relaxed);
        self.regulate();
        self.gather_figures();
        if self.leaving && !self.gate.is_committing() && self.gate.waiting() == 0 {
            self.ended.get_or_insert(Ended::Shutdown);
        }
    }

    fn is_due(&mut self) -> bool {
        let now = self.clock.now();
        self.engine.next_deadline().is_some_and(|at| at <= now)
    }

    /// The next message, or none when there is something to do without one.
    fn wait(&mut self) -> Option<Message> {
        if self.engine.has_more_work() || !self.own_inputs.is_empty() || self.gathering.is_some() {
            return self.messages.try_recv().ok();
        }
        if !self.gate.is_committing() && self.engine.has_changes() {
            // Nothing can leave before the next commit begins: what comes until then needs to wake nobody.
            std::thread::sleep(self.next_commit_at.saturating_duration_since(Instant::now()));
            return self.messages.try_recv().ok();
        }
        let until_deadline = self
            .engine
            .next_deadline()
            .map(|at| Duration::from_millis(at.0.saturating_sub(self.clock.now().0)));
        let longest = if self.is_holding { HOLDING_SLEEP } else { LONGEST_SLEEP };
        let sleep = until_deadline.map_or(longest, |until| until.min(longest));
        self.messages.recv_timeout(sleep).ok()
    }

    fn take(&mut self, message: Message) {
        if self.leaving && matches!(message, Message::Requests { .. } | Message::Heartbeat) {
            // Not applied: the connection closes, and the client sends it again elsewhere.
            return;
        }
        match message {
            Message::Connected(connection, link, _waiting) => {
                self.links.insert(connection, link);
                self.engine.step(self.clock.now(), Input::Connected(connection));
            }
            Message::Requests { connection, envelopes, permit, arrived, waiting } => {
                drop(waiting);
                let waited = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.around.counters.queue_wait_microseconds.store(waited, Ordering::Relaxed);
                self.around.counters.requests_handled.fetch_add(envelopes.len() as u64, Ordering::Relaxed);
                let now = self.clock.now();
                self.around.counters.last_request_at_milliseconds.store(now.0, Ordering::Relaxed);
                if let Some(link) = self.links.get_mut(&connection) {
                    link.requests += envelopes.len() as u64;
                    for envelope in envelopes.iter().filter(|envelope| envelope.reference_id == 0) {
                        // Its answer does not say what it answers: it counts no longer than until here.
                        link.loads.answered(envelope.proxy_client_id, 0);
                    }
                }
                for envelope in envelopes {
                    self.engine.step(now, Input::Request(connection, Box::new(envelope)));
                }
                let lag = permit.as_ref().map_or(Duration::ZERO, Permit::age);
                self.taken_after = self.taken_after.max(lag);
                self.permits_gathering.extend(permit);
            }
            Message::Disconnected(connection, end, _waiting) => {
                if let Some(link) = self.links.get_mut(&connection) {
                    link.end = end;
                }
                self.engine.step(self.clock.now(), Input::Disconnected(connection));
            }
            Message::Input(input @ Input::Configured(_)) => {
                let before = Retired::of(&self.engine);
                self.engine.step(self.clock.now(), input);
                Retired::of(&self.engine).tell(&before);
            }
            Message::Input(input) => self.engine.step(self.clock.now(), input),
            Message::Inspect(request, answer) => {
                let token = self.next_inspection;
                self.next_inspection += 1;
                self.inspections.insert(token, answer);
                self.engine.step(self.clock.now(), Input::Inspect { token, request: Box::new(request) });
            }
            Message::Figures(answer) => {
                self.gathering = Some((Gathering::default(), answer));
            }
            Message::Written(done) => {
                self.gather();
                let actions = match done {
                    Done::Commit(outcome) => self.gate.completed(outcome, &mut self.engine),
                    Done::LookedUp(found) => self.gate.looked_up(found, &mut self.engine),
                    Done::Lost(error) => {
                        // The commit stays in flight for ever: nothing that depends on it, or comes behind it, leaves.
                        tracing::error!(
                            error,
                            "the database has lost acknowledged commits; nothing more is acknowledged, the server ends"
                        );
                        self.ended = Some(Ended::Lost);
                        Vec::new()
                    }
                };
                self.perform(actions);
            }
            Message::Heartbeat => {
                self.gather();
                let actions = self.gate.heartbeat(&mut self.engine);
                self.perform(actions);
            }
            Message::Shutdown => self.leaving = true,
            Message::GiveUp => {
                self.ended.get_or_insert(Ended::Shutdown);
            }
        }
    }

    /// Hands what the engine has put out to the gate, so that it leaves with the commit that carries its changes.
    fn gather(&mut self) {
        let outputs = self.engine.take_outputs();
        self.gate.hold(!self.leaving && Instant::now() < self.next_commit_at);
        let actions = self.gate.gathered(outputs, &mut self.engine);
        self.perform(actions);
        if !self.gate.is_committing() && !self.engine.has_changes() {
            // Nothing waits for a commit; what waits for user data or for a match takes no room.
            self.permits_gathering.clear();
        }
    }

    fn perform(&mut self, actions: Vec<Action<Output>>) {
        for action in actions {
            match action {
                Action::Release { durable, batch, outputs } => {
                    if let Some(batch) = &batch {
                        self.commit_began = None;
                        self.permits_in_flight.clear();
                        self.around.committed.touch();
                        self.around.counters.durable_commit.store(durable.0, Ordering::Relaxed);
                        self.around.metrics.committed(batch);
                        self.engine.durable(durable);
                    }
                    self.release(outputs);
                    if let Some(batch) = &batch {
                        // Behind the outputs: a page of state must not come after an event that it does not show.
                        self.around.feed.publish(batch);
                    }
                }
                Action::Commit { batch, after } => {
                    let now = Instant::now();
                    self.commit_began.get_or_insert(now);
                    self.next_commit_at = now + COMMIT_SPACING;
                    self.permits_in_flight.append(&mut self.permits_gathering);
                    self.gathering_since = None;
                    let _ = self.around.jobs.send(Job::Commit(batch, after));
                }
                Action::LookUp(number) => {
                    let _ = self.around.jobs.send(Job::LookUp(number));
                }
                Action::Fenced => self.ended = Some(Ended::Fenced),
                Action::Abort { batch, reason } => {
                    self.dump(&batch, &reason);
                    self.ended = Some(Ended::Refused);
                }
            }
        }
    }

    fn release(&mut self, outputs: Vec<Output>) {
        let mut sent_to = std::mem::take(&mut self.sent_to);
        for output in outputs {
            match output {
                Output::Send { client, envelope } => {
                    sent_to.insert(client.connection);
                    self.send(client, envelope);
                }
                Output::Close { connection, reason } => self.close(connection, reason),
                Output::Subscribe { client, after_event, filter } => {
                    if let Some(link) = self.links.get(&client.connection) {
                        self.around.feed.subscribe(client, link.outbound.clone(), after_event, filter);
                    }
                }
                Output::ConfigurationRefused(reason) => {
                    tracing::error!(reason, "the new configuration cannot be used; the old one stays");
                    self.around.metrics.configuration_valid.set(0);
                }
                Output::Discard(discarded) => {
                    // Where no thread can be started it is let go of here.
                    let name = "discard".to_owned();
                    let _ = std::thread::Builder::new().name(name).spawn(move || drop(discarded));
                }
                Output::ChangeSubscription(client, filter) => self.around.feed.change(client, filter),
                Output::AwaitDrain(client) => {
                    if let Some(link) = self.links.get(&client.connection) {
                        self.around.feed.when_drained(client, link.outbound.clone());
                    }
                }
                Output::Unsubscribe(client) => {
                    // The last that the engine has to say about a client.
                    if let Some(link) = self.links.get(&client.connection) {
                        link.loads.forget(client.proxy_client_id);
                    }
                    self.around.feed.unsubscribe(client);
                }
                Output::Inspected { token, mut response } => {
                    self.complete(&mut response);
                    if let Some(answer) = self.inspections.remove(&token) {
                        // Whoever asked may have gone.
                        let _ = answer.send(*response);
                    }
                }
            }
        }
        for connection in sent_to.drain() {
            // One that was closed meanwhile was woken by that.
            if let Some(link) = self.links.get(&connection) {
                link.outbound.wake();
            }
        }
        self.sent_to = sent_to;
    }

    /// Adds what only the shell knows of connections.
    fn complete(&self, response: &mut InspectionResponse) {
        let InspectionResponse::Sessions(sessions) = response else { return };
        for session in &mut sessions.sessions {
            if let Some(link) = self.links.get(&ConnectionId(session.connection_number)) {
                session.peer_address.clone_from(&link.peer);
                session.connected_at = link.connected_at;
                session.total_requests_received = link.requests;
                session.outbound_queue_bytes =
                    link.outbound.waiting_for_client_bytes(session.proxy_client_id) as u64;
            }
        }
    }

    /// Ends a connection behind everything that was sent to it.
    fn close(&mut self, connection: ConnectionId, reason: Option<String>) {
        let Some(link) = self.links.remove(&connection) else { return };
        let how = match (reason, link.end) {
            (Some(reason), _) => {
                tracing::info!(connection = connection.0, reason, "closing a connection");
                Closed::With(Status::failed_precondition(reason))
            }
            (None, Some(status)) => Closed::With(status),
            (None, None) => Closed::Normally,
        };
        link.outbound.close(how);
        link.closed.cancel();
    }

    fn send(&mut self, client: ClientRef, envelope: bytes::Bytes) {
        let Some(link) = self.links.get(&client.connection) else { return };
        if let Some(reference_id) = reference_id(&envelope) {
            link.loads.answered(client.proxy_client_id, reference_id);
        }
        match link.outbound.queue(client.proxy_client_id, envelope) {
            Ok(()) | Err(PushError::Closed) => {}
            Err(PushError::Overflow(Overflow::Client)) => {
                tracing::warn!(
                    connection = client.connection.0,
                    proxy_client_id = client.proxy_client_id,
                    "a client reads too slowly and is dropped"
                );
                self.own_inputs.push(Input::ClientOverflowed(client));
            }
            Err(PushError::Overflow(Overflow::Connection)) => {
                tracing::warn!(
                    connection = client.connection.0,
                    "a connection reads too slowly and is closed"
                );
                let reason = "too much waited for this connection; read faster or ask for less";
                link.outbound.abort(Status::resource_exhausted(reason));
                link.closed.cancel();
            }
        }
    }

    /// Lets requests in, holds them while those in here are not dealt with in time, refuses them while the database is
    /// away for long.
    fn regulate(&mut self) {
        let oldest = self.permits_in_flight.first().or(self.permits_gathering.first());
        let lag = oldest.map_or(Duration::ZERO, Permit::age).max(std::mem::take(&mut self.taken_after));
        let is_away = self.commit_began.is_some_and(|began| began.elapsed() > DATABASE_PATIENCE);
        self.is_holding = !is_away && lag > LAG;
        self.around.intake.set_flow(if is_away {
            Flow::Refusing
        } else if self.is_holding {
            Flow::Holding
        } else {
            Flow::Reading
        });
    }

    /// One slice of the figures that somebody wants.
    fn gather_figures(&mut self) {
        let Some((mut gathering, answer)) = self.gathering.take() else { return };
        match self.engine.gather(&mut gathering) {
            None => self.gathering = Some((gathering, answer)),
            Some(engine) => {
                let waiting = self.links.values().map(|link| link.outbound.waiting_bytes());
                // Whoever asked may have gone.
                let _ = answer.send(DriverFigures { engine, outbound_waiting_bytes: waiting.sum() });
            }
        }
    }

    fn close_all(&mut self, ended: Ended) {
        let (code, text) = match ended {
            Ended::Shutdown => (ErrorCode::ShuttingDown, "the server is shutting down; connect again"),
            Ended::Fenced => {
                (ErrorCode::NotPrimary, "another server has taken over the database; connect to it")
            }
            Ended::Lost => (
                ErrorCode::InternalError,
                "the server ends because its database has lost data; connect again",
            ),
            Ended::Refused => {
                (ErrorCode::InternalError, "the server ends because of a defect; connect again")
            }
        };
        for (connection, link) in &self.links {
            let notice = ServerEnvelope {
                event: Some(Event::EventClientDisconnected(EventClientDisconnected {
                    error_code: code as i32,
                    error_description: text.to_owned(),
                    // Spread out, so that not all come back at the same instant.
                    reconnect_after_milliseconds: (connection.0 % RECONNECT_SLOTS) as u32 * RECONNECT_SLOT,
                })),
                ..ServerEnvelope::default()
            };
            // Who reads no more hears nothing more.
            let _ = link.outbound.push(0, encode_envelope(&notice));
            link.outbound.close(Closed::With(Status::unavailable(text)));
            link.closed.cancel();
        }
    }

    fn dump(&self, batch: &ixn_engine::commit::CommitBatch, reason: &str) {
        let path = self.around.dump_directory.join(format!("refused-commit-{}.txt", batch.number));
        match std::fs::write(&path, format!("{reason}\n{batch:#?}\n")) {
            Ok(()) => tracing::error!(
                commit = batch.number.0,
                reason,
                file = %path.display(),
                "the database refuses a commit; the batch is kept in the file; please report it"
            ),
            Err(error) => tracing::error!(
                commit = batch.number.0,
                reason,
                %error,
                "the database refuses a commit, and the batch cannot be kept"
            ),
        }
    }
}

/// The number of the request that an encoded envelope answers; none for events that nobody asked for.
fn reference_id(envelope: &[u8]) -> Option<u64> {
    let (&REFERENCE_ID_KEY, mut rest) = envelope.split_first()? else { return None };
    prost::encoding::decode_varint(&mut rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::EventAck;

    #[test]
    fn an_encoded_answer_tells_what_it_answers() {
        let envelope = |reference_id| ServerEnvelope {
            reference_id,
            proxy_client_id: 7,
            event: Some(Event::EventAck(EventAck::default())),
            ..ServerEnvelope::default()
        };
        for number in [1, 127, 128, u64::MAX] {
            assert_eq!(reference_id(&encode_envelope(&envelope(number))), Some(number));
        }
        assert_eq!(reference_id(&encode_envelope(&envelope(0))), None);
        assert_eq!(reference_id(b""), None);
    }
}
