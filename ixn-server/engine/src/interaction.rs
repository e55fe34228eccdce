//! The interaction as the engine holds it: the hot row. Fixed part without heap, names interned, what only some rows
//! have in [`PackedExtra`] and [`Parties`]. User data is not here: it lives in the database and passes through
//! [contents](crate::contents).

use std::cell::OnceCell;

use ixn_conditions::{Properties, Property, PropertyRef, Value};
use ixn_proto::InteractionOperation;

use crate::commit::{EventNumber, InteractionKey};
use crate::extra::{CustomRef, PackedExtra};
use crate::names::{AgentId, LabelId, MediaTypeId, QueueId, StrategyId, WorkbinId};
use crate::setup::OwnerKind;
use crate::time::{Milliseconds, Timestamp};
use crate::timers::TimerHandle;
use crate::vocabulary::{CustomPropertyId, Vocabulary};

/// Where an interaction is in its life; the numbers are the product's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// In its queue, free.
    Queued = 0,
    /// Chosen by a pull, contents loading: invisible to other pulls.
    Cached = 1,
    /// With a strategy.
    Routing = 2,
    /// With an agent.
    Handling = 3,
}

/// The place in a workbin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkbinPlacement {
    /// The workbin type.
    pub workbin: WorkbinId,
    /// What kind of owner it has.
    pub owner_kind: OwnerKind,
    /// The owner's name.
    pub owner: LabelId,
}

/// The hot row.
#[derive(Clone, Debug)]
pub struct Interaction {
    /// The internal number; also SubmitSeq.
    pub key: InteractionKey,
    /// PlaceInQueueSeq.
    pub place_in_queue_seq: u64,
    /// The newest reporting event about this interaction.
    pub last_event: EventNumber,
    /// The queue it is in, also while it is routed, handled or in a workbin.
    pub queue: QueueId,
    /// Its media type.
    pub media_type: MediaTypeId,
    /// InteractionType.
    pub interaction_type: LabelId,
    /// InteractionSubtype.
    pub subtype: LabelId,
    /// The client that submitted it.
    pub submitted_by: LabelId,
    /// The agent (or place) that has it.
    pub assigned_to: Option<LabelId>,
    /// Where it lies when it lies in a workbin.
    pub workbin: Option<WorkbinPlacement>,
    /// Priority, higher first.
    pub priority: i32,
    /// ServiceObjective in seconds.
    pub service_objective: i32,
    /// When the media server received it.
    pub received_at: Timestamp,
    /// When it was submitted here.
    pub submitted_at: Timestamp,
    /// Last placement in a queue.
    pub placed_in_queue_at: Timestamp,
    /// First move to the current queue.
    pub moved_to_queue_at: Timestamp,
    /// First time offered to an agent.
    pub delivered_at: Timestamp,
    /// When the customer went away: IsOnline became 0.
    pub abandoned_at: Timestamp,
    /// When `assigned_to` got it.
    pub assigned_at: Timestamp,
    /// When it was put on hold.
    pub held_at: Timestamp,
    /// When it was last handed to a router.
    pub submitted_to_router_at: Timestamp,
    /// When it was placed in a completed queue.
    pub completed_at: Timestamp,
    /// Its own handling timeout in minutes (user-data key `handling-timeout`), 0 = none.
    pub handling_timeout_minutes: u16,
    /// Where it is in its life.
    pub state: State,
    /// Whether the customer waits on line.
    pub is_online: bool,
    /// On hold: not submitted to routing.
    pub is_held: bool,
    /// Locked by a snapshot: invisible to views, cannot be pulled.
    pub is_locked: bool,
    /// What only some rows have.
    pub extra: PackedExtra,
    /// Who works on it; `None` while it is queued.
    pub parties: Option<Box<Parties>>,
}

/// Everybody who works on one interaction.
#[derive(Clone, Debug, Default)]
pub struct Parties {
    /// The strategy that routes it.
    pub routing: Option<Routing>,
    /// Open invitations.
    pub invitations: Vec<Invitation>,
    /// Agents who handle it; the first is the primary one.
    pub agents: Vec<AgentParty>,
    /// The workbin that it was taken from, to which it returns when its agent is lost.
    pub former_workbin: Option<WorkbinPlacement>,
}

/// The strategy party.
#[derive(Clone, Debug)]
pub struct Routing {
    /// The strategy.
    pub strategy: StrategyId,
    /// The step it is at, from 0.
    pub step: usize,
    /// Ends the step.
    pub step_timer: Option<TimerHandle>,
    /// Ends routing; none on a restored one, which is about to end.
    pub routing_timer: Option<TimerHandle>,
    /// Who declined an offer or let it expire, and the newest reporting event at that time.
    pub declined: Vec<(AgentId, EventNumber)>,
}

/// An open invitation.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Names it towards the agent.
    pub ticket: u64,
    /// Who is invited.
    pub agent: AgentId,
    /// Ends it; set when the contents are there and EventInvite goes out.
    pub timer: Option<TimerHandle>,
}

/// An agent who handles the interaction.
#[derive(Clone, Debug)]
pub struct AgentParty {
    /// The agent.
    pub agent: AgentId,
    /// Since when.
    pub since: Milliseconds,
    /// What made him a party.
    pub operation: InteractionOperation,
    /// Presumes the agent's application dead.
    pub handling_timer: Option<TimerHandle>,
}

impl Interaction {
    /// The client-chosen id, if any.
    pub fn chosen_id(&self) -> Option<&str> {
        self.extra.chosen_id()
    }

    /// The strategy party, if any.
    pub fn routing(&self) -> Option<&Routing> {
        self.parties.as_ref().and_then(|parties| parties.routing.as_ref())
    }

