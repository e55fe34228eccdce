//! RequestHold and RequestResume. A held interaction stays where it is and is not submitted to routing.

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventHeld, EventResumed, ReasonInfo, RequestHold, RequestResume};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::routing::steps::line_of;
use crate::time::Timestamp;

pub(super) fn hold(engine: &mut Engine, caller: &Caller, request: &RequestHold) -> Result {
    validation::no_instruction(request.instruction.as_ref())?;
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, row) = engine.workable_interaction(caller, &request.interaction_id)?;
    if row.is_held {
        let text = "the interaction is on hold already; resume it with RequestResume";
        return Err(Refusal::new(ErrorCode::InteractionHeld, text));
    }
    engine.set_held(key, true, caller, reason);
    Ok(Answer::ack())
}

pub(super) fn resume(engine: &mut Engine, caller: &Caller, request: &RequestResume) -> Result {
    validation::no_instruction(request.instruction.as_ref())?;
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, row) = engine.workable_interaction(caller, &request.interaction_id)?;
    if !row.is_held {
        let text = "the interaction is not on hold; only a held one can be resumed";
        return Err(Refusal::new(ErrorCode::WrongState, text));
    }
    engine.set_held(key, false, caller, reason);
    engine.offer(key);
    Ok(Answer::ack())
}

impl Engine {
    /// Puts an interaction on hold or ends that; reporting hears it, and the agents who handle it. What a strategy has and
    /// keeps must be offered again after that.
    pub(super) fn set_held(
        &mut self,
        key: InteractionKey,
        held: bool,
        caller: &Caller,
        reason: Option<ReasonInfo>,
    ) {
        let actor = caller.actor();
        let now = self.now;
        let line = self.interactions.get(key).and_then(line_of);
        if let Some((line, urgency)) = line.filter(|_| held) {
            // While a strategy has it, nobody new is asked; its clocks go on.
            self.lines.dequeue(line, urgency);
        }
        self.change(key, |row| {
            row.is_held = held;
            row.held_at = if held { now.seconds() } else { Timestamp::NONE };
        });
        let Some(row) = self.interactions.get(key) else { return };
        let (interaction, actor) = (Some(self.properties(row)), Some(self.actor_info(&actor)));
        let event = if held {
            Event::EventHeld(EventHeld { interaction, actor, reason })
        } else {
            Event::EventResumed(EventResumed { interaction, actor, reason })
        };
        self.tell_parties(key, &event, Some(caller.client));
        self.report(key, |_, _| event);
    }
}
