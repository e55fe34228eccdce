//! RequestPlaceInQueue: the vendor's public page PlaceInteractioninQueue.

use ixn_proto::{InteractionOperation, RequestPlaceInQueue};

use super::{Answer, Caller, Result, validation};
use crate::engine::Engine;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestPlaceInQueue) -> Result {
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, row) = engine.workable_interaction(caller, &request.interaction_id)?;
    let was_held = row.is_held;
    let queue = engine.configured_queue(&request.queue)?;
    // Held first: a held interaction must not be routed in between.
    if request.is_held != was_held {
        engine.set_held(key, request.is_held, caller, reason.clone());
    }
    engine.move_to_queue(key, queue, InteractionOperation::PlaceInQueue, &caller.actor(), reason);
    Ok(Answer::ack())
}
