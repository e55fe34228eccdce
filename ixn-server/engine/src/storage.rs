//! Between rows in memory and rows as stored.

use ixn_proto::{InteractionOperation, KeyValueList};

use crate::agents::{AgentState, MediaState, Reason};
use crate::commit::{EventNumber, InteractionKey};
use crate::extra::{CustomRef, CustomValue, Extra};
use crate::interaction::{AgentParty, Interaction, Invitation, Parties, Routing, State, WorkbinPlacement};
use crate::names::TooManyNames;
use crate::row::{
    AgentMediaRow, AgentRow, CustomRow, CustomRowValue, InteractionRow, InvitationRow, PartyRow, ReasonRow,
    WorkbinRow,
};
use crate::setup::OwnerKind;
use crate::time::{Milliseconds, Timestamp};
use crate::vocabulary::Vocabulary;

const ONLINE: u32 = 1;
const HELD: u32 = 2;
const LOCKED: u32 = 4;

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn boxed(text: String) -> Option<Box<str>> {
    (!text.is_empty()).then(|| text.into())
}

impl Interaction {
    /// As stored.
    pub fn to_row(&self, words: &Vocabulary) -> InteractionRow {
        let label = |id| words.labels.name(id).to_owned();
        let workbin = |place: WorkbinPlacement| WorkbinRow {
            workbin: words.workbins.name(place.workbin).to_owned(),
            owner_kind: place.owner_kind as u32,
            owner: label(place.owner),
        };
        let former_workbin = self.parties.as_ref().and_then(|parties| parties.former_workbin);
        let extra = &self.extra;
        InteractionRow {
            chosen_id: text(self.chosen_id()),
            queue: words.queues.name(self.queue).to_owned(),
            media_type: words.media_types.name(self.media_type).to_owned(),
            interaction_type: label(self.interaction_type),
            subtype: label(self.subtype),
            submitted_by: label(self.submitted_by),
            assigned_to: self.assigned_to.map(label).unwrap_or_default(),
            state: self.state as u32,
            flags: (u32::from(self.is_online) * ONLINE)
                | (u32::from(self.is_held) * HELD)
                | (u32::from(self.is_locked) * LOCKED),
            priority: self.priority,
            service_objective: self.service_objective,
            place_in_queue_seq: self.place_in_queue_seq,
            last_event: self.last_event.0,
            received_at: self.received_at.0,
            submitted_at: self.submitted_at.0,
            placed_in_queue_at: self.placed_in_queue_at.0,
            moved_to_queue_at: self.moved_to_queue_at.0,
            delivered_at: self.delivered_at.0,
            abandoned_at: self.abandoned_at.0,
            assigned_at: self.assigned_at.0,
            held_at: self.held_at.0,
            submitted_to_router_at: self.submitted_to_router_at.0,
            completed_at: self.completed_at.0,
            workbin: self.workbin.map(workbin),
            external_id: text(extra.external_id()),
            parent_id: text(extra.parent_id()),
            in_queues: extra.in_queues().as_bytes().clone(),
            out_queues: extra.out_queues().as_bytes().clone(),
            custom: custom_rows(self, words),
            strategy: self
                .routing()
                .map(|routing| words.strategies.name(routing.strategy).to_owned())
                .unwrap_or_default(),
            agents: self
                .agents()
                .iter()
                .map(|party| PartyRow {
                    agent: words.agents.name(party.agent).to_owned(),
                    since_milliseconds: party.since.0,
                    operation: party.operation as i32,
                })
                .collect(),
            former_workbin: former_workbin.map(workbin),
            handling_timeout_minutes: u32::from(self.handling_timeout_minutes),
            invitations: self
                .invitations()
                .iter()
                .map(|invitation| InvitationRow {
                    agent: words.agents.name(invitation.agent).to_owned(),
                    ticket: invitation.ticket,
                })
                .collect(),
        }
    }

