//! One run: server processes on one database, and everybody around them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ixn_engine::Input;
use ixn_engine::sessions::ConnectionId;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use ixn_sessions::OutboundStream;
use prost::Message;
use xxhash_rust::xxh3::Xxh3;

use crate::configuration;
use crate::database::{Database, Fate};
use crate::ledger::{Key, Ledger};
use crate::operations::{Op, Who};
use crate::process::{Process, Reading, read};
use crate::replay::Replay;
use crate::requests::{self, AGENTS, QUEUES, VIEWS};
use crate::watcher::Watcher;

const START: u64 = 1_800_000_000_000;
/// The connection of the proxy.
const PROXY: usize = 9;
/// Nothing goes on for so long without an end.
const ROUNDS: usize = 10_000;
/// How long a line of the trace may be.
const TRACE_CHARACTERS: usize = 400;
/// So many operations lie between two comparisons of everything with everything.
const CHECK_EVERY: usize = 8;

/// A connection as its clients see it.
struct Line {
    process: usize,
    connection: ConnectionId,
    stream: OutboundStream<String>,
    registered: BTreeSet<u32>,
}

/// A request on its way.
struct Sent {
    line: usize,
    proxy_client_id: u32,
    who: Option<Who>,
    request: Request,
    key: Option<Key>,
    at_seconds: u64,
}

/// A run.
pub struct World {
    database: Database,
    /// By the order in which they started; the last one is the primary.
    processes: BTreeMap<usize, Process>,
    started: usize,
    text: String,
    now: u64,
    latest: u64,
    fates: VecDeque<Fate>,
    hangs: bool,
    holds_loads: bool,
    lines: BTreeMap<usize, Line>,
    slow: BTreeSet<usize>,
    connections: u64,
    references: u64,
    sent: BTreeMap<u64, Sent>,
    /// Requests whose clients no longer wait.
    abandoned: BTreeSet<u64>,
    keys: u64,
    repeatable: BTreeMap<String, (Request, String)>,
    ids: Vec<String>,
    /// Open offers as the agents' applications know them: ticket and interaction.
    offers: BTreeMap<usize, Vec<(u64, String)>>,
    watchers: BTreeMap<usize, Watcher>,
    replay: Replay,
    ledger: Ledger,
    operations: usize,
    hash: Xxh3,
    /// What has happened, for people; not kept unless wanted.
    trace: Option<Vec<String>>,
}

fn line_of(who: Who) -> (usize, u32) {
    match who {
        Who::Desk(agent, 0) => (agent, 0),
        Who::Desk(agent, _) => (PROXY, 1 + agent as u32),
        Who::Media(0) => (4, 0),
        Who::Media(_) => (PROXY, 5),
        Who::Reporter(0) => (6, 0),
        Who::Reporter(_) => (PROXY, 7),
    }
}

fn who_at(line: usize, proxy_client_id: u32) -> Option<Who> {
    let everybody = (0..3).flat_map(|agent| [Who::Desk(agent, 0), Who::Desk(agent, 1)]);
    let everybody = everybody.chain((0..2).flat_map(|n| [Who::Media(n), Who::Reporter(n)]));
    everybody.into_iter().find(|who| line_of(*who) == (line, proxy_client_id))
}

fn name_of(who: Who) -> (String, ClientType) {
    match who {
        // Both desks of an agent are one program: what one asked the other may repeat.
        Who::Desk(agent, _) => (format!("desk of {}", AGENTS[agent]), ClientType::AgentApplication),
        Who::Media(n) => (format!("media server {n}"), ClientType::MediaServer),
        Who::Reporter(n) => (format!("statistics {n}"), ClientType::ReportingEngine),
    }
}

impl World {
    /// An empty database and a server on it.
    pub fn new(traces: bool) -> Self {
        let mut database = Database::default();
        let text = configuration::first();
        let process = Process::start(&mut database, &text, START);
        Self {
            database,
            processes: BTreeMap::from([(0, process)]),
            started: 1,
            text,
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

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let mut line = line();
            if let Some((end, _)) = line.char_indices().nth(TRACE_CHARACTERS) {
                line.truncate(end);
                line.push('…');
            }
            trace.push(line);
        }
    }

