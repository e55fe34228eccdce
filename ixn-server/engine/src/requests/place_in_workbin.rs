//! RequestPlaceInWorkbin: the vendor's public page PlaceInteractioninWorkbin.

use ixn_proto::{ErrorCode, InteractionOperation, RequestPlaceInWorkbin};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestPlaceInWorkbin) -> Result {
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, _) = engine.workable_interaction(caller, &request.interaction_id)?;
    let place = engine.workbin_place(named(request.workbin.as_ref())?)?;
    let queue = engine.workbin_queue(place)?;
    let operation = InteractionOperation::PlaceInWorkbin;
    engine.move_to_workbin(key, (queue, place), operation, &caller.actor(), reason);
    Ok(Answer::ack())
}

/// The workbin that a request must name.
pub(super) fn named(workbin: Option<&ixn_proto::WorkbinInfo>) -> Result<&ixn_proto::WorkbinInfo> {
    workbin.ok_or_else(|| Refusal::new(ErrorCode::MissingValue, "workbin is missing; it is required"))
}
