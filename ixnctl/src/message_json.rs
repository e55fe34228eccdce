//! Messages of the protocol as JSON objects, by the names of the `.proto` files.
//!
//! - Every field without presence is there, also when it is 0 or empty; an absent message or `optional` field is not.
//! - An enum value is its name without the enum's prefix: `QUEUED`.
//! - A key-value list is an object. A key that occurs several times has an array of its
//!   values, in their order. Bytes are `{"$binary": "<hexadecimal digits>"}`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use ixn_proto::key_value_list::{ListView, Value as EntryValue};
use ixn_proto::{FILE_DESCRIPTOR_SET, KeyValueList, ServerEnvelope};
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FieldDescriptor, ReflectMessage as _, Value as FieldValue,
};
use serde_json::{Map, Value, json};

/// How many levels of a key-value list are shown.
const SHOWN_LEVELS: usize = 32;

/// The fields of an envelope whose names begin like an event's.
const ENVELOPE_FIELDS: [&str; 2] = ["event_number", "event_time_milliseconds"];

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// The message as a JSON object; `name` is its name in the protocol, such as `QueueStatus`.
pub(crate) fn object(name: &str, message: &impl Message) -> Value {
    let Some(descriptor) = POOL.get_message_by_name(&format!("ixn.v1.{name}")) else { return json!({}) };
    match DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()) {
        Ok(message) => message_object(&message),
        Err(error) => json!({ "undecodable": error.to_string() }),
    }
}

/// An event with its envelope as a JSON object; `event` names the field that the event itself is in.
pub(crate) fn envelope(envelope: &ServerEnvelope) -> Value {
    let mut object = object("ServerEnvelope", envelope);
    if let Some(fields) = object.as_object_mut() {
        let event = fields
            .keys()
            .find(|name| name.starts_with("event_") && !ENVELOPE_FIELDS.contains(&name.as_str()));
        let event = event.or_else(|| fields.keys().find(|name| name.starts_with("request_"))).cloned();
        fields.insert("event".to_owned(), event.map_or(Value::Null, Value::String));
    }
    object
}

/// A key-value list as a JSON object.
pub(crate) fn key_value_object(list: &KeyValueList) -> Value {
    list_object(list.view(), SHOWN_LEVELS)
}

fn message_object(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    if descriptor.full_name() == "ixn.v1.KeyValueList" {
        return key_value_object(&KeyValueList::from_encoded(message.encode_to_vec().into()));
    }
    let mut object = Map::new();
    for field in descriptor.fields() {
        if message.has_field(&field) || !field.supports_presence() {
            object.insert(field.name().to_owned(), field_value(&field, &message.get_field(&field)));
        }
    }
    Value::Object(object)
}

fn field_value(field: &FieldDescriptor, value: &FieldValue) -> Value {
    match value {
        FieldValue::Bool(value) => json!(value),
        FieldValue::I32(value) => json!(value),
        FieldValue::I64(value) => json!(value),
        FieldValue::U32(value) => json!(value),
        FieldValue::U64(value) => json!(value),
        FieldValue::F32(value) => json!(value),
        FieldValue::F64(value) => json!(value),
        FieldValue::String(value) => json!(value),
        FieldValue::Bytes(value) => binary(value),
        FieldValue::EnumNumber(number) => enum_value(field, *number),
        FieldValue::Message(message) => message_object(message),
        FieldValue::List(values) => values.iter().map(|value| field_value(field, value)).collect(),
        // The protocol has no maps.
        FieldValue::Map(_) => Value::Null,
    }
}

fn enum_value(field: &FieldDescriptor, number: i32) -> Value {
    let kind = field.kind();
    let Some(descriptor) = kind.as_enum() else { return json!(number) };
    match descriptor.get_value(number) {
        Some(value) => json!(value.name().strip_prefix(&enum_prefix(descriptor)).unwrap_or(value.name())),
        None => json!(number),
    }
}

