//! RequestCustomReporting: an event of the client's own, for reporting.

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventCustomReporting, RequestCustomReporting};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestCustomReporting) -> Result {
    let reason = validation::reason(request.reason.as_ref())?;
    let content = validation::list("event_content", request.event_content.as_ref())?;
    if request.custom_event_id == 0 {
        let text = "custom_event_id is missing; it says which custom event this is";
        return Err(Refusal::new(ErrorCode::MissingValue, text));
    }
    let found = match request.interaction_id.as_str() {
        "" => None,
        id => Some(engine.known_interaction(id)?),
    };
    let key = found.map(|(key, _)| key);
    let interaction = found.map(|(_, row)| engine.properties(row));
    let event = Event::EventCustomReporting(EventCustomReporting {
        custom_event_id: request.custom_event_id,
        interaction,
        event_content: (!content.is_empty()).then_some(content),
        actor: Some(engine.actor_info(&caller.actor())),
        reason,
    });
    match (key, caller.agent) {
        (Some(key), _) => engine.report(key, |_, _| event),
        (None, Some(agent)) => engine.report_agent(agent, event),
        (None, None) => {
            engine.journal.report(engine.now, event);
        }
    }
    Ok(Answer::ack())
}
