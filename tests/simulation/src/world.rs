//! One run: server processes on one database, everybody around them, and what must hold of it all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ixn_engine::Input;
use ixn_proto::client_envelope::Request;
use xxhash_rust::xxh3::Xxh3;

use crate::clients::{Line, Sent};
use crate::configuration;
use crate::database::{Database, Fate};
use crate::defects::Defect;
use crate::ledger::Ledger;
use crate::operations::Op;
use crate::process::{Pace, Process};
use crate::replay::Replay;
use crate::requests::AGENTS;
use crate::watcher::Watcher;
use crate::who::Who;

pub(crate) const START: u64 = 1_800_000_000_000;
/// Nothing goes on for so long without an end.
const ROUNDS: usize = 10_000;
/// How long a line of the trace may be.
const TRACE_CHARACTERS: usize = 400;
/// So many operations lie between two comparisons of everything with everything.
const CHECK_EVERY: usize = 8;

/// A run.
pub struct World {
    pub(crate) database: Database,
    /// By the order in which they started; the last one is the primary.
    pub(crate) processes: BTreeMap<usize, Process>,
    pub(crate) started: usize,
    pub(crate) text: String,
    pub(crate) pace: Pace,
    pub(crate) now: u64,
    pub(crate) latest: u64,
    pub(crate) fates: VecDeque<Fate>,
    pub(crate) hangs: bool,
    pub(crate) holds_loads: bool,
    pub(crate) lines: BTreeMap<usize, Line>,
    pub(crate) slow: BTreeSet<usize>,
    pub(crate) connections: u64,
    pub(crate) references: u64,
    pub(crate) sent: BTreeMap<u64, Sent>,
    /// Requests whose clients no longer wait.
    pub(crate) abandoned: BTreeSet<u64>,
    pub(crate) keys: u64,
    pub(crate) notes: u64,
    /// What each client has sent with a key.
    pub(crate) repeatable: BTreeMap<String, Vec<(Request, String)>>,
    pub(crate) ids: Vec<String>,
    /// Open offers as the agents' applications know them: ticket and interaction.
    pub(crate) offers: BTreeMap<usize, Vec<(u64, String)>>,
    pub(crate) watchers: BTreeMap<usize, Watcher>,
    pub(crate) replay: Replay,
    pub(crate) ledger: Ledger,
    pub(crate) operations: usize,
    pub(crate) hash: Xxh3,
    /// What has happened, for people; not kept unless wanted.
    pub(crate) trace: Option<Vec<String>>,
}

impl World {
    /// An empty database and a server on it.
    pub fn new(traces: bool, defect: Option<Defect>) -> Self {
        let mut database = Database::new(defect);
        let (text, pace) = (configuration::text(0), Pace::default());
        let process = Process::start(&mut database, &text, START, pace);
        Self {
            database,
            processes: BTreeMap::from([(0, process)]),
            started: 1,
            text,
            pace,
            now: START,
            latest: START,
            fates: VecDeque::new(),
            hangs: false,
            holds_loads: false,
            lines: BTreeMap::new(),
            slow: BTreeSet::new(),
            connections: 0,
            references: 0,
            sent: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            keys: 0,
            notes: 0,
            repeatable: BTreeMap::new(),
            ids: Vec::new(),
            offers: BTreeMap::new(),
            watchers: BTreeMap::new(),
            replay: Replay::default(),
            ledger: Ledger::default(),
            operations: 0,
            hash: Xxh3::new(),
            trace: traces.then(Vec::new),
        }
    }

    /// The hash of everything that clients have read.
    pub fn hash(&self) -> u64 {
        self.hash.digest()
    }

    /// How many operations were carried out, or begun.
    pub fn operations(&self) -> usize {
        self.operations
    }

