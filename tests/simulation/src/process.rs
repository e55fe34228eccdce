//! One server process: engine, commit gate, the sessions' outbound queues and the subscribers' cursors, on the thread of
//! the run. It does what the shell does, with a database and a clock that the run holds in its hands.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, StreamExt};
use ixn_engine::commit::{CommitBatch, CommitNumber, EventNumber, InteractionKey};
use ixn_engine::compile::Compiler;
use ixn_engine::cursor::{CommitEvents, Cursor};
use ixn_engine::gate::{Action, Gate, Source};
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_engine::time::Milliseconds;
use ixn_engine::vocabulary::Vocabulary;
use ixn_engine::{Engine, Input, Output, Subscription, invariants};
use ixn_proto::ServerMessage;
use ixn_proto::encoded::append_proxy_client_id;
use ixn_sessions::{Closed, Limits, Outbound, OutboundStream, Overflow, PushError, outbound};
use prost::Message;

use crate::configuration;
use crate::database::{Database, Fate};

/// Small enough that slow readers overflow in a short run.
const LIMITS: Limits = Limits { client_bytes: 60_000, connection_bytes: 150_000, message_bytes: 16_000 };
/// A subscriber's cursor rests while so much waits.
const AHEAD_BYTES: usize = 10_000;
/// An engine that has more to do after so many ticks never comes to rest.
const TICKS: usize = 10_000;

/// What the database has to do for a process.
#[derive(Clone, Debug)]
enum Job {
    Commit(Arc<CommitBatch>),
    LookUp(CommitNumber),
}

/// An output and the commit that must be durable before it may leave.
#[derive(Debug, PartialEq)]
struct Stamped {
    output: Output,
    depends_on: CommitNumber,
}

struct Follower {
    cursor: Cursor,
    filter: Subscription,
}

/// A server process.
pub struct Process {
    engine: Engine,
    compiler: Compiler,
    gate: Gate<Stamped>,
    epoch: u64,
    links: BTreeMap<ConnectionId, Outbound<String>>,
    followers: BTreeMap<ClientRef, Follower>,
    /// Subscribers may read the log up to here.
    published: CommitNumber,
    job: Option<Job>,
    /// User data that has been asked for.
    loads: Vec<InteractionKey>,
    draining: Vec<ClientRef>,
    own_inputs: Vec<Input>,
    inspected: Option<InspectionResponse>,
    /// Why it has ended.
    pub ended: Option<&'static str>,
}

impl Process {
    /// Starts on what the database holds.
    pub fn start(database: &mut Database, text: &str, now: u64) -> Self {
        let taken_over = database.take_over(now);
        let vocabulary = Vocabulary::new(1, taken_over.id_prefix.clone());
        let compiled = Compiler::new(&vocabulary).compile(&configuration::parse(text));
        let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
        let mut engine = Engine::new(compiled, vocabulary, &taken_over, Milliseconds(now));
        // Nothing that is durable stays at hand: user data is read from the database each time.
        engine.keep_contents(0);
        for (key, row) in &database.hot {
            engine.restore_interaction(*key, row).unwrap_or_else(|error| panic!("{error}"));
        }
        for (agent, row) in &database.agents {
            engine.restore_agent(agent, row).unwrap_or_else(|error| panic!("{error}"));
        }
        for row in &database.keys {
            engine.restore_idempotency(row);
        }
        engine.recover();
        let compiler = engine.compiler();
        let mut process = Self {
            engine,
            compiler,
            gate: Gate::new(taken_over.number),
            epoch: taken_over.epoch.0,
            links: BTreeMap::new(),
            followers: BTreeMap::new(),
            published: taken_over.number,
            job: None,
            loads: Vec::new(),
            draining: Vec::new(),
            own_inputs: Vec::new(),
            inspected: None,
            ended: None,
        };
        process.step(database, now, Input::Tick);
        process
    }

    /// Opens a connection.
    pub fn connect(
        &mut self,
        database: &Database,
        now: u64,
        connection: ConnectionId,
    ) -> OutboundStream<String> {
        let (outbound, stream) = outbound(LIMITS);
        self.links.insert(connection, outbound);
        self.step(database, now, Input::Connected(connection));
        stream
    }

    /// Puts a configuration into force.
    pub fn configure(&mut self, database: &Database, now: u64, text: &str) {
        let compiled = self.compiler.compile(&configuration::parse(text));
        let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
        self.step(database, now, Input::Configured(Box::new(compiled)));
    }

