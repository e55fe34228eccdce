//! RequestAgentAvailable and RequestAgentNotAvailable: an agent who is logged in at another server of the tenant may be
//! reached here too (the vendor's public page DisconnectionandFailover). Only reporting hears of it; nothing is kept
//! beyond the client that says so.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ActorInfo, AgentInfo, ErrorCode, EventAgentAvailable, EventAgentNotAvailable, ReasonInfo,
    RequestAgentAvailable, RequestAgentNotAvailable,
};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;
use crate::sessions::{AvailableAgent, Client};
use crate::wire::{Actor, server_reason};

pub(super) fn available(engine: &mut Engine, caller: &Caller, request: &RequestAgentAvailable) -> Result {
    engine.own_tenant(request.tenant_id)?;
    let agent = engine.configured_agent(&request.agent_id)?;
    let place_id = engine.place_for(agent, &request.place_id)?;
    let reason = validation::reason(request.reason.as_ref())?;
    let media = engine.named_media(&request.media_list)?;
    if engine.agents.contains_key(&agent) || caller.agent.is_some() {
        let text =
            "the agent is logged in at this server; send RequestAgentAvailable to the other servers only";
        return Err(Refusal::new(ErrorCode::AgentAlreadyLoggedIn, text));
    }
    let Some(client) = engine.sessions.clients.get_mut(&caller.client) else { return Ok(Answer::ack()) };
    if client.available_agent.as_ref().is_some_and(|other| other.agent != agent) {
        let text = "this client has announced another agent; send RequestAgentNotAvailable for him first";
        return Err(Refusal::new(ErrorCode::WrongState, text));
    }
    client.available_agent = Some(AvailableAgent { agent, place_id: place_id.clone() });
    let info = AgentInfo {
        place_id,
        media_list: media.into_values().collect(),
        client_name: caller.name.to_string(),
        ..engine.agent_info(agent)
    };
    let actor = engine.actor_info(&Actor::Agent(agent));
    let event = EventAgentAvailable {
        actor: Some(ActorInfo { actor_place_id: info.place_id.clone(), ..actor }),
        agent: Some(info),
        reason,
    };
    engine.journal.report(engine.now, Event::EventAgentAvailable(event));
    Ok(Answer::ack())
}

pub(super) fn not_available(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestAgentNotAvailable,
) -> Result {
    let reason = validation::reason(request.reason.as_ref())?;
    let client = engine.sessions.clients.get_mut(&caller.client);
    let Some(available) = client.and_then(|client| client.available_agent.take()) else {
        let text = "this client has not announced an agent; nothing has to be ended";
        return Err(Refusal::new(ErrorCode::WrongState, text));
    };
    engine.report_not_available(&available, &caller.name, &Actor::Agent(available.agent), reason);
    Ok(Answer::ack())
}

impl Engine {
    /// The client that announced an agent is gone.
    pub(super) fn announced_agent_gone(&mut self, client: &Client) {
        if let Some(available) = &client.available_agent {
            let reason = server_reason("ConnectionLost", "the client that announced the agent is gone");
            self.report_not_available(available, &client.name, &Actor::Server, Some(reason));
        }
    }

    fn report_not_available(
        &mut self,
        available: &AvailableAgent,
        client_name: &str,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        let info = AgentInfo {
            agent_id: self.vocabulary.agents.name(available.agent).to_owned(),
            place_id: available.place_id.clone(),
            tenant_id: self.vocabulary.tenant_id as i32,
            client_name: client_name.to_owned(),
            ..AgentInfo::default()
        };
        let mut actor_info = self.actor_info(actor);
        if matches!(actor, Actor::Agent(_)) {
            actor_info.actor_place_id.clone_from(&available.place_id);
        }
        let actor = Some(actor_info);
        let event = EventAgentNotAvailable { agent: Some(info), reason, actor };
        self.journal.report(self.now, Event::EventAgentNotAvailable(event));
    }
}
