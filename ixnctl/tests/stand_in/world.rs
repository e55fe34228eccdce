//! The stand-in's state, and what requests do to it.

use std::collections::{BTreeMap, HashMap, HashSet};

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentLoginInfo, ClientEnvelope, ClientType, ErrorCode, EventAck, EventError, EventInvite,
    EventProcessingStopped, EventPulledInteractions, EventReportingGap, EventReportingStateEnd,
    EventWorkbinContent, EventWorkbinTypesInfo, HeldInteraction, InteractionProperties, InteractionState,
    PulledInteraction, RequestSubmit, ServerEnvelope, ServerMessage, WorkbinInfo, WorkbinOwnerType,
    WorkbinTypeInfo,
};
use prost::Message as _;
use tokio::sync::mpsc::WeakSender;
use tonic::Status;

type Sender = WeakSender<Result<ServerMessage, Status>>;

/// Whom an envelope comes from: the connection and its logical client.
type Session = (u64, u32);

/// A client's name and its idempotency key.
type Key = (String, String);

type Answer = Result<EventAck, EventError>;

#[derive(Default)]
pub struct World {
    pub interactions: BTreeMap<String, InteractionProperties>,
    /// How many offers were accepted and how many interactions were stopped: what really happened.
    pub accepted: u64,
    pub stopped: u64,
    /// After so many accepts the connection is lost, once, before the answer.
    pub lose_connection_after_accepts: Option<u64>,
    /// So many requests are refused because the database is away; then it is back.
    pub refusals_without_database: u64,
    /// So many accepts are refused; then they are not.
    pub refused_accepts: u64,
    /// So many stops are carried out and not answered: the connection is lost, as it is when a server is killed.
    pub lost_answers_to_stops: u64,
    /// So many requests that are repeated after that find the database away.
    pub refusals_after_loss: u64,
    /// A media type that the configuration does not have.
    pub unknown_media_type: Option<String>,
    /// So many accepts stay without an answer.
    pub unanswered_accepts: u64,
    /// So many submits are acknowledged and forgotten.
    pub lost_submits: u64,
    /// After so many stops the server goes for good: connections are lost, registrations are refused.
    pub goes_after_stops: Option<u64>,
    /// It has gone.
    pub has_gone: bool,
    /// What is looked up stays without an answer.
    pub looks_up_nothing: bool,
    /// Requests that were refused because their agent was not logged in.
    pub not_logged_in: u64,
    /// Who registered as an agent application: its requests need a login.
    agent_applications: HashSet<Session>,
    /// The reporting events that are held, the oldest first.
    reported: Vec<ServerEnvelope>,
    last_number: u64,
    connections: HashMap<u64, Sender>,
    /// The names of the clients: keys belong to them.
    names: HashMap<Session, String>,
    keys: HashMap<Key, (Vec<u8>, Answer)>,
    agents: HashMap<Session, String>,
    /// Ticket → interaction and agent.
    offers: HashMap<u64, (String, String)>,
    watchers: Vec<Session>,
}

impl World {
    pub fn connected(&mut self, sender: Sender) -> u64 {
        self.last_number += 1;
        self.connections.insert(self.last_number, sender);
        self.last_number
    }

    pub fn disconnected(&mut self, connection: u64) {
        self.connections.remove(&connection);
        self.agents.retain(|session, _| session.0 != connection);
        self.watchers.retain(|session| session.0 != connection);
        let agents: Vec<&String> = self.agents.values().collect();
        self.offers.retain(|_, (_, agent)| agents.contains(&&*agent));
    }

