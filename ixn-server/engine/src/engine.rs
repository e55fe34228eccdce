//! The engine: everything that decides. One value, changed only by [`Engine::step`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use ixn_proto::ClientEnvelope;

use crate::agents::Agents;
use crate::commit::{CommitNumber, Counters, Epoch, InteractionKey, TakenOver};
use crate::compile::Compiled;
use crate::contents::{Contents, DEFAULT_CACHE_BYTES, Loaded};
use crate::idempotency::{Idempotency, SubmitKeys};
use crate::inspection::{InspectionRequest, InspectionResponse};
use crate::interactions::Interactions;
use crate::journal::Journal;
use crate::names::{AgentId, StrategyId};
use crate::reconfigure::{Changeover, Discarded};
use crate::reporting::Selection;
use crate::requests::Waiter;
use crate::requests::jobs::Jobs;
use crate::requests::pulls::Pulls;
use crate::requests::topics::Topics;
use crate::routing::lines::Lines;
use crate::sessions::{ClientRef, ConnectionId, Sessions};
use crate::setup::Setup;
use crate::slices::Slices;
use crate::time::Milliseconds;
use crate::timers::Timers;
use crate::views::Views;
use crate::vocabulary::Vocabulary;
use crate::workbins::Workbins;

/// How many timers and re-checks one step takes at most; the rest goes on in the next step.
const SLICE: usize = 64;
/// How many moves into routing and offers one step makes at most.
const MOVES: usize = 64;

/// What happens to the engine.
#[derive(Debug)]
pub enum Input {
    /// A connection was opened.
    Connected(ConnectionId),
    /// A request arrived on it.
    Request(ConnectionId, Box<ClientEnvelope>),
    /// It is gone.
    Disconnected(ConnectionId),
    /// A logical client reads too slowly: what waited for it is lost, so it must start anew.
    ClientOverflowed(ClientRef),
    /// User data was asked for, and this is what the database has.
    ContentsLoaded(Vec<(InteractionKey, Loaded)>),
    /// A subscriber asked to resume from a number that the log no longer holds.
    ReportingGap {
        /// The subscriber.
        client: ClientRef,
        /// The number it asked for.
        asked: u64,
        /// The oldest number still held.
        oldest_held: u64,
        /// Whether it wants interactions in the state.
        with_interactions: bool,
    },
    /// What waited for a client, after an [`Output::AwaitDrain`], has been sent.
    Drained(ClientRef),
    /// Somebody looks, without changing anything.
    Inspect {
        /// Names the answer.
        token: u64,
        /// The question.
        request: Box<InspectionRequest>,
    },
    /// The configuration has changed; it has been checked and made ready by this engine's
    /// [`Compiler`](crate::compile::Compiler).
    Configured(Box<Compiled>),
    /// The database has not answered for a while, so nobody can be answered: until it does, nobody's time runs out, be it to
    /// answer an offer or to come back after a lost connection.
    DatabaseSilent,
    /// The database answers again: everybody has as much time as he had.
    DatabaseAnswers,
    /// Nothing but time has passed.
    Tick,
}

/// What the engine wants done, once all it depends on is durable.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Send an encoded server envelope.
    Send {
        /// To whom.
        client: ClientRef,
        /// The envelope, with `proxy_client_id` set.
        envelope: Bytes,
    },
    /// End a connection after what was sent.
    Close {
        /// Which.
        connection: ConnectionId,
        /// Why it is ended, for the log and the status; none when the client itself ends it.
        reason: Option<String>,
    },
    /// Let a reporting subscriber follow the log.
    Subscribe {
        /// Who.
        client: ClientRef,
        /// The event after which it wants to hear.
        after_event: u64,
        /// What it wants to hear.
        filter: Subscription,
    },
    /// Let a subscriber go on where it is, and hear something else.
    ChangeSubscription(ClientRef, Subscription),
    /// Say [`Input::Drained`] when little waits for this client any more.
    AwaitDrain(ClientRef),
    /// End a subscription.
    Unsubscribe(ClientRef),
    /// A configuration could not be put into force; the old one stays.
    ConfigurationRefused(String),
    /// Let go of this, elsewhere than on the engine's thread: it may take long.
    Discard(Box<Discarded>),
    /// The answer to an [`Input::Inspect`].
    Inspected {
        /// As asked.
        token: u64,
        /// The answer.
        response: Box<InspectionResponse>,
    },
}

/// What a reporting subscriber wants to hear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription {
    /// Placements in workbins and takings from them too.
    pub workbins: bool,
    /// Whether full state, when it must be sent, holds interactions.
    pub with_interactions: bool,
    /// Only these agents and places; none: everything.
    pub selection: Option<Selection>,
}