    /// The strategy party, to change it.
    pub fn routing_mut(&mut self) -> Option<&mut Routing> {
        self.parties.as_mut().and_then(|parties| parties.routing.as_mut())
    }

    /// Open invitations.
    pub fn invitations(&self) -> &[Invitation] {
        self.parties.as_ref().map_or(&[], |parties| &parties.invitations)
    }

    /// Agents who handle it.
    pub fn agents(&self) -> &[AgentParty] {
        self.parties.as_ref().map_or(&[], |parties| &parties.agents)
    }

    /// Whether this agent handles it.
    pub fn is_handled_by(&self, agent: AgentId) -> bool {
        self.agents().iter().any(|party| party.agent == agent)
    }

    /// The parties, made when there are none.
    pub fn parties_mut(&mut self) -> &mut Parties {
        self.parties.get_or_insert_default()
    }

    /// Whether views see it: queued, not held, not locked.
    pub fn is_visible_to_views(&self) -> bool {
        self.state == State::Queued && !self.is_held && !self.is_locked
    }

    /// What conditions and orders read.
    pub fn facts<'a>(&'a self, vocabulary: &'a Vocabulary) -> Facts<'a> {
        Facts { interaction: self, vocabulary, generated_id: OnceCell::new() }
    }
}

/// An interaction's hot properties, as conditions and orders read them.
pub struct Facts<'a> {
    interaction: &'a Interaction,
    vocabulary: &'a Vocabulary,
    /// A generated id is not stored; it is made when a condition asks for it.
    generated_id: OnceCell<String>,
}

fn text_or_null(text: &str) -> Value<'_> {
    if text.is_empty() { Value::Null } else { Value::Text(text) }
}

fn timestamp_or_null(timestamp: Timestamp) -> Value<'static> {
    timestamp.get().map_or(Value::Null, Value::Timestamp)
}

impl<'a> Facts<'a> {
    fn workbin_owner(&self, kind: OwnerKind) -> Value<'a> {
        match self.interaction.workbin {
            Some(place) if place.owner_kind == kind => Value::Text(self.vocabulary.labels.name(place.owner)),
            _ => Value::Null,
        }
    }
}

impl Properties for Facts<'_> {
    fn get(&self, property: PropertyRef) -> Value<'_> {
        let row = self.interaction;
        let words = self.vocabulary;
        let property = match property {
            PropertyRef::System(property) => property,
            PropertyRef::Custom(index) => {
                let wanted = CustomPropertyId::from_schema(index);
                return match row.extra.custom().find(|(id, _)| *id == wanted) {
                    None => Value::Null,
                    Some((_, CustomRef::Integer(n))) => Value::Integer(n),
                    Some((_, CustomRef::Timestamp(t))) => Value::Timestamp(t),
                    Some((_, CustomRef::Text(text))) => Value::Text(text),
                };
            }
        };
        match property {
            Property::InteractionId => match row.chosen_id() {
                Some(id) => Value::Text(id),
                None => Value::Text(self.generated_id.get_or_init(|| words.generated_id(row.key))),
            },
            Property::ParentId => row.extra.parent_id().map_or(Value::Null, Value::Text),
            Property::ExternalId => row.extra.external_id().map_or(Value::Null, Value::Text),
            Property::TenantId => Value::Integer(words.tenant_id),
            Property::MediaType => Value::Text(words.media_types.name(row.media_type)),
            Property::InteractionType => text_or_null(words.labels.name(row.interaction_type)),
            Property::InteractionSubtype => text_or_null(words.labels.name(row.subtype)),
            Property::InteractionState => Value::Integer(row.state as i64),
            Property::IsOnline => Value::Integer(i64::from(row.is_online)),
            Property::IsLocked => Value::Integer(i64::from(row.is_locked)),
            Property::IsHeld => Value::Integer(i64::from(row.is_held)),
            Property::Queue => Value::Text(words.queues.name(row.queue)),
            Property::Workbin => {
                row.workbin.map_or(Value::Null, |place| Value::Text(words.workbins.name(place.workbin)))
            }
            Property::SubmittedBy => text_or_null(words.labels.name(row.submitted_by)),
            Property::ReceivedAt => timestamp_or_null(row.received_at),
            Property::SubmittedAt => timestamp_or_null(row.submitted_at),
            Property::SubmitSeq => Value::Integer(row.key.0 as i64),
            Property::PlaceInQueueSeq => Value::Integer(row.place_in_queue_seq as i64),
            Property::PlacedInQueueAt => timestamp_or_null(row.placed_in_queue_at),
            Property::MovedToQueueAt => timestamp_or_null(row.moved_to_queue_at),
            Property::DeliveredAt => timestamp_or_null(row.delivered_at),
            Property::AbandonedAt => timestamp_or_null(row.abandoned_at),
            Property::AssignedAt => timestamp_or_null(row.assigned_at),
            Property::AssignedTo => {
                row.assigned_to.map_or(Value::Null, |name| Value::Text(words.labels.name(name)))
            }
            Property::SubmittedToRouterAt => timestamp_or_null(row.submitted_to_router_at),
            Property::HeldAt => timestamp_or_null(row.held_at),
            Property::CompletedAt => timestamp_or_null(row.completed_at),
            Property::Priority => Value::Integer(i64::from(row.priority)),
            Property::ServiceObjective => Value::Integer(i64::from(row.service_objective)),
            Property::WorkbinAgentId => self.workbin_owner(OwnerKind::Agent),
            Property::WorkbinAgentGroupId => self.workbin_owner(OwnerKind::AgentGroup),
            Property::WorkbinPlaceId => self.workbin_owner(OwnerKind::Place),
            Property::WorkbinPlaceGroupId => self.workbin_owner(OwnerKind::PlaceGroup),
        }
    }
}
