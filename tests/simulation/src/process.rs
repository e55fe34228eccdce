//! One server process: engine, commit gate, the sessions' outbound queues and the subscribers' cursors, on the thread of
//! the run. It does what the driver thread does, in turns like those, with a database and a clock that the run holds in its
//! hands.

use std::collections::BTreeMap;
use std::mem::take;

use ixn_engine::commit::{CommitNumber, InteractionKey};
use ixn_engine::compile::Compiler;
use ixn_engine::contents::Loaded;
use ixn_engine::gate::{Action, Gate, Source};
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::ConnectionId;
use ixn_engine::time::Milliseconds;
use ixn_engine::vocabulary::Vocabulary;
use ixn_engine::{Engine, Input, Slices, invariants};
use ixn_proto::client_envelope::Request;
use ixn_sessions::{Limits, Outbound, OutboundStream, outbound};

use crate::configuration;
use crate::database::{Database, Fate};
use crate::defects::Defect;
use crate::followers::Followers;
use crate::outputs::{Job, Stamped};

/// Small enough that slow readers overflow in a short run.
const LIMITS: Limits = Limits { client_bytes: 60_000, connection_bytes: 150_000, message_bytes: 16_000 };
/// An engine that has more to do after so many turns never comes to rest.
const TURNS: usize = 10_000;
/// The engine is told that the database is silent when a commit has been under way for so long.
pub(crate) const SILENCE_MILLISECONDS: u64 = 1000;

/// How a process goes on beside what it is told; by default as fast as it can, with nothing durable at hand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// So many turns follow an input at most; none: as many as there is work for.
    pub turns: Option<usize>,
    /// The next commit begins so many turns after the one before it at the earliest.
    pub spacing: usize,
    /// How much one step does of a changeover.
    pub slices: Slices,
    /// How much user data stays at hand, in bytes.
    pub kept_bytes: usize,
}

/// A server process.
pub struct Process {
    pub(crate) engine: Engine,
    compiler: Compiler,
    pub(crate) gate: Gate<Stamped>,
    pub(crate) pace: Pace,
    /// So many turns long no commit begins.
    pub(crate) held: usize,
    /// Steps since a batch was frozen.
    pub(crate) steps: usize,
    pub(crate) epoch: u64,
    pub(crate) links: BTreeMap<ConnectionId, Outbound<String>>,
    pub(crate) followers: Followers,
    pub(crate) job: Option<Job>,
    /// Since when a commit has been under way.
    pub(crate) commit_began: Option<u64>,
    pub(crate) is_silent: bool,
    /// User data that has been asked for.
    loads: Vec<InteractionKey>,
    pub(crate) own_inputs: Vec<Input>,
    pub(crate) inspected: Option<InspectionResponse>,
    /// Why it has ended.
    pub ended: Option<&'static str>,
    pub(crate) defect: Option<Defect>,
}

impl Process {
    /// Starts on what the database holds.
    pub fn start(database: &mut Database, text: &str, now: u64, pace: Pace) -> Self {
        let taken_over = database.take_over(now);
        let vocabulary = Vocabulary::new(1, taken_over.id_prefix.clone());
        let compiled = Compiler::new(&vocabulary).compile(&configuration::parse(text));
        let compiled = compiled.unwrap_or_else(|error| panic!("{error}"));
        let mut engine = Engine::new(compiled, vocabulary, &taken_over, Milliseconds(now));
        for (key, row) in &database.hot {
            engine.restore_interaction(*key, row).unwrap_or_else(|error| panic!("{error}"));
        }
        let forgotten = usize::from(database.defect == Some(Defect::AgentIsForgotten));
        for (agent, row) in database.agents.iter().skip(forgotten) {
            engine.restore_agent(agent, row).unwrap_or_else(|error| panic!("{error}"));
        }
        if database.defect != Some(Defect::KeysAreForgotten) {
            for row in &database.keys {
                engine.restore_idempotency(row);
            }
        }
        engine.recover();
        let compiler = engine.compiler();
        let mut process = Self {
            engine,
            compiler,
            gate: Gate::new(taken_over.number),
            pace,
            held: 0,
            steps: 0,
            epoch: taken_over.epoch.0,
            links: BTreeMap::new(),
            followers: Followers::new(taken_over.number),
            job: None,
            commit_began: None,
            is_silent: false,
            loads: Vec::new(),
            own_inputs: Vec::new(),
            inspected: None,
            ended: None,
            defect: database.defect,
        };
        process.set_pace(pace);
        process.step(database, now, Input::Tick);
        process
    }

    /// Goes on in another way.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        self.engine.set_slices(pace.slices);
        self.engine.keep_contents(pace.kept_bytes);
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

    /// One input, and the turns that follow it.
    pub fn step(&mut self, database: &Database, now: u64, input: Input) {
        self.take(now, input);
        match self.pace.turns {
            // The next input comes in the same turn.
            Some(0) => {}
            Some(turns) => {
                for _ in 0..turns {
                    self.turn(database, now);
                }
            }
            None => {
                self.gather(database);
                self.come_to_rest(database, now);
            }
        }
    }

