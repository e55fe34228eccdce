//! Requests that no honest client would send.

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientEnvelope, ClientMessage, ClientType, ErrorCode, KeyValueList, RequestPlaceInQueue, RequestSubmit,
};
use ixn_tests::ixn_server::IxnServer;
use ixn_tests::stream::{Stream, code, envelope, look};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use tonic::Code;

use crate::neighbour::{Neighbour, submission, submit};

/// A server, its honest client, and a stream that is registered as a media server.
async fn scene() -> (IxnServer, Neighbour, Stream) {
    let server = IxnServer::start(&[]).await;
    let neighbour = Neighbour::of(&server).await;
    let mut stream = server.stream().await;
    stream.register(ClientType::MediaServer).await;
    (server, neighbour, stream)
}

/// Sends these submits in one message; each is refused with this code, and the stream goes on.
async fn are_refused(stream: &mut Stream, requests: Vec<RequestSubmit>, expected: ErrorCode) {
    let numbers = 10..10 + requests.len() as u64;
    stream
        .send(requests.into_iter().zip(numbers.clone()).map(|(r, number)| submit(r, number)).collect())
        .await;
    for number in numbers {
        let answer = stream.answer(number).await;
        assert_eq!(code(&answer), Some(expected), "no. {number}: {answer:?}");
    }
    stream.send(vec![look(0, 2)]).await;
    assert_eq!(code(&stream.answer(2).await), None, "the stream goes on");
}