    /// One input and all that follows from it without the database.
    pub fn step(&mut self, database: &Database, now: u64, input: Input) {
        let mut next = Some(input);
        for _ in 0..TICKS {
            if self.ended.is_some() {
                return;
            }
            let Some(input) = next else { return };
            self.engine.step(Milliseconds(now), input);
            if let Err(error) = invariants::check(&self.engine) {
                panic!("{error}");
            }
            self.gather(database);
            self.loads.extend(self.engine.take_loads());
            next = match self.own_inputs.pop() {
                Some(input) => Some(input),
                None => self.engine.has_more_work().then_some(Input::Tick),
            };
        }
        panic!("the engine never comes to rest");
    }

    fn gather(&mut self, database: &Database) {
        // A batch that gathers, or else the newest that was frozen.
        let next = self.engine.next_commit();
        let depends_on = if self.engine.has_changes() { next } else { CommitNumber(next.0 - 1) };
        let outputs = self.engine.take_outputs().into_iter();
        let outputs = outputs.map(|output| Stamped { output, depends_on }).collect();
        let actions = self.gate.gathered(outputs, &mut self.engine);
        self.perform(database, actions);
    }

    fn perform(&mut self, database: &Database, actions: Vec<Action<Stamped>>) {
        for action in actions {
            match action {
                Action::Release { durable, batch, outputs } => {
                    if batch.is_some() {
                        self.engine.durable(durable);
                    }
                    for stamped in outputs {
                        let record = database.record(stamped.depends_on);
                        assert!(
                            record.is_some_and(|record| record.identity.epoch.0 <= self.epoch),
                            "an output leaves before commit {}: {:?}",
                            stamped.depends_on,
                            stamped.output
                        );
                        self.release(stamped.output);
                    }
                    self.published = self.published.max(durable);
                }
                Action::Commit { batch, .. } => self.job = Some(Job::Commit(batch)),
                Action::LookUp(number) => self.job = Some(Job::LookUp(number)),
                Action::Fenced => self.end("fenced"),
                Action::Abort { .. } => self.end("refused"),
            }
        }
    }

    fn end(&mut self, why: &'static str) {
        self.ended = Some(why);
        for link in take(&mut self.links).into_values() {
            link.close(Closed::With(why.to_owned()));
        }
    }

    fn release(&mut self, output: Output) {
        match output {
            Output::Send { client, envelope } => self.send(client, envelope),
            Output::Close { connection, reason } => {
                if let Some(link) = self.links.remove(&connection) {
                    link.close(reason.map_or(Closed::Normally, Closed::With));
                }
            }
            Output::Subscribe { client, after_event, filter } => {
                let cursor = Cursor::after(EventNumber(after_event));
                self.followers.insert(client, Follower { cursor, filter });
            }
            Output::ChangeSubscription(client, filter) => {
                if let Some(follower) = self.followers.get_mut(&client) {
                    follower.filter = filter;
                }
            }
            Output::Unsubscribe(client) => {
                self.followers.remove(&client);
                if let Some(link) = self.links.get(&client.connection) {
                    link.readmit(client.proxy_client_id);
                }
            }
            Output::AwaitDrain(client) => self.draining.push(client),
            Output::ConfigurationRefused(reason) => panic!("a configuration is refused: {reason}"),
            Output::Inspected { response, .. } => self.inspected = Some(*response),
            Output::Discard(_) => {}
        }
    }

    fn send(&mut self, client: ClientRef, envelope: Bytes) {
        let Some(link) = self.links.get(&client.connection) else { return };
        match link.push(client.proxy_client_id, envelope) {
            Ok(()) | Err(PushError::Closed | PushError::Dropped) => {}
            Err(PushError::Overflow(Overflow::Client)) => {
                self.own_inputs.push(Input::ClientOverflowed(client));
            }
            Err(PushError::Overflow(Overflow::Connection)) => {
                link.abort("too much waits".to_owned());
                self.own_inputs.push(Input::Disconnected(client.connection));
            }
        }
    }

    /// The database does what it was asked, in its way. Answers whether there was anything.
    pub fn database_answers(&mut self, database: &mut Database, now: u64, fate: Fate) -> bool {
        let Some(job) = self.job.take() else { return false };
        if matches!(job, Job::LookUp(_)) && fate != Fate::Works {
            // Whoever gets no answer asks again.
            self.job = Some(job);
            return true;
        }
        self.gather(database);
        let actions = match job {
            Job::Commit(batch) => {
                let outcome = database.commit(&batch, fate);
                self.gate.completed(outcome, &mut self.engine)
            }
            Job::LookUp(number) => self.gate.looked_up(database.look_up(number), &mut self.engine),
        };
        self.perform(database, actions);
        self.step(database, now, Input::Tick);
        true
    }

