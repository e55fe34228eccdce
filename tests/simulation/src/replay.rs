//! What a reader of the reporting events knows: queue, state, flags, parties and user data of every interaction, open offers,
//! and the logged-in agents with their media: now, and behind every event. Built from the events alone, it must agree with
//! everything that is shown (`shown`).

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::rc::Rc;

use ixn_engine::Selection;
use ixn_engine::commit::InteractionKey;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use prost::Message;

use crate::database::Database;
use crate::offers;
use crate::seen::{History, Login, Offer, Seen, SeenAgent, media, party};
use crate::told::Told;
use crate::user_data::{UserData, entries};

/// The reader.
#[derive(Default)]
pub struct Replay {
    records: usize,
    pub newest_event: u64,
    pub interactions: BTreeMap<String, Seen>,
    pub agents: BTreeMap<String, SeenAgent>,
    /// By ticket.
    pub offers: BTreeMap<u64, Offer>,
    pub user_data: UserData,
    pub history: BTreeMap<String, History<Seen>>,
    pub history_of_agents: BTreeMap<String, History<SeenAgent>>,
    pub logins: BTreeMap<String, Vec<Login>>,
    /// The log, event by event.
    events: Vec<ServerEnvelope>,
    /// What each event tells of whom.
    told: Vec<Told>,
    /// What the event at hand is about.
    touched: Option<String>,
    touched_agent: Option<String>,
}

impl Replay {
    /// Reads what the log has got since the last time.
    pub fn read(&mut self, database: &Database) {
        for (position, record) in database.log.iter().enumerate().skip(self.records) {
            let mut events = record.events.clone();
            while !events.is_empty() {
                let envelope = ServerEnvelope::decode_length_delimited(&mut events).unwrap();
                self.newest_event += 1;
                assert_eq!(envelope.event_number, self.newest_event, "event numbers have no gap");
                if let Some(Event::EventRevoked(event)) = &envelope.event
                    && event.operation() == InteractionOperation::Deliver
                    && event.reason.as_ref().is_some_and(|reason| reason.reason_system_name == "Expired")
                    && let Some(offer) = self.offers.get(&event.ticket_id)
                {
                    offers::expires_in_time(database, offer.record, envelope.event_time_milliseconds as u64);
                }
                self.apply(position, envelope.event_number, envelope.event.as_ref().unwrap());
                self.remember(envelope.event_number, envelope.event.as_ref().unwrap());
                self.events.push(envelope);
            }
            assert_eq!(record.last_event.0, self.newest_event, "a record counts its events");
        }
        self.records = database.log.len();
    }

    /// Keeps how that is which the event was about.
    fn remember(&mut self, number: u64, event: &Event) {
        let subject = self.touched.clone().or_else(|| self.touched_agent.clone()).unwrap_or_default();
        self.told.push((discriminant(event), subject));
        if let Some(id) = self.touched.take() {
            let seen = self.interactions.get(&id).cloned();
            self.history.entry(id).or_default().push((number, seen));
        }
        if let Some(id) = self.touched_agent.take() {
            let seen = self.agents.get(&id).cloned();
            self.history_of_agents.entry(id).or_default().push((number, seen));
        }
    }

    /// Whether an event behind this one tells it.
    pub fn tells(&self, told: &Told, known: u64) -> bool {
        self.told.iter().skip(known as usize).any(|event| event == told)
    }

    /// Whether the log has this very event.
    pub fn has_event(&self, heard: &ServerEnvelope) -> bool {
        let position = heard.event_number.checked_sub(1).map(|position| position as usize);
        position.and_then(|position| self.events.get(position)).is_some_and(|event| {
            (event.event_time_milliseconds, &event.event) == (heard.event_time_milliseconds, &heard.event)
        })
    }

    /// The first event behind this one that a subscriber with this selection hears; without one, any.
    pub fn next_heard(&self, behind: u64, selection: Option<&Selection>) -> Option<u64> {
        let mut events = self.events.iter().skip(behind as usize);
        let heard = events.find(|envelope| {
            selection.zip(envelope.event.as_ref()).is_none_or(|(selection, event)| selection.concerns(event))
        });
        heard.map(|envelope| envelope.event_number)
    }

