//! The names that server and clients share: queues, agents, and what an interaction carries.

use std::fmt::Write as _;

use ixn_proto::{InteractionProperties, KeyValueList};

use crate::ledger::Id;

/// The queues by their number in the ledger, from 1.
pub const QUEUES: [&str; 2] = ["work", "parked"];
/// The queue that is routed to agents.
pub const WORK: u8 = 1;
/// The queue that nobody looks at.
pub const PARKED: u8 = 2;

/// The user data key whose value a change sets; mapped, so conditions see it.
pub const VALUE_KEY: &str = "Count";
/// The key that every change sets to the same value; not mapped, so it lies with the rest of the user data.
pub const NOTE_KEY: &str = "Note";
/// The key of the text that never changes.
pub const PAYLOAD_KEY: &str = "Payload";
/// The medium of everything.
pub const MEDIUM: &str = "email";

/// A queue's number in the ledger; 0 = none of ours.
pub fn queue_number(name: &str) -> u8 {
    QUEUES.iter().position(|queue| *queue == name).map_or(0, |index| index as u8 + 1)
}

/// An agent's id.
pub fn agent_id(number: u16) -> String {
    format!("agent-{number:05}")
}

/// The number in an agent's id; 0 = nobody, or none of ours.
pub fn agent_number(id: &str) -> u16 {
    id.strip_prefix("agent-").and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// The number that the submitter gave an interaction, which travels as its external id.
pub fn interaction_number(interaction: &InteractionProperties) -> Option<u32> {
    interaction.external_id.parse().ok()
}

/// The server's id in the ledger's form. All ids here are the server's, of 16 characters.
pub fn id(text: &str) -> Id {
    let mut id = Id::default();
    let length = text.len().min(id.len());
    id[..length].copy_from_slice(&text.as_bytes()[..length]);
    id
}

/// The priority that goes with a value.
pub fn priority(value: u32) -> i32 {
    (value % 1000) as i32
}

/// The user data that goes with a value.
pub fn value_data(value: u32) -> KeyValueList {
    let mut data = KeyValueList::new();
    data.push_integer(VALUE_KEY, i64::from(value)).push_text(NOTE_KEY, &value.to_string());
    data
}

/// What one interaction carries all its life: the length differs, the number is in it.
pub fn payload(number: u32) -> String {
    let mut text = String::new();
    let words = 4 + number.wrapping_mul(2_654_435_761) % 40;
    for word in 0..words {
        let _ = write!(text, "{number}-{word} ");
    }
    text
}

/// The value that hot properties show: the mapped key, as long as the priority was set in the same step.
pub fn value(interaction: &InteractionProperties) -> Option<u32> {
    let value = interaction.custom_properties.as_ref()?.get_integer(VALUE_KEY)?;
    let value = u32::try_from(value).ok()?;
    (interaction.priority == priority(value)).then_some(value)
}
