//! One engine with very many queued interactions: what each takes in memory, and the longest step of everything that
//! concerns many of them at once. Prints figures; asserts nothing about time.
//!
//! `cargo bench -p ixn-engine --bench million [-- QUEUED]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench may fail")]

use std::time::Duration;

use ixn_configuration::Configuration;
use ixn_engine::commit::{Epoch, TakenOver};
use ixn_engine::compile::Compiler;
use ixn_engine::contents::Loaded;
use ixn_engine::gate::Source;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::ConnectionId;
use ixn_engine::time::Milliseconds;
use ixn_engine::vocabulary::Vocabulary;
use ixn_engine::{Engine, Input, Output};
use ixn_proto::client_envelope::Request;
use ixn_proto::*;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const CONFIGURATION: &str = r#"
media-types: [{name: email}]
custom-properties: [{name: Subject, type: string}]
queues: [{name: inbox}, {name: hot}, {name: aging}]
agents: [{id: alice, capacity-rule: several}]
capacity-rules: [{name: several, media: {email: 1000}}]
agent-groups: [{name: everybody, agents: [alice]}]
strategies: [{name: rest, steps: [{targets: [{agent-group: everybody}]}]}]
views:
  - {name: all, queue: inbox}
  - {name: rare, queue: inbox, condition: "Priority > 9998"}
  - {name: routed, queue: hot, strategy: rest}
  - {name: aged, queue: aging, condition: "_age() > 3600"}
workbins: [{name: drafts, owner: agent}]
"#;

/// Agents who are logged in behind one connection.
const AGENTS: u32 = 1_000;
/// Steps between two commits, as under load.
const BATCH: usize = 200;
/// How many interactions' user data one step takes in, as the server reads it.
const LOADED: usize = 64;

struct Bench {
    engine: Engine,
    now: u64,
    references: u64,
    since_commit: usize,
    user_data: KeyValueList,
}

/// How long steps took.
#[derive(Default)]
struct Steps {
    count: usize,
    total: Duration,
    longest: Duration,
    over_1_ms: usize,
}

impl Steps {
    fn add(&mut self, took: Duration) {
        self.count += 1;
        self.total += took;
        self.longest = self.longest.max(took);
        self.over_1_ms += usize::from(took > Duration::from_millis(1));
    }

    fn print(&self, what: &str) {
        println!(
            "{what:<58} {:>9} steps {:>9.1} ms in all {:>8.2} µs each {:>9.3} ms the longest, {} above 1 ms",
            self.count,
            self.total.as_secs_f64() * 1e3,
            self.total.as_secs_f64() * 1e6 / self.count.max(1) as f64,
            self.longest.as_secs_f64() * 1e3,
            self.over_1_ms,
        );
    }
}

