//! Random sequences of everything that clients, clocks and restarts do. After every step the engine's bookkeeping agrees
//! with itself (the fixture asks), a reader of the reporting events knows what the server knows, and in the end every
//! request has been answered.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod fixture;
mod operations;
mod replay;

use std::collections::BTreeMap;

use fixture::*;
use ixn_engine::Input;
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use operations::{Op, Who, op};
use proptest::prelude::*;
use replay::Replay;

const AGENTS: [&str; 3] = ["alice", "bob", "carol"];
const MEDIA: [&str; 2] = ["email", "chat"];
const QUEUES: [&str; 4] = ["inbox", "archive", "done", "overflow"];

/// With views that look at the clock, and one that routes what has lain in drafts for long.
fn configuration_text() -> String {
    CONFIGURATION.replace(
        "workbins:",
        "  - {name: aged, queue: archive, condition: \"_age() > 300 and Priority > 0\", strategy: rest}\n  \
           - {name: forgotten, queue: drafts/PrivateQueue, condition: \"_time_in_queue() > 600\", strategy: rest}\n  \
           - {name: everything, queue: overflow, order: Priority desc}\nworkbins:",
    )
}

/// Carol is gone, bob has no skill any more, and each agent has one desk at a time.
fn other_configuration_text() -> String {
    let without_carol = configuration_text().replace("  - {id: carol}\n", "").replace(", carol]", "]");
    let force = "options:\n  allow-multiple-agent-connections: force-logout\n";
    without_carol
        .replace("options:\n", force)
        .replace("  - {id: bob, skills: {Billing: 1}}\n", "  - {id: bob}\n")
}

/// The server and everybody around it.
struct World {
    server: Option<Server>,
    replay: Replay,
    clients: BTreeMap<(u8, usize, usize), ClientRef>,
    ids: Vec<String>,
    /// Open offers as the agents' applications know them.
    offers: BTreeMap<String, Vec<(u64, String)>>,
    unanswered: BTreeMap<u64, ClientRef>,
    /// The last request with a key of each client name, to be repeated.
    repeatable: BTreeMap<String, (Request, String)>,
    keys: u64,
    text: String,
}

fn workbin(owner: usize) -> WorkbinInfo {
    WorkbinInfo {
        workbin_type_id: "drafts".into(),
        workbin_agent_id: AGENTS[owner].into(),
        ..WorkbinInfo::default()
    }
}

impl World {
    fn new() -> Self {
        let text = configuration_text();
        let mut server = Server::with(&text);
        // Nothing that is durable stays at hand: user data is read from the database each time.
        server.engine.keep_contents(0);
        server.loads_are_held = true;
        Self {
            server: Some(server),
            replay: Replay::default(),
            clients: BTreeMap::new(),
            ids: Vec::new(),
            offers: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            repeatable: BTreeMap::new(),
            keys: 0,
            text,
        }
    }

    fn server(&mut self) -> &mut Server {
        self.server.as_mut().unwrap()
    }

    fn slot(who: Who) -> ((u8, usize, usize), String, ClientType) {
        match who {
            Who::Desk(agent, desk) => {
                // Both desks of an agent are one program: what one asked the other may repeat.
                ((0, agent, desk), format!("desk of {}", AGENTS[agent]), ClientType::AgentApplication)
            }
            Who::Media(n) => ((1, n, 0), format!("media server {n}"), ClientType::MediaServer),
        }
    }

    fn client(&mut self, who: Who) -> ClientRef {
        let (slot, name, client_type) = Self::slot(who);
        if let Some(client) = self.clients.get(&slot) {
            return *client;
        }
        let client = self.server().connect(&name, client_type);
        self.clients.insert(slot, client);
        if let Who::Desk(agent, _) = who {
            let mut request = login(AGENTS[agent]);
            if let Request::RequestAgentLogin(request) = &mut request {
                request.media_list.push(MediaState {
                    media_type_name: "chat".into(),
                    ready: true,
                    reason: None,
                });
            }
            self.send_envelope(client, request, "");
        }
        client
    }

