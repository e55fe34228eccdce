//! How rows are stored: protobuf messages of our own, additive only. Every format ever released must still load, so tags
//! are never used twice and fields never change their meaning. Rows hold names, not interned ids.

use prost::Message;

/// The stored form of an interaction's hot row.
#[derive(Clone, PartialEq, Message)]
pub struct InteractionRow {
    /// The id, when the client chose it.
    #[prost(string, tag = "1")]
    pub chosen_id: String,
    /// Queue.
    #[prost(string, tag = "2")]
    pub queue: String,
    /// Media type.
    #[prost(string, tag = "3")]
    pub media_type: String,
    /// InteractionType.
    #[prost(string, tag = "4")]
    pub interaction_type: String,
    /// InteractionSubtype.
    #[prost(string, tag = "5")]
    pub subtype: String,
    /// SubmittedBy.
    #[prost(string, tag = "6")]
    pub submitted_by: String,
    /// AssignedTo.
    #[prost(string, tag = "7")]
    pub assigned_to: String,
    /// State, 0 to 3.
    #[prost(uint32, tag = "8")]
    pub state: u32,
    /// Bit 0 online, 1 held, 2 locked.
    #[prost(uint32, tag = "9")]
    pub flags: u32,
    /// Priority.
    #[prost(sint32, tag = "10")]
    pub priority: i32,
    /// ServiceObjective.
    #[prost(sint32, tag = "11")]
    pub service_objective: i32,
    /// PlaceInQueueSeq.
    #[prost(uint64, tag = "12")]
    pub place_in_queue_seq: u64,
    /// The newest reporting event about it.
    #[prost(uint64, tag = "13")]
    pub last_event: u64,
    /// Unix seconds, 0 = not set, like all that follow.
    #[prost(uint32, tag = "14")]
    pub received_at: u32,
    /// SubmittedAt.
    #[prost(uint32, tag = "15")]
    pub submitted_at: u32,
    /// PlacedInQueueAt.
    #[prost(uint32, tag = "16")]
    pub placed_in_queue_at: u32,
    /// MovedToQueueAt.
    #[prost(uint32, tag = "17")]
    pub moved_to_queue_at: u32,
    /// DeliveredAt.
    #[prost(uint32, tag = "18")]
    pub delivered_at: u32,
    /// AbandonedAt.
    #[prost(uint32, tag = "19")]
    pub abandoned_at: u32,
    /// AssignedAt.
    #[prost(uint32, tag = "20")]
    pub assigned_at: u32,
    /// HeldAt.
    #[prost(uint32, tag = "21")]
    pub held_at: u32,
    /// SubmittedToRouterAt.
    #[prost(uint32, tag = "22")]
    pub submitted_to_router_at: u32,
    /// CompletedAt.
    #[prost(uint32, tag = "23")]
    pub completed_at: u32,
    /// The workbin that it is in.
    #[prost(message, optional, tag = "24")]
    pub workbin: Option<WorkbinRow>,
    /// ExternalId.
    #[prost(string, tag = "26")]
    pub external_id: String,
    /// ParentId.
    #[prost(string, tag = "27")]
    pub parent_id: String,
    /// InQueues, an encoded key-value list.
    #[prost(bytes = "bytes", tag = "28")]
    pub in_queues: bytes::Bytes,
    /// OutQueues, an encoded key-value list.
    #[prost(bytes = "bytes", tag = "29")]
    pub out_queues: bytes::Bytes,
    /// Mapped custom properties.
    #[prost(message, repeated, tag = "30")]
    pub custom: Vec<CustomRow>,
    /// The strategy that routes it.
    #[prost(string, tag = "31")]
    pub strategy: String,
    /// The agents who handle it.
    #[prost(message, repeated, tag = "32")]
    pub agents: Vec<PartyRow>,
    /// The workbin to which it returns when its agent is lost.
    #[prost(message, optional, tag = "33")]
    pub former_workbin: Option<WorkbinRow>,
    /// The interaction's own handling timeout in minutes, 0 = none.
    #[prost(uint32, tag = "35")]
    pub handling_timeout_minutes: u32,
    /// Open invitations.
    #[prost(message, repeated, tag = "36")]
    pub invitations: Vec<InvitationRow>,
}