    /// Handles one request; false = the connection is to be lost.
    pub fn handle(&mut self, connection: u64, envelope: ClientEnvelope) -> bool {
        let session = (connection, envelope.proxy_client_id);
        let Some(request) = envelope.request else { return true };
        self.has_gone |= self.goes_after_stops.is_some_and(|stops| self.stopped >= stops);
        if self.has_gone && !matches!(request, Request::RequestRegisterClient(_)) {
            return false;
        }
        if self.unanswered_accepts > 0 && matches!(request, Request::RequestAccept(_)) {
            self.unanswered_accepts -= 1;
            return true;
        }
        if let Some(event) = self.looked_up(session, &request) {
            let answer = ServerEnvelope { reference_id: envelope.reference_id, ..Default::default() };
            self.send(session, ServerEnvelope { event: Some(event), ..answer });
            return true;
        }
        let body = ClientEnvelope { request: Some(request.clone()), ..Default::default() }.encode_to_vec();
        let has_key = !envelope.idempotency_key.is_empty();
        let name = self.names.get(&session).cloned().unwrap_or_default();
        let key = (name, envelope.idempotency_key);
        let stopped_before = self.stopped;
        let is_change = matches!(request, Request::RequestStopProcessing(_) | Request::RequestAccept(_));
        let database_is_away = self.lost_answers_to_stops == 0 && self.refusals_after_loss > 0 && is_change;
        let (answer, repeated) = match self.keys.get(&key) {
            _ if database_is_away => {
                self.refusals_after_loss -= 1;
                (refusal(ErrorCode::DatabaseUnavailable), false)
            }
            Some((first, _)) if *first != body => (refusal(ErrorCode::IdempotencyKeyReused), false),
            Some((_, answer)) => (answer.clone(), true),
            None if is_change
                && self.agent_applications.contains(&session)
                && !self.agents.contains_key(&session) =>
            {
                self.not_logged_in += 1;
                (refusal(ErrorCode::AgentNotLoggedIn), false)
            }
            None => {
                let answer = self.carry_out(session, request);
                // Refusals are not kept: nothing was done.
                if has_key && answer.is_ok() {
                    self.keys.insert(key, (body, answer.clone()));
                }
                (answer, false)
            }
        };
        if self.lose_connection_after_accepts == Some(self.accepted) {
            self.lose_connection_after_accepts = None;
            return false;
        }
        if self.lost_answers_to_stops > 0 && self.stopped > stopped_before {
            self.lost_answers_to_stops -= 1;
            return false;
        }
        let event = match answer {
            Ok(ack) => Event::EventAck(ack),
            Err(error) => Event::EventError(error),
        };
        let envelope = ServerEnvelope { reference_id: envelope.reference_id, repeated, ..Default::default() };
        self.send(session, ServerEnvelope { event: Some(event), ..envelope });
        self.offer_all();
        true
    }

