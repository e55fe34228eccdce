//! RequestSubmit: the vendor's public pages MediaServerSubmitsInteraction and AgentSubmitsInteraction.
//!
//! From a media server the interaction is queued; from an agent it is handled by him until he places or stops it.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventHeld, EventInteractionSubmitted, InteractionOperation, KeyValueList, RequestSubmit,
};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::commit::{EventNumber, InteractionKey};
use crate::engine::Engine;
use crate::extra::Extra;
use crate::interaction::{AgentParty, Interaction, State};
use crate::interaction_id;
use crate::time::Timestamp;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestSubmit) -> Result {
    validation::no_instruction(request.instruction.as_ref())?;
    engine.own_tenant(request.tenant_id)?;
    let placement = match &request.workbin {
        Some(info) => Some(engine.workbin_place(info)?),
        None => None,
    };
    let queue = match placement {
        Some(place) => {
            let queue = engine.workbin_queue(place)?;
            let name = engine.vocabulary.queues.name(queue);
            if !request.queue.is_empty() && request.queue != name {
                let text = format!("the workbin is in queue '{name}'; leave queue empty, or name no workbin");
                return Err(Refusal::new(ErrorCode::InvalidValue, text));
            }
            queue
        }
        None => engine.configured_queue(&request.queue)?,
    };
    // What an agent submits into a workbin he has placed already; else he handles it.
    let handled_by = caller.agent.filter(|_| placement.is_none());
    let media_type = engine.configured_media_type(&request.media_type)?;
    let reason = validation::reason(request.reason.as_ref())?;
    let received_at = match request.received_at {
        0 => engine.now.seconds(),
        seconds => validation::timestamp("received_at", seconds)?,
    };
    let external_id = validation::text("external_id", &request.external_id)?;
    let parent_id = validation::text("parent_interaction_id", &request.parent_interaction_id)?;
    let chosen_id = engine.chosen_id(&request.interaction_id)?;
    let user_data = validation::list("user_data", request.user_data.as_ref())?;
    let in_queues = validation::small_list("in_queues", request.in_queues.as_ref())?;
    let out_queues = validation::small_list("out_queues", request.out_queues.as_ref())?;
    let mapped = engine.mapped_properties(&user_data)?;
    let words = &mut engine.vocabulary;
    let mut label = |attribute: &str, text: &str, default: &str| -> Result<_> {
        let text = if text.is_empty() { default } else { validation::text(attribute, text)? };
        Ok(words.labels.intern(text)?)
    };
    let interaction_type = label("interaction_type", &request.interaction_type, "Inbound")?;
    let subtype = label("interaction_subtype", &request.interaction_subtype, "InboundNew")?;
    let submitted_by = match caller.agent {
        Some(agent) => words.labels.intern(words.configured.agents.name(agent))?,
        None => words.labels.intern(&caller.name)?,
    };
    let assigned_to = handled_by.map(|_| submitted_by);

    // From here on nothing fails.
    let now = engine.now;
    let key = InteractionKey(engine.counters.next_interaction);
    engine.counters.next_interaction += 1;
    let place_in_queue_seq = engine.counters.next_place_in_queue;
    engine.counters.next_place_in_queue += 1;
    let boxed = |text: &str| (!text.is_empty()).then(|| Box::<str>::from(text));
    let extra = Extra {
        chosen_id,
        external_id: boxed(external_id),
        parent_id: boxed(parent_id),
        in_queues,
        out_queues,
        custom: mapped.custom,
    };
    let mut interaction = Interaction {
        key,
        place_in_queue_seq,
        last_event: EventNumber(0),
        queue,
        media_type,
        interaction_type,
        subtype,
        submitted_by,
        assigned_to,
        workbin: None,
        priority: request.priority.or(mapped.priority).unwrap_or(0),
        service_objective: request.service_objective.or(mapped.service_objective).unwrap_or(0),
        received_at,
        submitted_at: now.seconds(),
        placed_in_queue_at: now.seconds(),
        moved_to_queue_at: now.seconds(),
        delivered_at: Timestamp::NONE,
        abandoned_at: Timestamp::NONE,
        assigned_at: Timestamp::NONE,
        held_at: if request.hold { now.seconds() } else { Timestamp::NONE },
        submitted_to_router_at: Timestamp::NONE,
        completed_at: Timestamp::NONE,
        handling_timeout_minutes: mapped.handling_timeout_minutes.unwrap_or(0),
        state: State::Queued,
        is_online: request.is_online,
        is_held: request.hold,
        is_locked: false,
        extra: extra.pack(),
        parties: None,
    };
    if let Some(agent) = handled_by {
        interaction.state = State::Handling;
        interaction.assigned_at = now.seconds();
        interaction.delivered_at = now.seconds();
        interaction.parties_mut().agents.push(AgentParty {
            agent,
            since: now,
            operation: InteractionOperation::Submit,
            handling_timer: None,
        });
    }
    let interaction_id = engine.id_of(&interaction);
    engine.contents.put_new(key, user_data.clone(), engine.batch);
    engine.journal.contents.insert(key);
    engine.insert(interaction);
    report(engine, caller, key, user_data, reason);
    if let Some(place) = placement {
        engine.put_in_workbin(key, place, InteractionOperation::Submit, &caller.actor(), None);
    }
    if let Some(agent) = handled_by {
        if let Some(state) = engine.agents.get_mut(&agent) {
            state.handled.insert(key);
        }
        engine.add_load(agent, media_type, 1);
        engine.restart_handling_timer(key, agent);
    }

    engine.answer_envelope(caller, Engine::submitted(interaction_id));
    Ok(Answer::Given)
}