    /// From what is stored. Timers are not: what they guard is settled at recovery.
    pub fn from_row(
        key: InteractionKey,
        row: InteractionRow,
        words: &mut Vocabulary,
    ) -> Result<Self, TooManyNames> {
        let mut workbin = |place: Option<WorkbinRow>| -> Result<Option<WorkbinPlacement>, TooManyNames> {
            let Some(place) = place else { return Ok(None) };
            Ok(Some(WorkbinPlacement {
                workbin: words.workbins.intern(&place.workbin)?,
                owner_kind: OwnerKind::from_number(place.owner_kind),
                owner: words.labels.intern(&place.owner)?,
            }))
        };
        let workbin_place = workbin(row.workbin)?;
        let former_workbin = workbin(row.former_workbin)?;
        let mut agents = Vec::new();
        for party in &row.agents {
            agents.push(AgentParty {
                agent: words.agents.intern(&party.agent)?,
                since: Milliseconds(party.since_milliseconds),
                operation: InteractionOperation::try_from(party.operation).unwrap_or_default(),
                handling_timer: None,
            });
        }
        let mut custom = Vec::new();
        for property in row.custom {
            let value = match property.value {
                Some(CustomRowValue::Integer(number)) => CustomValue::Integer(number),
                Some(CustomRowValue::Text(text)) => CustomValue::Text(text.into()),
                Some(CustomRowValue::Timestamp(seconds)) => CustomValue::Timestamp(seconds),
                None => continue,
            };
            custom.push((words.custom_properties.intern(&property.name)?, value));
        }
        custom.sort_by_key(|(id, _)| *id);
        let extra = Extra {
            chosen_id: boxed(row.chosen_id),
            external_id: boxed(row.external_id),
            parent_id: boxed(row.parent_id),
            in_queues: KeyValueList::from_encoded(row.in_queues),
            out_queues: KeyValueList::from_encoded(row.out_queues),
            custom,
        };
        let state = match row.state {
            0 => State::Queued,
            // A pull whose answer the server did not live to give.
            1 => State::Queued,
            2 => State::Routing,
            _ => State::Handling,
        };
        let mut invitations = Vec::new();
        for invitation in &row.invitations {
            let agent = words.agents.intern(&invitation.agent)?;
            invitations.push(Invitation { ticket: invitation.ticket, agent, timer: None });
        }
        let routing = match row.strategy.as_str() {
            "" => None,
            strategy => Some(Routing {
                strategy: words.strategies.intern(strategy)?,
                step: 0,
                step_timer: None,
                routing_timer: None,
                declined: Vec::new(),
            }),
        };
        let parties = (state != State::Queued)
            .then(|| Box::new(Parties { routing, invitations, agents, former_workbin }));
        Ok(Self {
            key,
            place_in_queue_seq: row.place_in_queue_seq,
            last_event: EventNumber(row.last_event),
            queue: words.queues.intern(&row.queue)?,
            media_type: words.media_types.intern(&row.media_type)?,
            interaction_type: words.labels.intern(&row.interaction_type)?,
            subtype: words.labels.intern(&row.subtype)?,
            submitted_by: words.labels.intern(&row.submitted_by)?,
            assigned_to: match row.assigned_to.as_str() {
                "" => None,
                name => Some(words.labels.intern(name)?),
            },
            workbin: workbin_place,
            priority: row.priority,
            service_objective: row.service_objective,
            received_at: Timestamp(row.received_at),
            submitted_at: Timestamp(row.submitted_at),
            placed_in_queue_at: Timestamp(row.placed_in_queue_at),
            moved_to_queue_at: Timestamp(row.moved_to_queue_at),
            delivered_at: Timestamp(row.delivered_at),
            abandoned_at: Timestamp(row.abandoned_at),
            assigned_at: Timestamp(row.assigned_at),
            held_at: Timestamp(row.held_at),
            submitted_to_router_at: Timestamp(row.submitted_to_router_at),
            completed_at: Timestamp(row.completed_at),
            handling_timeout_minutes: u16::try_from(row.handling_timeout_minutes).unwrap_or(u16::MAX),
            state,
            is_online: row.flags & ONLINE != 0,
            is_held: row.flags & HELD != 0,
            is_locked: row.flags & LOCKED != 0,
            extra: extra.pack(),
            parties,
        })
    }
}

fn custom_rows(interaction: &Interaction, words: &Vocabulary) -> Vec<CustomRow> {
    let rows = interaction.extra.custom().map(|(id, value)| CustomRow {
        name: words.custom_properties.name(id).to_owned(),
        value: Some(match value {
            CustomRef::Integer(number) => CustomRowValue::Integer(number),
            CustomRef::Text(text) => CustomRowValue::Text(text.to_owned()),
            CustomRef::Timestamp(seconds) => CustomRowValue::Timestamp(seconds),
        }),
    });
    rows.collect()
}

fn reason_row(reason: &Option<Reason>) -> Option<ReasonRow> {
    reason.as_ref().map(|reason| ReasonRow {
        system_name: reason.system_name.clone(),
        description: reason.description.clone(),
        number: reason.number,
    })
}

fn reason(row: Option<ReasonRow>) -> Option<Reason> {
    row.map(|row| Reason { system_name: row.system_name, description: row.description, number: row.number })
}

impl AgentState {
    /// As stored.
    pub fn to_row(&self, words: &Vocabulary) -> AgentRow {
        AgentRow {
            place: words.labels.name(self.place).to_owned(),
            media: self
                .media
                .iter()
                .map(|(media_type, media)| AgentMediaRow {
                    media_type: words.media_types.name(*media_type).to_owned(),
                    ready: media.ready,
                    reason: reason_row(&media.reason),
                })
                .collect(),
            do_not_disturb: self.do_not_disturb,
            idle_since_milliseconds: self.idle_since.0,
            last_event: self.last_event.0,
            reason: reason_row(&self.reason),
            logged_in_at_milliseconds: self.logged_in_at.0,
        }
    }