#[tokio::test]
async fn a_request_before_the_registration_is_refused_and_ends_the_stream() {
    let server = IxnServer::start(&[]).await;
    let mut neighbour = Neighbour::of(&server).await;
    let stream = server.stream().await;
    // The second is not looked at any more.
    stream.send(vec![submit(submission(), 7), submit(submission(), 8)]).await;
    let (events, status) = stream.read_to_end().await;
    assert_eq!(events.first().map(code), Some(Some(ErrorCode::NotRegistered)), "{events:?}");
    assert!(events.iter().all(|event| !matches!(event, Event::EventAck(_))), "{events:?}");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn an_envelope_without_a_request_before_the_registration_ends_the_stream_too() {
    let (server, mut neighbour, _) = scene().await;
    let stream = server.stream().await;
    stream.send(vec![ClientEnvelope { reference_id: 1, ..ClientEnvelope::default() }]).await;
    let (events, status) = stream.read_to_end().await;
    assert_eq!(events.first().map(code), Some(Some(ErrorCode::NotRegistered)), "{events:?}");
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn an_unknown_queue_is_refused_by_name_and_moves_nothing() {
    let (_server, mut neighbour, mut stream) = scene().await;
    let nowhere = RequestSubmit { queue: "inbix".into(), ..submission() };
    are_refused(&mut stream, vec![nowhere], ErrorCode::UnknownQueue).await;
    let interaction_id = neighbour.submits().await;
    let place = RequestPlaceInQueue { interaction_id, queue: "inbix".into(), ..Default::default() };
    stream.send(vec![envelope(0, Request::RequestPlaceInQueue(place), 3)]).await;
    let answer = stream.answer(3).await;
    assert_eq!(code(&answer), Some(ErrorCode::UnknownQueue), "{answer:?}");
    assert!(format!("{answer:?}").contains("inbix"), "{answer:?}");
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn a_nul_in_a_name_is_refused_before_a_database_could_choke_on_it() {
    let (server, mut neighbour, mut stream) = scene().await;
    let named = |change: fn(&mut RequestSubmit)| {
        let mut request = submission();
        change(&mut request);
        request
    };
    let requests = vec![
        named(|request| request.queue = "in\0box".into()),
        named(|request| request.media_type = "e\0mail".into()),
        named(|request| request.interaction_type = "In\0bound".into()),
        named(|request| request.external_id = "\0".into()),
        named(|request| request.interaction_id = "my\0id".into()),
        named(|request| request.parent_interaction_id = "a\0".into()),
    ];
    are_refused(&mut stream, requests, ErrorCode::InvalidValue).await;
    let in_key =
        || Some(KeyValueList::from_entries([("Sub\0ject", ixn_proto::key_value_list::Value::Integer(1))]));
    let in_keys = vec![
        RequestSubmit { user_data: in_key(), ..submission() },
        RequestSubmit { in_queues: in_key(), ..submission() },
    ];
    are_refused(&mut stream, in_keys, ErrorCode::InvalidUserData).await;
    let unnamed = server.stream().await;
    let mut register = ixn_tests::stream::register(0, ClientType::MediaServer, 1);
    if let Some(Request::RequestRegisterClient(request)) = &mut register.request {
        request.client_name = "nul\0".into();
    }
    unnamed.send(vec![register]).await;
    let (events, status) = unnamed.read_to_end().await;
    assert_eq!(events.iter().map(code).collect::<Vec<_>>(), [Some(ErrorCode::InvalidValue)]);
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn user_data_over_a_limit_is_refused_and_the_stream_goes_on() {
    let (_server, mut neighbour, mut stream) = scene().await;
    let with = |list: KeyValueList| RequestSubmit { user_data: Some(list), ..submission() };
    let mut large = KeyValueList::new();
    large.push_binary("attachment", &vec![7; 10 << 20]);
    let mut long = KeyValueList::new();
    (0..100_000).for_each(|number| {
        long.push_integer("n", number);
    });
    // From the inside out.
    let mut deep = KeyValueList::new();
    for _ in 0..3_000 {
        let mut outer = KeyValueList::new();
        outer.push_list("", &deep);
        deep = outer;
    }
    for list in [large, long, deep] {
        are_refused(&mut stream, vec![with(list)], ErrorCode::LimitExceeded).await;
    }
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn bytes_that_are_no_list_are_refused_as_user_data() {
    let (_server, mut neighbour, mut stream) = scene().await;
    // Text that is cut off, a key that is not UTF-8, an entry without a value.
    for bytes in
        [&[0x0a, 4, 0x0a, 0, 0x12, 9][..], &[0x0a, 5, 0x0a, 1, 0xff, 0x18, 2], &[0x0a, 3, 0x0a, 1, b'a']]
    {
        let list = KeyValueList::from_encoded(bytes.to_vec().into());
        let request = RequestSubmit { user_data: Some(list), ..submission() };
        are_refused(&mut stream, vec![request], ErrorCode::InvalidUserData).await;
    }
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn a_text_that_is_not_utf_8_ends_its_stream_alone() {
    let (_server, mut neighbour, stream) = scene().await;
    let request = RequestSubmit { queue: "@@@@".into(), ..submission() };
    let mut message =
        ClientMessage { envelopes: vec![submit(submission(), 2), submit(request, 3)] }.encode_to_vec();
    let at = message.windows(4).position(|four| four == b"@@@@").unwrap();
    message[at] = 0xff;
    stream.send_bytes(message).await;
    let (events, status) = stream.read_to_end().await;
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(events.is_empty(), "nothing of the message is carried out: {events:?}");
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn a_request_of_a_newer_client_is_answered_and_the_stream_goes_on() {
    let (_server, mut neighbour, mut stream) = scene().await;
    // As an envelope of a protocol that has grown: a number, and a request with a tag that is not known here.
    let mut newer = ClientEnvelope { reference_id: 7, ..ClientEnvelope::default() }.encode_to_vec();
    encode_key(999, WireType::LengthDelimited, &mut newer);
    encode_varint(3, &mut newer);
    newer.extend([0x0a, 1, b'x']);
    let mut message = Vec::new();
    encode_key(1, WireType::LengthDelimited, &mut message);
    encode_varint(newer.len() as u64, &mut message);
    message.extend(newer);
    // Something known behind it, in the same message.
    message.extend(ClientMessage { envelopes: vec![look(0, 8)] }.encode_to_vec());
    stream.send_bytes(message).await;
    assert_eq!(code(&stream.answer(7).await), Some(ErrorCode::UnknownRequest));
    assert_eq!(code(&stream.answer(8).await), None);
    neighbour.is_unharmed().await;
}

#[tokio::test]
async fn bytes_that_are_no_message_end_their_stream_alone() {
    let (server, mut neighbour, stream) = scene().await;
    let mut streams = vec![stream];
    for _ in 0..3 {
        streams.push(server.stream().await);
    }
    let messages = [vec![0xff; 100], vec![0x0a], vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], vec![7; 1 << 20]];
    for (stream, message) in streams.into_iter().zip(messages) {
        stream.send_bytes(message).await;
        let (events, status) = stream.read_to_end().await;
        assert_eq!((status.code(), events.len()), (Code::InvalidArgument, 0), "{status} {events:?}");
    }
    neighbour.is_unharmed().await;
}
