//! The engine's thread: takes messages, lets the engine step, lets the gate decide, carries out what it says.

mod counters;
mod links;
mod message;
mod regulation;
mod request_log;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ixn_engine::commit::CommitNumber;
use ixn_engine::figures::Gathering;
use ixn_engine::gate::{Action, Gate, Source as _};
use ixn_engine::inspection::InspectionResponse;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_engine::{Engine, Input, Output};
use ixn_proto::ClientEnvelope;
use ixn_telemetry::Beat;
use tokio::sync::oneshot;

pub(crate) use self::counters::DriverCounters;
use self::links::Links;
pub(crate) use self::links::{Link, ahead_bytes};
pub use self::message::Ended;
pub(crate) use self::message::{DriverFigures, Look, Message, Surroundings};
use self::regulation::Regulation;
use self::request_log::RequestLog;
pub(crate) use self::request_log::{kind, target};
use crate::clock::Clock;
use crate::configuration::Retired;
use crate::writer::{Done, Job};

/// How many requests, or other messages, one turn takes before the gate is asked.
const TURN_REQUESTS: usize = 1024;

/// The driver.
pub(crate) struct Driver {
    engine: Engine,
    gate: Gate<Output>,
    messages: mpsc::Receiver<Message>,
    around: Surroundings,
    links: Links,
    regulation: Regulation,
    request_log: RequestLog,
    inspections: HashMap<u64, Look>,
    next_inspection: u64,
    /// Figures that are being gathered, and for whom.
    gathering: Option<(Gathering, oneshot::Sender<DriverFigures>)>,
    /// Inputs that the driver itself has for the engine.
    own_inputs: Vec<Input>,
    leaving: bool,
    ended: Option<Ended>,
    clock: Clock,
}