    fn carry_out(&mut self, session: Session, request: Request) -> Answer {
        match request {
            Request::RequestRegisterClient(_) if self.has_gone => refusal(ErrorCode::NotPermitted),
            Request::RequestRegisterClient(register) => {
                self.names.insert(session, register.client_name.clone());
                if register.client_type() == ClientType::AgentApplication {
                    self.agent_applications.insert(session);
                }
                Ok(EventAck::default())
            }
            Request::RequestSubmit(_) | Request::RequestStartPlaceAgentStateReportingAll(_)
                if self.refusals_without_database > 0 =>
            {
                self.refusals_without_database -= 1;
                refusal(ErrorCode::DatabaseUnavailable)
            }
            Request::RequestSubmit(submit) => self.submit(submit),
            Request::RequestPlaceInWorkbin(place) => {
                let Some(interaction) = self.interactions.get_mut(&place.interaction_id) else {
                    return refusal(ErrorCode::UnknownInteraction);
                };
                interaction.queue = "drafts/PrivateQueue".to_owned();
                interaction.workbin = place.workbin;
                interaction.assigned_to.clear();
                Ok(EventAck::default())
            }
            Request::RequestStopProcessing(stop) => {
                let Some(interaction) = self.interactions.remove(&stop.interaction_id) else {
                    return refusal(ErrorCode::UnknownInteraction);
                };
                self.stopped += 1;
                let event = EventProcessingStopped {
                    interaction: Some(interaction),
                    actor: None,
                    reason: stop.reason,
                };
                self.report(Event::EventProcessingStopped(event));
                Ok(EventAck::default())
            }
            Request::RequestPlaceInQueue(place) => {
                let Some(interaction) = self.interactions.get_mut(&place.interaction_id) else {
                    return refusal(ErrorCode::UnknownInteraction);
                };
                interaction.queue = place.queue;
                interaction.assigned_to.clear();
                interaction.set_interaction_state(InteractionState::Queued);
                Ok(EventAck::default())
            }
            Request::RequestAgentLogin(login)
                if !["alice", "bob", "carol", "dave", "load1"].contains(&login.agent_id.as_str()) =>
            {
                refusal(ErrorCode::UnknownAgent)
            }
            Request::RequestAgentLogin(login)
                if self.unknown_media_type.is_some()
                    && login
                        .media_list
                        .iter()
                        .any(|media| Some(&media.media_type_name) == self.unknown_media_type.as_ref()) =>
            {
                refusal(ErrorCode::UnknownMediaType)
            }
            Request::RequestAgentLogin(login) => {
                let mine = |interaction: &&InteractionProperties| interaction.assigned_to == login.agent_id;
                let held = |interaction: &InteractionProperties| HeldInteraction {
                    interaction: Some(interaction.clone()),
                    parties: Vec::new(),
                };
                let interactions = self.interactions.values().filter(mine).map(held).collect();
                self.agents.insert(session, login.agent_id.clone());
                let info = AgentLoginInfo { agent_id: login.agent_id, interactions, ..Default::default() };
                Ok(EventAck { agent_login: Some(info), ..Default::default() })
            }
            Request::RequestAgentLogout(_) => {
                self.agents.remove(&session);
                Ok(EventAck::default())
            }
            Request::RequestAccept(accept) if self.refused_accepts > 0 => {
                self.refused_accepts -= 1;
                self.offers.remove(&accept.ticket_id);
                refusal(ErrorCode::UnknownTicket)
            }
            Request::RequestAccept(accept) => {
                let Some((id, agent)) = self.offers.remove(&accept.ticket_id) else {
                    return refusal(ErrorCode::UnknownTicket);
                };
                let interaction = self.interactions.get_mut(&id).unwrap();
                interaction.assigned_to = agent;
                interaction.set_interaction_state(InteractionState::Handling);
                self.accepted += 1;
                Ok(EventAck::default())
            }
            Request::RequestStartPlaceAgentStateReportingAll(start) => {
                self.start_reporting(session, start.resume_after_event);
                Ok(EventAck::default())
            }
            _ => Ok(EventAck::default()),
        }
    }

    /// The events after a number, or the full state, which is empty.
    fn start_reporting(&mut self, session: Session, after: Option<u64>) {
        self.watchers.push(session);
        let oldest_held = self.reported.first().map_or(self.last_number + 1, |event| event.event_number);
        if let Some(after) = after {
            if after + 1 >= oldest_held {
                let later = self.reported.iter().filter(|event| event.event_number > after);
                return later.for_each(|event| self.send(session, event.clone()));
            }
            let gap = Event::EventReportingGap(EventReportingGap { asked: after, oldest_held });
            self.send(session, ServerEnvelope { event: Some(gap), ..Default::default() });
        }
        let end = Event::EventReportingStateEnd(EventReportingStateEnd { event_number: self.last_number });
        self.send(session, ServerEnvelope { event: Some(end), ..Default::default() });
    }

    /// The answer to a request that changes nothing but who has an interaction.
    fn looked_up(&mut self, session: Session, request: &Request) -> Option<Event> {
        let in_workbin = |interaction: &InteractionProperties, workbin: &Option<WorkbinInfo>| {
            workbin.is_some() && interaction.workbin == *workbin
        };
        Some(match request {
            Request::RequestGetWorkbinTypesInfo(_) => {
                let drafts = WorkbinTypeInfo {
                    workbin_type_id: "drafts".to_owned(),
                    workbin_type: WorkbinOwnerType::Agent as i32,
                    ..Default::default()
                };
                Event::EventWorkbinTypesInfo(EventWorkbinTypesInfo { workbin_types: vec![drafts] })
            }
            Request::RequestGetWorkbinContent(get) => {
                let content = self.interactions.values().filter(|row| in_workbin(row, &get.workbin));
                Event::EventWorkbinContent(EventWorkbinContent {
                    interactions: content.cloned().collect(),
                    ..Default::default()
                })
            }
            // Views have nothing.
            Request::RequestPull(pull) => {
                let found = self.interactions.values_mut().find(|row| in_workbin(row, &pull.workbin));
                let interactions = found.map(|interaction| {
                    interaction.workbin = None;
                    interaction.assigned_to = self.agents.get(&session).cloned().unwrap_or_default();
                    PulledInteraction { interaction: Some(interaction.clone()), session: None }
                });
                let interactions = interactions.into_iter().collect();
                Event::EventPulledInteractions(EventPulledInteractions { interactions, ..Default::default() })
            }
            _ => return None,
        })
    }

