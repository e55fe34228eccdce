//! How answers leave: under the request's reference number, and remembered under its idempotency key.

use bytes::Bytes;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventAck, EventError, KeyValueList, ServerEnvelope};
use prost::Message;

use super::{Caller, Refusal};
use crate::commit::InteractionKey;
use crate::engine::{Engine, Output};
use crate::idempotency::{Answer, Fingerprint, Known};
use crate::interaction_id;
use crate::sessions::ClientRef;

impl Engine {
    /// Answers a request whose idempotency key is known; `false` when it is new.
    pub(super) fn answered_before(&mut self, caller: &Caller) -> bool {
        let Some((fingerprint, _)) = caller.idempotency else { return false };
        match self.idempotency.look_up(fingerprint, self.now) {
            Known::New => return false,
            Known::Answered(answer) => self.answer_again(caller, &answer),
            Known::OtherBody => {
                let text =
                    "this idempotency key was used for another request; use a new key for a new request";
                let refusal = Refusal::new(ErrorCode::IdempotencyKeyReused, text);
                self.refuse(caller.client, caller.reference_id, &refusal);
            }
        }
        true
    }

    /// Sends a request's answer, and remembers it under the request's key.
    pub(crate) fn answer(&mut self, caller: &Caller, event: Event) {
        self.answer_envelope(caller, ServerEnvelope { event: Some(event), ..ServerEnvelope::default() });
    }

    pub(super) fn answer_envelope(&mut self, caller: &Caller, envelope: ServerEnvelope) {
        self.remember_answer(caller, &envelope);
        self.send_answer(caller, envelope);
    }

    /// Remembers an answer under the request's key.
    pub(super) fn remember_answer(&mut self, caller: &Caller, envelope: &ServerEnvelope) {
        if let Some((fingerprint, retention)) = caller.idempotency {
            let stored: Bytes = envelope.encode_to_vec().into();
            let answer = self.answer_to_keep(&stored);
            self.idempotency.remember(fingerprint, answer, stored, retention, self.now);
        }
    }

    /// The answer to a submit; `interaction_id` is also in the extension, as the vendor's clients expect it.
    pub(super) fn submitted(interaction_id: String) -> ServerEnvelope {
        let mut extension = KeyValueList::new();
        extension.push_text("InteractionId", &interaction_id);
        let ack = Event::EventAck(EventAck { interaction_id, ..EventAck::default() });
        ServerEnvelope { event: Some(ack), extension: Some(extension), ..ServerEnvelope::default() }
    }

    /// A stored answer as memory keeps it: of a million submits only their numbers.
    pub(crate) fn answer_to_keep(&self, stored: &[u8]) -> Answer {
        let key = id_of_submitted(stored).and_then(|id| self.vocabulary.parse_generated_id(id));
        match key {
            Some(key) if self.submitted_again(key).encode_to_vec() == stored => Answer::Submitted(key),
            _ => Answer::Encoded(stored.into()),
        }
    }

    fn submitted_again(&self, key: InteractionKey) -> ServerEnvelope {
        Self::submitted(self.vocabulary.generated_id(key))
    }

    /// Sends an answer, or one page of it.
    pub(super) fn send_answer(&mut self, caller: &Caller, mut envelope: ServerEnvelope) {
        self.send_answer_to(caller, &mut envelope);
    }

    /// The same answer may go to several callers.
    pub(super) fn send_answer_to(&mut self, caller: &Caller, envelope: &mut ServerEnvelope) {
        envelope.reference_id = caller.reference_id;
        envelope.proxy_client_id = caller.client.proxy_client_id;
        self.output(Output::Send { client: caller.client, envelope: envelope.encode_to_vec().into() });
    }

    fn answer_again(&mut self, caller: &Caller, kept: &Answer) {
        // What we stored ourselves decodes; if it ever does not, the client hears that instead of nothing.
        let envelope = match kept {
            Answer::Submitted(key) => Ok(self.submitted_again(*key)),
            Answer::Encoded(stored) => ServerEnvelope::decode(&**stored),
        };
        let Ok(envelope) = envelope else {
            let text = "the stored answer to this idempotency key cannot be read; use a new key";
            let refusal = Refusal::new(ErrorCode::InternalError, text);
            return self.refuse(caller.client, caller.reference_id, &refusal);
        };
        match envelope.event {
            Some(Event::EventPulledInteractions(pulled)) => self.answer_pull_again(caller, &pulled),
            _ => self.send_answer(caller, ServerEnvelope { repeated: true, ..envelope }),
        }
    }

    pub(crate) fn refuse(&mut self, client: ClientRef, reference_id: u64, refusal: &Refusal) {
        let envelope = ServerEnvelope {
            reference_id,
            proxy_client_id: client.proxy_client_id,
            event: Some(Event::EventError(EventError {
                error_code: refusal.code as i32,
                error_description: refusal.text.clone(),
            })),
            ..ServerEnvelope::default()
        };
        self.output(Output::Send { client, envelope: envelope.encode_to_vec().into() });
    }

    pub(super) fn refuse_unregistered(&mut self, client: ClientRef, reference_id: u64) {
        let is_registered = self.sessions.connections.get(&client.connection).copied().unwrap_or(false);
        if is_registered {
            let text = format!(
                "no client is registered with proxy_client_id {}; send RequestRegisterClient with it first",
                client.proxy_client_id
            );
            return self.refuse(client, reference_id, &Refusal::new(ErrorCode::UnknownProxyClient, text));
        }
        let text = "the first message of a connection must be RequestRegisterClient with proxy_client_id 0";
        self.refuse(client, reference_id, &Refusal::new(ErrorCode::NotRegistered, text));
        self.output(Output::Close { connection: client.connection, reason: Some(text.into()) });
    }
}

/// The id inside an encoded answer to a submit: its last bytes, as each field that holds it ends with it.
fn id_of_submitted(stored: &[u8]) -> Option<&str> {
    let start = stored.len().checked_sub(interaction_id::GENERATED_BYTES)?;
    std::str::from_utf8(stored.get(start..)?).ok()
}

/// What tells a repeat from a new request: client name and key, and the body.
pub(super) fn fingerprint(client_name: &str, key: &str, request: &Request) -> Fingerprint {
    use xxhash_rust::xxh3::{Xxh3, xxh3_64};
    let mut key_hash = Xxh3::new();
    key_hash.update(client_name.as_bytes());
    key_hash.update(&[0]);
    key_hash.update(key.as_bytes());
    let mut body = Vec::with_capacity(request.encoded_len());
    request.encode(&mut body);
    Fingerprint { key_hash: key_hash.digest128(), body_hash: xxh3_64(&body) }
}