    /// The database keeps the user data of what is there.
    pub fn user_data_is_in(&self, database: &Database) {
        let there = self.interactions.iter();
        let there = there.map(|(id, seen)| (InteractionKey(seen.newest.submit_seq), id.clone()));
        self.user_data.is_in(database, there);
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
        seen.newest = Rc::new(InteractionProperties { user_data: None, ..properties.clone() });
        self.touched = Some(id.clone());
        seen
    }

    fn agent(&mut self, info: &Option<AgentInfo>) -> (&mut SeenAgent, SeenAgent) {
        let info = info.as_ref().unwrap();
        let id = &info.agent_id;
        let seen =
            self.agents.get_mut(id).unwrap_or_else(|| panic!("an event about {id}, who is not logged in"));
        self.touched_agent = Some(id.clone());
        (seen, media(info))
    }

    fn close_offer(&mut self, ticket: u64) {
        assert!(self.offers.remove(&ticket).is_some(), "offer {ticket} ends and was not open");
    }

    #[allow(clippy::too_many_lines, reason = "one arm for each event")]
    fn apply(&mut self, record: usize, number: u64, event: &Event) {
        match event {
            Event::EventInteractionSubmitted(event) => {
                let properties = event.interaction.clone().unwrap();
                let seen = Seen {
                    queue: properties.queue.clone(),
                    priority: properties.priority,
                    newest: Rc::new(InteractionProperties { user_data: None, ..properties.clone() }),
                    ..Seen::default()
                };
                let id = properties.interaction_id;
                self.user_data.begins(number, &id, properties.user_data.as_ref());
                self.touched = Some(id.clone());
                let before = self.interactions.insert(id, seen);
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
                self.offers.retain(|_, offer| (&offer.interaction_id, &offer.agent_id) != (&id, &party.1));
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
                let agent_id = event.party.as_ref().unwrap().agent_id.clone();
                self.offers.insert(event.ticket_id, Offer { interaction_id: id, agent_id, record });
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
                let lists = [&event.added_properties, &event.changed_properties, &event.deleted_properties];
                let lists = lists.map(|list| entries(list.as_ref()));
                if lists.iter().any(|list| !list.is_empty()) {
                    let id = &event.interaction.as_ref().unwrap().interaction_id;
                    self.user_data.changes(number, id, lists);
                }
            }
            Event::EventCustomReporting(event) => match (&event.interaction, &event.actor) {
                (Some(_), _) => drop(self.interaction(&event.interaction)),
                (None, Some(actor)) if !actor.actor_agent_id.is_empty() => {
                    self.touched_agent = Some(actor.actor_agent_id.clone());
                }
                _ => {}
            },
            Event::EventProcessingStopped(event) => {
                let seen = self.interaction(&event.interaction);
                assert!(seen.parties.is_empty(), "event {number}: stopped with {:?}", seen.parties);
                let id = &event.interaction.as_ref().unwrap().interaction_id;
                assert!(
                    self.offers.values().all(|offer| offer.interaction_id != *id),
                    "event {number}: stopped with open offers"
                );
                self.interactions.remove(id);
            }
            Event::EventAgentLogin(event) => {
                let info = event.agent.as_ref().unwrap();
                let before = self.agents.insert(info.agent_id.clone(), media(info));
                assert_eq!(
                    before.is_some(),
                    event.resumed,
                    "'a login tells what was' does not hold: event {number}"
                );
                if let Some(before) = before {
                    assert_eq!(before, media(info), "event {number}: a resumed login keeps everything");
                }
                let id = info.agent_id.clone();
                let handled = self.handled_by(&id).into_iter().collect();
                let login = Login { number, resumed: event.resumed, agent: media(info), handled };
                self.logins.entry(id.clone()).or_default().push(login);
                self.touched_agent = Some(id);
            }
            Event::EventAgentLogout(event) => {
                let (seen, info) = self.agent(&event.agent);
                assert_eq!(*seen, info, "event {number}: the media that he had");
                let id = event.agent.as_ref().unwrap().agent_id.clone();
                self.agents.remove(&id);
                assert!(
                    self.offers.values().all(|offer| offer.agent_id != id),
                    "event {number}: with offers"
                );
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
            Event::EventMediaStateReasonChanged(event) => drop(self.agent(&event.agent)),
            Event::EventAgentStateReasonChanged(event) => drop(self.agent(&event.agent)),
            Event::EventAgentAvailable(_) | Event::EventAgentNotAvailable(_) => {}
            other => panic!("event {number} is none that is reported: {other:?}"),
        }
    }
}