    fn primary(&self) -> usize {
        self.processes.keys().next_back().copied().unwrap_or_default()
    }

    fn step(&mut self, process: usize, input: Input) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.step(&self.database, self.now, input);
        }
    }

    fn open(&mut self, line: usize) {
        if self.lines.contains_key(&line) {
            return;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let id = self.primary();
        let Some(process) = self.processes.get_mut(&id) else { return };
        let stream = process.connect(&self.database, self.now, connection);
        self.lines.insert(line, Line { process: id, connection, stream, registered: BTreeSet::new() });
        if line == PROXY {
            self.register(line, 0, "proxy".into(), ClientType::Proxy);
        }
    }

    fn register(&mut self, line: usize, proxy_client_id: u32, name: String, client_type: ClientType) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.registered.insert(proxy_client_id);
        }
        let client_type = client_type as i32;
        let request = RequestRegisterClient { client_name: name, client_type, ..Default::default() };
        self.send_from(line, proxy_client_id, Request::RequestRegisterClient(request), None);
    }

    fn ensure(&mut self, who: Who) {
        let (line, proxy_client_id) = line_of(who);
        self.open(line);
        if self.lines.get(&line).is_some_and(|line| line.registered.contains(&proxy_client_id)) {
            return;
        }
        let (name, client_type) = name_of(who);
        self.register(line, proxy_client_id, name, client_type);
        match who {
            Who::Desk(agent, _) => {
                self.send_from(line, proxy_client_id, requests::login(agent, true), None);
            }
            Who::Reporter(nth) => self.watchers.entry(nth).or_default().lost_connection(),
            Who::Media(_) => {}
        }
    }

    fn send_from(
        &mut self,
        line: usize,
        proxy_client_id: u32,
        request: Request,
        key: Option<(String, String)>,
    ) {
        let Some(Line { process, connection, .. }) = self.lines.get(&line) else { return };
        let (process, connection) = (*process, *connection);
        self.references += 1;
        let who = who_at(line, proxy_client_id);
        self.ledger.sent(&request, key.as_ref(), self.latest / 1000);
        let envelope = ClientEnvelope {
            reference_id: self.references,
            proxy_client_id,
            idempotency_key: key.as_ref().map(|(_, key)| key.clone()).unwrap_or_default(),
            request: Some(request.clone()),
            extension: None,
        };
        let (reference_id, at_seconds) = (self.references, self.latest / 1000);
        self.tell(|| format!("    {who:?} sends {reference_id}: {request:?} {key:?}"));
        self.sent.insert(reference_id, Sent { line, proxy_client_id, who, request, key, at_seconds });
        self.step(process, Input::Request(connection, Box::new(envelope)));
    }

    fn send(&mut self, who: Who, request: Request, key: bool) {
        self.ensure(who);
        let (name, _) = name_of(who);
        let key = key.then(|| {
            self.keys += 1;
            (name.clone(), format!("key {}", self.keys))
        });
        if let Some((_, key)) = &key {
            self.repeatable.insert(name, (request.clone(), key.clone()));
        }
        let (line, proxy_client_id) = line_of(who);
        self.send_from(line, proxy_client_id, request, key);
    }

    /// A connection is no more: nobody waits for its answers.
    fn forget_line(&mut self, line: usize) -> Option<Line> {
        let gone = self.lines.remove(&line)?;
        self.abandon(|sent| sent.line == line);
        for nth in 0..2 {
            if line_of(Who::Reporter(nth)).0 == line {
                self.watchers.entry(nth).or_default().lost_connection();
            }
        }
        Some(gone)
    }

    fn abandon(&mut self, which: impl Fn(&Sent) -> bool) {
        let gone: Vec<u64> = self.sent.iter().filter(|(_, sent)| which(sent)).map(|(id, _)| *id).collect();
        for reference_id in gone {
            self.sent.remove(&reference_id);
            self.abandoned.insert(reference_id);
        }
    }

    /// A logical client is registered no more.
    fn forget_client(&mut self, line: usize, proxy_client_id: u32) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.registered.remove(&proxy_client_id);
        }
        self.abandon(|sent| (sent.line, sent.proxy_client_id) == (line, proxy_client_id));
        if let Some(Who::Reporter(nth)) = who_at(line, proxy_client_id) {
            self.watchers.entry(nth).or_default().lost_connection();
        }
    }

    fn disconnect(&mut self, line: usize) {
        if let Some(gone) = self.forget_line(line) {
            self.step(gone.process, Input::Disconnected(gone.connection));
        }
    }

    fn kill(&mut self, process: usize) {
        self.processes.remove(&process);
        let lines: Vec<usize> =
            self.lines.iter().filter(|(_, line)| line.process == process).map(|(line, _)| *line).collect();
        for line in lines {
            self.forget_line(line);
        }
    }

    fn start(&mut self) {
        let process = Process::start(&mut self.database, &self.text, self.now);
        self.processes.insert(self.started, process);
        self.started += 1;
    }

    /// One of the interactions that the agent handles, or any of the newest.
    fn id_for(&self, who: Who, nth: usize) -> String {
        if let Who::Desk(agent, _) = who
            && let Some(id) = self.replay.handled_by(AGENTS[agent]).get(nth / 2)
        {
            return id.clone();
        }
        self.id(nth)
    }

    fn id(&self, nth: usize) -> String {
        let newest_first = self.ids.iter().rev().nth(nth % self.ids.len().max(1));
        newest_first.cloned().unwrap_or_else(|| "nothing".into())
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

    #[allow(clippy::too_many_lines, reason = "one arm for each operation")]
    fn begin(&mut self, op: &Op) {
        match op {
            Op::Submit { who, invoice, priority, hold, media, queue, workbin, key } => {
                let mut request = requests::submit(*invoice);
                request.priority = Some(*priority);
                request.hold = *hold;
                request.media_type = requests::MEDIA[*media].into();
                request.is_online = *media == 1;
                match workbin {
                    Some(owner) => request.workbin = Some(requests::workbin(*owner)),
                    None => request.queue = QUEUES[*queue].into(),
                }
                self.send(*who, Request::RequestSubmit(request), *key);
            }
            Op::Login { agent, desk, ready } => {
                self.send(Who::Desk(*agent, *desk), requests::login(*agent, *ready), false);
            }
            Op::Logout { who } => self.send(*who, Request::RequestAgentLogout(Default::default()), false),
            Op::Medium { who, media, what } => self.send(*who, requests::medium(*media, *what), false),
            Op::DoNotDisturb { who, on } => {
                let request = match on {
                    true => Request::RequestDoNotDisturbOn(Default::default()),
                    false => Request::RequestDoNotDisturbOff(Default::default()),
                };
                self.send(*who, request, false);
            }
            Op::Answer { agent, desk, offer, accept } => self.answer(*agent, *desk, *offer, *accept),
            Op::Stop { who, nth, key } => {
                let interaction_id = self.id_for(*who, *nth);
                let stop = RequestStopProcessing { interaction_id, reason: None };
                self.send(*who, Request::RequestStopProcessing(stop), *key);
            }
            Op::Leave { who, nth } => {
                let interaction_id = self.id_for(*who, *nth);
                let leave = RequestLeaveInteraction { interaction_id, reason: None };
                self.send(*who, Request::RequestLeaveInteraction(leave), false);
            }
            Op::Hold { who, nth, hold } => {
                let interaction_id = self.id_for(*who, *nth);
                let request = match hold {
                    true => Request::RequestHold(RequestHold { interaction_id, ..Default::default() }),
                    false => Request::RequestResume(RequestResume { interaction_id, ..Default::default() }),
                };
                self.send(*who, request, false);
            }
            Op::PlaceInQueue { who, nth, queue, held } => {
                let (interaction_id, queue) = (self.id_for(*who, *nth), QUEUES[*queue].into());
                let request = RequestPlaceInQueue { interaction_id, queue, is_held: *held, reason: None };
                self.send(*who, Request::RequestPlaceInQueue(request), false);
            }
            Op::PlaceInWorkbin { who, nth, owner } => {
                let (interaction_id, workbin) = (self.id_for(*who, *nth), Some(requests::workbin(*owner)));
                let request = RequestPlaceInWorkbin { interaction_id, workbin, reason: None };
                self.send(*who, Request::RequestPlaceInWorkbin(request), false);
            }
            Op::Change { who, nth, priority, invoice, online, key } => {
                let mut request = RequestChangeProperties {
                    interaction_id: self.id_for(*who, *nth),
                    priority: *priority,
                    is_online: online.filter(|_| matches!(who, Who::Media(_))),
                    ..Default::default()
                };
                if let Some(invoice) = invoice {
                    let mut list = KeyValueList::new();
                    list.push_text("Subject", if *invoice { "an invoice after all" } else { "no more" });
                    request.changed_properties = Some(list);
                }
                self.send(*who, Request::RequestChangeProperties(request), *key);
            }
            Op::PullView { who, view, most, key } => {
                let pull = RequestPull {
                    view_id: VIEWS[*view].into(),
                    number_of_interactions: *most,
                    ..Default::default()
                };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::PullIds { who, nth, key } => {
                let mut ids = KeyValueList::new();
                for nth in nth {
                    ids.push_text(&self.id(*nth), "");
                }
                let pull = RequestPull {
                    view_id: "_system_".into(),
                    pull_parameters: Some(ids),
                    ..Default::default()
                };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::PullWorkbin { who, owner, most, key } => {
                let workbin = Some(requests::workbin(*owner));
                let pull = RequestPull { workbin, number_of_interactions: *most, ..Default::default() };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::Look { who, nth, what } => {
                let request = requests::look(self.id_for(*who, *nth), *what, *nth % 3);
                self.send(*who, request, false);
            }
            Op::Status { agent, media, remaining } => {
                let media_type_name = requests::MEDIA[*media].into();
                let status = EventCurrentAgentStatus {
                    agent_id: AGENTS[*agent].into(),
                    media_capacity_list: vec![MediaCapacity { media_type_name, remaining: *remaining }],
                    ..Default::default()
                };
                self.send(Who::Reporter(0), Request::EventCurrentAgentStatus(status), false);
            }
            Op::Again { who } => {
                let (name, _) = name_of(*who);
                if let Some((request, key)) = self.repeatable.get(&name).cloned() {
                    self.ensure(*who);
                    let (line, proxy_client_id) = line_of(*who);
                    self.send_from(line, proxy_client_id, request, Some((name, key)));
                }
            }
            Op::Report { nth, resume, with_interactions } => {
                // Anew on a new connection: what is on its way on the old one belongs to what was before.
                let (line, _) = line_of(Who::Reporter(*nth));
                self.disconnect(line);
                self.ensure(Who::Reporter(*nth));
                let watcher = self.watchers.entry(*nth).or_default();
                let after = watcher.last().filter(|_| *resume);
                watcher.subscribed(after);
                let request = requests::start_reporting(after, *with_interactions);
                self.send(Who::Reporter(*nth), request, false);
            }
            Op::Unregister { who } => {
                let (line, proxy_client_id) = line_of(*who);
                let is_registered = |line: &Line| line.registered.contains(&proxy_client_id);
                if self.lines.get(&line).is_some_and(is_registered) {
                    let unregister = Request::RequestUnregisterClient(Default::default());
                    self.send_from(line, proxy_client_id, unregister, None);
                    self.forget_client(line, proxy_client_id);
                    if proxy_client_id == 0 {
                        self.disconnect(line);
                    }
                }
            }
            Op::Disconnect { who } => self.disconnect(line_of(*who).0),
            Op::Slow { who, slow: true } => drop(self.slow.insert(line_of(*who).0)),
            Op::Slow { who, slow: false } => drop(self.slow.remove(&line_of(*who).0)),
            other => self.begin_around(other),
        }
    }

    /// What happens to processes, database and clock.
    fn begin_around(&mut self, op: &Op) {
        match op {
            Op::Seconds(seconds) => self.now += seconds * 1000,
            Op::ClockBack(milliseconds) => self.now = self.now.saturating_sub(*milliseconds).max(START),
            Op::HoldLoads(holds) => self.holds_loads = *holds,
            Op::Next(fate) => self.fates.push_back(*fate),
            Op::Hangs(hangs) => self.hangs = *hangs,
            Op::LateBatch => self.database.late_batch_arrives(),
            Op::Trim(kept) => self.database.trim(*kept),
            Op::Heartbeat => {
                for process in self.processes.values_mut() {
                    process.heartbeat(&self.database);
                }
            }
            Op::Kill => {
                self.kill(self.primary());
                self.start();
            }
            Op::TakeOver => self.start(),
            Op::KillOld => {
                let oldest = self.processes.keys().next().copied().unwrap_or_default();
                if oldest != self.primary() {
                    self.kill(oldest);
                }
            }
            Op::Reconfigure { other } => {
                self.text = if *other { configuration::other() } else { configuration::first() };
                let primary = self.primary();
                if let Some(process) = self.processes.get_mut(&primary) {
                    process.configure(&self.database, self.now, &self.text);
                }
            }
            _ => {}
        }
        self.latest = self.latest.max(self.now);
        for process in self.processes.keys().copied().collect::<Vec<_>>() {
            self.step(process, Input::Tick);
        }
    }

    fn answer(&mut self, agent: usize, desk: usize, offer: usize, accept: bool) {
        let offers = self.offers.entry(agent).or_default();
        let Some((ticket_id, interaction_id)) = offers.iter().rev().nth(offer).cloned() else { return };
        if offer == 0 {
            offers.pop();
        }
        let request = match accept {
            true => Request::RequestAccept(RequestAccept { ticket_id, interaction_id }),
            false => Request::RequestReject(RequestReject { ticket_id, interaction_id, reason: None }),
        };
        self.send(Who::Desk(agent, desk), request, false);
    }

    /// Everything that goes on by itself.
    fn go_on(&mut self) {
        for _ in 0..ROUNDS {
            let mut goes_on = false;
            for process in self.processes.values_mut() {
                if !self.hangs {
                    let fate = self.fates.front().copied();
                    if process.database_answers(&mut self.database, self.now, fate.unwrap_or(Fate::Works)) {
                        self.fates.pop_front();
                        goes_on = true;
                    }
                }
                if !self.holds_loads && process.is_loading() {
                    process.deliver_loads(&self.database, self.now);
                    goes_on = true;
                }
                process.serve_subscribers(&self.database, self.now, 3);
                process.tell_drained(&self.database, self.now);
            }
            goes_on |= self.read_lines();
            goes_on |= self.bury();
            if !goes_on {
                return;
            }
        }
        panic!("it goes on for ever");
    }

    /// Processes that have ended are gone, once their clients have read that; the last one is started again.
    fn bury(&mut self) -> bool {
        let ended: Vec<usize> =
            self.processes.iter().filter(|(_, process)| process.ended.is_some()).map(|(id, _)| *id).collect();
        // An old one that has not noticed yet does not become the primary again.
        let needs_another = ended.contains(&self.primary());
        for id in &ended {
            let why = self.processes.get(id).and_then(|process| process.ended);
            self.tell(|| format!("    process {id} ends: {}", why.unwrap_or_default()));
            self.kill(*id);
        }
        if needs_another {
            self.start();
        }
        !ended.is_empty()
    }

    fn read_lines(&mut self) -> bool {
        let mut any = false;
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            let is_ended = |process: &usize| self.processes.get(process).is_none_or(|of| of.ended.is_some());
            let ended = self.lines.get(&line).is_some_and(|line| is_ended(&line.process));
            if self.slow.contains(&line) && !ended {
                continue;
            }
            while let Some(Line { stream, .. }) = self.lines.get_mut(&line) {
                match read(stream) {
                    Reading::Nothing => break,
                    Reading::Closed => {
                        any = true;
                        self.tell(|| format!("    line {line} is closed"));
                        self.forget_line(line);
                    }
                    Reading::Message(message) => {
                        any = true;
                        for envelope in message.envelopes {
                            self.hear(line, &envelope);
                        }
                    }
                }
            }
        }
        any
    }

    fn hear(&mut self, line: usize, envelope: &ServerEnvelope) {
        self.hash.update(&line.to_le_bytes());
        self.hash.update(&envelope.encode_to_vec());
        let who = who_at(line, envelope.proxy_client_id);
        self.tell(|| format!("    {who:?} hears {} {:?}", envelope.reference_id, envelope.event));
        if envelope.reference_id != 0 {
            self.hear_answer(line, envelope);
        }
        match &envelope.event {
            Some(Event::EventInvite(invite)) => {
                let Some(Who::Desk(agent, _)) = who else { panic!("an offer to {who:?}: {invite:?}") };
                let id = invite.interaction.as_ref().map(|of| of.interaction_id.clone()).unwrap_or_default();
                self.offers.entry(agent).or_default().push((invite.ticket_id, id));
            }
            Some(Event::EventRevoked(revoked)) if !matches!(who, Some(Who::Reporter(_))) => {
                for offers in self.offers.values_mut() {
                    offers.retain(|(ticket, _)| *ticket != revoked.ticket_id);
                }
            }
            Some(Event::EventClientDisconnected(_)) => self.forget_client(line, envelope.proxy_client_id),
            Some(Event::EventError(error)) => {
                assert!(!error.error_description.is_empty());
                assert_ne!(error.error_code(), ErrorCode::InternalError, "{error:?}");
            }
            _ => {}
        }
        if let Some(Who::Reporter(nth)) = who {
            self.watchers.entry(nth).or_default().hears(envelope);
        }
    }

    fn hear_answer(&mut self, line: usize, envelope: &ServerEnvelope) {
        let Some(event) = &envelope.event else { panic!("an answer without an event: {envelope:?}") };
        let reference_id = envelope.reference_id;
        if self.abandoned.contains(&reference_id) {
            return;
        }
        if matches!(event, Event::EventWorkbinContent(page) if page.more) {
            return;
        }
        let Some(sent) = self.sent.remove(&reference_id) else {
            panic!("an answer that nobody waits for: {envelope:?}");
        };
        assert_eq!((sent.line, sent.proxy_client_id), (line, envelope.proxy_client_id), "{envelope:?}");
        let agent = match sent.who {
            Some(Who::Desk(agent, _)) => Some(AGENTS[agent]),
            _ => None,
        };
        self.ledger.acknowledged(&sent.request, event, sent.key, agent, sent.at_seconds);
        if let (Request::RequestSubmit(_), Event::EventAck(ack)) = (&sent.request, event)
            && !envelope.repeated
        {
            self.ids.push(ack.interaction_id.clone());
        }
    }

    /// Compares everything with everything, when the server rests.
    fn check(&mut self) {
        self.replay.read(&self.database);
        self.ledger.agrees_with(&self.replay);
        let primary = self.primary();
        if let Some(process) = self.processes.get_mut(&primary).filter(|process| process.rests()) {
            self.replay.agrees_with(process, &self.database, self.now);
        }
    }

    /// All faults are over: everything must come right, and everybody be answered.
    pub fn finish(&mut self) {
        self.tell(|| "The end: all faults are over.".to_owned());
        (self.hangs, self.holds_loads) = (false, false);
        self.fates.clear();
        self.slow.clear();
        while self.processes.len() > 1 {
            let oldest = self.processes.keys().next().copied().unwrap_or_default();
            self.kill(oldest);
        }
        self.go_on();
        let primary = self.primary();
        let rests = self.processes.get(&primary).is_some_and(Process::rests);
        assert!(rests, "something is still under way");
        self.check();
        let unanswered: Vec<_> = self.sent.values().map(|sent| (sent.who, &sent.request)).collect();
        assert!(unanswered.is_empty(), "never answered: {unanswered:?}");
    }
}