    fn reporting_engine(&mut self) -> ClientRef {
        if let Some(client) = self.clients.get(&(2, 0, 0)) {
            return *client;
        }
        let client = self.server().connect("stat server", ClientType::ReportingEngine);
        self.clients.insert((2, 0, 0), client);
        client
    }

    fn send(&mut self, who: Who, request: Request, key: bool) {
        let client = self.client(who);
        let mut idempotency_key = String::new();
        if key {
            self.keys += 1;
            idempotency_key = format!("key {}", self.keys);
            let (_, name, _) = Self::slot(who);
            self.repeatable.insert(name, (request.clone(), idempotency_key.clone()));
        }
        self.send_envelope(client, request, &idempotency_key);
    }

    fn send_envelope(&mut self, client: ClientRef, request: Request, key: &str) {
        let reference_id = self.server().request(client, request, key);
        self.unanswered.insert(reference_id, client);
        self.look_at_what_was_sent();
    }

    fn look_at_what_was_sent(&mut self) {
        for (client, envelope) in std::mem::take(&mut self.server().sent) {
            let more = matches!(&envelope.event, Some(Event::EventWorkbinContent(page)) if page.more);
            if envelope.reference_id != 0 && !more {
                let asked = self.unanswered.remove(&envelope.reference_id);
                assert_eq!(asked, Some(client), "an answer that nobody waits for: {envelope:?}");
            }
            match envelope.event {
                Some(Event::EventAck(ack)) if !ack.interaction_id.is_empty() => {
                    self.ids.push(ack.interaction_id)
                }
                Some(Event::EventInvite(invite)) => {
                    let slot = self.clients.iter().find(|(_, of)| **of == client).map(|(slot, _)| *slot);
                    let Some((0, agent, _)) = slot else {
                        panic!("an offer to a client that is gone: {invite:?}")
                    };
                    let offers = self.offers.entry(AGENTS[agent].into()).or_default();
                    offers.push((invite.ticket_id, invite.interaction.unwrap().interaction_id));
                }
                Some(Event::EventRevoked(revoked)) => {
                    for offers in self.offers.values_mut() {
                        offers.retain(|(ticket, _)| *ticket != revoked.ticket_id);
                    }
                }
                Some(Event::EventError(error)) => {
                    assert!(!error.error_description.is_empty());
                    assert_ne!(error.error_code(), ErrorCode::InternalError, "{error:?}");
                }
                _ => {}
            }
        }
    }

    /// One of the interactions that the agent handles, or any of the newest.
    fn id_for(&self, who: Who, nth: usize) -> String {
        if let Who::Desk(agent, _) = who {
            let handled = self.replay.handled_by(AGENTS[agent]);
            if let Some(id) = handled.get(nth / 2) {
                return id.clone();
            }
        }
        self.id(nth)
    }

    fn id(&self, nth: usize) -> String {
        let newest_first = self.ids.iter().rev().nth(nth % self.ids.len().max(1));
        newest_first.cloned().unwrap_or_else(|| "nothing".into())
    }

    fn disconnect(&mut self, slot: (u8, usize, usize)) {
        if let Some(client) = self.clients.remove(&slot) {
            self.unanswered.retain(|_, asked| *asked != client);
            self.server().step(Input::Disconnected(client.connection));
        }
    }

    fn pull(&mut self, who: Who, request: RequestPull, key: bool) {
        self.send(who, Request::RequestPull(request), key);
    }

