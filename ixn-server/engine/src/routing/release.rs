//! The ways out of routing and handling: parties leave, and the interaction goes back, elsewhere, or away.

use ixn_proto::{
    EventPartyRemoved, EventPlacedInQueue, EventRevoked, InteractionOperation, PartyInfo, ReasonInfo,
    server_envelope::Event,
};

use crate::commit::InteractionKey;
use crate::engine::{Engine, Timer};
use crate::interaction::{Interaction, Routing, State, WorkbinPlacement};
use crate::names::{AgentId, QueueId};
use crate::routing::steps::line_of;
use crate::time::Timestamp;
use crate::wire::{Actor, server_reason};

impl Engine {
    /// Ends routing of an interaction: timers, line and the strategy's count are put right. Nothing is reported.
    pub(crate) fn detach_routing(&mut self, key: InteractionKey) -> Option<Routing> {
        let row = self.interactions.get(key)?;
        if let Some((line, urgency)) = line_of(row) {
            self.lines.dequeue(line, urgency);
        }
        let routing = self.change(key, |row| row.parties.as_mut()?.routing.take())??;
        for timer in [routing.routing_timer, routing.step_timer].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        if let Some(counts) = self.strategies.get_mut(&routing.strategy) {
            counts.current = counts.current.saturating_sub(1);
        }
        // A place has become free: views that feed this strategy may fill it.
        let fed_by = self.setup.views.iter().enumerate();
        self.wake.views.extend(fed_by.filter(|(_, v)| v.strategy == Some(routing.strategy)).map(|(i, _)| i));
        Some(routing)
    }

    /// Takes an agent off an interaction. Nothing is reported.
    pub(crate) fn detach_agent(&mut self, key: InteractionKey, agent: AgentId) -> bool {
        let Some(media_type) = self.interactions.get(key).map(|row| row.media_type) else { return false };
        let party = self.change(key, |row| {
            let parties = row.parties.as_mut()?;
            let position = parties.agents.iter().position(|party| party.agent == agent)?;
            Some(parties.agents.remove(position))
        });
        let Some(Some(party)) = party else { return false };
        if let Some(timer) = party.handling_timer {
            self.timers.cancel(timer);
        }
        let now = self.now;
        if let Some(state) = self.agents.get_mut(&agent) {
            state.handled.remove(&key);
            state.idle_since = now;
            self.journal.agents.insert(agent);
        }
        self.add_load(agent, media_type, -1);
        true
    }

    /// Reports that a party has left.
    pub(crate) fn report_party_removed(
        &mut self,
        key: InteractionKey,
        party: PartyInfo,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        self.report(key, |interaction, engine| {
            Event::EventPartyRemoved(EventPartyRemoved {
                interaction: Some(interaction),
                party: Some(party),
                operation: operation as i32,
                actor: Some(engine.actor_info(actor)),
                reason,
            })
        });
    }

    /// Takes everybody off an interaction and tells them: whoever still had it hears EventRevoked, but for the one who
    /// acts.
    pub(crate) fn release_parties(
        &mut self,
        key: InteractionKey,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<&ReasonInfo>,
    ) {
        self.pulls.lose(key);
        let Some(row) = self.interactions.get(key) else { return };
        let invitations: Vec<_> = row.invitations().iter().map(|i| (i.ticket, i.agent)).collect();
        let agents: Vec<_> = row.agents().iter().map(|party| party.agent).collect();
        let told =
            reason.cloned().unwrap_or_else(|| server_reason("Revoked", "the interaction was taken away"));
        for (ticket, agent) in invitations {
            self.revoke_invitation(key, ticket, agent, operation, actor, told.clone());
            self.withdraw_invitation(key, ticket);
        }
        if let Some(routing) = self.detach_routing(key) {
            let party = self.strategy_party(routing.strategy);
            self.report_party_removed(key, party, operation, actor, reason.cloned());
        }
        for agent in agents {
            let party = self.agent_party(agent);
            self.detach_agent(key, agent);
            if *actor != Actor::Agent(agent) {
                self.tell_revoked(key, agent, operation, actor, told.clone());
            }
            self.report_party_removed(key, party, operation, actor, reason.cloned());
        }
    }

