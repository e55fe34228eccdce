//! Offering an interaction to an agent, and the ends that an offer can have other than acceptance.

use ixn_proto::{
    AgentStateChangeOperation, EventAgentInvited, EventForcedAgentStateChange, EventInvite,
    EventNotReadyForMedia, EventRejected, EventRevoked, InteractionOperation, KeyValueList, ReasonInfo,
    server_envelope::Event,
};

use crate::agents::Reason;
use crate::commit::InteractionKey;
use crate::engine::{Engine, Timer};
use crate::interaction::{Interaction, Invitation};
use crate::invariants;
use crate::names::AgentId;
use crate::requests::Waiter;
use crate::wire::{Actor, server_reason};

impl Engine {
    /// Offers a routed interaction to an agent. The invitation goes out when the user data is at hand.
    pub(crate) fn invite(&mut self, key: InteractionKey, agent: AgentId) {
        debug_assert!(invariants::may_be_invited(self, key, agent), "{agent:?} must not be offered {key}");
        let ticket = self.counters.next_ticket;
        self.counters.next_ticket += 1;
        let now = self.now;
        let Some(media_type) = self.change(key, |row| {
            if row.delivered_at.get().is_none() {
                row.delivered_at = now.seconds();
            }
            row.parties_mut().invitations.push(Invitation { ticket, agent, timer: None });
            row.media_type
        }) else {
            return;
        };
        if let Some(state) = self.agents.get_mut(&agent) {
            state.offered.insert(key);
        }
        self.add_load(agent, media_type, 1);
        self.report(key, |interaction, engine| {
            Event::EventAgentInvited(EventAgentInvited {
                interaction: Some(interaction),
                party: Some(engine.agent_party(agent)),
                operation: InteractionOperation::Deliver as i32,
                actor: engine.routing_actor(key).map(|actor| engine.actor_info(&actor)),
                reason: None,
                ticket_id: ticket,
            })
        });
        match self.contents.get(key) {
            Some(user_data) => {
                let user_data = user_data.ok().cloned();
                self.send_invitation(key, ticket, user_data);
            }
            None => self.contents.wait(key, Waiter::Invitation { ticket }),
        }
    }

