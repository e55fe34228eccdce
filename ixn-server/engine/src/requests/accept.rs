//! RequestAccept: the vendor's public page DeliverInteractiontoAgent.

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventPartyAdded, InteractionOperation, RequestAccept};

use super::{Answer, Caller, Refusal, Result};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::interaction::{AgentParty, State};
use crate::names::AgentId;
use crate::wire::Actor;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestAccept) -> Result {
    let agent = caller.logged_in()?;
    let key = engine.open_invitation(agent, request.ticket_id, &request.interaction_id)?;
    engine.withdraw_invitation(key, request.ticket_id);
    let strategy = engine.detach_routing(key).map(|routing| routing.strategy);
    let actor = caller.actor();
    add_agent(engine, key, agent, InteractionOperation::Deliver);
    engine.report_agent_added(key, agent, InteractionOperation::Deliver, &actor);
    if let Some(strategy) = strategy {
        let party = engine.strategy_party(strategy);
        engine.report_party_removed(key, party, InteractionOperation::Deliver, &actor, None);
    }
    Ok(Answer::ack())
}

/// Makes an agent a party: state, load, handling timer.
pub(super) fn add_agent(
    engine: &mut Engine,
    key: InteractionKey,
    agent: AgentId,
    operation: InteractionOperation,
) {
    let now = engine.now;
    // His login has seen to it that there is one.
    let assigned_to = engine.vocabulary.labels.find(engine.vocabulary.agents.name(agent));
    let media_type = engine.change(key, |row| {
        row.state = State::Handling;
        row.assigned_to = assigned_to;
        row.assigned_at = now.seconds();
        if row.delivered_at.get().is_none() {
            row.delivered_at = now.seconds();
        }
        row.parties_mut().agents.push(AgentParty { agent, since: now, operation, handling_timer: None });
        row.media_type
    });
    if let Some(state) = engine.agents.get_mut(&agent) {
        state.handled.insert(key);
    }
    if let Some(media_type) = media_type {
        engine.add_load(agent, media_type, 1);
    }
    engine.restart_handling_timer(key, agent);
}

impl Engine {
    /// Reports that an agent has become a party.
    pub(super) fn report_agent_added(
        &mut self,
        key: InteractionKey,
        agent: AgentId,
        operation: InteractionOperation,
        actor: &Actor,
    ) {
        self.report(key, |interaction, engine| {
            Event::EventPartyAdded(EventPartyAdded {
                interaction: Some(interaction),
                party: Some(engine.agent_party(agent)),
                operation: operation as i32,
                actor: Some(engine.actor_info(actor)),
                reason: None,
            })
        });
    }

    /// The interaction that an agent is invited to with this ticket.
    pub(super) fn open_invitation(&self, agent: AgentId, ticket: u64, id: &str) -> Result<InteractionKey> {
        let (key, row) = self.known_interaction(id)?;
        if row.invitations().iter().any(|invitation| invitation.ticket == ticket && invitation.agent == agent)
        {
            return Ok(key);
        }
        let text = if row.is_handled_by(agent) {
            format!(
                "the agent handles interaction '{id}' already; its invitation {ticket} is not open any more"
            )
        } else {
            format!(
                "the agent has no open invitation {ticket} to interaction '{id}'; it has expired, was revoked, or is \
                 from before a restart"
            )
        };
        Err(Refusal::new(ErrorCode::UnknownTicket, text))
    }
}
