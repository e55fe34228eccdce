//! RequestAgentLogout, and the other ways in which an agent is gone: his work returns to where it came from.

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentInfo, EventAck, EventAgentConnectionClosed, EventAgentLogout, InteractionOperation, ReasonInfo,
    RequestAgentLogin, RequestAgentLogout,
};

use super::jobs::{Job, Progress};
use super::{Answer, Caller, Result, validation};
use crate::commit::InteractionKey;
use crate::engine::{Engine, Timer};
use crate::names::{AgentId, MediaTypeId};
use crate::sessions::ClientRef;
use crate::wire::{Actor, server_reason};

/// How an agent is being logged out.
#[derive(Clone, Debug)]
pub(crate) struct Leaving {
    actor: Actor,
    reason: Option<ReasonInfo>,
    /// Whose request it was: he is answered, and not told.
    by: Option<Caller>,
    /// Logins that came meanwhile, and what their clients sent behind them: they are carried out behind it.
    waiting: Vec<(Caller, Request)>,
}

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestAgentLogout) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    engine.begin_logout(agent, &Actor::Agent(agent), reason, Some(caller.clone()));
    engine.start(Job::Logout(agent));
    Ok(Answer::Given)
}

impl Engine {
    /// Logs an agent out everywhere; his clients are told. One of many: what he has returns in the next steps.
    pub(crate) fn log_out(&mut self, agent: AgentId, actor: &Actor, reason: Option<ReasonInfo>) {
        let has_nothing = self.agents.get(&agent).is_some_and(|state| state.total_load() == 0);
        if !self.begin_logout(agent, actor, reason, None) {
            return;
        }
        match has_nothing {
            true => self.start(Job::Logout(agent)),
            false => self.jobs.enqueue(Job::Logout(agent)),
        }
    }

    /// From now on nobody offers him anything or acts for him. `false`: this is so already, or he is not logged in.
    fn begin_logout(
        &mut self,
        agent: AgentId,
        actor: &Actor,
        reason: Option<ReasonInfo>,
        by: Option<Caller>,
    ) -> bool {
        let Some(state) = self.agents.get_mut(&agent).filter(|state| state.leaving.is_none()) else {
            return false;
        };
        if let Some(timer) = state.reconnect_timer.take() {
            self.timers.cancel(timer);
        }
        state.leaving = Some(Box::new(Leaving { actor: actor.clone(), reason, by, waiting: Vec::new() }));
        let clients = state.clients.clone();
        self.unlist(agent);
        for client in clients {
            self.abandon_pulls(client, Some(agent));
        }
        true
    }

    /// Lets a login wait until the agent, and whoever is logged in on this client, is logged out. `false`: it need not.
    pub(super) fn waits_for_logout(
        &mut self,
        caller: &Caller,
        agent: AgentId,
        request: &RequestAgentLogin,
    ) -> bool {
        let of_client = self.sessions.clients.get(&caller.client).and_then(|client| client.agent);
        for agent in [Some(agent), of_client].into_iter().flatten() {
            let request = Request::RequestAgentLogin(request.clone());
            if self.leaving(agent).map(|leaving| leaving.waiting.push((caller.clone(), request))).is_some() {
                if let Some(client) = self.sessions.clients.get_mut(&caller.client) {
                    client.waits_for = Some(agent);
                }
                return true;
            }
        }
        false
    }

    fn leaving(&mut self, agent: AgentId) -> Option<&mut Leaving> {
        self.agents.get_mut(&agent)?.leaving.as_deref_mut()
    }

    /// Lets a request wait behind a login of its client that waits; answers it when it need not. A client that leaves does
    /// not wait: what it sent before dies with it.
    pub(super) fn behind_login(&mut self, caller: Caller, request: Request) -> Option<(Caller, Request)> {
        let leaves = matches!(request, Request::RequestUnregisterClient(_));
        let client = self.sessions.clients.get(&caller.client).filter(|_| !leaves);
        match client.and_then(|client| client.waits_for).and_then(|agent| self.leaving(agent)) {
            Some(leaving) => {
                leaving.waiting.push((caller, request));
                None
            }
            None => Some((caller, request)),
        }
    }

