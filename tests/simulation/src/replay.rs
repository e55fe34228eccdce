//! What a reader of the reporting events knows: queue, state, flags and parties of every interaction, open offers, and the
//! logged-in agents with their media. Built from the events alone, it must agree with the server.

use std::collections::{BTreeMap, BTreeSet};

use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use prost::Message;

use crate::database::Database;
use crate::process::Process;

/// An interaction, as the events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    queue: String,
    is_held: bool,
    priority: i32,
    workbin: Option<WorkbinInfo>,
    /// Agents by id, strategies by name, each with its type.
    parties: BTreeSet<(i32, String)>,
    /// The newest event's properties.
    newest: InteractionProperties,
}

impl Seen {
    fn state(&self) -> InteractionState {
        let has = |kind: PartyType| self.parties.iter().any(|(party, _)| *party == kind as i32);
        if has(PartyType::Agent) {
            InteractionState::Handling
        } else if has(PartyType::Strategy) {
            InteractionState::Routing
        } else {
            InteractionState::Queued
        }
    }
}

/// An agent, as the events tell him.
#[derive(Clone, Debug, Default, PartialEq)]
struct SeenAgent {
    media: BTreeMap<String, bool>,
    do_not_disturb: bool,
}

/// The reader.
#[derive(Default)]
pub struct Replay {
    records: usize,
    newest_event: u64,
    interactions: BTreeMap<String, Seen>,
    agents: BTreeMap<String, SeenAgent>,
    /// Open offers: interaction and agent, by ticket.
    offers: BTreeMap<u64, (String, String)>,
}

fn party(info: &Option<PartyInfo>) -> (i32, String) {
    let info = info.as_ref().unwrap();
    let name = if info.party_type == PartyType::Agent as i32 { &info.agent_id } else { &info.strategy_id };
    (info.party_type, name.clone())
}

fn media(agent: &AgentInfo) -> SeenAgent {
    SeenAgent {
        media: agent.media_list.iter().map(|state| (state.media_type_name.clone(), state.ready)).collect(),
        do_not_disturb: agent.do_not_disturb,
    }
}

impl Replay {
    /// Reads what the log has got since the last time.
    pub fn read(&mut self, database: &Database) {
        for record in &database.log[self.records..] {
            let mut events = record.events.clone();
            while !events.is_empty() {
                let envelope = ServerEnvelope::decode_length_delimited(&mut events).unwrap();
                self.newest_event += 1;
                assert_eq!(envelope.event_number, self.newest_event, "event numbers have no gap");
                self.apply(envelope.event_number, envelope.event.as_ref().unwrap());
            }
            assert_eq!(record.last_event.0, self.newest_event, "a record counts its events");
        }
        self.records = database.log.len();
    }

    /// Whether an interaction is there.
    pub fn has(&self, id: &str) -> bool {
        self.interactions.contains_key(id)
    }

    /// What an agent handles.
    pub fn handled_by(&self, agent: &str) -> Vec<String> {
        let party = (PartyType::Agent as i32, agent.to_owned());
        let handled = self.interactions.iter().filter(|(_, seen)| seen.parties.contains(&party));
        handled.map(|(id, _)| id.clone()).collect()
    }

    fn interaction(&mut self, properties: &Option<InteractionProperties>) -> &mut Seen {
        let properties = properties.as_ref().unwrap();
        let id = &properties.interaction_id;
        let seen = self
            .interactions
            .get_mut(id)
            .unwrap_or_else(|| panic!("an event about {id}, which is not there"));
        seen.newest = InteractionProperties { user_data: None, ..properties.clone() };
        seen
    }

    fn agent(&mut self, info: &Option<AgentInfo>) -> (&mut SeenAgent, SeenAgent) {
        let info = info.as_ref().unwrap();
        let id = &info.agent_id;
        let seen =
            self.agents.get_mut(id).unwrap_or_else(|| panic!("an event about {id}, who is not logged in"));
        (seen, media(info))
    }

    fn close_offer(&mut self, ticket: u64) {
        assert!(self.offers.remove(&ticket).is_some(), "offer {ticket} ends and was not open");
    }

