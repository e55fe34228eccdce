//! RequestStopProcessing: the vendor's public page StopProcessing. The interaction ends and its row goes.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    EventProcessingStopped, InteractionOperation, ReasonInfo, RequestStopProcessing, WorkbinContentOperation,
};

use super::{Answer, Caller, Result, validation};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::wire::Actor;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestStopProcessing) -> Result {
    let reason = validation::reason(request.reason.as_ref())?;
    let (key, _) = engine.workable_interaction(caller, &request.interaction_id)?;
    engine.stop(key, &caller.actor(), reason);
    Ok(Answer::ack())
}

impl Engine {
    /// Ends an interaction: everybody loses it, reporting and the subscribers of its workbin hear of it.
    pub(crate) fn stop(&mut self, key: InteractionKey, actor: &Actor, reason: Option<ReasonInfo>) {
        let operation = InteractionOperation::StopProcessing;
        self.release_parties(key, operation, actor, reason.as_ref());
        let Some(row) = self.interactions.get(key) else { return };
        let event = Event::EventProcessingStopped(EventProcessingStopped {
            interaction: Some(self.properties(row)),
            actor: Some(self.actor_info(actor)),
            reason: reason.clone(),
        });
        if let Some(place) = row.workbin {
            self.tell_workbin(key, place, WorkbinContentOperation::Remove, operation, actor, reason);
            for (client, wanted) in self.workbins.subscribers.of(place.id()) {
                if wanted.processing_stopped {
                    self.send(client, event.clone());
                }
            }
        }
        self.report(key, |_, _| event);
        self.delete(key);
    }
}
