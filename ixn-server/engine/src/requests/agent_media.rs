//! The media of an agent: added, removed, ready, not ready, and why.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventMediaAdded, EventMediaRemoved, EventMediaStateReasonChanged, EventNotReadyForMedia,
    EventReadyForMedia, ReasonInfo, RequestAddMedia, RequestCancelNotReadyForMedia,
    RequestChangeMediaStateReason, RequestNotReadyForMedia, RequestRemoveMedia,
};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::agents::{MediaState, Reason};
use crate::engine::Engine;
use crate::names::{AgentId, MediaTypeId};
use crate::wire::server_reason;

/// RequestAddMedia: the agent now has the medium, not ready for it yet.
pub(super) fn add(engine: &mut Engine, caller: &Caller, request: &RequestAddMedia) -> Result {
    let agent = caller.logged_in()?;
    let media_type = engine.configured_media_type(&request.media_type_name)?;
    let reason = validation::reason(request.reason.as_ref())?;
    let load = engine.load_of(agent, media_type);
    let Some(state) = engine.agents.get_mut(&agent) else { return Ok(Answer::ack()) };
    if state.media.contains_key(&media_type) {
        return Ok(Answer::ack());
    }
    let media = MediaState { reason: reason.clone().map(Reason::from), load, ..MediaState::default() };
    state.media.insert(media_type, media);
    report(engine, agent, &request.media_type_name, reason, |agent, media_type_name, reason, actor| {
        Event::EventMediaAdded(EventMediaAdded { agent, media_type_name, reason, actor })
    });
    Ok(Answer::ack())
}

/// RequestRemoveMedia: no more offers of the medium, open ones go to others; what the agent handles stays with him.
pub(super) fn remove(engine: &mut Engine, caller: &Caller, request: &RequestRemoveMedia) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    let media_type = engine.added_media(agent, &request.media_type_name)?;
    if let Some(state) = engine.agents.get_mut(&agent) {
        state.media.remove(&media_type);
    }
    engine.relist(agent);
    report(engine, agent, &request.media_type_name, reason, |agent, media_type_name, reason, actor| {
        Event::EventMediaRemoved(EventMediaRemoved { agent, media_type_name, reason, actor })
    });
    let why = server_reason("MediaRemoved", "the agent has removed the medium");
    engine.withdraw_offers(agent, Some(media_type), &why, usize::MAX);
    Ok(Answer::ack())
}

/// RequestCancelNotReadyForMedia: ready.
pub(super) fn ready(engine: &mut Engine, caller: &Caller, request: &RequestCancelNotReadyForMedia) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    let media_type = set_ready(engine, agent, &request.media_type_name, true, reason.clone())?;
    report(engine, agent, &request.media_type_name, reason, |agent, media_type_name, reason, actor| {
        Event::EventReadyForMedia(EventReadyForMedia { agent, media_type_name, reason, actor })
    });
    engine.begin_round(agent, Some(media_type));
    engine.relist(agent);
    Ok(Answer::ack())
}

/// RequestNotReadyForMedia: no more offers of the medium.
pub(super) fn not_ready(engine: &mut Engine, caller: &Caller, request: &RequestNotReadyForMedia) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    set_ready(engine, agent, &request.media_type_name, false, reason.clone())?;
    engine.relist(agent);
    report(engine, agent, &request.media_type_name, reason, |agent, media_type_name, reason, actor| {
        Event::EventNotReadyForMedia(EventNotReadyForMedia { agent, media_type_name, reason, actor })
    });
    Ok(Answer::ack())
}

/// RequestChangeMediaStateReason.
pub(super) fn change_reason(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestChangeMediaStateReason,
) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    let media_type = engine.added_media(agent, &request.media_type_name)?;
    let media = engine.agents.get_mut(&agent).and_then(|state| state.media.get_mut(&media_type));
    if let Some(media) = media {
        media.reason = reason.clone().map(Reason::from);
    }
    report(engine, agent, &request.media_type_name, reason, |agent, media_type_name, reason, actor| {
        Event::EventMediaStateReasonChanged(EventMediaStateReasonChanged {
            agent,
            media_type_name,
            reason,
            actor,
        })
    });
    Ok(Answer::ack())
}

fn set_ready(
    engine: &mut Engine,
    agent: AgentId,
    media_type_name: &str,
    ready: bool,
    reason: Option<ReasonInfo>,
) -> Result<MediaTypeId> {
    let media_type = engine.added_media(agent, media_type_name)?;
    let media = engine.agents.get_mut(&agent).and_then(|state| state.media.get_mut(&media_type));
    if let Some(media) = media {
        media.ready = ready;
        media.reason = reason.map(Reason::from);
    }
    Ok(media_type)
}

fn report(
    engine: &mut Engine,
    agent: AgentId,
    media_type_name: &str,
    reason: Option<ReasonInfo>,
    event: impl FnOnce(
        Option<ixn_proto::AgentInfo>,
        String,
        Option<ReasonInfo>,
        Option<ixn_proto::ActorInfo>,
    ) -> Event,
) {
    let info = Some(engine.agent_info(agent));
    let actor = Some(engine.actor_info(&crate::wire::Actor::Agent(agent)));
    let event = event(info, media_type_name.to_owned(), reason, actor);
    engine.report_agent(agent, event);
}

impl Engine {
    /// A medium that the agent has added.
    fn added_media(&self, agent: AgentId, name: &str) -> Result<MediaTypeId> {
        validation::required("media_type_name", name)?;
        let unknown =
            || Refusal::new(ErrorCode::UnknownMediaType, format!("there is no media type '{name}'"));
        let media_type = self.vocabulary.media_types.find(name).ok_or_else(unknown)?;
        if self.agents.get(&agent).is_some_and(|state| state.media.contains_key(&media_type)) {
            return Ok(media_type);
        }
        let text = format!("the agent has not added medium '{name}'; send RequestAddMedia first");
        Err(Refusal::new(ErrorCode::MediaNotAdded, text))
    }

    /// The agent has made himself ready, for one medium or all: what he declined before he may be offered again.
    pub(super) fn begin_round(&mut self, agent: AgentId, media_type: Option<MediaTypeId>) {
        let now = self.journal.last_event();
        let Some(state) = self.agents.get_mut(&agent) else { return };
        for (of, media) in &mut state.media {
            if media_type.is_none_or(|media_type| media_type == *of) {
                media.ready_since_event = now;
            }
        }
    }

    /// What the agent has of a medium, counted from the parties.
    pub(crate) fn load_of(&self, agent: AgentId, media_type: MediaTypeId) -> u32 {
        let Some(state) = self.agents.get(&agent) else { return 0 };
        let keys = state.handled.iter().chain(&state.offered);
        keys.filter(|key| self.interactions.get(**key).is_some_and(|row| row.media_type == media_type))
            .count() as u32
    }
}
