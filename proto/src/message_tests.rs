//! Every message against an independent, descriptor-driven codec, and what must hold for the schema as a whole.

use std::collections::BTreeSet;

use bytes::BytesMut;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet};

use crate::{client_envelope::Request, server_envelope::Event, *};

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

/// A message with every field set to a value of its own; of a oneof the last variant wins. Recursion ends at
/// `levels`.
fn filled(descriptor: &MessageDescriptor, levels: usize, counter: &mut u64) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if let Some(value) = field_value(&field, levels, counter) {
            message.set_field(&field, value);
        }
    }
    message
}

fn field_value(field: &FieldDescriptor, levels: usize, counter: &mut u64) -> Option<Value> {
    if field.is_list() {
        let values: Vec<_> = (0..2).filter_map(|_| single_value(field, levels, counter)).collect();
        return (!values.is_empty()).then_some(Value::List(values));
    }
    single_value(field, levels, counter)
}

fn single_value(field: &FieldDescriptor, levels: usize, counter: &mut u64) -> Option<Value> {
    *counter += 1;
    let small = i32::try_from(*counter % 100_000).unwrap() + 1;
    Some(match field.kind() {
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 => Value::I32(small),
        Kind::Int64 | Kind::Sint64 => Value::I64(i64::from(small) << 33),
        Kind::Uint32 => Value::U32(small.unsigned_abs()),
        Kind::Uint64 => Value::U64(u64::from(small.unsigned_abs()) << 33),
        Kind::String => Value::String(format!("text {small}")),
        Kind::Bytes => Value::Bytes(vec![0, 1, 255].into()),
        Kind::Enum(kind) => Value::EnumNumber(kind.values().last().unwrap().number()),
        Kind::Message(_) if levels == 0 => return None,
        Kind::Message(kind) => Value::Message(filled(&kind, levels - 1, counter)),
        other => panic!("{} is of kind {other:?}, which the protocol does not use", field.full_name()),
    })
}

/// Encodes each variant of an envelope's oneof with the independent codec, sends it through `typed` (decode, encode)
/// and compares.
fn each_variant_survives(envelope: &str, oneof: &str, typed: impl Fn(&[u8]) -> Vec<u8>) -> usize {
    let descriptor = pool().get_message_by_name(envelope).unwrap();
    let oneof = descriptor.oneofs().find(|candidate| candidate.name() == oneof).unwrap();
    let mut counter = 0;
    for variant in oneof.fields() {
        let mut message = filled(&descriptor, 1, &mut counter);
        message.set_field(&variant, field_value(&variant, 5, &mut counter).unwrap());
        let again = DynamicMessage::decode(descriptor.clone(), &typed(&message.encode_to_vec())[..]).unwrap();
        assert!(again == message, "{} did not survive", variant.full_name());
    }
    oneof.fields().len()
}

#[test]
fn every_request_survives_with_all_its_fields() {
    let variants = each_variant_survives("ixn.v1.ClientEnvelope", "request", |bytes| {
        let envelope = ClientEnvelope::decode(bytes).unwrap();
        assert!(envelope.request.is_some());
        envelope.encode_to_vec()
    });
    assert!(variants >= 50, "{variants} requests");
}

#[test]
fn every_event_survives_with_all_its_fields() {
    let variants = each_variant_survives("ixn.v1.ServerEnvelope", "event", |bytes| {
        let envelope = ServerEnvelope::decode(bytes).unwrap();
        assert!(envelope.event.is_some());
        encoded::encode_envelope(&envelope).to_vec()
    });
    assert!(variants >= 50, "{variants} events");
}

