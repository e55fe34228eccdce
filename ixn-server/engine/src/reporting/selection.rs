//! Reporting for selected agents and places only: which events concern them.

use std::collections::BTreeSet;

use ixn_proto::server_envelope::Event;
use ixn_proto::{ActorInfo, AgentInfo, InteractionProperties, PartyInfo};

/// The agents and places that a subscriber named, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Agents.
    pub agents: BTreeSet<String>,
    /// Places.
    pub places: BTreeSet<String>,
}

impl Selection {
    /// Whether nobody is selected.
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty() && self.places.is_empty()
    }

    /// Whether an agent at a place is meant.
    pub fn includes(&self, agent: &str, place: &str) -> bool {
        self.agents.contains(agent) || self.places.contains(place)
    }

    /// Whether an event is about a selected agent: his state, or an interaction where he is the party or the cause, or that
    /// is assigned to him. The last says his id only, not his place.
    pub fn concerns(&self, event: &Event) -> bool {
        let agent = |agent: &Option<AgentInfo>| {
            agent.as_ref().is_some_and(|agent| self.includes(&agent.agent_id, &agent.place_id))
        };
        let party = |party: &Option<PartyInfo>, actor: &Option<ActorInfo>| {
            party.as_ref().is_some_and(|party| self.includes(&party.agent_id, &party.place_id))
                || self.is_cause(actor)
        };
        let handled = |interaction: &Option<InteractionProperties>, actor: &Option<ActorInfo>| {
            interaction.as_ref().is_some_and(|interaction| self.agents.contains(&interaction.assigned_to))
                || self.is_cause(actor)
        };
        match event {
            Event::EventAgentLogin(event) => agent(&event.agent),
            Event::EventAgentLogout(event) => agent(&event.agent),
            Event::EventAgentAvailable(event) => agent(&event.agent),
            Event::EventAgentNotAvailable(event) => agent(&event.agent),
            Event::EventMediaAdded(event) => agent(&event.agent),
            Event::EventMediaRemoved(event) => agent(&event.agent),
            Event::EventReadyForMedia(event) => agent(&event.agent),
            Event::EventNotReadyForMedia(event) => agent(&event.agent),
            Event::EventMediaStateReasonChanged(event) => agent(&event.agent),
            Event::EventAgentStateReasonChanged(event) => agent(&event.agent),
            Event::EventDoNotDisturbOn(event) => agent(&event.agent),
            Event::EventDoNotDisturbOff(event) => agent(&event.agent),
            Event::EventAgentInvited(event) => party(&event.party, &event.actor),
            Event::EventRejected(event) => party(&event.party, &event.actor),
            Event::EventRevoked(event) => party(&event.party, &event.actor),
            Event::EventPartyAdded(event) => party(&event.party, &event.actor),
            Event::EventPartyRemoved(event) => party(&event.party, &event.actor),
            Event::EventTakenFromQueue(event) => party(&event.party, &event.actor),
            Event::EventTakenFromWorkbin(event) => party(&event.party, &event.actor),
            Event::EventInteractionSubmitted(event) => self.is_cause(&event.actor),
            Event::EventPlacedInQueue(event) => self.is_cause(&event.actor),
            Event::EventPlacedInWorkbin(event) => self.is_cause(&event.actor),
            Event::EventPropertiesChanged(event) => handled(&event.interaction, &event.actor),
            Event::EventHeld(event) => handled(&event.interaction, &event.actor),
            Event::EventResumed(event) => handled(&event.interaction, &event.actor),
            Event::EventProcessingStopped(event) => handled(&event.interaction, &event.actor),
            Event::EventCustomReporting(event) => handled(&event.interaction, &event.actor),
            // Whatever else reporting may once hear is not about an agent.
            _ => false,
        }
    }

    fn is_cause(&self, actor: &Option<ActorInfo>) -> bool {
        actor.as_ref().is_some_and(|actor| self.includes(&actor.actor_agent_id, &actor.actor_place_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::{EventAgentLogin, EventHeld, EventPartyAdded, EventProcessingStopped};

    #[test]
    fn events_of_selected_agents_and_places_concern_and_no_others() {
        let selection =
            Selection { agents: ["alice".to_owned()].into(), places: ["desk 2".to_owned()].into() };
        let login = |agent_id: &str, place_id: &str| {
            Event::EventAgentLogin(EventAgentLogin {
                agent: Some(AgentInfo {
                    agent_id: agent_id.into(),
                    place_id: place_id.into(),
                    ..AgentInfo::default()
                }),
                ..EventAgentLogin::default()
            })
        };
        assert!(selection.concerns(&login("alice", "desk 1")));
        assert!(selection.concerns(&login("bob", "desk 2")));
        assert!(!selection.concerns(&login("bob", "desk 1")));
        let strategy = PartyInfo { strategy_id: "billing".into(), ..PartyInfo::default() };
        let added = EventPartyAdded { party: Some(strategy), ..EventPartyAdded::default() };
        assert!(!selection.concerns(&Event::EventPartyAdded(added)));
        let actor = ActorInfo { actor_agent_id: "alice".into(), ..ActorInfo::default() };
        let stopped = EventProcessingStopped { actor: Some(actor), ..EventProcessingStopped::default() };
        assert!(selection.concerns(&Event::EventProcessingStopped(stopped)));
        let held_for = |agent: &str| {
            let interaction = InteractionProperties { assigned_to: agent.into(), ..Default::default() };
            Event::EventHeld(EventHeld { interaction: Some(interaction), ..EventHeld::default() })
        };
        assert!(selection.concerns(&held_for("alice")) && !selection.concerns(&held_for("bob")));
    }
}