impl Driver {
    pub(crate) fn new(engine: Engine, messages: mpsc::Receiver<Message>, around: Surroundings) -> Self {
        let durable = ixn_engine::commit::CommitNumber(engine.next_commit().0 - 1);
        around.counters.engine_milliseconds.store(engine.now().0, Ordering::Relaxed);
        around.counters.durable(durable, engine.submit_keys());
        let clock = Clock::new(engine.now());
        Self {
            gate: Gate::new(durable),
            engine,
            messages,
            around,
            links: Links::default(),
            regulation: Regulation::default(),
            request_log: RequestLog::default(),
            inspections: HashMap::new(),
            next_inspection: 0,
            gathering: None,
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
                self.links.close_all(ended);
                return ended;
            }
        }
    }

    fn turn(&mut self) {
        self.around.alive.iter().for_each(Beat::touch);
        self.request_log.turn();
        let mut next = self.wait();
        let mut taken = 0;
        while let Some(message) = next.take() {
            taken += match &message {
                Message::Requests { envelopes, .. } => envelopes.len().max(1),
                _ => 1,
            };
            self.take(message);
            if taken < TURN_REQUESTS && self.ended.is_none() {
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
            self.regulation.asked_for(loads.len());
            self.hand_over("loader", |around| around.loads.send(loads).is_ok());
        }
        self.gather();
        let now = Instant::now();
        if let Some(is_silent) = self.regulation.silence(now) {
            self.own_inputs.push(if is_silent { Input::DatabaseSilent } else { Input::DatabaseAnswers });
        }
        let flow = self.regulation.decide(now, self.gate.is_gathering());
        let counters = &self.around.counters;
        counters.gathering_since.set(self.regulation.gathering_since());
        counters.engine_milliseconds.store(self.engine.now().0, Ordering::Relaxed);
        self.around.intake.set_flow(flow);
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
            std::thread::sleep(self.regulation.until_commit(Instant::now()));
            return self.messages.try_recv().ok();
        }
        let until_deadline = self
            .engine
            .next_deadline()
            .map(|at| Duration::from_millis(at.0.saturating_sub(self.clock.now().0)));
        let longest = self.regulation.longest_sleep();
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
                self.links.open(connection, link);
                self.engine.step(self.clock.now(), Input::Connected(connection));
            }
            Message::Requests { connection, envelopes, permit, arrived, waiting } => {
                drop(waiting);
                let now = Instant::now();
                let waited = now.saturating_duration_since(arrived).as_micros();
                let counters = &self.around.counters;
                let waited = u64::try_from(waited).unwrap_or(u64::MAX);
                counters.queue_wait_microseconds.store(waited, Ordering::Relaxed);
                counters.requests_handled.fetch_add(envelopes.len() as u64, Ordering::Relaxed);
                counters.last_request_at.set(Some(now));
                self.regulation.taken(permit, now);
                self.requests(connection, envelopes, arrived);
            }
            Message::Disconnected(connection, end, _waiting) => {
                self.links.ends_with(connection, end);
                self.engine.step(self.clock.now(), Input::Disconnected(connection));
            }
            Message::Input(input @ Input::Configured(_)) => {
                let before = Retired::of(&self.engine);
                self.engine.step(self.clock.now(), input);
                Retired::of(&self.engine).tell(&before);
            }
            Message::Input(input) => {
                if let Input::ContentsLoaded(rows) = &input {
                    self.regulation.loaded(rows.len());
                }
                self.engine.step(self.clock.now(), input);
            }
            // Whoever asked has gone.
            Message::Inspect(_, look) if look.answer.is_closed() => {}
            Message::Inspect(request, look) => {
                let token = self.next_inspection;
                self.next_inspection += 1;
                self.inspections.insert(token, look);
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

    fn requests(&mut self, connection: ConnectionId, envelopes: Vec<ClientEnvelope>, arrived: Instant) {
        self.links.received(connection, &envelopes);
        let engine = &self.engine;
        let name = |client| engine.registered_client(client).map(|registered| &*registered.name);
        self.request_log.taken(connection, &envelopes, arrived, name);
        let now = self.clock.now();
        for envelope in envelopes {
            self.engine.step(now, Input::Request(connection, Box::new(envelope)));
        }
        if let Some(link) = self.links.get(connection)
            && !link.registered.is_cancelled()
            && self.engine.registered_client(ClientRef { connection, proxy_client_id: 0 }).is_some()
        {
            link.registered.cancel();
        }
    }

    /// Gives work to another part of the server; without that part nothing would ever be answered again.
    fn hand_over(&mut self, to: &str, give: impl FnOnce(&Surroundings) -> bool) {
        if !give(&self.around) {
            tracing::error!("the {to} has ended; the server ends");
            self.ended.get_or_insert(Ended::Defect);
        }
    }

    /// Hands what the engine has put out to the gate, so that it leaves with the commit that carries its changes.
    fn gather(&mut self) {
        let outputs = self.engine.take_outputs();
        // A batch that gathers, or else the newest that was frozen.
        let next = self.engine.next_commit().0;
        let commit = if self.engine.has_changes() { next } else { next.saturating_sub(1) };
        self.request_log.carried_out(&outputs, CommitNumber(commit));
        self.gate.hold(!self.leaving && !self.regulation.until_commit(Instant::now()).is_zero());
        let actions = self.gate.gathered(outputs, &mut self.engine);
        self.perform(actions);
        if !self.gate.is_committing() && !self.engine.has_changes() {
            self.regulation.nothing_waits();
        }
    }

    fn perform(&mut self, actions: Vec<Action<Output>>) {
        for action in actions {
            match action {
                Action::Release { durable, batch, outputs } => {
                    if let Some(batch) = &batch {
                        self.regulation.durable();
                        self.around.counters.durable(durable, self.engine.submit_keys());
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
                    self.regulation.commit_begins(Instant::now());
                    self.hand_over("writer", |around| around.jobs.send(Job::Commit(batch, after)).is_ok());
                }
                Action::LookUp(number) => {
                    self.hand_over("writer", |around| around.jobs.send(Job::LookUp(number)).is_ok());
                }
                Action::Fenced => self.ended = Some(Ended::Fenced),
                Action::Abort { batch, reason } => {
                    self.dump(&batch, &reason);
                    self.ended = Some(Ended::Defect);
                }
            }
        }
    }

    fn release(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send { client, envelope } => {
                    self.request_log.leaves(client, &envelope);
                    if self.links.send(client, envelope).is_err() {
                        self.own_inputs.push(Input::ClientOverflowed(client));
                    }
                }
                Output::Close { connection, reason } => self.links.close(connection, reason),
                Output::Subscribe { client, after_event, filter } => {
                    if let Some(link) = self.links.get(client.connection) {
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
                    self.links.when_drained(client, &self.around.driver, &self.around.tasks);
                }
                Output::Unsubscribe(client) => {
                    self.around.feed.unsubscribe(client);
                    // The last that the engine has to say about a client.
                    if let Some(link) = self.links.get(client.connection) {
                        link.loads.forget(client.proxy_client_id);
                        link.outbound.readmit(client.proxy_client_id);
                    }
                    self.request_log.forget(client);
                }
                Output::Inspected { token, mut response } => {
                    if let InspectionResponse::Sessions(sessions) = &mut *response {
                        self.links.describe(sessions);
                    }
                    if let Some(look) = self.inspections.remove(&token) {
                        // Whoever asked may have gone.
                        let _ = look.answer.send(*response);
                    }
                }
            }
        }
        self.links.wake();
    }

    /// One slice of the figures that somebody wants.
    fn gather_figures(&mut self) {
        let Some((mut gathering, answer)) = self.gathering.take() else { return };
        match self.engine.gather(&mut gathering) {
            None => self.gathering = Some((gathering, answer)),
            Some(engine) => {
                let outbound_waiting_bytes = self.links.waiting_bytes();
                // Whoever asked may have gone.
                let _ = answer.send(DriverFigures { engine, outbound_waiting_bytes });
            }
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
