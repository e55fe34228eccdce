//! Encoding: a request is encoded once, however often it is sent, and what waits goes out in one stream message.

use bytes::{BufMut, Bytes};
use ixn_proto::{ClientEnvelope, KeyValueList, ServerMessage, client_envelope::Request};
use prost::{
    Message as _,
    encoding::{encode_varint, encoded_len_varint},
};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// Field 1 of `ClientMessage`, length-delimited.
const ENVELOPES_KEY: u8 = 0x0a;
/// Field 1 of `ClientEnvelope`, varint.
const REFERENCE_ID_KEY: u8 = 0x08;

/// An encoded `ClientEnvelope` without its reference id, which is appended when it is sent.
pub(crate) fn encode_body(
    proxy_client_id: u32,
    idempotency_key: String,
    extension: Option<KeyValueList>,
    request: Request,
) -> Bytes {
    let request = Some(request);
    let envelope = ClientEnvelope { reference_id: 0, proxy_client_id, extension, idempotency_key, request };
    envelope.encode_to_vec().into()
}

/// The envelopes of one stream message.
#[derive(Debug, Default)]
pub(crate) struct PackedMessage {
    envelopes: Vec<(u64, Bytes)>,
    bytes: usize,
}

impl PackedMessage {
    /// Adds an encoded envelope with its reference id; 0 = it wants no answer.
    pub(crate) fn push(&mut self, reference_id: u64, body: Bytes) {
        let length = envelope_length(reference_id, &body);
        self.bytes += 1 + encoded_len_varint(length as u64) + length;
        self.envelopes.push((reference_id, body));
    }

    /// The size of the encoded message, bytes.
    pub(crate) fn encoded_bytes(&self) -> usize {
        self.bytes
    }

    /// The size that it would have with a further envelope, bytes.
    pub(crate) fn encoded_bytes_with(&self, reference_id: u64, body: &Bytes) -> usize {
        let length = envelope_length(reference_id, body);
        self.bytes + 1 + encoded_len_varint(length as u64) + length
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    /// What it holds, for tests with bodies of text.
    #[cfg(test)]
    pub(crate) fn contents(self) -> Vec<(u64, String)> {
        let text = |(id, body): (u64, Bytes)| (id, String::from_utf8_lossy(&body).into_owned());
        self.envelopes.into_iter().map(text).collect()
    }

    fn put(self, out: &mut impl BufMut) {
        for (reference_id, body) in self.envelopes {
            out.put_u8(ENVELOPES_KEY);
            encode_varint(envelope_length(reference_id, &body) as u64, out);
            out.put_slice(&body);
            if reference_id != 0 {
                out.put_u8(REFERENCE_ID_KEY);
                encode_varint(reference_id, out);
            }
        }
    }
}

fn envelope_length(reference_id: u64, body: &Bytes) -> usize {
    let reference = if reference_id == 0 { 0 } else { 1 + encoded_len_varint(reference_id) };
    body.len() + reference
}

/// The codec of the stream: packed messages out, decoded messages in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamCodec;

impl Codec for StreamCodec {
    type Encode = PackedMessage;
    type Decode = ServerMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for StreamCodec {
    type Item = PackedMessage;
    type Error = Status;

    fn encode(&mut self, message: PackedMessage, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.encoded_bytes());
        message.put(out);
        Ok(())
    }
}

impl Decoder for StreamCodec {
    type Item = ServerMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ServerMessage>, Status> {
        match ServerMessage::decode(buffer) {
            Ok(message) => Ok(Some(message)),
            Err(error) => Err(Status::internal(format!("the server's message cannot be decoded: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::{ClientMessage, RequestHold, RequestSubmit};

    use super::*;

    #[test]
    fn packed_envelopes_decode_as_a_client_message() {
        let mut extension = KeyValueList::new();
        extension.push_integer("event_properties_changed", 1);
        let submit = Request::RequestSubmit(RequestSubmit {
            queue: "inbox".to_owned(),
            external_id: "x".repeat(300),
            ..Default::default()
        });
        let hold = Request::RequestHold(RequestHold { interaction_id: "1".to_owned(), ..Default::default() });
        let mut message = PackedMessage::default();
        message.push(u64::MAX, encode_body(7, "key".to_owned(), Some(extension.clone()), submit.clone()));
        let body = encode_body(0, String::new(), None, hold.clone());
        assert_eq!(message.encoded_bytes_with(0, &body), message.encoded_bytes() + 2 + body.len());
        message.push(0, body);

        let expected_bytes = message.encoded_bytes();
        let mut encoded = Vec::new();
        message.put(&mut encoded);
        assert_eq!(encoded.len(), expected_bytes);
        let decoded = ClientMessage::decode(&encoded[..]).unwrap();
        let first = ClientEnvelope {
            reference_id: u64::MAX,
            proxy_client_id: 7,
            extension: Some(extension),
            idempotency_key: "key".to_owned(),
            request: Some(submit),
        };
        let second = ClientEnvelope { request: Some(hold), ..Default::default() };
        assert_eq!(decoded.envelopes, [first, second]);
    }
}