/// A place in a workbin.
#[derive(Clone, PartialEq, Message)]
pub struct WorkbinRow {
    /// The workbin type.
    #[prost(string, tag = "1")]
    pub workbin: String,
    /// 0 agent, 1 agent group, 2 place, 3 place group.
    #[prost(uint32, tag = "2")]
    pub owner_kind: u32,
    /// The owner.
    #[prost(string, tag = "3")]
    pub owner: String,
}

/// A mapped custom property.
#[derive(Clone, PartialEq, Message)]
pub struct CustomRow {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(oneof = "CustomRowValue", tags = "2, 3, 4")]
    pub value: Option<CustomRowValue>,
}

/// A mapped custom property's value.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum CustomRowValue {
    /// A number.
    #[prost(sint64, tag = "2")]
    Integer(i64),
    /// A string.
    #[prost(string, tag = "3")]
    Text(String),
    /// Unix seconds.
    #[prost(sint64, tag = "4")]
    Timestamp(i64),
}

/// An agent who handles an interaction.
#[derive(Clone, PartialEq, Message)]
pub struct PartyRow {
    /// The agent.
    #[prost(string, tag = "1")]
    pub agent: String,
    /// Since when, Unix milliseconds.
    #[prost(uint64, tag = "2")]
    pub since_milliseconds: u64,
    /// What made him a party, by its number in the protocol.
    #[prost(int32, tag = "3")]
    pub operation: i32,
}

/// An open invitation. It does not outlive the server; it is stored so that its end can be reported.
#[derive(Clone, PartialEq, Message)]
pub struct InvitationRow {
    /// The agent.
    #[prost(string, tag = "1")]
    pub agent: String,
    /// The ticket.
    #[prost(uint64, tag = "2")]
    pub ticket: u64,
}

/// The stored form of a logged-in agent.
#[derive(Clone, PartialEq, Message)]
pub struct AgentRow {
    /// The place.
    #[prost(string, tag = "1")]
    pub place: String,
    /// The media that he has added.
    #[prost(message, repeated, tag = "2")]
    pub media: Vec<AgentMediaRow>,
    /// Do not disturb.
    #[prost(bool, tag = "3")]
    pub do_not_disturb: bool,
    /// Since when he is idle, Unix milliseconds.
    #[prost(uint64, tag = "4")]
    pub idle_since_milliseconds: u64,
    /// The newest reporting event about him.
    #[prost(uint64, tag = "5")]
    pub last_event: u64,
    /// The reason of his state.
    #[prost(message, optional, tag = "6")]
    pub reason: Option<ReasonRow>,
    /// When he logged in, Unix milliseconds.
    #[prost(uint64, tag = "7")]
    pub logged_in_at_milliseconds: u64,
}

/// One medium of an agent.
#[derive(Clone, PartialEq, Message)]
pub struct AgentMediaRow {
    /// The media type.
    #[prost(string, tag = "1")]
    pub media_type: String,
    /// Whether he is ready for it.
    #[prost(bool, tag = "2")]
    pub ready: bool,
    /// The reason of that.
    #[prost(message, optional, tag = "3")]
    pub reason: Option<ReasonRow>,
}

/// A reason.
#[derive(Clone, PartialEq, Message)]
pub struct ReasonRow {
    /// ReasonSystemName.
    #[prost(string, tag = "1")]
    pub system_name: String,
    /// ReasonDescription.
    #[prost(string, tag = "2")]
    pub description: String,
    /// Reason number.
    #[prost(sint32, tag = "3")]
    pub number: i32,
}
