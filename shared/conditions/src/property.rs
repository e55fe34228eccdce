//! The properties that conditions and orders may name, and the values that a row gives for them.

use std::fmt;

/// The type of a property or of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueType {
    /// A whole number of 64 bits. Flags are integers too: 0 or 1.
    Integer,
    /// A text in UTF-8, compared by code point.
    Text,
    /// A point in time: UTC seconds since 1970.
    Timestamp,
}

impl fmt::Display for ValueType {
    /// With its article, for use in a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Integer => "an integer",
            Self::Text => "a text",
            Self::Timestamp => "a timestamp",
        })
    }
}

/// The value of one property of one interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value<'a> {
    /// Not set.
    Null,
    /// A whole number; flags are 0 or 1.
    Integer(i64),
    /// A text.
    Text(&'a str),
    /// UTC seconds since 1970.
    Timestamp(i64),
}

/// Which property: a system one, or a custom one by its index in the [`Schema`](crate::Schema).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PropertyRef {
    /// A system property.
    System(Property),
    /// A custom property: its index in the schema that the condition was parsed with.
    Custom(u16),
}

/// The hot properties of one interaction.
pub trait Properties {
    /// The value of `property`. It must have the property's type; any other counts as not set.
    fn get(&self, property: PropertyRef) -> Value<'_>;
}

macro_rules! system_properties {
    ($($variant:ident = $column:literal, $value_type:ident, $meaning:literal;)*) => {
        /// A system property (the business properties Priority and ServiceObjective included).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Property {
            $(#[doc = $meaning] $variant,)*
        }

        impl Property {
            /// All of them.
            pub const ALL: &'static [Property] = &[$(Self::$variant,)*];

            /// The protocol's name, such as `MediaType`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)* }
            }

            /// The column's name, such as `media_type`.
            pub fn column(self) -> &'static str {
                match self { $(Self::$variant => $column,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }

            /// The type of its values.
            pub fn value_type(self) -> ValueType {
                match self { $(Self::$variant => ValueType::$value_type,)* }
            }
        }
    };
}

system_properties! {
    InteractionId = "id", Text, "The interaction's id.";
    ParentId = "parent_id", Text, "The parent interaction's id.";
    ExternalId = "external_id", Text, "The id in an outer system.";
    TenantId = "tenant_id", Integer, "The tenant's number.";
    MediaType = "media_type", Text, "The media type's name.";
    InteractionType = "type", Text, "Inbound, Outbound or Internal.";
    InteractionSubtype = "subtype", Text, "Such as InboundNew or OutboundReply.";
    InteractionState = "state", Integer, "0 queued, 1 cached, 2 in routing, 3 handled by an agent.";
    IsOnline = "is_online", Integer, "1 while the customer is online.";
    IsLocked = "is_locked", Integer, "1 while a snapshot holds the interaction locked.";
    IsHeld = "is_held", Integer, "1 while the interaction is on hold.";
    Queue = "queue", Text, "The queue that the interaction is in.";
    Workbin = "workbin", Text, "The workbin that the interaction is in.";
    WorkbinAgentId = "workbin_agent_id", Text, "The workbin's owner, when it is an agent.";
    WorkbinAgentGroupId = "workbin_agent_group_id", Text, "The workbin's owner, when it is an agent group.";
    WorkbinPlaceId = "workbin_place_id", Text, "The workbin's owner, when it is a place.";
    WorkbinPlaceGroupId = "workbin_place_group_id", Text, "The workbin's owner, when it is a place group.";
    SubmittedBy = "submitted_by", Text, "The client that submitted the interaction.";
    ReceivedAt = "received_at", Timestamp, "When the media server received the interaction.";
    SubmittedAt = "submitted_at", Timestamp, "When the interaction was submitted.";
    SubmitSeq = "submit_seq", Integer, "Grows with every submit.";
    PlaceInQueueSeq = "place_in_queue_seq", Integer, "Grows with every placement in a queue.";
    PlacedInQueueAt = "placed_in_queue_at", Timestamp, "The last placement in a queue.";
    MovedToQueueAt = "moved_to_queue_at", Timestamp,
        "The first move to the current queue; coming back to it from routing does not change it.";
    DeliveredAt = "delivered_at", Timestamp, "The first offer to an agent.";
    AbandonedAt = "abandoned_at", Timestamp, "When the customer went offline.";
    AssignedTo = "assigned_to", Text, "The agent who has the interaction (the place, without an agent id).";
    AssignedAt = "assigned_at", Timestamp, "When the agent got the interaction.";
    Priority = "priority", Integer, "The priority; the highest goes first in routing.";
    ServiceObjective = "service_objective", Integer, "The service objective, in seconds.";
    SubmittedToRouterAt = "submitted_to_router_at", Timestamp, "The last hand-over to routing.";
    HeldAt = "held_at", Timestamp, "When the interaction was put on hold.";
    CompletedAt = "completed_at", Timestamp, "When the interaction came into a completed queue.";
}

impl Property {
    /// The property with this name, in either spelling, upper or lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        let same = |other: &str| other.eq_ignore_ascii_case(name);
        Self::ALL.iter().copied().find(|property| same(property.name()) || same(property.column()))
    }
}

/// Why a property of the protocol cannot be used in conditions, or `None` when it is not one of those.
pub(crate) fn why_not_usable(name: &str) -> Option<&'static str> {
    const LIST: &str = "is a list of queues; only properties with one value can be used";
    [
        ("InQueues", LIST),
        ("destinations", LIST),
        ("OutQueues", LIST),
        ("FlexibleProperties", "holds the user data; map the key that you need as a custom property"),
        ("flexible_properties", "holds the user data; map the key that you need as a custom property"),
        (
            "WorkflowState",
            "is not stored; use InteractionState (0 queued, 1 cached, 2 in routing, 3 handled)",
        ),
    ]
    .into_iter()
    .find_map(|(other, reason)| other.eq_ignore_ascii_case(name).then_some(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_find_the_property_and_no_name_is_used_twice() {
        let mut names = std::collections::BTreeSet::new();
        for property in Property::ALL {
            assert_eq!(Property::from_name(property.name()), Some(*property));
            assert_eq!(Property::from_name(&property.column().to_uppercase()), Some(*property));
            names.insert(property.name().to_lowercase());
            names.insert(property.column().to_lowercase());
            assert_eq!(why_not_usable(property.name()), None);
        }
        let same_spelling = ["queue", "workbin", "priority"].len();
        assert_eq!(names.len(), 2 * Property::ALL.len() - same_spelling);
        assert_eq!(Property::from_name("Prioritty"), None);
    }
}
