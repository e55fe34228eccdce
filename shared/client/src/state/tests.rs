//! The state alone: whose turn it is, and what a loss leaves.

use ixn_proto::{EventAck, ServerEnvelope, server_envelope::Event};

use super::*;
use crate::{ClientType, DisconnectReason, codec::encode_body, request_nature::Login};

fn state() -> State {
    State::new(&ClientOptions::new("http://127.0.0.1:1", "test", ClientType::Proxy))
}

/// A request whose body is its name.
fn request(proxy_client_id: u32, name: &str) -> Outgoing {
    Outgoing {
        proxy_client_id,
        body: bytes::Bytes::copy_from_slice(name.as_bytes()),
        repeatable: true,
        session: None,
        login: Login::Unconcerned,
        unanswered: false,
    }
}

fn pack(state: &mut State, message_bytes: usize) -> Vec<(u64, String)> {
    let connection = state.connection;
    match state.next_message(connection, message_bytes, &mut Context::from_waker(Waker::noop())) {
        NextMessage::Message(message) => message.contents(),
        NextMessage::Nothing => Vec::new(),
        NextMessage::End => panic!("the connection is over"),
    }
}

fn names(packed: &[(u64, String)]) -> Vec<&str> {
    packed.iter().map(|(_, name)| name.as_str()).collect()
}

fn answer(reference_id: u64) -> Box<ServerEnvelope> {
    let event = Some(Event::EventAck(EventAck::default()));
    Box::new(ServerEnvelope { reference_id, event, ..Default::default() })
}

fn connect(state: &mut State, now: Instant) {
    state.connecting();
    state.connected(RegistrationInfo::default(), now);
}

/// Two logical clients, registered.
fn with_two_logical(now: Instant) -> (State, Vec<u32>) {
    let mut state = state();
    connect(&mut state, now);
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        let profile = Arc::new(LogicalOptions::new(name, ClientType::AgentApplication));
        ids.push(state.add_logical(profile, now).unwrap().0);
    }
    register(&mut state, now);
    (state, ids)
}

fn register(state: &mut State, now: Instant) {
    for (proxy_client_id, profile) in state.take_due(now) {
        let body =
            encode_body(proxy_client_id, profile.client_name.clone(), None, register_request(&profile));
        state.enqueue_registration(Outgoing { body, ..request(proxy_client_id, "") });
    }
    for (reference_id, _) in pack(state, 1 << 16) {
        state.deliver(answer(reference_id), now);
    }
}

fn register_request(profile: &LogicalOptions) -> ixn_proto::client_envelope::Request {
    ixn_proto::client_envelope::Request::RequestRegisterClient(profile.registration())
}

#[tokio::test]
async fn registrations_take_turns_and_messages_have_a_bound() {
    let now = Instant::now();
    let (mut state, ids) = with_two_logical(now);
    let mut kept = Vec::new();
    for name in ["a1", "a2", "a3", "a4"] {
        kept.push(state.enqueue(request(ids[0], name)).unwrap());
    }
    kept.push(state.enqueue(request(ids[1], "b1")).unwrap());
    kept.push(state.enqueue(request(0, "o1")).unwrap());
    // 6 bytes each: key, length, two of the body, two of the reference id.
    assert_eq!(names(&pack(&mut state, 24)), ["a1", "b1", "o1", "a2"]);
    assert_eq!(names(&pack(&mut state, 1)), ["a3"]);
    assert_eq!(names(&pack(&mut state, 24)), ["a4"]);
    assert!(pack(&mut state, 24).is_empty());
}

#[tokio::test]
async fn after_a_loss_the_old_order_stands_again_behind_the_registrations() {
    let now = Instant::now();
    let (mut state, ids) = with_two_logical(now);
    let mut kept = Vec::new();
    for name in ["a1", "a2", "a3"] {
        kept.push(state.enqueue(request(ids[0], name)).unwrap());
    }
    assert_eq!(names(&pack(&mut state, 6)), ["a1"]);
    state.lost(&DisconnectReason::Lost("test".to_owned()));
    kept.push(state.enqueue(request(ids[0], "a4")).unwrap());
    connect(&mut state, now);
    assert!(pack(&mut state, 1 << 16).is_empty(), "nothing goes out before the logical client is registered");
    register(&mut state, now);
    let packed = pack(&mut state, 1 << 16);
    assert_eq!(names(&packed), ["a1", "a2", "a3", "a4"]);
    for (reference_id, _) in packed {
        state.deliver(answer(reference_id), now);
    }
    for (_, mut receiver) in kept {
        assert!(receiver.try_recv().unwrap().result.is_ok());
    }
    assert!(state.pending.is_empty());
}

#[tokio::test]
async fn requests_given_up_while_nothing_can_be_sent_leave_nothing_behind() {
    let mut state = state();
    let (wanted, _receiver) = state.enqueue(request(0, "wanted")).unwrap();
    for _ in 0..10_000 {
        let (reference_id, _) = state.enqueue(request(0, "x")).unwrap();
        assert!(!state.give_up_request(reference_id));
    }
    assert_eq!(state.pending.keys().copied().collect::<Vec<_>>(), [wanted]);
    assert!(state.registrations[&0].waiting.len() < 200, "{}", state.registrations[&0].waiting.len());
    connect(&mut state, Instant::now());
    assert_eq!(names(&pack(&mut state, 1 << 16)), ["wanted"]);
}

#[tokio::test]
async fn an_answer_to_what_was_not_sent_on_this_connection_is_ignored() {
    let now = Instant::now();
    let mut state = state();
    connect(&mut state, now);
    let (reference_id, mut receiver) = state.enqueue(request(0, "x")).unwrap();
    state.deliver(answer(reference_id), now);
    assert!(receiver.try_recv().is_err());
    assert_eq!(state.unclaimed_answers(), 1);
    assert_eq!(names(&pack(&mut state, 100)), ["x"]);
    state.deliver(answer(reference_id), now);
    assert!(receiver.try_recv().unwrap().result.is_ok());
}

#[tokio::test]
async fn a_logical_client_that_is_dropped_while_its_registration_is_encoded_is_not_registered() {
    let now = Instant::now();
    let mut state = state();
    connect(&mut state, now);
    let profile = Arc::new(LogicalOptions::new("a", ClientType::AgentApplication));
    let (id, _started) = state.add_logical(profile, now).unwrap();
    assert_eq!(state.take_due(now).len(), 1);
    state.remove_logical(id, Some(request(id, "farewell")));
    state.enqueue_registration(request(id, "registration"));
    assert_eq!(names(&pack(&mut state, 1 << 16)), ["farewell"]);
}