    /// Time passes. Who drives the engine notices in between that the database does not answer.
    pub fn time_passes(&mut self, database: &Database, to: u64) {
        if let Some(silent_at) = self.commit_began.map(|began| began + SILENCE_MILLISECONDS)
            && silent_at <= to
            && !self.is_silent
            && self.defect != Some(Defect::SilenceIsNotTold)
        {
            self.is_silent = true;
            self.step(database, silent_at, Input::DatabaseSilent);
        }
        self.step(database, to, Input::Tick);
    }

    /// When there is something to do at the latest.
    pub fn next_deadline(&self) -> Option<u64> {
        let silent_at =
            self.commit_began.filter(|_| !self.is_silent).map(|began| began + SILENCE_MILLISECONDS);
        [self.engine.next_deadline().map(|at| at.0), silent_at].into_iter().flatten().min()
    }

    fn come_to_rest(&mut self, database: &Database, now: u64) {
        for _ in 0..TURNS {
            if !self.turn(database, now) {
                return;
            }
        }
        panic!("'the engine comes to rest' does not hold");
    }

    fn take(&mut self, now: u64, input: Input) {
        if self.ended.is_some() {
            return;
        }
        self.steps += 1;
        if let (Some(Defect::HoldsAreIgnored), Input::Request(connection, envelope)) = (self.defect, &input)
            && let Some(Request::RequestHold(_)) = envelope.request
        {
            return self.acknowledge(*connection, envelope);
        }
        // Looking changes nothing.
        let looks = matches!(input, Input::Inspect { .. });
        self.engine.step(Milliseconds(now), input);
        if !looks && let Err(error) = invariants::check(&self.engine) {
            panic!("{error}");
        }
    }

    /// What the driver does in each of its turns, when nothing has come from outside. Answers whether there was anything.
    pub fn turn(&mut self, database: &Database, now: u64) -> bool {
        let mut any = self.held > 0;
        self.held = self.held.saturating_sub(1);
        for input in take(&mut self.own_inputs) {
            any = true;
            self.take(now, input);
        }
        if self.ended.is_none() && self.engine.has_more_work() {
            any = true;
            self.take(now, Input::Tick);
        }
        self.gather(database);
        any || !self.own_inputs.is_empty()
    }

    fn gather(&mut self, database: &Database) {
        if self.ended.is_some() {
            return;
        }
        self.loads.extend(self.engine.take_loads());
        // A batch that gathers, or else the newest that was frozen.
        let next = self.engine.next_commit();
        let depends_on = if self.engine.has_changes() { next } else { CommitNumber(next.0 - 1) };
        let outputs = self.engine.take_outputs().into_iter();
        let outputs = outputs.map(|output| Stamped { output, depends_on }).collect::<Vec<_>>();
        if self.defect == Some(Defect::LeavesTooEarly) {
            return self.perform(
                database,
                vec![Action::Release { durable: self.gate.durable(), batch: None, outputs }],
            );
        }
        self.gate.hold(self.held > 0);
        let actions = self.gate.gathered(outputs, &mut self.engine);
        self.perform(database, actions);
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
        self.go_on(database, now);
        true
    }

    /// One turn, or as many as there is work for.
    fn go_on(&mut self, database: &Database, now: u64) {
        match self.pace.turns {
            Some(_) => {
                self.turn(database, now);
            }
            None => self.come_to_rest(database, now),
        }
    }

    /// Shows that it still owns the database.
    pub fn heartbeat(&mut self, database: &Database) {
        if self.ended.is_none() {
            self.gather(database);
            let actions = self.gate.heartbeat(&mut self.engine);
            self.perform(database, actions);
        }
    }

    /// User data that was asked for arrives, of so many interactions at most.
    pub fn deliver_loads(&mut self, database: &Database, now: u64, most: usize) {
        let keys: Vec<_> = self.loads.drain(..most.min(self.loads.len())).collect();
        if !keys.is_empty() {
            let is_read = self.defect != Some(Defect::UserDataIsReadAsEmpty);
            let found = |key| match database.cold.get(&key).filter(|_| is_read) {
                Some(data) => Loaded::Found(data.clone()),
                None => Loaded::Absent,
            };
            let loaded = keys.into_iter().map(|key| (key, found(key))).collect();
            self.step(database, now, Input::ContentsLoaded(loaded));
        }
    }

    /// Whether user data is being read.
    pub fn is_loading(&self) -> bool {
        !self.loads.is_empty()
    }

    /// Whether everything is durable and nothing is under way.
    pub fn rests(&self) -> bool {
        self.job.is_none()
            && self.loads.is_empty()
            && self.own_inputs.is_empty()
            && self.gate.waiting() == 0
            && !self.engine.has_changes()
            && !self.engine.has_more_work()
    }

    /// What the Inspection service answers; the process must rest.
    pub fn inspect(
        &mut self,
        database: &Database,
        now: u64,
        request: InspectionRequest,
    ) -> InspectionResponse {
        self.take(now, Input::Inspect { token: 0, request: Box::new(request) });
        self.gather(database);
        self.inspected.take().unwrap_or_else(|| panic!("no answer although nothing is under way"))
    }
}