#[test]
fn every_message_of_the_inspection_survives() {
    fn survives<M: prost::Message + Default>(name: &'static str) -> String {
        let descriptor = pool().get_message_by_name(&format!("ixn.v1.{name}")).unwrap();
        let message = filled(&descriptor, 5, &mut 0);
        let typed = M::decode(&message.encode_to_vec()[..]).unwrap();
        let again = DynamicMessage::decode(descriptor, &typed.encode_to_vec()[..]).unwrap();
        assert!(again == message, "{name} did not survive");
        name.to_owned()
    }
    let survivors = BTreeSet::from([
        survives::<ListQueuesRequest>("ListQueuesRequest"),
        survives::<ListQueuesResponse>("ListQueuesResponse"),
        survives::<ListViewsRequest>("ListViewsRequest"),
        survives::<ListViewsResponse>("ListViewsResponse"),
        survives::<ListStrategiesRequest>("ListStrategiesRequest"),
        survives::<ListStrategiesResponse>("ListStrategiesResponse"),
        survives::<ListAgentsRequest>("ListAgentsRequest"),
        survives::<ListAgentsResponse>("ListAgentsResponse"),
        survives::<ListSessionsRequest>("ListSessionsRequest"),
        survives::<ListSessionsResponse>("ListSessionsResponse"),
        survives::<ListInteractionsRequest>("ListInteractionsRequest"),
        survives::<ListInteractionsResponse>("ListInteractionsResponse"),
        survives::<GetInteractionRequest>("GetInteractionRequest"),
        survives::<GetInteractionResponse>("GetInteractionResponse"),
        survives::<GetServerRequest>("GetServerRequest"),
        survives::<GetServerResponse>("GetServerResponse"),
        survives::<ExplainInteractionRequest>("ExplainInteractionRequest"),
        survives::<ExplainInteractionResponse>("ExplainInteractionResponse"),
    ]);
    let service = pool().get_service_by_name("ixn.v1.Inspection").unwrap();
    let methods = service.methods().flat_map(|method| [method.input(), method.output()]);
    assert_eq!(survivors, methods.map(|message| message.name().to_owned()).collect());
}

#[test]
fn a_registration_by_hand() {
    // Message { 1: envelope { 1: 7, 2: 3, 20: register { 1: "GWS", 2: 3 (proxy) } } }
    let bytes = b"\x0a\x0e\x08\x07\x10\x03\xa2\x01\x07\x0a\x03GWS\x10\x03";
    let message = ClientMessage::decode(&bytes[..]).unwrap();
    let register = RequestRegisterClient {
        client_name: "GWS".to_owned(),
        client_type: ClientType::Proxy.into(),
        ..Default::default()
    };
    let envelope = ClientEnvelope {
        reference_id: 7,
        proxy_client_id: 3,
        request: Some(Request::RequestRegisterClient(register)),
        ..Default::default()
    };
    assert_eq!(message.envelopes, [envelope]);
}

#[test]
fn a_submit_by_hand() {
    // Envelope { 4: "k", 10: submit { 2: "inbox", 4: "chat", 9: { subject: "hi" }, 15: 0 } }
    let bytes =
        b"\x22\x01k\x52\x20\x12\x05inbox\x22\x04chat\x4a\x0f\x0a\x0d\x0a\x07subject\x12\x02hi\x78\x00";
    let envelope = ClientEnvelope::decode(&bytes[..]).unwrap();
    assert_eq!(envelope.idempotency_key, "k");
    let Some(Request::RequestSubmit(submit)) = envelope.request else {
        panic!("not a submit: {:?}", envelope.request);
    };
    assert_eq!((submit.queue.as_str(), submit.media_type.as_str()), ("inbox", "chat"));
    assert_eq!((submit.priority, submit.service_objective), (Some(0), None));
    assert_eq!(submit.user_data.unwrap().get_text("subject"), Some("hi"));
}

#[test]
fn answers_by_hand() {
    // Envelope { 1: 7, 10: ack { 1: "0001" } }, and { 1: 7, 20: error { 1: 43, 2: "gone" } }
    let ack = ServerEnvelope::decode(&b"\x08\x07\x52\x06\x0a\x040001"[..]).unwrap();
    let expected = EventAck { interaction_id: "0001".to_owned(), ..Default::default() };
    assert_eq!(ack.event, Some(Event::EventAck(expected)));
    let error = ServerEnvelope::decode(&b"\x08\x07\xa2\x01\x08\x08\x2b\x12\x04gone"[..]).unwrap();
    let Some(Event::EventError(error)) = error.event else { panic!("not an error: {:?}", error.event) };
    assert_eq!(
        (error.error_code(), error.error_description.as_str()),
        (ErrorCode::UnknownInteraction, "gone")
    );
}

#[test]
fn an_unknown_request_keeps_the_fields_that_its_error_needs() {
    // Envelope { 1: 7, 2: 3, 9999: { 1: 1 } }
    let envelope = ClientEnvelope::decode(&b"\x08\x07\x10\x03\xfa\xf0\x04\x02\x08\x01"[..]).unwrap();
    assert_eq!((envelope.reference_id, envelope.proxy_client_id, envelope.request), (7, 3, None));
}