/// What a timer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// A router's step.
    Step(InteractionKey),
    /// Routing as a whole.
    Routing(InteractionKey),
    /// An invitation.
    Delivering(InteractionKey, u64),
    /// An agent's silence about an interaction.
    Handling(InteractionKey, AgentId),
    /// The time in which a lost agent may come back.
    Reconnect(AgentId),
}

/// What must be looked at before the step ends.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    pub(crate) views: BTreeSet<usize>,
    pub(crate) agents: BTreeSet<AgentId>,
    /// The view from which routing took the last one.
    pub(crate) served_view: usize,
}

impl Wake {
    /// Views take turns: where several feed one strategy that has little room, none keeps the others out.
    fn next_view(&mut self) -> Option<usize> {
        let after = (Bound::Excluded(self.served_view), Bound::Unbounded);
        let view = self.views.range(after).next().or(self.views.first()).copied()?;
        self.views.take(&view)
    }
}

/// Totals of a strategy.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StrategyCounts {
    pub(crate) current: usize,
    pub(crate) total: u64,
    pub(crate) last_submitted_at: Milliseconds,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pub(crate) now: Milliseconds,
    pub(crate) epoch: Epoch,
    /// The commit that the current batch will be.
    pub(crate) batch: CommitNumber,
    pub(crate) setup: Setup,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) counters: Counters,
    pub(crate) interactions: Interactions,
    pub(crate) views: Views,
    pub(crate) agents: Agents,
    pub(crate) sessions: Sessions,
    pub(crate) lines: Lines,
    pub(crate) strategies: BTreeMap<StrategyId, StrategyCounts>,
    pub(crate) timers: Timers<Timer>,
    pub(crate) contents: Contents<Waiter>,
    pub(crate) idempotency: Idempotency,
    pub(crate) journal: Journal,
    pub(crate) wake: Wake,
    pub(crate) workbins: Workbins,
    pub(crate) pulls: Pulls,
    pub(crate) topics: Topics,
    pub(crate) jobs: Jobs,
    pub(crate) request_counts: crate::figures::RequestCounts,
    /// Restored interactions that were with somebody; empty once recovered.
    pub(crate) unsettled: Vec<InteractionKey>,
    pub(crate) changeover: Changeover,
    pub(crate) slices: Slices,
    /// Counts configurations: what an agent is listed for counts only under the one that listed him.
    pub(crate) setup_generation: u32,
    outputs: Vec<Output>,
    #[cfg(debug_assertions)]
    steps: u64,
}

impl Engine {
    /// An engine over an empty state; [restore](crate::restore) fills it. The configuration was made ready for this
    /// vocabulary.
    pub fn new(
        compiled: Compiled,
        mut vocabulary: Vocabulary,
        taken_over: &TakenOver,
        now: Milliseconds,
    ) -> Self {
        let Compiled { setup, names } = compiled;
        vocabulary.replace_configured(names);
        let mut counters = taken_over.counters;
        counters.next_interaction = counters.next_interaction.max(1);
        counters.next_place_in_queue = counters.next_place_in_queue.max(1);
        counters.next_ticket = counters.next_ticket.max(1);
        counters.next_session = counters.next_session.max(1);
        let views = Views::new(&setup);
        Self {
            now: now.max(Milliseconds(taken_over.at_milliseconds)),
            epoch: taken_over.epoch,
            batch: taken_over.number.next(),
            setup,
            vocabulary,
            counters,
            interactions: Interactions::default(),
            views,
            agents: Agents::new(),
            sessions: Sessions::default(),
            lines: Lines::default(),
            strategies: BTreeMap::new(),
            timers: Timers::default(),
            contents: Contents::new(DEFAULT_CACHE_BYTES),
            idempotency: Idempotency::default(),
            journal: Journal::new(taken_over.last_event),
            wake: Wake::default(),
            workbins: Workbins::default(),
            pulls: Pulls::default(),
            topics: Topics::default(),
            jobs: Jobs::default(),
            request_counts: crate::figures::RequestCounts::default(),
            unsettled: Vec::new(),
            changeover: Changeover::default(),
            slices: Slices::default(),
            setup_generation: 0,
            outputs: Vec::new(),
            #[cfg(debug_assertions)]
            steps: 0,
        }
    }