    fn carry_out(&mut self, op: Op) {
        match op {
            Op::Submit { who, invoice, priority, hold, media, queue, workbin: owner, key } => {
                let mut request = email(if invoice { "an invoice" } else { "hello" });
                request.priority = Some(priority);
                request.hold = hold;
                request.media_type = MEDIA[media].into();
                request.queue = QUEUES[queue].into();
                request.is_online = media == 1;
                if let Some(owner) = owner {
                    request.queue = String::new();
                    request.workbin = Some(workbin(owner));
                }
                self.send(who, Request::RequestSubmit(request), key);
            }
            Op::Login { agent, desk, ready } => {
                let mut request = login(AGENTS[agent]);
                if let Request::RequestAgentLogin(request) = &mut request {
                    request.media_list[0].ready = ready;
                }
                self.send(Who::Desk(agent, desk), request, false);
            }
            Op::Logout { who } => self.send(who, Request::RequestAgentLogout(Default::default()), false),
            Op::Medium { who, media, what } => self.send(who, medium(MEDIA[media], what), false),
            Op::DoNotDisturb { who, on: true } => {
                self.send(who, Request::RequestDoNotDisturbOn(Default::default()), false);
            }
            Op::DoNotDisturb { who, on: false } => {
                self.send(who, Request::RequestDoNotDisturbOff(Default::default()), false);
            }
            Op::Answer { agent, desk, offer, accept } => {
                let offers = self.offers.get(AGENTS[agent]).cloned().unwrap_or_default();
                let Some((ticket_id, interaction_id)) = offers.into_iter().rev().nth(offer) else { return };
                if offer == 0 {
                    self.offers.entry(AGENTS[agent].into()).or_default().pop();
                }
                let request = match accept {
                    true => Request::RequestAccept(RequestAccept { ticket_id, interaction_id }),
                    false => {
                        Request::RequestReject(RequestReject { ticket_id, interaction_id, reason: None })
                    }
                };
                self.send(Who::Desk(agent, desk), request, false);
            }
            Op::Stop { who, nth } => self.send(who, stop(&self.id_for(who, nth)), false),
            Op::Leave { who, nth } => {
                let interaction_id = self.id_for(who, nth);
                let request = RequestLeaveInteraction { interaction_id, reason: None };
                self.send(who, Request::RequestLeaveInteraction(request), false);
            }
            Op::Hold { who, nth, hold } => {
                let interaction_id = self.id_for(who, nth);
                let request = match hold {
                    true => Request::RequestHold(RequestHold { interaction_id, ..Default::default() }),
                    false => Request::RequestResume(RequestResume { interaction_id, ..Default::default() }),
                };
                self.send(who, request, false);
            }
            Op::PlaceInQueue { who, nth, queue, held } => {
                let (interaction_id, queue) = (self.id_for(who, nth), QUEUES[queue].into());
                let request = RequestPlaceInQueue { interaction_id, queue, is_held: held, reason: None };
                self.send(who, Request::RequestPlaceInQueue(request), false);
            }
            Op::PlaceInWorkbin { who, nth, owner } => {
                let (interaction_id, workbin) = (self.id_for(who, nth), Some(workbin(owner)));
                let request = RequestPlaceInWorkbin { interaction_id, workbin, reason: None };
                self.send(who, Request::RequestPlaceInWorkbin(request), false);
            }
            Op::Change { who, nth, priority, invoice, online, key } => {
                let mut request = RequestChangeProperties {
                    interaction_id: self.id_for(who, nth),
                    priority,
                    ..Default::default()
                };
                request.is_online = online.filter(|_| matches!(who, Who::Media(_)));
                if let Some(invoice) = invoice {
                    let mut list = KeyValueList::new();
                    list.push_text("Subject", if invoice { "an invoice after all" } else { "no more" });
                    request.changed_properties = Some(list);
                }
                self.send(who, Request::RequestChangeProperties(request), key);
            }
            Op::PullView { who, view, most, key } => {
                let view_id = ["rest", "everything", "forgotten"][view].into();
                self.pull(
                    who,
                    RequestPull { view_id, number_of_interactions: most, ..Default::default() },
                    key,
                );
            }
            Op::PullIds { who, nth, key } => {
                let mut ids = KeyValueList::new();
                for nth in nth {
                    ids.push_text(&self.id(nth), "");
                }
                let view_id = "_system_".into();
                self.pull(
                    who,
                    RequestPull { view_id, pull_parameters: Some(ids), ..Default::default() },
                    key,
                );
            }
            Op::PullWorkbin { who, owner, most, key } => {
                let workbin = Some(workbin(owner));
                self.pull(
                    who,
                    RequestPull { workbin, number_of_interactions: most, ..Default::default() },
                    key,
                );
            }
            Op::Look { who, nth, what } => {
                let request = look(self.id_for(who, nth), what, nth % 3);
                self.send(who, request, false);
            }
            Op::Status { agent, media, remaining } => {
                let client = self.reporting_engine();
                let capacity = MediaCapacity { media_type_name: MEDIA[media].into(), remaining };
                let status = EventCurrentAgentStatus {
                    agent_id: AGENTS[agent].into(),
                    media_capacity_list: vec![capacity],
                    ..Default::default()
                };
                self.send_envelope(client, Request::EventCurrentAgentStatus(status), "");
            }
            Op::Again { who } => {
                let (_, name, _) = Self::slot(who);
                if let Some((request, key)) = self.repeatable.get(&name).cloned() {
                    let client = self.client(who);
                    self.send_envelope(client, request, &key);
                }
            }
            Op::Seconds(seconds) => self.server().wait_seconds(seconds),
            Op::ClockBack(milliseconds) => {
                let server = self.server();
                server.now = server.now.saturating_sub(milliseconds).max(START);
                server.step(Input::Tick);
            }
            Op::Disconnect { who } => self.disconnect(Self::slot(who).0),
            Op::DeliverLoads => self.server().deliver_loads(),
            Op::HoldLoads(held) => {
                self.server().loads_are_held = held;
                self.server().step(Input::Tick);
            }
            Op::Restart => {
                let server = self.server.take().unwrap();
                let mut server = server.restart(&self.text);
                server.engine.keep_contents(0);
                server.loads_are_held = true;
                self.server = Some(server);
                self.clients.clear();
                self.unanswered.clear();
            }
            Op::Reconfigure { other } => {
                self.text = if other { other_configuration_text() } else { configuration_text() };
                let text = self.text.clone();
                self.server().configure(&text);
            }
        }
    }

