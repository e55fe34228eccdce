//! RequestChangeProperties: the vendor's public page ChangeProperties. User data and those system properties that may be
//! changed; who handles the interaction hears of the change, its media server when it asked to, and reporting.

use ixn_proto::key_value_list::Limits;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventPropertiesChanged, InteractionOperation, KeyValueList, RequestChangeProperties,
    WorkbinContentOperation,
};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::commit::InteractionKey;
use crate::contents::Unreadable;
use crate::engine::Engine;
use crate::mapped_properties::Mapped;

/// The three lists of a change.
struct Lists {
    added: KeyValueList,
    changed: KeyValueList,
    deleted: KeyValueList,
}

impl Lists {
    fn checked(request: &RequestChangeProperties) -> Result<Self> {
        Ok(Self {
            added: validation::list("added_properties", request.added_properties.as_ref())?,
            changed: validation::list("changed_properties", request.changed_properties.as_ref())?,
            deleted: validation::keys("deleted_properties", request.deleted_properties.as_ref())?,
        })
    }

    fn are_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.deleted.is_empty()
    }

    fn name(&self, key: &str) -> bool {
        [&self.added, &self.changed, &self.deleted].into_iter().any(|list| list.get(key).is_some())
    }
}

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestChangeProperties) -> Result {
    validation::no_instruction(request.instruction.as_ref())?;
    let reason = validation::reason(request.reason.as_ref())?;
    let lists = Lists::checked(request)?;
    let external_id = checked_text("external_id", request.external_id.as_deref())?;
    let parent_id = checked_text("parent_id", request.parent_id.as_deref())?;
    if request.is_online.is_some() && caller.agent.is_some() {
        let text = "only media servers say whether the customer is connected; leave is_online unset";
        return Err(Refusal::new(ErrorCode::NotPermitted, text));
    }
    let (key, _) = engine.workable_interaction(caller, &request.interaction_id)?;
    let data = if lists.are_empty() {
        None
    } else {
        let Some(before) = engine.contents.get(key) else { return Ok(Answer::AfterContents(key)) };
        let before = before.map_err(|Unreadable| {
            let text = format!(
                "the user data of interaction '{}' cannot be read from the database, and what cannot be read is not \
                 changed; the log says why: restore its row of the table contents from a backup, start the newer version that \
                 wrote it, or stop the interaction",
                request.interaction_id
            );
            Refusal::new(ErrorCode::UnreadableUserData, text)
        })?;
        let after = before
            .apply_change(&lists.added, &lists.changed, &lists.deleted)
            .and_then(|after| after.check(&Limits::default()).map(|_| after))
            .map_err(|error| validation::bad_list("the user data after the change", &error))?;
        let mapped = engine.mapped_properties(&after)?;
        Some((after, mapped))
    };
    let nothing = data.is_none()
        && request.priority.is_none()
        && request.service_objective.is_none()
        && request.is_online.is_none()
        && request.external_id.is_none()
        && request.parent_id.is_none();
    if nothing {
        let text = "the request names nothing to change; name user data or a property that may be changed";
        return Err(Refusal::new(ErrorCode::MissingValue, text));
    }

    // From here on nothing fails.
    if let Some((after, mapped)) = data {
        engine.pulls.user_data_changed(key, &after);
        engine.contents.put_new(key, after, engine.batch);
        engine.journal.contents.insert(key);
        engine.set_mapped(key, mapped, &lists);
    }
    if let Some(priority) = request.priority {
        engine.set_priority(key, priority);
    }
    let now = engine.now;
    engine.change(key, |row| {
        if let Some(seconds) = request.service_objective {
            row.service_objective = seconds;
        }
        if let Some(is_online) = request.is_online {
            if row.is_online && !is_online {
                row.abandoned_at = now.seconds();
            }
            row.is_online = is_online;
        }
        if let Some(external_id) = external_id {
            row.extra.change(|extra| extra.external_id = external_id);
        }
        if let Some(parent_id) = parent_id {
            row.extra.change(|extra| extra.parent_id = parent_id);
        }
    });
    tell(engine, caller, key, lists, reason);
    Ok(Answer::ack())
}

/// A text to set; empty takes it away. `None`: no change.
fn checked_text(attribute: &str, value: Option<&str>) -> Result<Option<Option<Box<str>>>> {
    let Some(value) = value else { return Ok(None) };
    let text = validation::text(attribute, value)?;
    Ok(Some((!text.is_empty()).then(|| text.into())))
}

impl Engine {
    /// Puts what user data says about the hot row there. Priority and ServiceObjective, which requests also set directly,
    /// only when the change names them.
    fn set_mapped(&mut self, key: InteractionKey, mapped: Mapped, lists: &Lists) {
        if lists.name("Priority") {
            self.set_priority(key, mapped.priority.unwrap_or(0));
        }
        let service_objective = lists.name("ServiceObjective").then(|| mapped.service_objective.unwrap_or(0));
        self.change(key, |row| {
            row.handling_timeout_minutes = mapped.handling_timeout_minutes.unwrap_or(0);
            if let Some(seconds) = service_objective {
                row.service_objective = seconds;
            }
            if !mapped.custom.is_empty() || !row.extra.is_empty() {
                row.extra.change(|extra| extra.custom = mapped.custom);
            }
        });
    }
}

/// Everybody concerned, but for the one who did it.
fn tell(
    engine: &mut Engine,
    caller: &Caller,
    key: InteractionKey,
    lists: Lists,
    reason: Option<ixn_proto::ReasonInfo>,
) {
    let Some(row) = engine.interactions.get(key) else { return };
    let workbin = row.workbin;
    let actor = caller.actor();
    let some = |list: KeyValueList| (!list.is_empty()).then_some(list);
    let event = Event::EventPropertiesChanged(EventPropertiesChanged {
        interaction: Some(engine.properties(row)),
        added_properties: some(lists.added),
        changed_properties: some(lists.changed),
        deleted_properties: some(lists.deleted),
        actor: Some(engine.actor_info(&actor)),
        reason: reason.clone(),
    });
    let submitter = engine.vocabulary.labels.name(row.submitted_by);
    let listeners = engine.sessions.property_listeners(submitter);
    for listener in listeners.into_iter().filter(|listener| *listener != caller.client) {
        engine.send(listener, event.clone());
    }
    engine.tell_parties(key, &event, Some(caller.client));
    engine.report(key, |_, _| event);
    if let Some(place) = workbin {
        let what = WorkbinContentOperation::ChangeProperties;
        engine.tell_workbin(key, place, what, InteractionOperation::ChangeProperties, &actor, reason);
    }
}