    fn submit(&mut self, submit: RequestSubmit) -> Answer {
        if !["inbox", "overflow", "load"].contains(&submit.queue.as_str()) {
            return refusal(ErrorCode::UnknownQueue);
        }
        self.last_number += 1;
        let interaction_id = format!("{:016}", self.last_number);
        if self.lost_submits > 0 {
            self.lost_submits -= 1;
            return Ok(EventAck { interaction_id, ..Default::default() });
        }
        let interaction = InteractionProperties {
            interaction_id: interaction_id.clone(),
            queue: submit.queue,
            media_type: submit.media_type,
            external_id: submit.external_id,
            received_at: submit.received_at,
            user_data: submit.user_data,
            ..Default::default()
        };
        self.interactions.insert(interaction_id.clone(), interaction);
        Ok(EventAck { interaction_id, ..Default::default() })
    }

    /// Offers what waits in the inbox, or in the queue of the load, to agents who have nothing.
    fn offer_all(&mut self) {
        let sessions: Vec<(Session, String)> =
            self.agents.iter().map(|(session, agent)| (*session, agent.clone())).collect();
        for (session, agent) in sessions {
            let busy = self.interactions.values().any(|interaction| interaction.assigned_to == agent)
                || self.offers.values().any(|(_, offered_to)| *offered_to == agent);
            let waiting = self.interactions.values().find(|interaction| {
                let offered = self.offers.values().any(|(id, _)| *id == interaction.interaction_id);
                let is_routed = ["inbox", "load"].contains(&interaction.queue.as_str());
                is_routed && interaction.assigned_to.is_empty() && !offered
            });
            let Some(interaction) = waiting.filter(|_| !busy).cloned() else { continue };
            self.last_number += 1;
            let ticket_id = self.last_number;
            self.offers.insert(ticket_id, (interaction.interaction_id.clone(), agent));
            let invite = EventInvite { ticket_id, interaction: Some(interaction), ..Default::default() };
            self.send(
                session,
                ServerEnvelope { event: Some(Event::EventInvite(invite)), ..Default::default() },
            );
        }
    }

    /// Tells those who watch, as long as all have room. False: they have not, or nobody watches.
    pub fn report_when_there_is_room(&mut self, event: Event) -> bool {
        let room = |(connection, _): &Session| {
            self.connections.get(connection).and_then(Sender::upgrade).is_some_and(|to| to.capacity() > 0)
        };
        let has_room = !self.watchers.is_empty() && self.watchers.iter().all(room);
        if has_room {
            self.report(event);
        }
        has_room
    }

    /// The number of the newest reporting event; 0 = there was none.
    pub fn last_event_number(&self) -> u64 {
        self.reported.last().map_or(0, |event| event.event_number)
    }

    fn report(&mut self, event: Event) {
        self.last_number += 1;
        let envelope =
            ServerEnvelope { event_number: self.last_number, event: Some(event), ..Default::default() };
        self.reported.push(envelope.clone());
        for session in self.watchers.clone() {
            self.send(session, envelope.clone());
        }
    }

    fn send(&self, (connection, proxy_client_id): Session, envelope: ServerEnvelope) {
        let sender = self.connections.get(&connection).and_then(Sender::upgrade);
        if let Some(sender) = sender {
            let envelope = ServerEnvelope { proxy_client_id, ..envelope };
            sender.try_send(Ok(super::message(envelope))).expect("the reader keeps up");
        }
    }
}

fn refusal(code: ErrorCode) -> Answer {
    let error_description = "the stand-in refuses it".to_owned();
    Err(EventError { error_code: code as i32, error_description })
}