    fn apply(&mut self, number: u64, event: &Event) {
        match event {
            Event::EventInteractionSubmitted(event) => {
                let properties = event.interaction.clone().unwrap();
                let seen = Seen {
                    queue: properties.queue.clone(),
                    priority: properties.priority,
                    newest: InteractionProperties { user_data: None, ..properties.clone() },
                    ..Seen::default()
                };
                let before = self.interactions.insert(properties.interaction_id, seen);
                assert!(before.is_none(), "event {number}: submitted twice");
            }
            Event::EventPlacedInQueue(event) => {
                let seen = self.interaction(&event.interaction);
                assert_eq!(seen.queue, event.old_queue, "event {number}");
                assert!(seen.parties.is_empty(), "event {number}: placed in a queue with {:?}", seen.parties);
                assert_eq!(seen.workbin, None, "event {number}: placed in a queue from a workbin");
                seen.queue = event.interaction.as_ref().unwrap().queue.clone();
            }
            Event::EventTakenFromQueue(event) => {
                let seen = self.interaction(&event.interaction);
                assert!(
                    seen.parties.is_empty(),
                    "event {number}: taken from a queue with {:?}",
                    seen.parties
                );
            }
            Event::EventPlacedInWorkbin(event) => {
                let seen = self.interaction(&event.interaction);
                assert_eq!(seen.workbin, None, "event {number}");
                seen.workbin = event.workbin.clone();
            }
            Event::EventTakenFromWorkbin(event) => {
                let seen = self.interaction(&event.interaction);
                assert_eq!(seen.workbin, event.workbin, "event {number}");
                seen.workbin = None;
            }
            Event::EventPartyAdded(event) => {
                let party = party(&event.party);
                let id = event.interaction.as_ref().unwrap().interaction_id.clone();
                self.offers.retain(|_, offer| (&offer.0, &offer.1) != (&id, &party.1));
                let seen = self.interaction(&event.interaction);
                assert!(seen.parties.insert(party), "event {number}: a party twice");
            }
            Event::EventPartyRemoved(event) => {
                let party = party(&event.party);
                let seen = self.interaction(&event.interaction);
                assert!(seen.parties.remove(&party), "event {number}: {party:?} leaves and was not there");
            }
            Event::EventAgentInvited(event) => {
                let id = event.interaction.as_ref().unwrap().interaction_id.clone();
                self.interaction(&event.interaction);
                self.offers.insert(event.ticket_id, (id, event.party.as_ref().unwrap().agent_id.clone()));
            }
            Event::EventRejected(event) => {
                self.interaction(&event.interaction);
                self.close_offer(event.ticket_id);
            }
            Event::EventRevoked(event) => {
                self.interaction(&event.interaction);
                self.close_offer(event.ticket_id);
            }
            Event::EventHeld(event) => self.interaction(&event.interaction).is_held = true,
            Event::EventResumed(event) => self.interaction(&event.interaction).is_held = false,
            Event::EventPropertiesChanged(event) => {
                let seen = self.interaction(&event.interaction);
                seen.priority = event.interaction.as_ref().unwrap().priority;
            }
            Event::EventCustomReporting(event) => {
                if event.interaction.is_some() {
                    self.interaction(&event.interaction);
                }
            }
            Event::EventProcessingStopped(event) => {
                let seen = self.interaction(&event.interaction);
                assert!(seen.parties.is_empty(), "event {number}: stopped with {:?}", seen.parties);
                let id = &event.interaction.as_ref().unwrap().interaction_id;
                assert!(
                    self.offers.values().all(|offer| offer.0 != *id),
                    "event {number}: stopped with open offers"
                );
                self.interactions.remove(id);
            }
            Event::EventAgentLogin(event) => {
                let info = event.agent.as_ref().unwrap();
                let before = self.agents.insert(info.agent_id.clone(), media(info));
                assert_eq!(before.is_some(), event.resumed, "event {number}");
                if let Some(before) = before {
                    assert_eq!(before, media(info), "event {number}: a resumed login keeps everything");
                }
            }
            Event::EventAgentLogout(event) => {
                let (seen, info) = self.agent(&event.agent);
                assert_eq!(*seen, info, "event {number}: the media that he had");
                let id = event.agent.as_ref().unwrap().agent_id.clone();
                self.agents.remove(&id);
                let party = (PartyType::Agent as i32, id);
                assert!(
                    self.interactions.values().all(|seen| !seen.parties.contains(&party)),
                    "event {number}"
                );
            }
            Event::EventMediaAdded(event) => {
                let (seen, _) = self.agent(&event.agent);
                assert_eq!(seen.media.insert(event.media_type_name.clone(), false), None, "event {number}");
            }
            Event::EventMediaRemoved(event) => {
                let (seen, _) = self.agent(&event.agent);
                assert!(seen.media.remove(&event.media_type_name).is_some(), "event {number}");
            }
            Event::EventReadyForMedia(event) => {
                let (seen, _) = self.agent(&event.agent);
                assert!(seen.media.insert(event.media_type_name.clone(), true).is_some(), "event {number}");
            }
            Event::EventNotReadyForMedia(event) => {
                let (seen, _) = self.agent(&event.agent);
                assert!(seen.media.insert(event.media_type_name.clone(), false).is_some(), "event {number}");
            }
            Event::EventDoNotDisturbOn(event) => self.agent(&event.agent).0.do_not_disturb = true,
            Event::EventDoNotDisturbOff(event) => self.agent(&event.agent).0.do_not_disturb = false,
            Event::EventMediaStateReasonChanged(_)
            | Event::EventAgentStateReasonChanged(_)
            | Event::EventAgentAvailable(_)
            | Event::EventAgentNotAvailable(_) => {}
            other => panic!("event {number} is none that is reported: {other:?}"),
        }
    }

