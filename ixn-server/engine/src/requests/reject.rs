//! RequestReject: the vendor's public page DeliverInteractiontoAgent.

use ixn_proto::RequestReject;

use super::{Answer, Caller, Result, validation};
use crate::engine::Engine;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestReject) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    let key = engine.open_invitation(agent, request.ticket_id, &request.interaction_id)?;
    engine.reject_invitation(key, request.ticket_id, agent, reason);
    Ok(Answer::ack())
}
