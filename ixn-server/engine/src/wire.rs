//! How the protocol shows what the engine holds: properties, parties, actors, agents.

use ixn_proto::{
    ActorInfo, ActorType, AgentInfo, ClientType, InteractionProperties, KeyValueList,
    MediaState as MediaStateInfo, PartyInfo, PartyType, ReasonInfo, WorkbinInfo,
};

use crate::agents::Reason;
use crate::engine::Engine;
use crate::extra::CustomRef;
use crate::figures::BUILT_IN_ROUTER;
use crate::interaction::{Interaction, State, WorkbinPlacement};
use crate::names::{AgentId, StrategyId};
use crate::setup::OwnerKind;

/// Who caused something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// An agent, through his application.
    Agent(AgentId),
    /// A client on which nobody is logged in.
    Client(ClientType, std::sync::Arc<str>),
    /// A strategy of the built-in router.
    Strategy(StrategyId),
    /// The server itself.
    Server,
}

impl From<ReasonInfo> for Reason {
    fn from(reason: ReasonInfo) -> Self {
        Self {
            system_name: reason.reason_system_name,
            description: reason.reason_description,
            number: reason.reason,
        }
    }
}

impl From<Reason> for ReasonInfo {
    fn from(reason: Reason) -> Self {
        Self {
            reason_system_name: reason.system_name,
            reason_description: reason.description,
            reason: reason.number,
        }
    }
}

/// A reason that the server gives.
pub(crate) fn server_reason(system_name: &str, description: &str) -> ReasonInfo {
    ReasonInfo { reason_system_name: system_name.into(), reason_description: description.into(), reason: 0 }
}

fn workflow_state(interaction: &Interaction) -> &'static str {
    if interaction.is_held {
        return "Held";
    }
    match interaction.state {
        State::Queued if interaction.workbin.is_some() => "InWorkbin",
        State::Queued => "Queued",
        State::Cached => "Cached",
        State::Routing if interaction.invitations().is_empty() => "Routing",
        State::Routing => "Delivering",
        State::Handling => "Handling",
    }
}

impl Engine {
    /// An interaction's properties, without user data.
    pub(crate) fn properties(&self, interaction: &Interaction) -> InteractionProperties {
        let words = &self.vocabulary;
        let extra = &interaction.extra;
        let some = |list: KeyValueList| (!list.is_empty()).then_some(list);
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        InteractionProperties {
            interaction_id: self.id_of(interaction),
            queue: words.queues.name(interaction.queue).to_owned(),
            media_type: words.media_types.name(interaction.media_type).to_owned(),
            interaction_type: words.labels.name(interaction.interaction_type).to_owned(),
            interaction_subtype: words.labels.name(interaction.subtype).to_owned(),
            tenant_id: words.tenant_id as i32,
            interaction_state: interaction.state as i32,
            is_online: interaction.is_online,
            is_held: interaction.is_held,
            is_locked: interaction.is_locked,
            priority: interaction.priority,
            submitted_at: interaction.submitted_at.to_protocol(),
            submit_seq: interaction.key.0,
            parent_id: owned(extra.parent_id()),
            external_id: owned(extra.external_id()),
            submitted_by: words.labels.name(interaction.submitted_by).to_owned(),
            workbin: interaction.workbin.map(|place| self.workbin_info(place)),
            received_at: interaction.received_at.to_protocol(),
            place_in_queue_seq: interaction.place_in_queue_seq,
            placed_in_queue_at: interaction.placed_in_queue_at.to_protocol(),
            moved_to_queue_at: interaction.moved_to_queue_at.to_protocol(),
            delivered_at: interaction.delivered_at.to_protocol(),
            abandoned_at: interaction.abandoned_at.to_protocol(),
            assigned_to: owned(interaction.assigned_to.map(|name| words.labels.name(name))),
            assigned_at: interaction.assigned_at.to_protocol(),
            in_queues: some(extra.in_queues()),
            out_queues: some(extra.out_queues()),
            service_objective: interaction.service_objective,
            submitted_to_router_at: interaction.submitted_to_router_at.to_protocol(),
            held_at: interaction.held_at.to_protocol(),
            completed_at: interaction.completed_at.to_protocol(),
            workflow_state: workflow_state(interaction).to_owned(),
            custom_properties: self.custom_properties(interaction),
            user_data: None,
        }
    }

    fn custom_properties(&self, interaction: &Interaction) -> Option<KeyValueList> {
        let mut list = KeyValueList::new();
        for (id, value) in interaction.extra.custom() {
            let name = self.vocabulary.custom_properties.name(id);
            match value {
                CustomRef::Integer(number) | CustomRef::Timestamp(number) => list.push_integer(name, number),
                CustomRef::Text(text) => list.push_text(name, text),
            };
        }
        (!list.is_empty()).then_some(list)
    }

    /// The id by which clients know it.
    pub(crate) fn id_of(&self, interaction: &Interaction) -> String {
        match interaction.chosen_id() {
            Some(id) => id.to_owned(),
            None => self.vocabulary.generated_id(interaction.key),
        }
    }