    fn tell_revoked(
        &mut self,
        key: InteractionKey,
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
            ticket_id: 0,
        });
        self.send_agent(agent, &event);
    }

    /// Back to where it came from: its queue, or the workbin it was taken from.
    pub(crate) fn return_to_queue(
        &mut self,
        key: InteractionKey,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        let Some(row) = self.interactions.get(key) else { return };
        let queue = row.queue;
        let former_workbin = row.parties.as_ref().and_then(|parties| parties.former_workbin);
        self.release_parties(key, operation, actor, reason.as_ref());
        self.place(key, queue, former_workbin, operation, actor, reason);
    }

    /// Into another queue.
    pub(crate) fn move_to_queue(
        &mut self,
        key: InteractionKey,
        queue: QueueId,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        self.release_parties(key, operation, actor, reason.as_ref());
        self.place(key, queue, None, operation, actor, reason);
    }

    /// Into a workbin.
    pub(crate) fn move_to_workbin(
        &mut self,
        key: InteractionKey,
        (queue, place): (QueueId, WorkbinPlacement),
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        self.release_parties(key, operation, actor, reason.as_ref());
        self.place(key, queue, Some(place), operation, actor, reason);
    }

    /// Places an interaction without parties, and reports it.
    fn place(
        &mut self,
        key: InteractionKey,
        queue: QueueId,
        workbin: Option<WorkbinPlacement>,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        self.take_from_workbin(key, None, operation, actor, reason.clone());
        let now = self.now;
        let sequence = self.counters.next_place_in_queue;
        self.counters.next_place_in_queue += 1;
        let completes = self.setup.queues.get(&queue).is_some_and(|queue| queue.completed);
        let old_queue = self.change(key, |row| {
            let old_queue = row.queue;
            row.parties = None;
            row.assigned_to = None;
            row.assigned_at = Timestamp::NONE;
            row.place_in_queue_seq = sequence;
            row.placed_in_queue_at = now.seconds();
            if old_queue != queue {
                row.queue = queue;
                row.moved_to_queue_at = now.seconds();
            }
            if completes && row.completed_at.get().is_none() {
                row.completed_at = now.seconds();
            }
            row.state = State::Queued;
            old_queue
        });
        let Some(old_queue) = old_queue else { return };
        let old_queue = self.vocabulary.queues.name(old_queue).to_owned();
        let placed_because = reason.clone();
        self.report(key, |interaction, engine| {
            Event::EventPlacedInQueue(EventPlacedInQueue {
                interaction: Some(interaction),
                old_queue,
                operation: operation as i32,
                actor: Some(engine.actor_info(actor)),
                reason,
            })
        });
        if let Some(place) = workbin {
            self.put_in_workbin(key, place, operation, actor, placed_because);
        }
    }

    /// The agent's application has been silent about an interaction for too long.
    pub(crate) fn handling_expired(&mut self, key: InteractionKey, agent: AgentId) {
        if !self.interactions.get(key).is_some_and(|row| row.is_handled_by(agent)) {
            return;
        }
        let reason = server_reason("Expired", "the handling timeout has passed");
        self.leave(key, agent, InteractionOperation::Revoke, &Actor::Server, Some(reason));
    }

    /// One agent leaves; with the last one the interaction returns to where it came from.
    pub(crate) fn leave(
        &mut self,
        key: InteractionKey,
        agent: AgentId,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        let others = self.interactions.get(key).map_or(0, |row| row.agents().len());
        if others <= 1 {
            self.return_to_queue(key, operation, actor, reason);
            return;
        }
        let party = self.agent_party(agent);
        self.detach_agent(key, agent);
        if *actor != Actor::Agent(agent) {
            let told = reason.clone().unwrap_or_default();
            self.tell_revoked(key, agent, operation, actor, told);
        }
        self.report_party_removed(key, party, operation, actor, reason);
    }

    /// Starts, or starts again, the time in which the agent must say something about an interaction.
    pub(crate) fn restart_handling_timer(&mut self, key: InteractionKey, agent: AgentId) {
        let Some(row) = self.interactions.get(key) else { return };
        let timeout = self.handling_timeout(row);
        let old = row.agents().iter().find(|party| party.agent == agent).and_then(|p| p.handling_timer);
        if let Some(timer) = old {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(self.now.after(timeout), Timer::Handling(key, agent));
        let parties = self.interactions.get_mut(key).and_then(|row| row.parties.as_mut());
        let party = parties.and_then(|parties| parties.agents.iter_mut().find(|party| party.agent == agent));
        match party {
            Some(party) => party.handling_timer = Some(timer),
            None => self.timers.cancel(timer),
        }
    }

    /// The interaction's own, else its media type's, else the server's.
    fn handling_timeout(&self, row: &Interaction) -> std::time::Duration {
        if row.handling_timeout_minutes > 0 {
            return std::time::Duration::from_secs(u64::from(row.handling_timeout_minutes) * 60);
        }
        let media_type = self.setup.media_types.get(&row.media_type);
        media_type
            .and_then(|media_type| media_type.handling_timeout)
            .unwrap_or(self.setup.options.handling_timeout)
    }
}