    fn check(&mut self) {
        self.look_at_what_was_sent();
        let mut server = self.server.take().unwrap();
        self.replay.read(&server.reported);
        self.replay.agrees_with(&mut server);
        self.server = Some(server);
    }
}

fn medium(name: &str, what: u8) -> Request {
    let media_type_name = name.to_owned();
    let reason = Some(ReasonInfo { reason_system_name: "Lunch".into(), ..Default::default() });
    match what {
        0 => Request::RequestAddMedia(RequestAddMedia { media_type_name, reason }),
        1 => Request::RequestRemoveMedia(RequestRemoveMedia { media_type_name, reason }),
        2 => Request::RequestNotReadyForMedia(RequestNotReadyForMedia { media_type_name, reason }),
        3 => {
            Request::RequestChangeMediaStateReason(RequestChangeMediaStateReason { media_type_name, reason })
        }
        _ => {
            Request::RequestCancelNotReadyForMedia(RequestCancelNotReadyForMedia { media_type_name, reason })
        }
    }
}

fn look(interaction_id: String, what: u8, owner: usize) -> Request {
    let workbin = Some(workbin(owner));
    match what {
        0 => Request::RequestGetInteractionProperties(RequestGetInteractionProperties { interaction_id }),
        1 => Request::RequestGetWorkbinContent(RequestGetWorkbinContent { workbin }),
        2 => Request::RequestWorkbinNotifications(RequestWorkbinNotifications {
            workbin,
            ..Default::default()
        }),
        3 => Request::RequestWorkbinCancelNotifications(RequestWorkbinCancelNotifications { workbin }),
        4 => Request::RequestFindInteractions(RequestFindInteractions {
            condition: "Priority > 0".into(),
            number_of_interactions: 2,
            ..Default::default()
        }),
        5 => Request::RequestCustomReporting(RequestCustomReporting {
            custom_event_id: 7,
            interaction_id,
            ..Default::default()
        }),
        _ => Request::RequestUnregisterClient(RequestUnregisterClient::default()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everything_agrees(ops in proptest::collection::vec(op(), 20..160)) {
        let mut world = World::new();
        for op in ops {
            let unregisters = match &op {
                Op::Look { who, what: 6, .. } => Some(World::slot(*who).0),
                _ => None,
            };
            world.carry_out(op);
            world.check();
            if let Some(slot) = unregisters {
                world.disconnect(slot);
                world.check();
            }
        }
        world.server().loads_are_held = false;
        world.server().deliver_loads();
        world.check();
        prop_assert!(world.unanswered.is_empty(), "never answered: {:?}", world.unanswered);
    }
}