fn report(
    engine: &mut Engine,
    caller: &Caller,
    key: InteractionKey,
    user_data: KeyValueList,
    reason: Option<ixn_proto::ReasonInfo>,
) {
    let actor = caller.actor();
    engine.report(key, |mut interaction, engine| {
        interaction.user_data = Some(user_data);
        Event::EventInteractionSubmitted(EventInteractionSubmitted {
            interaction: Some(interaction),
            actor: Some(engine.actor_info(&actor)),
            reason,
        })
    });
    if engine.interactions.get(key).is_some_and(|row| row.is_held) {
        engine.report(key, |interaction, engine| {
            Event::EventHeld(EventHeld {
                interaction: Some(interaction),
                actor: Some(engine.actor_info(&actor)),
                reason: None,
            })
        });
    }
    if let Some(agent) = engine.interactions.get(key).and_then(|row| row.agents().first()).map(|p| p.agent) {
        engine.report_agent_added(key, agent, InteractionOperation::Submit, &actor);
    }
}

impl Engine {
    /// A client's own id: bounded, free, and not one that the server could give.
    fn chosen_id(&self, id: &str) -> Result<Option<Box<str>>> {
        if id.is_empty() {
            return Ok(None);
        }
        if !id.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            let text = "interaction_id has characters other than printable ASCII; choose another or none";
            return Err(Refusal::new(ErrorCode::InvalidValue, text));
        }
        if id.len() > interaction_id::MAX_BYTES {
            let text = format!(
                "interaction_id has at most {} bytes; choose a shorter one",
                interaction_id::MAX_BYTES
            );
            return Err(Refusal::new(ErrorCode::LimitExceeded, text));
        }
        if self.vocabulary.parse_generated_id(id).is_some() {
            let text = "interaction_id looks like one that this server gives; choose another or none";
            return Err(Refusal::new(ErrorCode::InvalidValue, text));
        }
        if self.interactions.find(&self.vocabulary, id).is_some() {
            let text = format!("there is an interaction '{id}' already; choose another id or none");
            return Err(Refusal::new(ErrorCode::DuplicateInteractionId, text));
        }
        Ok(Some(id.into()))
    }
}
