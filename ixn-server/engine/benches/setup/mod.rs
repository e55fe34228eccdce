//! What the benches begin with: an engine with agents who are logged in, and what the driver does around its steps.

use std::time::Duration;

use ixn_configuration::Configuration;
use ixn_engine::commit::{CommitBatch, Epoch, TakenOver};
use ixn_engine::compile::Compiler;
use ixn_engine::gate::Source;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_engine::time::Milliseconds;
use ixn_engine::vocabulary::Vocabulary;
use ixn_engine::{Engine, Input, Output};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use prost::Message;

/// As the server.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

pub const CONFIGURATION: &str = r#"
media-types: [{name: email}]
custom-properties: [{name: Subject, type: string}]
queues: [{name: inbox}, {name: hot}, {name: aging}]
skills: [{name: Email}]
agents: [{id: alice, capacity-rule: several}]
capacity-rules: [{name: several, media: {email: 1000}}]
strategies: [{name: rest, steps: [{targets: [{skills: "Email >= 1"}]}]}]
views:
  - {name: all, queue: inbox}
  - {name: rare, queue: inbox, condition: "Priority > 9998"}
  - {name: routed, queue: hot, strategy: rest}
  - {name: aged, queue: aging, condition: "_age() > 3600"}
workbins: [{name: drafts, owner: agent}]
"#;

/// Agents who are logged in behind one connection.
pub const AGENTS: u32 = 10_000;

pub const MEDIA_SERVER: ClientRef = ClientRef { connection: ConnectionId(1), proxy_client_id: 0 };
/// Alice's.
pub const DESKTOP: ClientRef = ClientRef { connection: ConnectionId(2), proxy_client_id: 0 };
/// The other agents'.
pub const FLOOR: ConnectionId = ConnectionId(3);