    /// Compares what the events tell with what the server shows, which must rest.
    pub fn agrees_with(&self, server: &mut Process, database: &Database, now: u64) {
        let mut inspect = |request| server.inspect(database, now, request);
        let page = PageRequest { page_size: 1000, ..Default::default() };
        let request = ListInteractionsRequest { page: Some(page), ..Default::default() };
        let InspectionResponse::Interactions(list) = inspect(InspectionRequest::Interactions(request)) else {
            panic!("no list of interactions");
        };
        assert_eq!(
            list.interactions.len(),
            self.interactions.len(),
            "interactions of the server, of the events"
        );
        for shown in list.interactions {
            let id = shown.interaction_id.clone();
            let seen = self.interactions.get(&id).unwrap_or_else(|| panic!("no event tells of {id}"));
            let whole = match inspect(InspectionRequest::Interaction(id.clone())) {
                InspectionResponse::Interaction(Some(whole)) => whole,
                other => panic!("{id} is listed and not there: {other:?}"),
            };
            seen.agrees_with(shown, whole.parties);
        }
        let InspectionResponse::Agents(list) = inspect(InspectionRequest::Agents(PageRequest::default()))
        else {
            panic!("no list of agents");
        };
        self.agents_agree_with(&list.agents);
    }

    fn agents_agree_with(&self, agents: &[AgentStatus]) {
        let shown = agents.iter().map(|status| {
            let info = status.agent.as_ref().unwrap();
            (info.agent_id.clone(), media(info))
        });
        assert_eq!(self.agents, shown.collect(), "agents of the events, of the server");
        for status in agents {
            let id = &status.agent.as_ref().unwrap().agent_id;
            let handled: BTreeSet<_> = status.interaction_ids.iter().cloned().collect();
            let seen: BTreeSet<_> = self.handled_by(id).into_iter().collect();
            assert_eq!(handled, seen, "what {id} handles: the server, the events");
        }
    }
}

impl Seen {
    fn agrees_with(&self, shown: InteractionProperties, parties: Vec<PartyInfo>) {
        let id = &shown.interaction_id;
        assert_eq!(self.queue, shown.queue, "{id}");
        assert_eq!(self.is_held, shown.is_held, "{id}");
        assert_eq!(self.priority, shown.priority, "{id}");
        assert_eq!(self.workbin, shown.workbin, "{id}");
        // Who reads events does not see that user data is being read for a pull.
        let state = match shown.interaction_state() {
            InteractionState::Cached => InteractionState::Queued,
            state => state,
        };
        assert_eq!(self.state(), state, "{id}");
        let reported = InteractionProperties {
            interaction_state: shown.interaction_state,
            workflow_state: shown.workflow_state.clone(),
            ..self.newest.clone()
        };
        assert_eq!(reported, shown, "every change of {id} is reported");
        let parties = parties.into_iter().map(|info| party(&Some(info))).collect();
        assert_eq!(self.parties, parties, "{id}");
    }
}
