//! RequestLeaveInteraction: an agent leaves; when the last one leaves the interaction returns to where it came from
//! (the vendor's public page Conference).

use ixn_proto::{ErrorCode, InteractionOperation, RequestLeaveInteraction};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestLeaveInteraction) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, row) = engine.known_interaction(&request.interaction_id)?;
    if !row.is_handled_by(agent) {
        let text = "the agent does not handle the interaction; only a party can leave it";
        return Err(Refusal::new(ErrorCode::NotAParty, text));
    }
    engine.leave(key, agent, InteractionOperation::Leave, &caller.actor(), reason);
    Ok(Answer::ack())
}