    /// How many requests were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.ledger.acknowledged
    }

    /// What has happened so far.
    pub fn trace(&self) -> &[String] {
        self.trace.as_deref().unwrap_or_default()
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let mut line = line();
            if let Some((end, _)) = line.char_indices().nth(TRACE_CHARACTERS) {
                line.truncate(end);
                line.push('…');
            }
            trace.push(line);
        }
    }

    /// The one that has started last.
    pub(crate) fn primary(&self) -> usize {
        self.processes.keys().next_back().copied().unwrap_or_default()
    }

    pub(crate) fn step(&mut self, process: usize, input: Input) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.step(&self.database, self.now, input);
        }
    }

    /// One operation and all that follows.
    pub fn carry_out(&mut self, op: &Op) {
        self.operations += 1;
        let number = self.operations;
        self.tell(|| format!("{number}. {op:?}"));
        self.begin(op);
        self.go_on();
        if self.operations.is_multiple_of(CHECK_EVERY) {
            self.check();
        }
    }

    /// Everything that goes on by itself: until nothing does, or, with few turns, for as many rounds.
    fn go_on(&mut self) {
        match self.pace.turns {
            Some(turns) => {
                for _ in 0..turns.max(1) {
                    self.round(2);
                }
            }
            None => self.go_on_to_the_end(),
        }
    }

    pub(crate) fn go_on_to_the_end(&mut self) {
        for _ in 0..ROUNDS {
            if !self.round(usize::MAX) {
                return;
            }
        }
        panic!("'everything comes to rest' does not hold");
    }

    /// One turn of everybody; user data of so many interactions arrives. Answers whether anything went on.
    fn round(&mut self, loads: usize) -> bool {
        let mut goes_on = false;
        for process in self.processes.values_mut() {
            goes_on |= process.turn(&self.database, self.now);
            if !self.hangs {
                let fate = self.fates.front().copied();
                if process.database_answers(&mut self.database, self.now, fate.unwrap_or(Fate::Works)) {
                    self.fates.pop_front();
                    goes_on = true;
                }
            }
            if !self.holds_loads && process.is_loading() {
                process.deliver_loads(&self.database, self.now, loads);
                goes_on = true;
            }
            goes_on |= process.serve_subscribers(&self.database, self.now, 3);
            goes_on |= process.tell_drained(&self.database, self.now);
        }
        goes_on |= self.read_lines();
        goes_on |= self.bury();
        goes_on
    }

    /// Compares everything with everything, when the server rests.
    fn check(&mut self) {
        self.replay.read(&self.database);
        self.replay.user_data_is_in(&self.database);
        self.ledger.agrees_with(&self.replay);
        let primary = self.primary();
        if let Some(process) = self.processes.get_mut(&primary).filter(|process| process.rests()) {
            self.replay.agrees_with(process, &self.database, self.now);
        }
    }

    /// All faults are over: everything must come right, everybody be answered, and whoever subscribed know everything.
    pub fn finish(&mut self) {
        self.tell(|| "The end: all faults are over.".to_owned());
        (self.hangs, self.holds_loads) = (false, false);
        self.fates.clear();
        self.slow.clear();
        self.go_on_in(Pace { turns: None, spacing: 0, ..self.pace });
        while self.processes.len() > 1 {
            let oldest = self.processes.keys().next().copied().unwrap_or_default();
            self.kill(oldest);
        }
        self.come_to_rest();
        // All of it outlives the server: another one starts, and everybody comes back.
        self.kill(self.primary());
        self.start();
        for (agent, name) in AGENTS.iter().enumerate() {
            if self.replay.agents.contains_key(*name) {
                self.ensure(Who::Desk(agent, 0));
            }
        }
        self.come_to_rest();
        // What a full state shows when nothing goes on beside it.
        (0..2).for_each(|nth| self.report(nth, false, true, &[]));
        self.come_to_rest();
    }

    fn come_to_rest(&mut self) {
        self.go_on();
        let primary = self.primary();
        let rests = self.processes.get(&primary).is_some_and(Process::rests);
        assert!(rests, "'everything comes to rest' does not hold: something is still under way");
        self.check();
        let unanswered: Vec<_> = self.sent.values().map(|sent| (sent.who, &sent.request)).collect();
        assert!(unanswered.is_empty(), "'everybody is answered' does not hold: {unanswered:?}");
        for watcher in self.watchers.values().filter(|watcher| watcher.is_subscribed()) {
            watcher.has_heard_all(&self.replay);
        }
    }
}