/// With the agents of a call centre's floor beside alice.
pub fn configuration(text: &str) -> Configuration {
    let floor: String = (0..AGENTS).map(|n| format!(", {{id: agent-{n}, skills: {{Email: 1}}}}")).collect();
    let text = text.replace("capacity-rule: several}]", &format!("capacity-rule: several}}{floor}]"));
    Configuration::parse(&text, "bench.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

/// A configuration whose view of all that is in the inbox has an order of its own.
pub fn by_priority() -> String {
    let by_submission = "{name: all, queue: inbox}";
    CONFIGURATION.replace(by_submission, "{name: all, queue: inbox, order: Priority desc}")
}

/// An agent of the floor.
pub fn floor(agent: u32) -> ClientRef {
    ClientRef { connection: FLOOR, proxy_client_id: agent + 1 }
}

/// Processor time of this thread: what else runs on the machine does not count.
pub fn busy() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

pub struct Server {
    pub engine: Engine,
    pub now: u64,
    /// 1 KB, which every submit carries.
    pub user_data: KeyValueList,
    references: u64,
}

impl Server {
    /// All agents are logged in; those of the floor are ready for these media.
    pub fn start(text: &str, ready_for: &[&str]) -> Self {
        let taken_over = TakenOver {
            number: Default::default(),
            epoch: Epoch(1),
            last_event: Default::default(),
            counters: Default::default(),
            at_milliseconds: 0,
            id_prefix: "03W0GH".into(),
        };
        let vocabulary = Vocabulary::new(1, taken_over.id_prefix.clone());
        let compiled = Compiler::new(&vocabulary).compile(&configuration(text)).unwrap();
        let now = 1_800_000_000_000;
        let mut engine = Engine::new(compiled, vocabulary, &taken_over, Milliseconds(now));
        engine.keep_contents(16 << 20);
        let mut user_data = KeyValueList::new();
        user_data.push_text("Subject", "About the invoice of last month").push_text("Body", &"x".repeat(960));
        let mut server = Self { engine, now, user_data, references: 0 };
        for connection in [MEDIA_SERVER.connection, DESKTOP.connection, FLOOR] {
            server.engine.step(Milliseconds(now), Input::Connected(connection));
        }
        let proxy = ClientRef { connection: FLOOR, proxy_client_id: 0 };
        server.turn([
            (MEDIA_SERVER, register(ClientType::MediaServer)),
            (DESKTOP, register(ClientType::AgentApplication)),
            (DESKTOP, log_in("alice", &[])),
            (proxy, register(ClientType::Proxy)),
        ]);
        for agent in 0..AGENTS {
            let client = floor(agent);
            server.turn([
                (client, register(ClientType::AgentApplication)),
                (client, log_in(&format!("agent-{agent}"), ready_for)),
            ]);
        }
        server
    }

    /// A request as it comes to the engine.
    pub fn input(&mut self, client: ClientRef, key: &str, request: Request) -> Input {
        self.references += 1;
        let envelope = ClientEnvelope {
            reference_id: self.references,
            proxy_client_id: client.proxy_client_id,
            idempotency_key: key.into(),
            request: Some(request),
            ..Default::default()
        };
        Input::Request(client.connection, Box::new(envelope))
    }

    pub fn submit(&self, queue: &str, priority: i32) -> Request {
        Request::RequestSubmit(RequestSubmit {
            queue: queue.into(),
            media_type: "email".into(),
            interaction_type: "Inbound".into(),
            interaction_subtype: "InboundNew".into(),
            priority: Some(priority),
            user_data: Some(self.user_data.clone()),
            ..Default::default()
        })
    }

    /// As the driver's turn: a step for each request, slices of what goes on by itself, one commit. Answers how long that
    /// took, and all that was sent, to be sure that every request was carried out.
    pub fn turn(
        &mut self,
        requests: impl IntoIterator<Item = (ClientRef, Request)>,
    ) -> (Duration, Vec<(ClientRef, Event)>) {
        let inputs = requests.into_iter().map(|(client, request)| self.input(client, "", request));
        let inputs: Vec<Input> = inputs.collect();
        let asked = inputs.len();
        self.now += 1;
        let now = Milliseconds(self.now);
        let began = busy();
        for input in inputs {
            self.engine.step(now, input);
        }
        while self.engine.has_more_work() {
            self.engine.step(now, Input::Tick);
        }
        let outputs = self.engine.take_outputs();
        let batch = self.commit();
        let took = busy() - began;
        // The database's writer lets go of it.
        drop(batch);
        assert!(self.engine.take_loads().is_empty(), "nothing waits for user data");
        let mut answers = 0;
        let mut sent = Vec::new();
        for output in outputs {
            let Output::Send { client, envelope } = output else { continue };
            let envelope = ServerEnvelope::decode(envelope).unwrap();
            answers += usize::from(envelope.reference_id > 0);
            match envelope.event.unwrap() {
                Event::EventError(error) => panic!("{error:?}"),
                event => sent.push((client, event)),
            }
        }
        assert_eq!(answers, asked);
        (took, sent)
    }

    /// Freezes what has changed, and takes it for written.
    pub fn commit(&mut self) -> Option<CommitBatch> {
        if !self.engine.has_changes() {
            return None;
        }
        let batch = self.engine.freeze(self.engine.next_commit());
        self.engine.durable(batch.number);
        Some(batch)
    }
}

pub fn register(client_type: ClientType) -> Request {
    Request::RequestRegisterClient(RequestRegisterClient {
        client_name: "bench".into(),
        client_type: client_type as i32,
        ..Default::default()
    })
}

pub fn log_in(agent: &str, ready_for: &[&str]) -> Request {
    let media =
        ready_for.iter().map(|&name| MediaState { media_type_name: name.into(), ready: true, reason: None });
    Request::RequestAgentLogin(RequestAgentLogin {
        agent_id: agent.into(),
        media_list: media.collect(),
        ..Default::default()
    })
}
