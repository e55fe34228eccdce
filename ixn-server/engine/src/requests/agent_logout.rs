//! RequestAgentLogout, and the other ways in which an agent is gone: his work returns to where it came from.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentInfo, EventAgentConnectionClosed, EventAgentLogout, InteractionOperation, ReasonInfo,
    RequestAgentLogout,
};

use super::{Answer, Caller, Result, validation};
use crate::engine::{Engine, Timer};
use crate::names::{AgentId, MediaTypeId};
use crate::sessions::ClientRef;
use crate::wire::{Actor, server_reason};

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestAgentLogout) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    engine.log_out(agent, &Actor::Agent(agent), reason, Some(caller.client));
    Ok(Answer::ack())
}

impl Engine {
    /// Logs an agent out everywhere; all his clients but the one `by` which it is done are told.
    pub(crate) fn log_out(
        &mut self,
        agent: AgentId,
        actor: &Actor,
        reason: Option<ReasonInfo>,
        by: Option<ClientRef>,
    ) {
        let info = self.agent_info(agent);
        let Some(state) = self.agents.get_mut(&agent) else { return };
        if let Some(timer) = state.reconnect_timer.take() {
            self.timers.cancel(timer);
        }
        // First nobody offers him anything more, then what he has goes back.
        state.media.clear();
        let handled: Vec<_> = state.handled.iter().copied().collect();
        self.relist(agent);
        let told = reason.clone().unwrap_or_else(|| server_reason("Logout", "the agent has logged out"));
        self.withdraw_offers(agent, None, &told);
        for key in handled {
            self.leave(key, agent, InteractionOperation::Logout, actor, reason.clone());
        }
        self.unlist(agent);
        self.wake.agents.remove(&agent);
        let event = Event::EventAgentLogout(EventAgentLogout {
            agent: Some(AgentInfo { logged_in_at: 0, ..info }),
            reason: reason.clone(),
            actor: Some(self.actor_info(actor)),
        });
        self.report_agent(agent, event);
        let reason = reason.unwrap_or_else(|| server_reason("Logout", "the agent was logged out"));
        self.dismiss_clients(agent, &reason, by);
        self.agents.remove(&agent);
    }

    /// The agent's clients no longer act for him; all but one are told.
    pub(super) fn dismiss_clients(&mut self, agent: AgentId, reason: &ReasonInfo, but: Option<ClientRef>) {
        let place_id = self.place_of(agent);
        let clients = self.agents.get_mut(&agent).map(|state| std::mem::take(&mut state.clients));
        for client in clients.unwrap_or_default() {
            self.abandon_pulls(client, Some(agent));
            if let Some(client) = self.sessions.clients.get_mut(&client) {
                client.agent = None;
            }
            if but == Some(client) {
                continue;
            }
            let closed = Event::EventAgentConnectionClosed(EventAgentConnectionClosed {
                agent_id: self.vocabulary.agents.name(agent).to_owned(),
                place_id: place_id.clone(),
                reason: Some(reason.clone()),
            });
            self.send(client, closed);
        }
    }

    /// One of the agent's connections is gone. With the last one, answered by `true`, he is offered nothing more and has
    /// some time to come back to what he handles; his open offers must be withdrawn then.
    pub(super) fn agent_lost_client(&mut self, agent: AgentId, client: ClientRef) -> bool {
        let timeout = self.setup.options.agent_reconnect_timeout;
        let deadline = self.now.after(timeout);
        let Some(state) = self.agents.get_mut(&agent) else { return false };
        state.clients.retain(|other| *other != client);
        if !state.clients.is_empty() {
            return false;
        }
        state.reconnect_timer = Some(self.timers.set(deadline, Timer::Reconnect(agent)));
        self.relist(agent);
        true
    }

    /// He did not come back.
    pub(crate) fn reconnect_expired(&mut self, agent: AgentId) {
        if !self.agents.get(&agent).is_some_and(|state| state.clients.is_empty()) {
            return;
        }
        let reason = server_reason("ConnectionLost", "the agent did not reconnect in time");
        self.log_out(agent, &Actor::Server, Some(reason), None);
    }

    /// Takes all open offers of an agent back, or those of a medium that he has removed; each goes to the strategy's next
    /// choice. He has not declined them: the caller sees to it that he is not free.
    pub(super) fn withdraw_offers(
        &mut self,
        agent: AgentId,
        media_type: Option<MediaTypeId>,
        reason: &ReasonInfo,
    ) {
        let operation = match media_type {
            Some(_) => InteractionOperation::Revoke,
            None => InteractionOperation::Logout,
        };
        let offered = self.agents.get(&agent).map(|state| state.offered.clone()).unwrap_or_default();
        for key in offered {
            let Some(row) = self.interactions.get(key) else { continue };
            if media_type.is_some_and(|media_type| row.media_type != media_type) {
                continue;
            }
            let tickets: Vec<u64> =
                row.invitations().iter().filter(|i| i.agent == agent).map(|i| i.ticket).collect();
            for ticket in tickets {
                self.revoke_invitation(key, ticket, agent, operation, &Actor::Server, reason.clone());
                self.withdraw_invitation(key, ticket);
            }
            self.offer(key);
        }
    }
}
