//! Workbins: queues with an owner. What lies in one is in its type's queue, queued; only views on that queue see it.

pub(crate) mod contents;
pub(crate) mod subscribers;

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventPlacedInWorkbin, EventTakenFromWorkbin, EventWorkbinContentChanged, InteractionOperation,
    PartyInfo, ReasonInfo, WorkbinContentOperation, WorkbinInfo,
};

use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::interaction::WorkbinPlacement;
use crate::names::{QueueId, WorkbinId};
use crate::requests::Refusal;
use crate::requests::validation;
use crate::setup::OwnerKind;
use crate::wire::Actor;
use contents::{PlaceId, WorkbinContents};
use subscribers::WorkbinSubscribers;

/// The workbins.
#[derive(Debug, Default)]
pub(crate) struct Workbins {
    pub(crate) contents: WorkbinContents,
    pub(crate) subscribers: WorkbinSubscribers,
}

impl Engine {
    /// The workbin that a client names, for something new in it.
    pub(crate) fn workbin_place(&mut self, info: &WorkbinInfo) -> Result<WorkbinPlacement, Refusal> {
        let (workbin, owner_kind, owner) = self.checked_workbin(info)?;
        Ok(WorkbinPlacement { workbin, owner_kind, owner: self.vocabulary.labels.intern(owner)? })
    }

    /// The workbin that a client names, to look at: `None` when nothing can be in it, as nobody has ever named its owner.
    pub(crate) fn find_workbin_place(&self, info: &WorkbinInfo) -> Result<Option<WorkbinPlacement>, Refusal> {
        let (workbin, owner_kind, owner) = self.checked_workbin(info)?;
        let owner = self.vocabulary.labels.find(owner);
        Ok(owner.map(|owner| WorkbinPlacement { workbin, owner_kind, owner }))
    }

    /// The type must be configured and the owner named; an agent or agent group must be configured.
    fn checked_workbin<'a>(&self, info: &'a WorkbinInfo) -> Result<(WorkbinId, OwnerKind, &'a str), Refusal> {
        let name = validation::required("workbin_type_id", &info.workbin_type_id)?;
        let found = self.vocabulary.workbins.find(name);
        let Some((workbin, setup)) = found.and_then(|id| Some((id, self.setup.workbins.get(&id)?))) else {
            let text =
                format!("there is no workbin '{name}'; add it to the configuration or use a configured one");
            return Err(Refusal::new(ErrorCode::UnknownWorkbin, text));
        };
        let owners = [
            (OwnerKind::Agent, "workbin_agent_id", &info.workbin_agent_id),
            (OwnerKind::AgentGroup, "workbin_group_id", &info.workbin_group_id),
            (OwnerKind::Place, "workbin_place_id", &info.workbin_place_id),
            (OwnerKind::PlaceGroup, "workbin_place_group_id", &info.workbin_place_group_id),
        ];
        let mut owner = "";
        for (kind, attribute, value) in owners {
            if kind == setup.owner {
                owner = validation::required(attribute, value)?;
            } else if !value.is_empty() {
                let text = format!(
                    "workbin '{name}' has no owner of the kind that {attribute} names; leave it empty"
                );
                return Err(Refusal::new(ErrorCode::InvalidValue, text));
            }
        }
        match setup.owner {
            OwnerKind::Agent => {
                let agent = self.vocabulary.agents.find(owner);
                if !agent.is_some_and(|agent| self.setup.agents.contains_key(&agent)) {
                    let text =
                        format!("there is no agent '{owner}' to own the workbin; name a configured one");
                    return Err(Refusal::new(ErrorCode::UnknownAgent, text));
                }
            }
            OwnerKind::AgentGroup if !self.setup.agent_groups.contains(owner) => {
                let text =
                    format!("there is no agent group '{owner}' to own the workbin; name a configured one");
                return Err(Refusal::new(ErrorCode::UnknownWorkbin, text));
            }
            OwnerKind::AgentGroup | OwnerKind::Place | OwnerKind::PlaceGroup => {}
        }
        Ok((workbin, setup.owner, owner))
    }

    /// A workbin by its name in indexes, while its type is configured.
    pub(crate) fn placement(&self, place: PlaceId) -> Option<WorkbinPlacement> {
        let owner_kind = self.setup.workbins.get(&place.workbin)?.owner;
        Some(WorkbinPlacement { workbin: place.workbin, owner_kind, owner: place.owner })
    }

    /// The queue behind a workbin.
    pub(crate) fn workbin_queue(&self, place: WorkbinPlacement) -> Result<QueueId, Refusal> {
        self.setup.workbins.get(&place.workbin).map(|workbin| workbin.queue).ok_or_else(|| {
            Refusal::new(
                ErrorCode::UnknownWorkbin,
                "the workbin is no longer configured; use a configured one",
            )
        })
    }

    /// Puts an interaction that is in the workbin's queue into the workbin, and tells.
    pub(crate) fn put_in_workbin(
        &mut self,
        key: InteractionKey,
        place: WorkbinPlacement,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        self.change(key, |row| row.workbin = Some(place));
        let told = reason.clone();
        self.report(key, |interaction, engine| {
            Event::EventPlacedInWorkbin(EventPlacedInWorkbin {
                interaction: Some(interaction),
                workbin: Some(engine.workbin_info(place)),
                operation: operation as i32,
                actor: Some(engine.actor_info(actor)),
                reason,
            })
        });
        self.tell_workbin(key, place, WorkbinContentOperation::Add, operation, actor, told);
    }

    /// Takes an interaction out of its workbin, and tells; answers the workbin. `party`: who took it; none when it was
    /// moved. Does nothing to an interaction that lies in no workbin.
    pub(crate) fn take_from_workbin(
        &mut self,
        key: InteractionKey,
        party: Option<PartyInfo>,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) -> Option<WorkbinPlacement> {
        let place = self.interactions.get(key)?.workbin?;
        self.change(key, |row| row.workbin = None);
        let told = reason.clone();
        self.report(key, |interaction, engine| {
            Event::EventTakenFromWorkbin(EventTakenFromWorkbin {
                interaction: Some(interaction),
                workbin: Some(engine.workbin_info(place)),
                party,
                operation: operation as i32,
                actor: Some(engine.actor_info(actor)),
                reason,
            })
        });
        self.tell_workbin(key, place, WorkbinContentOperation::Remove, operation, actor, told);
        Some(place)
    }

    /// Tells the workbin's subscribers.
    pub(crate) fn tell_workbin(
        &mut self,
        key: InteractionKey,
        place: WorkbinPlacement,
        content_operation: WorkbinContentOperation,
        operation: InteractionOperation,
        actor: &Actor,
        reason: Option<ReasonInfo>,
    ) {
        let subscribers = self.workbins.subscribers.of(place.id());
        let Some(row) = self.interactions.get(key) else { return };
        if subscribers.is_empty() {
            return;
        }
        let event = Event::EventWorkbinContentChanged(EventWorkbinContentChanged {
            workbin: Some(self.workbin_info(place)),
            interaction: Some(self.properties(row)),
            workbin_content_operation: content_operation as i32,
            operation: operation as i32,
            actor: Some(self.actor_info(actor)),
            reason,
        });
        for (client, wanted) in subscribers {
            if content_operation != WorkbinContentOperation::ChangeProperties || wanted.property_changes {
                self.send(client, event.clone());
            }
        }
    }
}
