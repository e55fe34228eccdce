//! A server, a media server, a reporting engine that writes everything down, and agents.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures::FutureExt as _;
use ixn_client::{Client, ClientEvent, ClientType, Events, Reporting, ReportingItem, ReportingOptions};
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ActorInfo, ActorType, EventInvite, InteractionOperation, InteractionProperties, PartyInfo, PartyType,
    ReasonInfo, RequestCustomReporting, RequestGetWorkbinTypesInfo, WorkbinInfo,
};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use tokio::time::timeout;

/// Where scenes are played. Each scene's events become a part of the page.
pub struct Stage {
    pub media: Client,
    pub parts: Vec<(String, String)>,
    server: IxnServer,
    reporting: Reporting,
    seen: Vec<Event>,
    marks: i32,
    names: BTreeMap<String, String>,
}

/// An agent's application.
pub struct Agent {
    pub client: Client,
    name: String,
    events: Events,
    heard: Vec<Event>,
}

impl Stage {
    pub async fn open(configuration: &str) -> Self {
        let server = IxnServer::command().configuration(configuration).start().await;
        let media = server.client("mail-gateway", ClientType::MediaServer).await;
        let reporting = server.client("statistics", ClientType::ReportingEngine).await;
        let reporting =
            reporting.reporting(ReportingOptions { workbins: true, ..Default::default() }).await.unwrap();
        let (parts, seen, names) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { media, parts, server, reporting, seen, marks: 0, names }
    }

    pub async fn connect(&self, agent: &str) -> Agent {
        let name = format!("desktop of {agent}");
        let client = self.server.client(&name, ClientType::AgentApplication).await;
        Agent { events: client.events(), client, name: agent.to_owned(), heard: Vec::new() }
    }

    /// Tells interactions apart in the scenes that follow.
    pub fn name(&mut self, names: &[(&str, &str)]) {
        self.names = names.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    }

    pub async fn kill_and_start_again(&mut self) {
        self.server.kill_and_start_again().await;
    }

    /// Writes down everything since the last scene, and what these agents heard.
    pub async fn scene(&mut self, part: &str, agents: &mut [&mut Agent]) {
        let reported = self.take().await;
        let mut heard = Vec::new();
        for agent in agents {
            heard.push((agent.name.clone(), agent.take().await));
        }
        self.write(part, &reported, &heard);
    }

    fn write(&mut self, part: &str, reported: &[Event], heard: &[(String, Vec<Event>)]) {
        let mut text = String::from("```text\n");
        for event in reported {
            writeln!(text, "{}", format!("{:<28} {}", event_name(event), self.facts(event)).trim_end())
                .unwrap();
        }
        for (agent, events) in heard {
            for event in events {
                writeln!(text, "to {agent}: {} ({})", event_name(event), self.facts(event)).unwrap();
            }
        }
        text.push_str("```\n");
        self.parts.push((part.to_owned(), text));
    }

    /// Passes over what has happened.
    pub async fn skip(&mut self, agents: &mut [&mut Agent]) {
        self.take().await;
        for agent in agents {
            agent.take().await;
        }
    }

    /// As [`Stage::scene`], for what happens by itself: up to this reporting event, and to this event of an agent.
    pub async fn scene_until(&mut self, part: &str, last: &str, agent: Option<(&mut Agent, &str)>) {
        while self.seen.last().is_none_or(|event| event_name(event) != last) {
            let event = self.next().await;
            self.seen.push(event);
        }
        let reported = std::mem::take(&mut self.seen);
        let heard = match agent {
            Some((agent, last)) => {
                agent.wait_for(last).await;
                vec![(agent.name.clone(), std::mem::take(&mut agent.heard))]
            }
            None => Vec::new(),
        };
        self.write(part, &reported, &heard);
    }

    /// Everything reported so far: up to a mark of our own.
    async fn take(&mut self) -> Vec<Event> {
        self.marks += 1;
        let mark =
            RequestCustomReporting { custom_event_id: self.marks, ..RequestCustomReporting::default() };
        self.media.custom_reporting(mark).await.unwrap();
        loop {
            match self.next().await {
                Event::EventCustomReporting(event) if event.custom_event_id == self.marks => break,
                event => self.seen.push(event),
            }
        }
        std::mem::take(&mut self.seen)
    }

    async fn next(&mut self) -> Event {
        loop {
            let item = timeout(LIMIT, self.reporting.next());
            let item =
                item.await.unwrap_or_else(|_| panic!("nothing more is reported after {:?}", self.seen));
            if let ReportingItem::Event { event, .. } = item.unwrap().unwrap() {
                return event;
            }
        }
    }

    /// What the page shows of an event behind its name.
    fn facts(&self, event: &Event) -> String {
        let facts = Facts::of(event);
        let mut words: Vec<String> = Vec::new();
        let name = facts.interaction.and_then(|interaction| self.names.get(&interaction.interaction_id));
        words.extend(name.cloned());
        words.extend(facts.who);
        words.extend(facts.other);
        if let Ok(operation) = InteractionOperation::try_from(facts.operation)
            && operation != InteractionOperation::Unspecified
        {
            words.push(operation.as_str_name().trim_start_matches("INTERACTION_OPERATION_").to_owned());
        }
        words.extend(facts.actor.and_then(actor));
        words.extend(facts.reason.map(|reason| format!("reason {}", reason.reason_system_name)));
        words.join(", ")
    }
}

impl Agent {
    /// The next offer.
    pub async fn invitation(&mut self) -> EventInvite {
        match self.wait_for("EventInvite").await {
            Event::EventInvite(invite) => invite,
            other => panic!("{other:?}"),
        }
    }