#[test]
fn an_unknown_enum_value_is_kept() {
    let register = RequestRegisterClient::decode(&b"\x10\x63"[..]).unwrap();
    assert_eq!(register.client_type, 99);
    assert_eq!(register.client_type(), ClientType::Unspecified);
}

#[test]
fn a_number_appended_for_one_receiver_replaces_the_first() {
    let envelope = ServerEnvelope { reference_id: 9, proxy_client_id: 1, ..Default::default() };
    let shared = encoded::encode_envelope(&envelope);
    let mut stream_message = BytesMut::new();
    for proxy_client_id in [0, 300] {
        let mut own = BytesMut::from(&shared[..]);
        encoded::append_proxy_client_id(&mut own, proxy_client_id);
        encoded::frame_envelope(&own, &mut stream_message);
    }
    let decoded = ServerMessage::decode(stream_message.freeze()).unwrap();
    let expected = ServerEnvelope { proxy_client_id: 300, ..envelope.clone() };
    assert_eq!(decoded.envelopes, [envelope, expected]);
}

/// What the descriptor set says about messages and enums, nested ones (there are none but must not slip through).
fn messages(descriptors: &FileDescriptorSet) -> impl Iterator<Item = &DescriptorProto> {
    descriptors.file.iter().flat_map(|file| &file.message_type)
}

fn enums(descriptors: &FileDescriptorSet) -> impl Iterator<Item = &EnumDescriptorProto> {
    descriptors.file.iter().flat_map(|file| &file.enum_type)
}

#[test]
fn everything_in_the_schema_has_a_comment() {
    let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut without = BTreeSet::new();
    for file in &descriptors.file {
        let commented: BTreeSet<&[i32]> = file
            .source_code_info
            .iter()
            .flat_map(|info| &info.location)
            .filter(|location| !location.leading_comments().trim().is_empty())
            .map(|location| &location.path[..])
            .collect();
        // Paths are field numbers of FileDescriptorProto and its parts, each with an index.
        let mut expect = |path: &[usize], name: &str| {
            let path: Vec<i32> = path.iter().map(|part| i32::try_from(*part).unwrap()).collect();
            if !commented.contains(&path[..]) {
                without.insert(format!("{}: {name}", file.name()));
            }
        };
        for (index, message) in file.message_type.iter().enumerate() {
            expect(&[4, index], message.name());
            for (field_index, field) in message.field.iter().enumerate() {
                expect(&[4, index, 2, field_index], &format!("{}.{}", message.name(), field.name()));
            }
        }
        for (index, kind) in file.enum_type.iter().enumerate() {
            expect(&[5, index], kind.name());
            for (value_index, value) in kind.value.iter().enumerate() {
                expect(&[5, index, 2, value_index], value.name());
            }
        }
        for (index, service) in file.service.iter().enumerate() {
            expect(&[6, index], service.name());
            for (method_index, method) in service.method.iter().enumerate() {
                expect(&[6, index, 2, method_index], method.name());
            }
        }
    }
    assert!(without.is_empty(), "without a comment: {without:#?}");
}

#[test]
fn variants_are_named_like_their_messages_and_every_message_is_reachable() {
    let pool = pool();
    for (envelope, oneof) in [("ixn.v1.ClientEnvelope", "request"), ("ixn.v1.ServerEnvelope", "event")] {
        let descriptor = pool.get_message_by_name(envelope).unwrap();
        let oneof = descriptor.oneofs().find(|candidate| candidate.name() == oneof).unwrap();
        for field in oneof.fields() {
            let Kind::Message(message) = field.kind() else { panic!("{} is no message", field.full_name()) };
            assert_eq!(field.name().replace('_', ""), message.name().to_lowercase());
        }
    }
    let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    assert!(
        messages(&descriptors).all(|message| message.nested_type.is_empty() && message.enum_type.is_empty())
    );
    let mut used: BTreeSet<&str> = messages(&descriptors)
        .flat_map(|message| &message.field)
        .map(|field| field.type_name())
        .chain(
            descriptors
                .file
                .iter()
                .flat_map(|file| &file.service)
                .flat_map(|service| &service.method)
                .flat_map(|method| [method.input_type(), method.output_type()]),
        )
        .collect();
    used.remove("");
    let declared = messages(&descriptors)
        .map(|message| message.name())
        .chain(enums(&descriptors).map(|kind| kind.name()));
    let unused: Vec<_> = declared.filter(|name| !used.contains(format!(".ixn.v1.{name}").as_str())).collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
}