    /// A place in a workbin.
    pub(crate) fn workbin_info(&self, place: WorkbinPlacement) -> WorkbinInfo {
        let owner = self.vocabulary.labels.name(place.owner).to_owned();
        let mut info = WorkbinInfo {
            workbin_type_id: self.vocabulary.workbins.name(place.workbin).to_owned(),
            ..WorkbinInfo::default()
        };
        match place.owner_kind {
            OwnerKind::Agent => info.workbin_agent_id = owner,
            OwnerKind::AgentGroup => info.workbin_group_id = owner,
            OwnerKind::Place => info.workbin_place_id = owner,
            OwnerKind::PlaceGroup => info.workbin_place_group_id = owner,
        }
        info
    }

    /// An agent as a party.
    pub(crate) fn agent_party(&self, agent: AgentId) -> PartyInfo {
        PartyInfo {
            party_type: PartyType::Agent as i32,
            agent_id: self.vocabulary.agents.name(agent).to_owned(),
            place_id: self.place_of(agent),
            tenant_id: self.vocabulary.tenant_id as i32,
            ..PartyInfo::default()
        }
    }

    /// A strategy as a party.
    pub(crate) fn strategy_party(&self, strategy: StrategyId) -> PartyInfo {
        PartyInfo {
            party_type: PartyType::Strategy as i32,
            router_id: BUILT_IN_ROUTER.into(),
            strategy_id: self.vocabulary.strategies.name(strategy).to_owned(),
            tenant_id: self.vocabulary.tenant_id as i32,
            ..PartyInfo::default()
        }
    }

    /// Everybody who works on an interaction.
    pub(crate) fn parties(&self, interaction: &Interaction) -> Vec<PartyInfo> {
        let strategy = interaction.routing().map(|routing| self.strategy_party(routing.strategy));
        let agents = interaction.agents().iter().map(|party| self.agent_party(party.agent));
        strategy.into_iter().chain(agents).collect()
    }

    /// The place at which an agent works, empty when he is not logged in.
    pub(crate) fn place_of(&self, agent: AgentId) -> String {
        let place = self.agents.get(&agent).map(|state| self.vocabulary.labels.name(state.place));
        place.unwrap_or_default().to_owned()
    }

    /// Who caused something, as events say it.
    pub(crate) fn actor_info(&self, actor: &Actor) -> ActorInfo {
        match actor {
            Actor::Agent(agent) => ActorInfo {
                actor_type: ActorType::Agent as i32,
                actor_agent_id: self.vocabulary.agents.name(*agent).to_owned(),
                actor_place_id: self.place_of(*agent),
                ..ActorInfo::default()
            },
            Actor::Client(client_type, name) => {
                let (actor_type, router) = match client_type {
                    ClientType::AgentApplication => (ActorType::Agent, ""),
                    ClientType::RoutingEngine => (ActorType::Strategy, &**name),
                    ClientType::ReportingEngine => (ActorType::ReportingEngine, ""),
                    ClientType::Unspecified | ClientType::MediaServer | ClientType::Proxy => {
                        (ActorType::MediaServer, "")
                    }
                };
                ActorInfo {
                    actor_type: actor_type as i32,
                    actor_router_id: router.to_owned(),
                    actor_client_name: name.to_string(),
                    ..ActorInfo::default()
                }
            }
            Actor::Strategy(strategy) => ActorInfo {
                actor_type: ActorType::Strategy as i32,
                actor_router_id: BUILT_IN_ROUTER.into(),
                actor_strategy_id: self.vocabulary.strategies.name(*strategy).to_owned(),
                ..ActorInfo::default()
            },
            Actor::Server => ActorInfo { actor_type: ActorType::Server as i32, ..ActorInfo::default() },
        }
    }

    /// An agent's login and states.
    pub(crate) fn agent_info(&self, agent: AgentId) -> AgentInfo {
        let mut info = AgentInfo {
            agent_id: self.vocabulary.agents.name(agent).to_owned(),
            tenant_id: self.vocabulary.tenant_id as i32,
            ..AgentInfo::default()
        };
        if let Some(state) = self.agents.get(&agent) {
            info.place_id = self.vocabulary.labels.name(state.place).to_owned();
            info.media_list = self.media_list(agent);
            info.do_not_disturb = state.do_not_disturb;
            info.state_reason = state.reason.clone().map(ReasonInfo::from);
            info.logged_in_at = (state.logged_in_at.0 / 1000) as i64;
            let client = state.clients.first().and_then(|client| self.sessions.clients.get(client));
            info.client_name = client.map(|client| client.name.to_string()).unwrap_or_default();
        }
        info
    }

    /// An agent's media and whether he is ready for each.
    pub(crate) fn media_list(&self, agent: AgentId) -> Vec<MediaStateInfo> {
        let Some(state) = self.agents.get(&agent) else { return Vec::new() };
        let media = state.media.iter().map(|(media_type, media)| MediaStateInfo {
            media_type_name: self.vocabulary.media_types.name(*media_type).to_owned(),
            ready: media.ready,
            reason: media.reason.clone().map(ReasonInfo::from),
        });
        media.collect()
    }
}
