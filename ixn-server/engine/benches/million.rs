//! One engine with very many queued interactions: what each takes in memory, and the longest step of everything that
//! concerns many of them at once. Prints figures; asserts nothing about time.
//!
//! `cargo bench -p ixn-engine --bench million [-- QUEUED]`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a bench may fail")]

mod setup;

use std::time::Duration;

use ixn_engine::contents::Loaded;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::ClientRef;
use ixn_engine::time::Milliseconds;
use ixn_engine::{Input, Output};
use ixn_proto::client_envelope::Request;
use ixn_proto::*;
use setup::{
    AGENTS, CONFIGURATION, DESKTOP, FLOOR, MEDIA_SERVER, Server, busy, by_priority, configuration, log_in,
    register,
};

/// Steps between two commits, as under load, and the time: a commit begins when the one before is durable.
const BATCH: usize = 200;
const COMMIT_EVERY: Duration = Duration::from_millis(2);
/// How many interactions' user data one step takes in, as the server reads it.
const LOADED: usize = 64;

struct Bench {
    server: Server,
    since_commit: usize,
    /// Processor time of this thread at the last commit.
    committed_at: Duration,
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

fn resident_mib() -> f64 {
    let pages: f64 = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').nth(1)?.parse().ok())
        .unwrap_or_default();
    pages * 4096.0 / (1 << 20) as f64
}

impl Bench {
    fn held_by(&mut self, agent_id: &str) -> usize {
        let request =
            Box::new(InspectionRequest::Agents(PageRequest { page_size: 1, start_after: "agent~".into() }));
        self.server.engine.step(Milliseconds(self.server.now), Input::Inspect { token: 0, request });
        let agents = self.server.engine.take_outputs().into_iter().find_map(|output| match output {
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
        self.server.engine.step(Milliseconds(self.server.now), input);
        steps.add(busy() - began);
        let outputs = self.server.engine.take_outputs();
        drop(outputs);
        loop {
            let loads = self.server.engine.take_loads();
            if loads.is_empty() {
                break;
            }
            // As the shell brings them: a few at a time.
            for keys in loads.chunks(LOADED) {
                let data = keys
                    .iter()
                    .map(|key| (*key, Loaded::Found(self.server.user_data.as_bytes().clone())))
                    .collect();
                let began = busy();
                self.server.engine.step(Milliseconds(self.server.now), Input::ContentsLoaded(data));
                steps.add(busy() - began);
            }
            drop(self.server.engine.take_outputs());
        }
        self.since_commit += 1;
        if self.since_commit >= BATCH || busy() - self.committed_at >= COMMIT_EVERY {
            self.commit();
        }
    }

    fn commit(&mut self) {
        self.since_commit = 0;
        self.server.commit();
        self.committed_at = busy();
    }

    fn request(&mut self, steps: &mut Steps, client: ClientRef, key: &str, request: Request) {
        let input = self.server.input(client, key, request);
        self.step(steps, input);
    }

    fn submit(&mut self, steps: &mut Steps, queue: &str, key: &str, priority: i32) {
        let submit = self.server.submit(queue, priority);
        self.request(steps, MEDIA_SERVER, key, submit);
    }

    /// Those who end with all that they have.
    fn leave(&mut self) {
        let held = self.held_by("alice");
        // Twenty pulls whose user data never comes.
        for _ in 0..20 {
            let pull =
                RequestPull { view_id: "all".into(), number_of_interactions: 500, ..Default::default() };
            let input = self.server.input(DESKTOP, "", Request::RequestPull(pull));
            self.server.engine.step(Milliseconds(self.server.now), input);
            drop((self.server.engine.take_outputs(), self.server.engine.take_loads()));
        }
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Disconnected(DESKTOP.connection));
        self.rest(&mut steps);
        steps.print(&format!("an agent who holds {held} loses his connection, 20 pulls of 500 under way"));
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Connected(DESKTOP.connection));
        self.request(&mut steps, DESKTOP, "", register(ClientType::AgentApplication));
        self.request(&mut steps, DESKTOP, "", log_in("alice", &[]));
        steps.print("… and comes back on another");
        let mut steps = Steps::default();
        self.request(&mut steps, DESKTOP, "", Request::RequestAgentLogout(RequestAgentLogout::default()));
        self.rest(&mut steps);
        steps.print("… and logs out");
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Disconnected(FLOOR));
        self.rest(&mut steps);
        steps.print(&format!("a connection with {AGENTS} logged-in agents breaks"));
        self.server.now += 61_000;
        self.work("… and they are logged out, as none comes back");
    }

    /// What the engine does by itself until it rests.
    fn work(&mut self, what: &str) {
        let mut steps = Steps::default();
        self.step(&mut steps, Input::Tick);
        self.rest(&mut steps);
        steps.print(what);
    }

    fn rest(&mut self, steps: &mut Steps) {
        while self.server.engine.has_more_work() {
            self.step(steps, Input::Tick);
        }
    }
}

fn main() {
    let queued: usize = std::env::args().skip(1).find_map(|text| text.parse().ok()).unwrap_or(1_000_000);
    let mut bench =
        Bench { server: Server::start(CONFIGURATION, &[]), since_commit: 0, committed_at: busy() };
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
    bench.server.now += 3_700_000;
    bench.work(&format!("_age() > 3600 becomes true for {aging} at once"));

    for (view, most, pulls) in [("rare", 100, 1), ("all", 100, 100), ("all", 500, 20)] {
        let mut steps = Steps::default();
        for _ in 0..pulls {
            let pull =
                RequestPull { view_id: view.into(), number_of_interactions: most, ..Default::default() };
            bench.request(&mut steps, DESKTOP, "", Request::RequestPull(pull));
            bench.rest(&mut steps);
        }
        steps.print(&format!("pull {most} from view '{view}'"));
    }

    let mut steps = Steps::default();
    for _ in 0..5_000.min(queued) {
        bench.submit(&mut steps, "hot", "", 0);
    }
    steps.print("submit 5000 to a view that routes (nobody is there)");
    for (round, text) in [("another order of a view", &*by_priority()), ("back again", CONFIGURATION)] {
        let mut steps = Steps::default();
        let compiled = bench.server.engine.compiler().compile(&configuration(text)).unwrap();
        bench.step(&mut steps, Input::Configured(Box::new(compiled)));
        steps.print(&format!("configuration reload ({round}), first step"));
        bench.work("… until all views are right again");
    }
    bench.leave();
    println!("memory at the end: {:.0} MiB", resident_mib());
}