    /// From what is stored: logged in, but not yet back.
    pub fn from_row(row: AgentRow, words: &mut Vocabulary) -> Result<Self, TooManyNames> {
        let mut state =
            Self::new(words.labels.intern(&row.place)?, Milliseconds(row.logged_in_at_milliseconds));
        for media in row.media {
            let media_type = words.media_types.intern(&media.media_type)?;
            let media =
                MediaState { ready: media.ready, reason: reason(media.reason), ..MediaState::default() };
            state.media.insert(media_type, media);
        }
        state.do_not_disturb = row.do_not_disturb;
        state.idle_since = Milliseconds(row.idle_since_milliseconds);
        state.last_event = EventNumber(row.last_event);
        state.reason = reason(row.reason);
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// Every field has a value of its own, so that none can be forgotten, or taken for another.
    fn full_row() -> InteractionRow {
        let workbin = |name: &str, owner_kind| {
            Some(WorkbinRow { workbin: name.into(), owner_kind, owner: format!("owner of {name}") })
        };
        let list = |key: &str| {
            let mut list = KeyValueList::new();
            list.push_text(key, "value");
            list.as_bytes().clone()
        };
        let custom = |name: &str, value| CustomRow { name: name.into(), value: Some(value) };
        InteractionRow {
            chosen_id: "chosen".into(),
            queue: "queue".into(),
            media_type: "email".into(),
            interaction_type: "Inbound".into(),
            subtype: "InboundNew".into(),
            submitted_by: "gateway".into(),
            assigned_to: "alice".into(),
            state: 3,
            flags: ONLINE | LOCKED,
            priority: -7,
            service_objective: 60,
            place_in_queue_seq: 11,
            last_event: 12,
            received_at: 101,
            submitted_at: 102,
            placed_in_queue_at: 103,
            moved_to_queue_at: 104,
            delivered_at: 105,
            abandoned_at: 106,
            assigned_at: 107,
            held_at: 108,
            submitted_to_router_at: 109,
            completed_at: 110,
            workbin: workbin("drafts", 1),
            external_id: "external".into(),
            parent_id: "parent".into(),
            in_queues: list("in"),
            out_queues: list("out"),
            custom: vec![
                custom("number", CustomRowValue::Integer(-5)),
                custom("text", CustomRowValue::Text("some".into())),
                custom("time", CustomRowValue::Timestamp(1_700_000_000)),
            ],
            strategy: "billing".into(),
            agents: vec![PartyRow { agent: "alice".into(), since_milliseconds: 1_234, operation: 2 }],
            former_workbin: workbin("later", 2),
            handling_timeout_minutes: 15,
            invitations: vec![InvitationRow { agent: "bob".into(), ticket: 9 }],
        }
    }

    #[test]
    fn an_interaction_comes_back_as_it_was_stored() -> Result<(), TooManyNames> {
        let mut words = Vocabulary::new(1, "AAAAAA".into());
        for row in [full_row(), InteractionRow { flags: HELD, state: 2, ..full_row() }] {
            let interaction = Interaction::from_row(InteractionKey(1), row.clone(), &mut words)?;
            assert_eq!(interaction.to_row(&words), row);
        }
        // What a pull had chosen is free again, and nobody has it.
        let chosen = InteractionRow { state: 1, ..full_row() };
        let free = Interaction::from_row(InteractionKey(1), chosen, &mut words)?;
        assert_eq!((free.state, free.parties.is_none()), (State::Queued, true));
        Ok(())
    }

    #[test]
    fn an_agent_comes_back_as_he_was_stored() -> Result<(), TooManyNames> {
        let mut words = Vocabulary::new(1, "AAAAAA".into());
        let reason = |system_name: &str, number| {
            Some(ReasonRow { system_name: system_name.into(), description: "because".into(), number })
        };
        let row = AgentRow {
            place: "desk 7".into(),
            media: vec![
                AgentMediaRow { media_type: "email".into(), ready: true, reason: None },
                AgentMediaRow { media_type: "chat".into(), ready: false, reason: reason("Lunch", 2) },
            ],
            do_not_disturb: true,
            idle_since_milliseconds: 5,
            last_event: 6,
            reason: reason("Meeting", 3),
            logged_in_at_milliseconds: 4,
        };
        assert_eq!(AgentState::from_row(row.clone(), &mut words)?.to_row(&words), row);
        Ok(())
    }

    #[test]
    fn nothing_set_takes_no_room_in_a_row() {
        assert_eq!(InteractionRow::default().encoded_len(), 0);
    }
}
