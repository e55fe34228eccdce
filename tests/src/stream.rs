//! One stream as it is on the wire: the tests send what no client library would, and do not read when they do not want to.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientEnvelope, ClientMessage, ClientType, ErrorCode, EventAck, RequestFindInteractions,
    RequestRegisterClient, ServerEnvelope, ServerMessage,
};
use prost::Message as _;
use prost::bytes::BufMut as _;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request as GrpcRequest, Status, Streaming};

use crate::ixn_server::LIMIT;

/// A connection of its own, as all streams of the tests have.
///
/// # Errors
/// Nobody listens.
pub async fn channel(address: SocketAddr) -> Result<Channel, tonic::transport::Error> {
    Endpoint::from_shared(format!("http://{address}"))?.connect().await
}

const CONNECT: &str = "/ixn.v1.InteractionServer/Connect";

/// Sends bytes as they are and reads what the server says.
#[derive(Clone, Copy, Debug)]
struct AnyBytes;

impl Codec for AnyBytes {
    type Encode = Vec<u8>;
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

impl Encoder for AnyBytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for AnyBytes {
    type Item = ServerMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<ServerMessage>, Status> {
        ServerMessage::decode(buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    requests: mpsc::Sender<Vec<u8>>,
    messages: Streaming<ServerMessage>,
    read: VecDeque<ServerEnvelope>,
    /// Answers that came before they were asked for.
    answers: HashMap<u64, VecDeque<Event>>,
}

impl Stream {
    /// Opens one on a new connection.
    ///
    /// # Errors
    /// What the server refused it with.
    pub async fn open(address: SocketAddr) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(64);
        let channel = channel(address).await.map_err(|error| Status::from_error(error.into()))?;
        let mut client = Grpc::new(channel);
        client.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let requests_stream = GrpcRequest::new(ReceiverStream::new(receiver));
        let opening = client.streaming(requests_stream, PathAndQuery::from_static(CONNECT), AnyBytes);
        let messages = timeout(LIMIT, opening).await.expect("an answer to Connect")?.into_inner();
        Ok(Self { requests, messages, read: VecDeque::new(), answers: HashMap::new() })
    }

    /// Sends one message.
    pub async fn send(&self, envelopes: Vec<ClientEnvelope>) {
        self.send_bytes(ClientMessage { envelopes }.encode_to_vec()).await;
    }

    /// Sends one message of these bytes, whatever they are.
    pub async fn send_bytes(&self, message: Vec<u8>) {
        let sending = self.requests.send(message);
        // A stream that has ended takes nothing more; what it said is read.
        let _ = timeout(LIMIT, sending).await.expect("the server reads the stream");
    }

    /// The next envelope, or the status with which the stream has ended.
    ///
    /// # Errors
    /// That status.
    pub async fn next(&mut self) -> Result<ServerEnvelope, Status> {
        loop {
            if let Some(envelope) = self.read.pop_front() {
                return Ok(envelope);
            }
            let message = timeout(LIMIT, self.messages.message()).await.expect("a message or the end")?;
            let Some(message) = message else { return Err(Status::new(Code::Ok, "the stream has ended")) };
            self.read.extend(message.envelopes);
        }
    }

    /// The next answer to this request. Other answers are kept, events are passed over.
    pub async fn answer(&mut self, reference_id: u64) -> Event {
        loop {
            if let Some(answer) = self.answers.get_mut(&reference_id).and_then(VecDeque::pop_front) {
                return answer;
            }
            let envelope = self.next().await.unwrap();
            if envelope.reference_id != 0 {
                self.answers.entry(envelope.reference_id).or_default().extend(envelope.event);
            }
        }
    }

    /// Registers the connection.
    pub async fn register(&mut self, client_type: ClientType) -> EventAck {
        self.send(vec![register(0, client_type, 1)]).await;
        match self.answer(1).await {
            Event::EventAck(ack) => ack,
            other => panic!("the registration was answered by {other:?}"),
        }
    }

    /// Reads to the end, and answers what came and how it ended.
    pub async fn read_to_end(mut self) -> (Vec<Event>, Status) {
        let mut events = Vec::new();
        loop {
            match self.next().await {
                Ok(envelope) => events.extend(envelope.event),
                Err(status) => return (events, status),
            }
        }
    }
}

/// A request of a logical client.
pub fn envelope(client: u32, request: Request, reference_id: u64) -> ClientEnvelope {
    ClientEnvelope {
        reference_id,
        proxy_client_id: client,
        request: Some(request),
        ..ClientEnvelope::default()
    }
}

/// The registration of a logical client.
pub fn register(client: u32, client_type: ClientType, reference_id: u64) -> ClientEnvelope {
    let request = RequestRegisterClient {
        client_name: format!("client-{client}"),
        client_type: client_type as i32,
        ..RequestRegisterClient::default()
    };
    envelope(client, Request::RequestRegisterClient(request), reference_id)
}

/// A request that only looks.
pub fn look(client: u32, reference_id: u64) -> ClientEnvelope {
    envelope(client, Request::RequestFindInteractions(RequestFindInteractions::default()), reference_id)
}

/// The code of an error; none for another answer.
pub fn code(event: &Event) -> Option<ErrorCode> {
    match event {
        Event::EventError(error) => ErrorCode::try_from(error.error_code).ok(),
        _ => None,
    }
}