    /// The next event of this name.
    async fn wait_for(&mut self, name: &str) -> Event {
        loop {
            let event = timeout(LIMIT, self.events.next()).await;
            match event.unwrap_or_else(|_| panic!("{} hears no {name}, only {:?}", self.name, self.heard)) {
                Some(ClientEvent::Event(envelope)) => {
                    let event = envelope.event.unwrap();
                    self.heard.push(event.clone());
                    if event_name(&event) == name {
                        return event;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// What came before the answer to a request that changes nothing.
    async fn take(&mut self) -> Vec<Event> {
        self.client.get_workbin_types_info(RequestGetWorkbinTypesInfo::default()).await.unwrap();
        while let Some(Some(ClientEvent::Event(envelope))) = self.events.next().now_or_never() {
            self.heard.extend(envelope.event);
        }
        std::mem::take(&mut self.heard)
    }
}

/// What the page shows of an event.
#[derive(Default)]
struct Facts<'a> {
    interaction: Option<&'a InteractionProperties>,
    who: Option<String>,
    other: Option<String>,
    operation: i32,
    actor: Option<&'a ActorInfo>,
    reason: Option<&'a ReasonInfo>,
}

impl<'a> Facts<'a> {
    fn of(event: &'a Event) -> Self {
        macro_rules! facts {
            ($event:ident) => {
                Facts {
                    interaction: $event.interaction.as_ref(),
                    actor: $event.actor.as_ref(),
                    reason: $event.reason.as_ref(),
                    ..Facts::default()
                }
            };
            ($event:ident, party) => {
                Facts { who: $event.party.as_ref().map(party), operation: $event.operation, ..facts!($event) }
            };
            ($event:ident, agent) => {
                Facts {
                    who: $event.agent.as_ref().map(|agent| format!("agent {}", agent.agent_id)),
                    actor: $event.actor.as_ref(),
                    reason: $event.reason.as_ref(),
                    ..Facts::default()
                }
            };
            ($event:ident, medium) => {
                Facts { other: Some($event.media_type_name.clone()), ..facts!($event, agent) }
            };
        }
        match event {
            Event::EventInteractionSubmitted(event) => Facts {
                other: event.interaction.as_ref().map(|i| format!("queue {}", i.queue)),
                ..facts!(event)
            },
            Event::EventHeld(event) => facts!(event),
            Event::EventResumed(event) => facts!(event),
            Event::EventPropertiesChanged(event) => facts!(event),
            Event::EventProcessingStopped(event) => facts!(event),
            Event::EventPartyAdded(event) => facts!(event, party),
            Event::EventPartyRemoved(event) => facts!(event, party),
            Event::EventAgentInvited(event) => facts!(event, party),
            Event::EventRejected(event) => facts!(event, party),
            Event::EventRevoked(event) => facts!(event, party),
            Event::EventTakenFromQueue(event) => {
                Facts { other: Some(format!("view {}", or_none(&event.view_id))), ..facts!(event, party) }
            }
            Event::EventPlacedInQueue(event) => {
                let queue = event.interaction.as_ref().map_or("", |interaction| &interaction.queue);
                let moved = format!("queue {} -> {queue}", or_none(&event.old_queue));
                Facts { other: Some(moved), operation: event.operation, ..facts!(event) }
            }
            Event::EventPlacedInWorkbin(event) => Facts {
                other: event.workbin.as_ref().map(workbin),
                operation: event.operation,
                ..facts!(event)
            },
            Event::EventTakenFromWorkbin(event) => {
                Facts { other: event.workbin.as_ref().map(workbin), ..facts!(event, party) }
            }
            Event::EventInvite(event) => Facts { operation: event.operation, ..facts!(event) },
            Event::EventAgentLogin(event) => {
                let resumed = event.resumed.then(|| "resumed".to_owned());
                Facts { other: resumed, ..facts!(event, agent) }
            }
            Event::EventAgentLogout(event) => facts!(event, agent),
            Event::EventDoNotDisturbOn(event) => facts!(event, agent),
            Event::EventDoNotDisturbOff(event) => facts!(event, agent),
            Event::EventAgentStateReasonChanged(event) => facts!(event, agent),
            Event::EventMediaAdded(event) => facts!(event, medium),
            Event::EventMediaRemoved(event) => facts!(event, medium),
            Event::EventReadyForMedia(event) => facts!(event, medium),
            Event::EventNotReadyForMedia(event) => facts!(event, medium),
            Event::EventForcedAgentStateChange(event) => Facts {
                other: Some(event.media_type_name.clone()),
                actor: event.actor.as_ref(),
                reason: event.reason.as_ref(),
                ..Facts::default()
            },
            _ => Facts::default(),
        }
    }
}

fn event_name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split('(').next().unwrap_or_default().to_owned()
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

fn party(party: &PartyInfo) -> String {
    match party.party_type() {
        PartyType::Strategy => format!("strategy {}", party.strategy_id),
        _ => format!("agent {}", party.agent_id),
    }
}

fn workbin(workbin: &WorkbinInfo) -> String {
    format!("workbin {} of {}", workbin.workbin_type_id, workbin.workbin_agent_id)
}

fn actor(actor: &ActorInfo) -> Option<String> {
    let who = match actor.actor_type() {
        ActorType::Strategy => format!("strategy {}", actor.actor_strategy_id),
        ActorType::Agent => format!("agent {}", actor.actor_agent_id),
        ActorType::MediaServer => format!("client {}", actor.actor_client_name),
        ActorType::Server => "the server".to_owned(),
        _ => return None,
    };
    Some(format!("by {who}"))
}