/// With the agents of a call centre's floor beside alice.
fn configuration(text: &str) -> Configuration {
    let floor: String = (0..AGENTS).map(|n| format!(", {{id: agent-{n}}}")).collect();
    let text = text.replace("capacity-rule: several}]", &format!("capacity-rule: several}}{floor}]"));
    Configuration::parse(&text, "bench.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

/// Processor time of this thread: what else runs on the machine does not count.
fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn resident_mib() -> f64 {
    let pages: f64 = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse().ok())
        .unwrap_or_default();
    pages * 4096.0 / (1 << 20) as f64
}

impl Bench {
    fn new() -> Self {
        let taken_over = TakenOver {
            number: Default::default(),
            epoch: Epoch(1),
            last_event: Default::default(),
            counters: Default::default(),
            at_milliseconds: 0,
            id_prefix: "03W0GH".into(),
        };
        let vocabulary = Vocabulary::new(1, taken_over.id_prefix.clone());
        let setup = Compiler::new(&vocabulary).compile(&configuration(CONFIGURATION)).unwrap();
        let now = 1_800_000_000_000;
        let mut engine = Engine::new(setup, vocabulary, &taken_over, Milliseconds(now));
        engine.keep_contents(16 << 20);
        let mut user_data = KeyValueList::new();
        user_data.push_text("Subject", "About the invoice of last month").push_text("Body", &"x".repeat(960));
        let mut bench = Self { engine, now, references: 0, since_commit: 0, user_data };
        let mut steps = Steps::default();
        bench.step(&mut steps, Input::Connected(ConnectionId(1)));
        let register = RequestRegisterClient {
            client_name: "bench".into(),
            client_type: ClientType::MediaServer as i32,
            ..Default::default()
        };
        bench.request(&mut steps, 1, "", Request::RequestRegisterClient(register));
        bench.step(&mut steps, Input::Connected(ConnectionId(2)));
        let register = RequestRegisterClient {
            client_name: "desktop".into(),
            client_type: ClientType::AgentApplication as i32,
            ..Default::default()
        };
        bench.request(&mut steps, 2, "", Request::RequestRegisterClient(register));
        let login = |agent_id: &str| {
            let login = RequestAgentLogin { agent_id: agent_id.into(), ..Default::default() };
            Request::RequestAgentLogin(login)
        };
        bench.request(&mut steps, 2, "", login("alice"));
        bench.step(&mut steps, Input::Connected(ConnectionId(3)));
        let register = |client_type: ClientType| {
            Request::RequestRegisterClient(RequestRegisterClient {
                client_name: "floor".into(),
                client_type: client_type as i32,
                ..Default::default()
            })
        };
        bench.request(&mut steps, 3, "", register(ClientType::Proxy));
        for n in 0..AGENTS {
            bench.proxied(&mut steps, n + 1, register(ClientType::AgentApplication));
            bench.proxied(&mut steps, n + 1, login(&format!("agent-{n}")));
        }
        bench
    }

    fn proxied(&mut self, steps: &mut Steps, proxy_client_id: u32, request: Request) {
        self.references += 1;
        let envelope = ClientEnvelope {
            reference_id: self.references,
            proxy_client_id,
            request: Some(request),
            ..Default::default()
        };
        self.step(steps, Input::Request(ConnectionId(3), Box::new(envelope)));
    }

    fn held_by(&mut self, agent_id: &str) -> usize {
        let request =
            Box::new(InspectionRequest::Agents(PageRequest { page_size: 1, start_after: "agent~".into() }));
        self.engine.step(Milliseconds(self.now), Input::Inspect { token: 0, request });
        let agents = self.engine.take_outputs().into_iter().find_map(|output| match output {
            Output::Inspected { response, .. } => match *response {
                InspectionResponse::Agents(list) => Some(list.agents),
                _ => None,
            },
            _ => None,
        });
        let agents = agents.unwrap_or_default();
        let agent =
            agents.iter().find(|status| status.agent.as_ref().is_some_and(|a| a.agent_id == agent_id));
        agent.map_or(0, |agent| agent.interaction_ids.len())
    }

    fn step(&mut self, steps: &mut Steps, input: Input) {
        let began = busy();
        self.engine.step(Milliseconds(self.now), input);
        steps.add(busy() - began);
        let outputs = self.engine.take_outputs();
        drop(outputs);
        let loads = self.engine.take_loads();
        if !loads.is_empty() {
            // As the shell brings them: a few at a time.
            for keys in loads.chunks(LOADED) {
                let data =
                    keys.iter().map(|key| (*key, Loaded::Found(self.user_data.as_bytes().clone()))).collect();
                let began = busy();
                self.engine.step(Milliseconds(self.now), Input::ContentsLoaded(data));
                steps.add(busy() - began);
            }
            drop(self.engine.take_outputs());
        }
        self.since_commit += 1;
        if self.since_commit >= BATCH {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.since_commit = 0;
        if self.engine.has_changes() {
            let batch = self.engine.freeze(self.engine.next_commit());
            self.engine.durable(batch.number);
        }
    }

    fn request(&mut self, steps: &mut Steps, connection: u64, key: &str, request: Request) {
        self.references += 1;
        let envelope = ClientEnvelope {
            reference_id: self.references,
            idempotency_key: key.into(),
            request: Some(request),
            ..Default::default()
        };
        self.step(steps, Input::Request(ConnectionId(connection), Box::new(envelope)));
    }

    fn submit(&mut self, steps: &mut Steps, queue: &str, key: &str, priority: i32) {
        let request = RequestSubmit {
            queue: queue.into(),
            media_type: "email".into(),
            interaction_type: "Inbound".into(),
            interaction_subtype: "InboundNew".into(),
            priority: Some(priority),
            user_data: Some(self.user_data.clone()),
            ..Default::default()
        };
        self.request(steps, 1, key, Request::RequestSubmit(request));
    }

    /// Those who end at once with all that they have.
    fn leave(&mut self) {
        let mut steps = Steps::default();
        let held = self.held_by("alice");
        self.request(&mut steps, 2, "", Request::RequestAgentLogout(RequestAgentLogout::default()));
        steps.print(&format!("an agent who holds {held} logs out"));
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Disconnected(ConnectionId(3)));
        steps.print(&format!("a connection with {AGENTS} logged-in agents breaks"));
    }

    /// What the engine does by itself until it rests.
    fn work(&mut self, what: &str) {
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Tick);
        while self.engine.has_more_work() {
            self.step(&mut steps, Input::Tick);
        }
        steps.print(what);
    }
}

fn main() {
    let queued: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut bench = Bench::new();
    let empty = resident_mib();
    let mut steps = Steps::default();
    for n in 0..queued {
        bench.submit(&mut steps, "inbox", &format!("bench-{n}"), (n % 10_000) as i32);
    }
    bench.commit();
    steps.print(&format!("submit {queued} of 1 KB, each with an idempotency key"));
    let full = resident_mib();
    println!(
        "memory: {empty:.0} MiB empty, {full:.0} MiB full, {:.0} bytes for each",
        (full - empty) * (1 << 20) as f64 / queued as f64
    );

    let aging = 100_000.min(queued);
    let mut steps = Steps::default();
    for _ in 0..aging {
        bench.submit(&mut steps, "aging", "", 0);
    }
    steps.print(&format!("submit {aging} to a view with _age() > 3600"));
    bench.now += 3_700_000;
    bench.work(&format!("_age() > 3600 becomes true for {aging} at once"));

    for (view, pulls) in [("rare", 1), ("all", 100)] {
        let mut steps = Steps::default();
        for _ in 0..pulls {
            let pull =
                RequestPull { view_id: view.into(), number_of_interactions: 100, ..Default::default() };
            bench.request(&mut steps, 2, "", Request::RequestPull(pull));
        }
        steps.print(&format!("pull 100 from view '{view}'"));
    }

    let mut steps = Steps::default();
    for _ in 0..5_000.min(queued) {
        bench.submit(&mut steps, "hot", "", 0);
    }
    steps.print("submit 5000 to a view that routes (nobody is there)");
    let text = CONFIGURATION
        .replace("  - {name: all, queue: inbox}\n", "  - {name: all, queue: inbox, order: Priority desc}\n");
    for round in ["another order of a view", "back again"] {
        let text = if round == "back again" { CONFIGURATION } else { &text };
        let mut steps = Steps::default();
        let compiled = bench.engine.compiler().compile(&configuration(text)).unwrap();
        bench.step(&mut steps, Input::Configured(Box::new(compiled)));
        steps.print(&format!("configuration reload ({round}), first step"));
        bench.work("… until all views are right again");
    }
    bench.leave();
    println!("memory at the end: {:.0} MiB", resident_mib());
}