    /// Sends EventInvite, without user data when that cannot be read; the agent's time starts now.
    pub(crate) fn send_invitation(
        &mut self,
        key: InteractionKey,
        ticket: u64,
        user_data: Option<KeyValueList>,
    ) {
        let Some(row) = self.interactions.get(key) else { return };
        let Some(agent) = row.invitations().iter().find(|i| i.ticket == ticket).map(|i| i.agent) else {
            return;
        };
        let timeout = self.setup.options.delivering_timeout;
        let mut interaction = self.properties(row);
        interaction.user_data = user_data;
        let event = Event::EventInvite(EventInvite {
            ticket_id: ticket,
            interaction: Some(interaction),
            operation: InteractionOperation::Deliver as i32,
            actor: self.routing_actor(key).map(|actor| self.actor_info(&actor)),
            delivering_timeout_milliseconds: u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX),
            parties: self.parties(row),
            ..EventInvite::default()
        });
        let timer = self.timers.set(self.now.after(timeout), Timer::Delivering(key, ticket));
        if let Some(invitation) = self.invitation_mut(key, ticket) {
            invitation.timer = Some(timer);
        }
        self.send_agent(agent, &event);
    }

    fn invitation_mut(&mut self, key: InteractionKey, ticket: u64) -> Option<&mut Invitation> {
        let parties = self.interactions.get_mut(key)?.parties.as_mut()?;
        parties.invitations.iter_mut().find(|invitation| invitation.ticket == ticket)
    }

    pub(crate) fn routing_actor(&self, key: InteractionKey) -> Option<Actor> {
        let routing = self.interactions.get(key).and_then(Interaction::routing)?;
        Some(Actor::Strategy(routing.strategy))
    }

    /// Takes an invitation back, whatever the reason: timer, load and lists are put right. Nothing is reported.
    pub(crate) fn withdraw_invitation(&mut self, key: InteractionKey, ticket: u64) -> Option<AgentId> {
        let media_type = self.interactions.get(key)?.media_type;
        let invitation = self.change(key, |row| {
            let parties = row.parties.as_mut()?;
            let position = parties.invitations.iter().position(|i| i.ticket == ticket)?;
            Some(parties.invitations.remove(position))
        })??;
        if let Some(timer) = invitation.timer {
            self.timers.cancel(timer);
        }
        let now = self.now;
        if let Some(state) = self.agents.get_mut(&invitation.agent) {
            state.offered.remove(&key);
            state.idle_since = now;
            self.journal.agents.insert(invitation.agent);
        }
        self.add_load(invitation.agent, media_type, -1);
        Some(invitation.agent)
    }

    /// The agent does not want it: the strategy makes its next choice.
    pub(crate) fn reject_invitation(
        &mut self,
        key: InteractionKey,
        ticket: u64,
        agent: AgentId,
        reason: Option<ReasonInfo>,
    ) {
        self.report(key, |interaction, engine| {
            Event::EventRejected(EventRejected {
                interaction: Some(interaction),
                party: Some(engine.agent_party(agent)),
                operation: InteractionOperation::Reject as i32,
                actor: Some(engine.actor_info(&Actor::Agent(agent))),
                reason,
                ticket_id: ticket,
            })
        });
        self.remember_decliner(key, agent);
        self.withdraw_invitation(key, ticket);
        self.offer(key);
    }

    /// The agent did not answer in time.
    pub(crate) fn invitation_expired(&mut self, key: InteractionKey, ticket: u64) {
        let Some(row) = self.interactions.get(key) else { return };
        let Some(agent) = row.invitations().iter().find(|i| i.ticket == ticket).map(|i| i.agent) else {
            return;
        };
        let media_type = row.media_type;
        let reason = server_reason("Expired", "the invitation was not answered in time");
        self.revoke_invitation(key, ticket, agent, InteractionOperation::Deliver, &Actor::Server, reason);
        if self.setup.options.not_ready_on_invitation_timeout {
            self.force_not_ready(agent, media_type);
        }
        self.remember_decliner(key, agent);
        self.withdraw_invitation(key, ticket);
        self.offer(key);
    }

    /// Tells the agent and reporting that an invitation is no longer open.
    pub(crate) fn revoke_invitation(
        &mut self,
        key: InteractionKey,
        ticket: u64,
        agent: AgentId,
        operation: InteractionOperation,
        actor: &Actor,
        reason: ReasonInfo,
    ) {
        let Some(row) = self.interactions.get(key) else { return };
        let event = Event::EventRevoked(EventRevoked {
            interaction: Some(self.properties(row)),
            party: Some(self.agent_party(agent)),
            operation: operation as i32,
            actor: Some(self.actor_info(actor)),
            reason: Some(reason),
            ticket_id: ticket,
        });
        self.send_agent(agent, &event);
        self.report(key, |_, _| event);
    }

    /// Who declined is not asked again, until he makes himself ready anew.
    pub(crate) fn remember_decliner(&mut self, key: InteractionKey, agent: AgentId) {
        let at = self.journal.last_event();
        if let Some(routing) = self.interactions.get_mut(key).and_then(Interaction::routing_mut) {
            routing.declined.retain(|(other, _)| *other != agent);
            routing.declined.push((agent, at));
        }
    }

    /// Whether an agent declined this interaction, or let an offer of it expire, since he last made himself ready.
    pub(crate) fn has_declined(&self, interaction: &Interaction, agent: AgentId) -> bool {
        let declined = interaction.routing().and_then(|routing| {
            routing.declined.iter().find(|(other, _)| *other == agent).map(|(_, at)| *at)
        });
        let media = self.agents.get(&agent).and_then(|state| state.media.get(&interaction.media_type));
        declined.is_some_and(|declined| media.is_none_or(|media| declined >= media.ready_since_event))
    }

    fn force_not_ready(&mut self, agent: AgentId, media_type: crate::names::MediaTypeId) {
        let reason = server_reason("InvitationTimeout", "an invitation was not answered in time");
        let Some(state) = self.agents.get_mut(&agent) else { return };
        let Some(media) = state.media.get_mut(&media_type) else { return };
        if !media.ready {
            return;
        }
        media.ready = false;
        media.reason = Some(Reason::from(reason.clone()));
        self.relist(agent);
        let media_type_name = self.vocabulary.media_types.name(media_type).to_owned();
        let event = Event::EventNotReadyForMedia(EventNotReadyForMedia {
            agent: Some(self.agent_info(agent)),
            media_type_name: media_type_name.clone(),
            reason: Some(reason.clone()),
            actor: Some(self.actor_info(&Actor::Server)),
        });
        self.report_agent(agent, event);
        let forced = Event::EventForcedAgentStateChange(EventForcedAgentStateChange {
            agent_state_change_operation: AgentStateChangeOperation::NotReadyForMedia as i32,
            media_type_name,
            media_list: self.media_list(agent),
            do_not_disturb: self.agents.get(&agent).is_some_and(|state| state.do_not_disturb),
            reason: Some(reason),
            actor: Some(self.actor_info(&Actor::Server)),
        });
        self.send_agent(agent, &forced);
    }
}
