//! RequestAgentLogin: the vendor's public pages LoginLogout and DisconnectionandFailover.
//!
//! An agent who is logged in but has lost his connection (or whose server was restarted) *resumes*: the answer carries
//! his media states and the interactions that he holds. Tickets of before are no longer valid.

use std::collections::BTreeMap;

use ixn_configuration::MultipleConnections;
use ixn_proto::server_envelope::Event;
use ixn_proto::{AgentLoginInfo, ErrorCode, EventAck, EventAgentLogin, HeldInteraction, RequestAgentLogin};
use prost::Message;

use super::jobs::{MAX_SHOWN, PAGE_BYTES};
use super::{Answer, Caller, Refusal, Result, validation};
use crate::agents::{AgentState, MediaState, Reason};
use crate::engine::Engine;
use crate::names::{AgentId, MediaTypeId};
use crate::wire::{Actor, server_reason};

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestAgentLogin) -> Result {
    engine.own_tenant(request.tenant_id)?;
    let agent = engine.configured_agent(&request.agent_id)?;
    let reason = validation::reason(request.reason.as_ref())?;
    if engine.waits_for_logout(caller, agent, request) {
        return Ok(Answer::Given);
    }
    if engine.sessions.clients.get(&caller.client).is_some_and(|client| client.available_agent.is_some()) {
        let text =
            "this client has announced an agent of another server; send RequestAgentNotAvailable first";
        return Err(Refusal::new(ErrorCode::WrongState, text));
    }
    if let Some(other) = caller.agent {
        let name = engine.vocabulary.agents.name(other);
        let text = format!("agent '{name}' is logged in on this client already; log him out first");
        return Err(Refusal::new(ErrorCode::AgentAlreadyLoggedIn, text));
    }
    let place = engine.place_for(agent, &request.place_id)?;
    let media = engine.named_media(&request.media_list)?;
    let place = engine.vocabulary.labels.intern(&place)?;
    // What he will handle is assigned to him by his name.
    let words = &mut engine.vocabulary;
    words.labels.intern(words.configured.agents.name(agent))?;
    engine.forget_gone_clients_of(agent);
    let resumed = engine.make_room(agent)?;

    let now = engine.now;
    let state = engine.agents.entry(agent).or_insert_with(|| AgentState::new(place, now));
    if state.clients.is_empty() && !request.place_id.is_empty() {
        // He has come back, perhaps at another place.
        state.place = place;
    }
    state.clients.push(caller.client);
    if let Some(timer) = state.reconnect_timer.take() {
        engine.timers.cancel(timer);
    }
    if !resumed {
        state.reason = reason.clone().map(Reason::from);
        let media = media.into_iter().map(|(media_type, named)| {
            let reason = named.reason.map(Reason::from);
            (media_type, MediaState { ready: named.ready, reason, ..MediaState::default() })
        });
        state.media.extend(media);
    }
    if let Some(client) = engine.sessions.clients.get_mut(&caller.client) {
        client.agent = Some(agent);
    }
    let event = Event::EventAgentLogin(EventAgentLogin {
        agent: Some(engine.agent_info(agent)),
        reason,
        actor: Some(engine.actor_info(&Actor::Agent(agent))),
        resumed,
    });
    engine.report_agent(agent, event);
    if !resumed {
        engine.begin_round(agent, None);
    }
    let info = engine.login_info(agent, resumed);
    let ack = EventAck { agent_login: Some(info), ..EventAck::default() };
    engine.relist(agent);
    Ok(Answer::now(Event::EventAck(ack)))
}

impl Engine {
    /// A configured agent.
    pub(super) fn configured_agent(&self, name: &str) -> Result<AgentId> {
        validation::required("agent_id", name)?;
        let found = self.vocabulary.agents.find(name);
        found.filter(|agent| self.setup.agents.contains_key(agent)).ok_or_else(|| {
            let text =
                format!("there is no agent '{name}'; add him to the configuration or use a configured one");
            Refusal::new(ErrorCode::UnknownAgent, text)
        })
    }

    /// The media of a list, each once; the last of a name counts.
    pub(super) fn named_media(
        &self,
        list: &[ixn_proto::MediaState],
    ) -> Result<BTreeMap<MediaTypeId, ixn_proto::MediaState>> {
        let mut media = BTreeMap::new();
        for state in list {
            validation::reason(state.reason.as_ref())?;
            media.insert(self.configured_media_type(&state.media_type_name)?, state.clone());
        }
        Ok(media)
    }

    /// The place that an agent names, else his default place, else one called like him.
    pub(super) fn place_for(&self, agent: AgentId, named: &str) -> Result<String> {
        let default_place = self.setup.agents.get(&agent).and_then(|setup| setup.default_place.as_deref());
        match validation::text("place_id", named)? {
            "" => Ok(default_place.unwrap_or_else(|| self.vocabulary.agents.name(agent)).to_owned()),
            place => Ok(place.to_owned()),
        }
    }

    /// What a login does to an agent who is logged in already. Answers whether this login resumes.
    fn make_room(&mut self, agent: AgentId) -> Result<bool> {
        let Some(state) = self.agents.get(&agent) else { return Ok(false) };
        if state.clients.is_empty() {
            // Those that he lost with his connection and that were not withdrawn yet.
            let reason = server_reason("AgentGone", "the agent's connection is gone");
            self.withdraw_offers(agent, None, &reason, usize::MAX);
            return Ok(true);
        }
        match self.setup.options.allow_multiple_agent_connections {
            MultipleConnections::Allow => Ok(true),
            MultipleConnections::Refuse => Err(Refusal::new(
                ErrorCode::AgentAlreadyLoggedIn,
                "the agent is logged in on another connection; log him out there first",
            )),
            MultipleConnections::ForceLogout => {
                let reason = server_reason("ForceLogout", "the agent has logged in on another connection");
                self.dismiss_clients(agent, &reason, None);
                // Only the old connection knew the tickets of his offers.
                self.relist(agent);
                self.withdraw_offers(agent, None, &reason, usize::MAX);
                Ok(true)
            }
        }
    }

    fn login_info(&self, agent: AgentId, resumed: bool) -> AgentLoginInfo {
        let Some(state) = self.agents.get(&agent) else { return AgentLoginInfo::default() };
        let mut held = state.handled.iter().filter_map(|key| self.interactions.get(*key));
        let (mut interactions, mut bytes) = (Vec::new(), 0);
        for row in held.by_ref() {
            let row = HeldInteraction { interaction: Some(self.properties(row)), parties: self.parties(row) };
            bytes += row.encoded_len();
            interactions.push(row);
            if bytes > PAGE_BYTES || interactions.len() == MAX_SHOWN {
                break;
            }
        }
        AgentLoginInfo {
            resumed,
            agent_id: self.vocabulary.agents.name(agent).to_owned(),
            place_id: self.place_of(agent),
            media_list: self.media_list(agent),
            do_not_disturb: state.do_not_disturb,
            interactions,
            more_interactions: held.next().is_some(),
            logged_in_at: (state.logged_in_at.0 / 1000) as i64,
        }
    }
}
