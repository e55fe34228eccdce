//! Requests of clients: who may ask, whether it is a repeat, what comes of it. One request, one file; each answers an
//! event or refuses with a code and a sentence that says what to do.

mod accept;
mod agent_availability;
mod agent_login;
pub(crate) mod agent_logout;
mod agent_media;
mod agent_status;
mod answering;
mod change_properties;
mod clients;
mod custom_reporting;
mod do_not_disturb;
mod find_interactions;
mod get_interaction_properties;
mod hold;
pub(crate) mod jobs;
mod leave;
mod permissions;
mod place_in_queue;
mod place_in_workbin;
mod pull;
pub(crate) mod pulls;
mod register;
mod reject;
mod reporting;
mod stop_processing;
mod submit;
pub(crate) mod topics;
pub(crate) mod validation;
mod workbin_content;
mod workbin_notifications;

use std::sync::Arc;
use std::time::Duration;

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ClientType, ErrorCode, EventAck, KeyValueList};

use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::idempotency::{Fingerprint, MAX_KEY_BYTES, OTHER_RETENTION, SUBMIT_RETENTION};
use crate::names::AgentId;
use crate::sessions::{Client, ClientRef, ConnectionId};
use crate::wire::Actor;

/// What waits for user data to be read.
#[derive(Debug)]
pub(crate) enum Waiter {
    /// An invitation that goes out with it.
    Invitation { ticket: u64 },
    /// A pull that takes it along.
    Pull { pull: pulls::PullId },
    /// A request that asked for it.
    Request { caller: Caller, request: Box<Request> },
}

/// Who asks, and how the answer finds its way.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: ClientRef,
    pub(crate) name: Arc<str>,
    pub(crate) client_type: ClientType,
    pub(crate) agent: Option<AgentId>,
    /// What came beside the request.
    pub(crate) extension: KeyValueList,
    reference_id: u64,
    idempotency: Option<(Fingerprint, Duration)>,
}

impl Caller {
    /// The caller as the cause of what happens.
    pub(crate) fn actor(&self) -> Actor {
        match self.agent {
            Some(agent) => Actor::Agent(agent),
            None => Actor::Client(self.client_type, Arc::clone(&self.name)),
        }
    }

    /// As a long answer keeps him: without what came beside the request.
    fn to_be_answered(&self) -> Self {
        Self { extension: KeyValueList::new(), ..self.clone() }
    }

    /// The agent that is logged in on this client.
    pub(crate) fn logged_in(&self) -> Result<AgentId, Refusal> {
        self.agent.ok_or_else(|| {
            Refusal::new(
                ErrorCode::AgentNotLoggedIn,
                "no agent is logged in on this client; send RequestAgentLogin first",
            )
        })
    }
}

/// Why a request is refused; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) text: String,
}