    /// Shows that it still owns the database.
    pub fn heartbeat(&mut self, database: &Database) {
        self.gather(database);
        let actions = self.gate.heartbeat(&mut self.engine);
        self.perform(database, actions);
    }

    /// User data that was asked for arrives.
    pub fn deliver_loads(&mut self, database: &Database, now: u64) {
        let keys = take(&mut self.loads);
        if !keys.is_empty() {
            let loaded = keys.into_iter().map(|key| (key, database.cold.get(&key).cloned())).collect();
            self.step(database, now, Input::ContentsLoaded(loaded));
        }
    }

    /// Whether user data is being read.
    pub fn is_loading(&self) -> bool {
        !self.loads.is_empty()
    }

    /// Each subscriber gets the events of up to so many commits more.
    pub fn serve_subscribers(&mut self, database: &Database, now: u64, commits: usize) {
        for client in self.followers.keys().copied().collect::<Vec<_>>() {
            for _ in 0..commits {
                if !self.serve(database, now, client) {
                    break;
                }
            }
        }
    }

    fn serve(&mut self, database: &Database, now: u64, client: ClientRef) -> bool {
        let Some(link) = self.links.get(&client.connection).cloned() else { return false };
        let Some(follower) = self.followers.get_mut(&client) else { return false };
        if link.waiting_for_client_bytes(client.proxy_client_id) > AHEAD_BYTES {
            return false;
        }
        let record = match database.record_behind(follower.cursor.served(), self.published) {
            Ok(Some(record)) => record,
            Ok(None) => return false,
            Err(oldest_held) => {
                let asked = follower.cursor.served().0;
                let with_interactions = follower.filter.with_interactions;
                self.followers.remove(&client);
                let gap =
                    Input::ReportingGap { client, asked, oldest_held: oldest_held.0, with_interactions };
                self.step(database, now, gap);
                return false;
            }
        };
        let mut events = CommitEvents::new(record.first_event, record.events.clone());
        while let Some(envelope) = follower.cursor.next(&mut events, &follower.filter) {
            let mut addressed = BytesMut::from(&envelope[..]);
            append_proxy_client_id(&mut addressed, client.proxy_client_id);
            match link.push(client.proxy_client_id, addressed.freeze()) {
                Ok(()) => {}
                Err(PushError::Closed | PushError::Dropped) => return false,
                Err(PushError::Overflow(_)) => {
                    self.followers.remove(&client);
                    self.step(database, now, Input::ClientOverflowed(client));
                    return false;
                }
            }
        }
        true
    }

    /// Tells the engine which clients have read what was sent to them.
    pub fn tell_drained(&mut self, database: &Database, now: u64) {
        for client in take(&mut self.draining) {
            match self.links.get(&client.connection) {
                Some(link) if link.waiting_for_client_bytes(client.proxy_client_id) > AHEAD_BYTES => {
                    self.draining.push(client);
                }
                Some(_) => self.step(database, now, Input::Drained(client)),
                None => {}
            }
        }
    }

    /// Whether everything is durable and nothing is under way.
    pub fn rests(&self) -> bool {
        self.job.is_none() && !self.engine.has_changes() && self.loads.is_empty()
    }

    /// What the Inspection service answers; the process must rest.
    pub fn inspect(
        &mut self,
        database: &Database,
        now: u64,
        request: InspectionRequest,
    ) -> InspectionResponse {
        self.step(database, now, Input::Inspect { token: 0, request: Box::new(request) });
        self.inspected.take().unwrap_or_else(|| panic!("no answer although nothing is under way"))
    }
}

/// What a client finds when it reads.
pub enum Reading {
    /// Envelopes.
    Message(ServerMessage),
    /// Nothing yet.
    Nothing,
    /// The connection is closed.
    Closed,
}

/// Reads one message.
pub fn read(stream: &mut OutboundStream<String>) -> Reading {
    match stream.next().now_or_never() {
        None => Reading::Nothing,
        Some(Some(Ok(bytes))) => match ServerMessage::decode(bytes) {
            Ok(message) => Reading::Message(message),
            Err(error) => panic!("a message that does not decode: {error}"),
        },
        Some(Some(Err(_)) | None) => Reading::Closed,
    }
}