    /// A client is gone whose login waits for this agent's logout.
    pub(super) fn forget_waiting(&mut self, client: ClientRef, agent: AgentId) {
        if let Some(leaving) = self.leaving(agent) {
            leaving.waiting.retain(|(caller, _)| caller.client != client);
        }
    }

    /// Takes the next part of what an agent has who is being logged out; in the end he is. Takes it off `most`.
    pub(super) fn log_out_on(&mut self, agent: AgentId, most: &mut usize) -> Progress {
        let Some(leaving) = self.agents.get(&agent).and_then(|state| state.leaving.as_ref()) else {
            return Progress::Done;
        };
        let (actor, reason) = (leaving.actor.clone(), leaving.reason.clone());
        let told = reason.clone().unwrap_or_else(|| server_reason("Logout", "the agent has logged out"));
        let withdrawn = self.withdraw_offers(agent, None, &told, *most);
        let handled = self.agents.get(&agent).into_iter().flat_map(|state| &state.handled);
        let handled: Vec<_> = handled.take(*most - withdrawn).copied().collect();
        for key in &handled {
            self.leave(*key, agent, InteractionOperation::Logout, &actor, reason.clone());
        }
        *most -= withdrawn + handled.len();
        if *most == 0 {
            return Progress::GoesOn;
        }
        *most -= 1;
        self.end_logout(agent);
        Progress::Done
    }

    fn end_logout(&mut self, agent: AgentId) {
        let info = self.agent_info(agent);
        self.wake.agents.remove(&agent);
        let Some(leaving) = self.agents.get_mut(&agent).and_then(|state| state.leaving.take()) else {
            return;
        };
        let Leaving { actor, reason, by, waiting } = *leaving;
        let event = Event::EventAgentLogout(EventAgentLogout {
            agent: Some(AgentInfo { logged_in_at: 0, ..info }),
            reason: reason.clone(),
            actor: Some(self.actor_info(&actor)),
        });
        self.report_agent(agent, event);
        let reason = reason.unwrap_or_else(|| server_reason("Logout", "the agent was logged out"));
        self.dismiss_clients(agent, &reason, by.as_ref().map(|caller| caller.client));
        self.agents.remove(&agent);
        if let Some(caller) = by.filter(|caller| self.still_registered(caller).is_some()) {
            self.answer(&caller, Event::EventAck(EventAck::default()));
        }
        for (caller, _) in &waiting {
            if let Some(client) = self.sessions.clients.get_mut(&caller.client) {
                client.waits_for = None;
            }
        }
        for (caller, request) in waiting {
            if let Some(caller) = self.who_waited(caller) {
                self.take_up(caller, request);
            }
        }
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
        if !state.clients.is_empty() || state.leaving.is_some() {
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
        self.log_out(agent, &Actor::Server, Some(reason));
    }

    /// Takes open offers of an agent back, or those of a medium that he has removed, `most` at once; each goes to the
    /// strategy's next choice. He has not declined them: the caller sees to it that he is not free. Answers how many.
    pub(super) fn withdraw_offers(
        &mut self,
        agent: AgentId,
        media_type: Option<MediaTypeId>,
        reason: &ReasonInfo,
        most: usize,
    ) -> usize {
        let operation = match media_type {
            Some(_) => InteractionOperation::Revoke,
            None => InteractionOperation::Logout,
        };
        let offered = self.agents.get(&agent).into_iter().flat_map(|state| &state.offered);
        let is_meant = |key: &&InteractionKey| {
            let row = self.interactions.get(**key);
            row.is_some_and(|row| media_type.is_none_or(|media_type| row.media_type == media_type))
        };
        let offered: Vec<_> = offered.filter(is_meant).take(most).copied().collect();
        for &key in &offered {
            let Some(row) = self.interactions.get(key) else { continue };
            let tickets: Vec<u64> =
                row.invitations().iter().filter(|i| i.agent == agent).map(|i| i.ticket).collect();
            for ticket in tickets {
                self.revoke_invitation(key, ticket, agent, operation, &Actor::Server, reason.clone());
                self.withdraw_invitation(key, ticket);
            }
            self.offer(key);
        }
        offered.len()
    }
}