impl Refusal {
    pub(crate) fn new(code: ErrorCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// What a request comes to.
pub(crate) enum Answer {
    /// This event, now.
    Now(Box<Event>),
    /// When the interaction's user data has been read, the request is carried out again.
    AfterContents(InteractionKey),
    /// It was answered on the way, because something else had to follow the answer.
    Given,
}

impl Answer {
    /// A plain EventAck.
    pub(crate) fn ack() -> Self {
        Self::now(Event::EventAck(EventAck::default()))
    }

    /// This event, now.
    pub(crate) fn now(event: Event) -> Self {
        Self::Now(Box::new(event))
    }
}

type Result<T = Answer, E = Refusal> = std::result::Result<T, E>;

impl Engine {
    pub(crate) fn request(&mut self, connection: ConnectionId, envelope: ClientEnvelope) {
        if !self.sessions.connections.contains_key(&connection) {
            return;
        }
        let client = ClientRef { connection, proxy_client_id: envelope.proxy_client_id };
        let reference_id = envelope.reference_id;
        let Some(request) = envelope.request else {
            if !self.sessions.clients.contains_key(&client) {
                return self.refuse_unregistered(client, reference_id);
            }
            let text =
                "this server does not know the request; see the protocol's documentation for what it knows";
            return self.refuse(client, reference_id, &Refusal::new(ErrorCode::UnknownRequest, text));
        };
        let extension = validation::list("extension", envelope.extension.as_ref());
        if let Request::RequestRegisterClient(register) = request {
            return self.register(client, reference_id, &register, extension);
        }
        let Some(registered) = self.sessions.clients.get(&client) else {
            return self.refuse_unregistered(client, reference_id);
        };
        let caller = extension.and_then(|extension| {
            permissions::check(registered.client_type, &request)?;
            Ok(Caller {
                client,
                name: Arc::clone(&registered.name),
                client_type: registered.client_type,
                agent: self.acting_for(registered),
                extension,
                reference_id,
                idempotency: idempotency(registered, &envelope.idempotency_key, &request)?,
            })
        });
        match caller {
            Ok(caller) => self.take_up(caller, request),
            Err(refusal) => self.refuse(client, reference_id, &refusal),
        }
    }

    /// Carries a request out; what needs user data that is not at hand is carried out again when it is. A repeat gets the
    /// first answer, also when that was given while this one waited.
    fn carry_out(&mut self, caller: Caller, request: Request) {
        if self.answered_before(&caller) {
            return;
        }
        if let Some(key) = self.named_interaction(&request).filter(|key| self.has_waiting(&caller, *key)) {
            // A client's requests about one interaction are carried out in the order in which it sent them.
            let request = Box::new(request);
            self.contents.wait(key, Waiter::Request { caller, request });
            return;
        }
        self.show_life(&caller, &request);
        match self.apply(&caller, &request) {
            Ok(Answer::Now(event)) => self.answer(&caller, *event),
            Ok(Answer::Given) => {}
            Ok(Answer::AfterContents(key)) => {
                let request = Box::new(request);
                self.contents.wait(key, Waiter::Request { caller, request });
            }
            Err(refusal) => self.refuse(caller.client, caller.reference_id, &refusal),
        }
    }

    /// Carries a request out in its turn: behind a login of its client that waits.
    fn take_up(&mut self, caller: Caller, request: Request) {
        if let Some((caller, request)) = self.behind_login(caller, request) {
            self.carry_out(caller, request);
        }
    }

    /// Who waited, if he is still there, for whom he acts now.
    fn who_waited(&self, caller: Caller) -> Option<Caller> {
        let agent = self.acting_for(self.still_registered(&caller)?);
        Some(Caller { agent, ..caller })
    }

    /// The agent for whom a client acts; none while he is being logged out.
    fn acting_for(&self, client: &Client) -> Option<AgentId> {
        client.agent.filter(|agent| self.agents.get(agent).is_none_or(|state| state.leaving.is_none()))
    }

    fn apply(&mut self, caller: &Caller, request: &Request) -> Result {
        match request {
            Request::RequestSubmit(request) => submit::apply(self, caller, request),
            Request::RequestAccept(request) => accept::apply(self, caller, request),
            Request::RequestReject(request) => reject::apply(self, caller, request),
            Request::RequestStopProcessing(request) => stop_processing::apply(self, caller, request),
            Request::RequestPlaceInQueue(request) => place_in_queue::apply(self, caller, request),
            Request::RequestPlaceInWorkbin(request) => place_in_workbin::apply(self, caller, request),
            Request::RequestPull(request) => pull::apply(self, caller, request),
            Request::RequestChangeProperties(request) => change_properties::apply(self, caller, request),
            Request::RequestFindInteractions(request) => find_interactions::apply(self, caller, request),
            Request::RequestGetWorkbinContent(request) => workbin_content::get(self, caller, request),
            Request::RequestGetWorkbinTypesInfo(request) => workbin_content::types_info(self, request),
            Request::RequestWorkbinNotifications(request) => {
                workbin_notifications::subscribe(self, caller, request)
            }
            Request::RequestWorkbinCancelNotifications(request) => {
                workbin_notifications::cancel(self, caller, request)
            }
            Request::RequestCustomReporting(request) => custom_reporting::apply(self, caller, request),
            Request::RequestSubscribe(request) => topics::subscribe(self, caller, request),
            Request::RequestUnsubscribe(request) => topics::unsubscribe(self, caller, request),
            Request::RequestPublish(request) => topics::publish(self, caller, request),
            Request::EventCurrentAgentStatus(status) => agent_status::apply(self, status),
            Request::RequestAgentAvailable(request) => agent_availability::available(self, caller, request),
            Request::RequestAgentNotAvailable(request) => {
                agent_availability::not_available(self, caller, request)
            }
            Request::RequestLeaveInteraction(request) => leave::apply(self, caller, request),
            Request::RequestHold(request) => hold::hold(self, caller, request),
            Request::RequestResume(request) => hold::resume(self, caller, request),
            Request::RequestGetInteractionProperties(request) => {
                get_interaction_properties::apply(self, caller, request)
            }
            Request::RequestUnregisterClient(_) => register::unregister(self, caller),
            Request::RequestAgentLogin(request) => agent_login::apply(self, caller, request),
            Request::RequestAgentLogout(request) => agent_logout::apply(self, caller, request),
            Request::RequestAddMedia(request) => agent_media::add(self, caller, request),
            Request::RequestRemoveMedia(request) => agent_media::remove(self, caller, request),
            Request::RequestCancelNotReadyForMedia(request) => agent_media::ready(self, caller, request),
            Request::RequestNotReadyForMedia(request) => agent_media::not_ready(self, caller, request),
            Request::RequestChangeMediaStateReason(request) => {
                agent_media::change_reason(self, caller, request)
            }
            Request::RequestChangeAgentStateReason(request) => {
                do_not_disturb::change_reason(self, caller, request)
            }
            Request::RequestDoNotDisturbOn(request) => {
                do_not_disturb::switch(self, caller, true, request.reason.clone())
            }
            Request::RequestDoNotDisturbOff(request) => {
                do_not_disturb::switch(self, caller, false, request.reason.clone())
            }
            Request::RequestStartPlaceAgentStateReportingAll(request) => {
                reporting::start_all(self, caller, request)
            }
            Request::RequestStopPlaceAgentStateReportingAll(request) => {
                reporting::stop_all(self, caller, request)
            }
            Request::RequestStartPlaceAgentStateReporting(request) => {
                reporting::start_selected(self, caller, request)
            }
            Request::RequestStopPlaceAgentStateReporting(request) => {
                reporting::stop_selected(self, caller, request)
            }
            _ => Err(Refusal::new(
                ErrorCode::NotImplemented,
                "this server does not implement the request yet; docs/protocol.md lists what it implements",
            )),
        }
    }

    /// An agent's application that asks about an interaction that he handles is alive: his time begins anew.
    fn show_life(&mut self, caller: &Caller, request: &Request) {
        let Some(agent) = caller.agent else { return };
        let Some(key) = self.named_interaction(request) else { return };
        if self.interactions.get(key).is_some_and(|row| row.is_handled_by(agent)) {
            self.restart_handling_timer(key, agent);
        }
    }

    /// Whether a request of the same client about this interaction waits for user data.
    fn has_waiting(&self, caller: &Caller, key: InteractionKey) -> bool {
        self.contents.waiting_for(key).iter().any(
            |waiter| matches!(waiter, Waiter::Request { caller: other, .. } if other.client == caller.client),
        )
    }

    /// The interaction that a request names, if there is such a one.
    fn named_interaction(&self, request: &Request) -> Option<InteractionKey> {
        let id = match request {
            Request::RequestAccept(request) => &request.interaction_id,
            Request::RequestReject(request) => &request.interaction_id,
            Request::RequestStopProcessing(request) => &request.interaction_id,
            Request::RequestPlaceInQueue(request) => &request.interaction_id,
            Request::RequestPlaceInWorkbin(request) => &request.interaction_id,
            Request::RequestLeaveInteraction(request) => &request.interaction_id,
            Request::RequestGetInteractionProperties(request) => &request.interaction_id,
            Request::RequestChangeProperties(request) => &request.interaction_id,
            Request::RequestHold(request) => &request.interaction_id,
            Request::RequestResume(request) => &request.interaction_id,
            Request::RequestCustomReporting(request) => &request.interaction_id,
            Request::RequestTransfer(request) => &request.interaction_id,
            Request::RequestConference(request) => &request.interaction_id,
            Request::RequestIntrude(request) => &request.interaction_id,
            _ => return None,
        };
        self.interactions.find(&self.vocabulary, id)
    }

    /// The caller's client, unless it is gone, with its connection or without, or another one has registered in its place.
    fn still_registered(&self, caller: &Caller) -> Option<&Client> {
        let is_connected = self.sessions.connections.contains_key(&caller.client.connection);
        let registered = self.sessions.clients.get(&caller.client).filter(|_| is_connected);
        registered.filter(|client| Arc::ptr_eq(&client.name, &caller.name))
    }

    /// User data has been read for whoever waits for it.
    pub(crate) fn contents_arrived(&mut self, key: InteractionKey, waiter: Waiter) {
        match waiter {
            Waiter::Invitation { ticket } => {
                if let Some(user_data) = self.contents.get(key) {
                    let user_data = user_data.ok().cloned();
                    self.send_invitation(key, ticket, user_data);
                }
            }
            Waiter::Pull { pull } => self.pulled_contents_arrived(key, pull),
            Waiter::Request { caller, request } => {
                // The client may have gone, or its agent, while the database was asked.
                if let Some(caller) = self.who_waited(caller) {
                    self.carry_out(caller, *request);
                }
            }
        }
    }
}

/// What protects a changing request against being carried out twice.
fn idempotency(registered: &Client, key: &str, request: &Request) -> Result<Option<(Fingerprint, Duration)>> {
    if key.is_empty() || !permissions::is_mutating(request) {
        return Ok(None);
    }
    if key.len() > MAX_KEY_BYTES {
        let text = format!("an idempotency key has at most {MAX_KEY_BYTES} bytes; send a shorter one");
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    let retention = match request {
        Request::RequestSubmit(_) => SUBMIT_RETENTION,
        _ => OTHER_RETENTION,
    };
    Ok(Some((answering::fingerprint(&registered.principal.name, key, request), retention)))
}