    /// One step: the input's whole effect. `now` never goes back: a clock that does is held.
    pub fn step(&mut self, now: Milliseconds, input: Input) {
        self.now = self.now.max(now);
        self.timers.advance(self.now);
        self.pulls.step();
        let has_nothing_else_to_do = matches!(input, Input::Tick);
        self.fire_timers();
        match input {
            Input::Connected(connection) => {
                self.sessions.connections.insert(connection, false);
            }
            Input::Request(connection, envelope) => {
                self.count_request(connection, &envelope);
                self.request(connection, *envelope);
            }
            Input::Disconnected(connection) => self.disconnected(connection),
            Input::ClientOverflowed(client) => self.overflowed(client),
            Input::ContentsLoaded(loaded) => {
                for (key, loaded) in loaded {
                    // What has ended meanwhile is not kept, but who waits for it must hear.
                    let lives = self.interactions.get(key).is_some();
                    for waiter in self.contents.loaded(key, lives.then_some(loaded)) {
                        self.contents_arrived(key, waiter);
                    }
                    self.contents.served();
                }
            }
            Input::ReportingGap { client, asked, oldest_held, with_interactions } => {
                self.reporting_gap(client, asked, oldest_held, with_interactions);
            }
            Input::Inspect { token, request } => {
                let response = Box::new(self.inspect(&request));
                self.outputs.push(Output::Inspected { token, response });
            }
            Input::DatabaseSilent => self.timers.stop(),
            Input::DatabaseAnswers => self.timers.go_on(),
            Input::Configured(configuration) => self.reconfigure(*configuration),
            Input::Drained(client) => {
                self.jobs.go_on(client);
            }
            Input::Tick => {}
        }
        if has_nothing_else_to_do {
            self.work_on_jobs();
            self.change_over();
        }
        self.settle();
        #[cfg(debug_assertions)]
        self.look_at_itself();
    }

    /// A debug build looks now and then whether everything agrees, while there is little to look at.
    #[cfg(debug_assertions)]
    fn look_at_itself(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(64) && self.interactions.len() < 100 {
            let agrees = crate::invariants::check(self);
            assert!(agrees.is_ok(), "{agrees:?}");
        }
    }

    /// Whether there is more to do now, without waiting for anything.
    pub fn has_more_work(&self) -> bool {
        !self.wake.views.is_empty()
            || !self.wake.agents.is_empty()
            || !self.jobs.is_empty()
            || !self.changeover.is_over()
            || self.next_deadline().is_some_and(|at| at <= self.now)
    }

    /// When the engine wants a [`Input::Tick`] at the latest.
    pub fn next_deadline(&self) -> Option<Milliseconds> {
        match (self.timers.next_at(), self.views.next_recheck()) {
            (Some(timer), Some(recheck)) => Some(timer.min(recheck)),
            (timer, recheck) => timer.or(recheck),
        }
    }

    /// How much user data the engine keeps at hand, in bytes.
    pub fn keep_contents(&mut self, bytes: usize) {
        self.contents.set_limit(bytes);
    }

    /// The outputs since the last call.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// User data that must be read from the database now.
    pub fn take_loads(&mut self) -> Vec<InteractionKey> {
        self.contents.take_loads()
    }

    /// How many idempotency keys of submits came and went.
    pub fn submit_keys(&self) -> SubmitKeys {
        self.idempotency.submit_keys()
    }

    /// The newest time that the engine has seen.
    pub fn now(&self) -> Milliseconds {
        self.now
    }

    /// The number of the commit that the current batch will be.
    pub fn next_commit(&self) -> CommitNumber {
        self.batch
    }

    /// This commit is durable: its user data may leave the cache.
    pub fn durable(&mut self, commit: CommitNumber) {
        self.contents.durable(commit);
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push(output);
    }

    fn fire_timers(&mut self) {
        for _ in 0..SLICE {
            let Some(timer) = self.timers.pop_due() else { break };
            match timer {
                Timer::Step(key) => self.step_expired(key),
                Timer::Routing(key) => self.routing_expired(key),
                Timer::Delivering(key, ticket) => self.invitation_expired(key, ticket),
                Timer::Handling(key, agent) => self.handling_expired(key, agent),
                Timer::Reconnect(agent) => self.reconnect_expired(agent),
            }
        }
        for key in self.views.due(self.now, SLICE) {
            self.reindex(key);
        }
    }

    /// Brings waiting interactions and free agents together, until nothing moves or the slice is used up.
    fn settle(&mut self) {
        for _ in 0..MOVES {
            if let Some(view) = self.wake.next_view() {
                self.fill_from_view(view);
            } else if self.changeover.holds_offers() {
                break;
            } else if let Some(agent) = self.wake.agents.pop_first() {
                self.serve_agent(agent);
            } else {
                break;
            }
        }
    }
}
