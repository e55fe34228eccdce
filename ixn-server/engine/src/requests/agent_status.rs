//! EventCurrentAgentStatus: a reporting engine says how much more an agent can take. Routing keeps to it, and his
//! application hears it. Answered by EventAck.

use std::collections::BTreeMap;

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventCurrentAgentStatus};

use super::{Answer, Refusal, Result, validation};
use crate::engine::Engine;
use crate::names::{AgentId, MediaTypeId};

/// Media of one list at most.
const MAX_MEDIA: usize = 1000;

pub(super) fn apply(engine: &mut Engine, status: &EventCurrentAgentStatus) -> Result {
    engine.own_tenant(status.tenant_id)?;
    let agent = engine.status_agent(status)?;
    for list_length in [status.media_capacity_list.len(), status.media_state_list.len()] {
        if list_length > MAX_MEDIA {
            let text = format!("a list names {list_length} media; at most {MAX_MEDIA} are allowed");
            return Err(Refusal::new(ErrorCode::LimitExceeded, text));
        }
    }
    for state in &status.media_state_list {
        validation::required("media_type_name", &state.media_type_name)?;
        validation::reason(state.reason.as_ref())?;
    }
    let mut most: BTreeMap<MediaTypeId, u32> = BTreeMap::new();
    for capacity in &status.media_capacity_list {
        // A medium that this server does not know limits nothing here.
        let name = validation::required("media_type_name", &capacity.media_type_name)?;
        let Some(media_type) = engine.vocabulary.media_types.find(name) else { continue };
        most.insert(media_type, engine.load_of(agent, media_type).saturating_add(capacity.remaining));
    }
    if let Some(state) = engine.agents.get_mut(&agent) {
        for (media_type, media) in &mut state.media {
            media.reported_capacity = most.get(media_type).copied();
        }
    }
    let relayed = Event::EventCurrentAgentStatus(EventCurrentAgentStatus {
        agent_id: engine.vocabulary.agents.name(agent).to_owned(),
        place_id: engine.place_of(agent),
        tenant_id: engine.vocabulary.tenant_id as i32,
        ..status.clone()
    });
    engine.send_agent(agent, &relayed);
    engine.relist(agent);
    Ok(Answer::ack())
}

impl Engine {
    /// The logged-in agent whom a status is about.
    fn status_agent(&self, status: &EventCurrentAgentStatus) -> Result<AgentId> {
        let found = match (status.agent_id.as_str(), status.place_id.as_str()) {
            ("", "") => {
                let text = "agent_id and place_id are missing; one of them is required";
                return Err(Refusal::new(ErrorCode::MissingValue, text));
            }
            ("", place) => {
                let place = self.vocabulary.labels.find(validation::text("place_id", place)?);
                self.agents.iter().find(|(_, state)| Some(state.place) == place).map(|(agent, _)| *agent)
            }
            (agent, _) => self.vocabulary.agents.find(validation::text("agent_id", agent)?),
        };
        found.filter(|agent| self.agents.contains_key(agent)).ok_or_else(|| {
            let text = "the agent is not logged in at this server; send the status of agents who are";
            Refusal::new(ErrorCode::AgentNotLoggedIn, text)
        })
    }
}
