//! The server side of `Connect` with answers that are encoded already, and the few steps that build them.
//!
//! A stream message is a sequence of envelopes, each framed as field 1 of `ServerMessage`. Encoded fields may stand
//! in any order, and of a field that occurs twice the last one counts, so a number for one receiver can be appended
//! to an envelope that was encoded once for all.

use bytes::{BufMut, Bytes, BytesMut};
use prost::{Message as _, encoding::encode_varint};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use crate::v1::{ClientMessage, ServerEnvelope};

/// The service whose answers are [`EncodedServerMessage`], on the same path as the typed one.
#[allow(missing_docs, unreachable_pub, clippy::all)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/encoded/ixn.v1.InteractionServer.rs"));
}

pub use generated::interaction_server_server;

/// Field 1 of `ServerMessage`, length-delimited.
const ENVELOPES_KEY: u8 = 0x0a;
/// Field 2 of `ServerEnvelope`, varint.
const PROXY_CLIENT_ID_KEY: u8 = 0x10;

/// One encoded `ServerMessage`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedServerMessage(pub Bytes);

/// Encodes one envelope, unframed.
pub fn encode_envelope(envelope: &ServerEnvelope) -> Bytes {
    Bytes::from(envelope.encode_to_vec())
}

/// Appends one encoded envelope to an encoded `ServerMessage`.
pub fn frame_envelope(envelope: &[u8], out: &mut BytesMut) {
    out.put_u8(ENVELOPES_KEY);
    encode_varint(envelope.len() as u64, out);
    out.put_slice(envelope);
}

/// Appends the receiver's `proxy_client_id` to an encoded, unframed envelope. 0 appends nothing: it is the default.
pub fn append_proxy_client_id(envelope: &mut impl BufMut, proxy_client_id: u32) {
    if proxy_client_id != 0 {
        envelope.put_u8(PROXY_CLIENT_ID_KEY);
        encode_varint(u64::from(proxy_client_id), envelope);
    }
}

/// The codec of the encoded service: reads `ClientMessage`, writes bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct EncodedCodec;

impl Codec for EncodedCodec {
    type Encode = EncodedServerMessage;
    type Decode = ClientMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for EncodedCodec {
    type Item = EncodedServerMessage;
    type Error = Status;

    fn encode(&mut self, item: EncodedServerMessage, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item.0);
        Ok(())
    }
}

impl Decoder for EncodedCodec {
    type Item = ClientMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ClientMessage>, Status> {
        match ClientMessage::decode(buffer) {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                Err(Status::invalid_argument(format!("the message is not a ClientMessage: {error}")))
            }
        }
    }
}