/// `InteractionState` → `INTERACTION_STATE_`.
fn enum_prefix(descriptor: &EnumDescriptor) -> String {
    let mut prefix = String::new();
    for (index, character) in descriptor.name().char_indices() {
        if index > 0 && character.is_ascii_uppercase() {
            prefix.push('_');
        }
        prefix.push(character.to_ascii_uppercase());
    }
    prefix.push('_');
    prefix
}

fn binary(bytes: &[u8]) -> Value {
    let mut digits = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    json!({ "$binary": digits })
}

fn list_object(list: ListView<'_>, levels: usize) -> Value {
    let mut object = Map::new();
    // A second value of a key makes an array of what is there; later ones are appended to it.
    let mut occurrences = HashMap::<&str, usize>::new();
    for entry in list.entries().map_while(Result::ok) {
        let value = match entry.value {
            EntryValue::None => Value::Null,
            EntryValue::Text(text) => json!(text),
            EntryValue::Integer(integer) => json!(integer),
            EntryValue::Binary(bytes) => binary(bytes),
            EntryValue::List(_) if levels <= 1 => json!("…"),
            EntryValue::List(list) => list_object(list, levels - 1),
        };
        let occurrence = occurrences.entry(entry.key).or_default();
        *occurrence += 1;
        match object.get_mut(entry.key) {
            None => {
                object.insert(entry.key.to_owned(), value);
            }
            Some(Value::Array(values)) if *occurrence > 2 => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use ixn_proto::server_envelope::Event;
    use ixn_proto::{
        EventHeld, InteractionProperties, InteractionState, QueueMediaCounters, QueueStatus, RequestSubmit,
    };

    use super::*;

    #[test]
    fn fields_have_the_names_of_the_protocol_and_zeros_are_there() {
        let queue = QueueStatus {
            queue_name: "inbox".into(),
            media: vec![QueueMediaCounters {
                media_name: "email".into(),
                current_length: 3,
                ..Default::default()
            }],
            ..Default::default()
        };
        let object = object("QueueStatus", &queue);
        assert_eq!(object["queue_name"], "inbox");
        assert_eq!(object["retired"], false);
        assert_eq!(object["views"], json!([]));
        assert_eq!(object["media"][0]["current_length"], 3);
        assert_eq!(object["media"][0]["waiting_processing"], 0);
    }

    #[test]
    fn an_envelope_names_its_event() {
        let held = EventHeld { interaction: Some(InteractionProperties::default()), ..Default::default() };
        let event = Some(Event::EventHeld(held));
        let object = envelope(&ServerEnvelope { event_number: 7, event, ..Default::default() });
        assert_eq!((&object["event"], &object["event_number"]), (&json!("event_held"), &json!(7)));
        assert!(object["event_held"]["interaction"].is_object(), "{object}");
    }

    #[test]
    fn enums_are_short_names_and_unknown_ones_stay_numbers() {
        let mut interaction = InteractionProperties {
            interaction_state: InteractionState::Handling as i32,
            ..Default::default()
        };
        assert_eq!(object("InteractionProperties", &interaction)["interaction_state"], "HANDLING");
        interaction.interaction_state = 77;
        assert_eq!(object("InteractionProperties", &interaction)["interaction_state"], 77);
    }

    #[test]
    fn user_data_is_an_object_with_arrays_for_repeated_keys() {
        let mut nested = KeyValueList::new();
        nested.push_integer("level", 7);
        let mut user_data = KeyValueList::new();
        user_data
            .push_text("Subject", "hello")
            .push_integer("Tag", 1)
            .push_integer("Tag", 2)
            .push_integer("Tag", 3)
            .push_list("Skill", &nested)
            .push_binary("Raw", &[0, 255]);
        let submit = RequestSubmit { user_data: Some(user_data), ..Default::default() };
        let object = object("RequestSubmit", &submit);
        let expected = json!({
            "Subject": "hello", "Tag": [1, 2, 3], "Skill": {"level": 7}, "Raw": {"$binary": "00ff"}
        });
        assert_eq!(object["user_data"], expected);
        assert!(object.get("priority").is_none(), "optional and absent: {object}");
    }
}
