//! `InteractionServer.Connect`: one stream, many envelopes to a message, one or many logical clients.
//!
//! The response starts before the first message is awaited, so that no client waits for the other side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::Map;
use ixn_engine::Input;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_proto::client_envelope::Request as ClientRequest;
use ixn_proto::encoded::interaction_server_server::InteractionServer;
use ixn_proto::encoded::{EncodedServerMessage, encode_envelope};
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ClientMessage, ErrorCode, EventError, ServerEnvelope};
use ixn_sessions::{Closed, Outbound, OutboundStream, PushError, outbound};
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::clock;
use crate::driver::{Link, Message};
use crate::intake::{Admission, Intake};

/// Bounds of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a stream may stay silent before it registers.
    pub(crate) handshake: Duration,
    /// Outbound queues.
    pub(crate) outbound: ixn_sessions::Limits,
    /// How many streams may be open.
    pub(crate) connections: u64,
}

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct SessionService {
    driver: mpsc::Sender<Message>,
    intake: Intake,
    limits: Limits,
    next_connection: Arc<AtomicU64>,
    pub(crate) open: Arc<AtomicU64>,
    draining: CancellationToken,
}

impl SessionService {
    pub(crate) fn new(
        driver: mpsc::Sender<Message>,
        intake: Intake,
        limits: Limits,
        draining: CancellationToken,
    ) -> Self {
        Self { driver, intake, limits, next_connection: Arc::default(), open: Arc::default(), draining }
    }
}

type Encode = fn(Result<bytes::Bytes, Status>) -> Result<EncodedServerMessage, Status>;

fn encoded(message: Result<bytes::Bytes, Status>) -> Result<EncodedServerMessage, Status> {
    message.map(EncodedServerMessage)
}

#[tonic::async_trait]
impl InteractionServer for SessionService {
    type ConnectStream = Map<OutboundStream<Status>, Encode>;

    async fn connect(
        &self,
        request: Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        if self.draining.is_cancelled() {
            return Err(Status::unavailable("the server is shutting down; connect again"));
        }
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limits.connections {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(Status::resource_exhausted(format!(
                "{} connections are open, the most that this server takes; put more clients on each",
                self.limits.connections
            )));
        }
        let peer = request.remote_addr();
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, receiver) = outbound(self.limits.outbound);
        let closed = CancellationToken::new();
        let link = Link {
            outbound: sender.clone(),
            closed: closed.clone(),
            end: None,
            peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            connected_at: (clock::now().0 / 1000) as i64,
            requests: 0,
        };
        self.driver
            .send(Message::Connected(connection, link, self.intake.waits(1)))
            .map_err(|_| Status::unavailable("the server is ending; connect again"))?;
        tracing::debug!(connection = connection.0, ?peer, "connection opened");
        let reader = Reader { service: self.clone(), connection, outbound: sender, closed };
        tokio::spawn(reader.run(request.into_inner()));
        Ok(Response::new(receiver.map(encoded as Encode)))
    }
}

/// What became of a message.
enum Forwarded {
    /// The engine has requests of it.
    Requests,
    /// There were none, or all were refused.
    Nothing,
    /// Nobody takes requests any more.
    ServerEnds,
}

/// The reading side of one stream.
struct Reader {
    service: SessionService,
    connection: ConnectionId,
    outbound: Outbound<Status>,
    closed: CancellationToken,
}

impl Reader {
    async fn run(self, stream: Streaming<ClientMessage>) {
        let end = self.read(stream).await;
        self.service.open.fetch_sub(1, Ordering::Relaxed);
        let waiting = self.service.intake.waits(1);
        let disconnected = Message::Disconnected(self.connection, end, waiting);
        if self.service.driver.send(disconnected).is_err() {
            // The server is ending and nobody else closes the stream.
            self.outbound.close(Closed::Normally);
        }
        tracing::debug!(connection = self.connection.0, "connection closed");
    }

    /// Reads until the client ends, breaks off, or is ended; answers the status with which its stream must end, if any.
    async fn read(&self, mut stream: Streaming<ClientMessage>) -> Option<Status> {
        // Until something of it has reached the engine, whose first act is to want a registration.
        let mut handshake = Some(Box::pin(tokio::time::sleep(self.service.limits.handshake)));
        loop {
            let silence = async {
                match &mut handshake {
                    Some(deadline) => deadline.await,
                    None => std::future::pending().await,
                }
            };
            let next = tokio::select! {
                () = self.closed.cancelled() => return None,
                () = silence => return Some(self.give_up_waiting()),
                next = stream.next() => next,
            };
            let message = match next {
                None => return None,
                Some(Err(status)) => {
                    tracing::debug!(connection = self.connection.0, %status, "stream broken");
                    return Some(status);
                }
                Some(Ok(message)) => message,
            };
            match self.forward(message.envelopes).await {
                Forwarded::Requests => handshake = None,
                Forwarded::Nothing => {}
                Forwarded::ServerEnds => return None,
            }
        }
    }

    fn give_up_waiting(&self) -> Status {
        let seconds = self.service.limits.handshake.as_secs();
        let text = format!("no request was received for {seconds} s; send RequestRegisterClient first");
        self.answer(0, 0, ErrorCode::NotRegistered, &text);
        Status::deadline_exceeded(text)
    }

    /// Hands requests on, or refuses them while the database is away.
    async fn forward(&self, envelopes: Vec<ClientEnvelope>) -> Forwarded {
        let arrived = Instant::now();
        let waiting = self.service.intake.waits(envelopes.len());
        let bytes = envelopes.iter().map(ClientEnvelope::encoded_len).sum();
        let admission = tokio::select! {
            () = self.closed.cancelled() => return Forwarded::ServerEnds,
            admission = self.service.intake.admit(bytes, envelopes.len()) => admission,
        };
        let (envelopes, permit) = match admission {
            Admission::Admitted(permit) => (envelopes, Some(permit)),
            Admission::Refused => (self.refuse(envelopes), None),
        };
        if envelopes.is_empty() {
            return Forwarded::Nothing;
        }
        let message = Message::Requests { connection: self.connection, envelopes, permit, arrived, waiting };
        match self.service.driver.send(message) {
            Ok(()) => Forwarded::Requests,
            Err(_) => Forwarded::ServerEnds,
        }
    }

    /// Refuses what changes or reads something; who leaves may leave.
    fn refuse(&self, envelopes: Vec<ClientEnvelope>) -> Vec<ClientEnvelope> {
        let (pass, refused): (Vec<_>, Vec<_>) = envelopes.into_iter().partition(|envelope| {
            matches!(envelope.request, Some(ClientRequest::RequestUnregisterClient(_)))
        });
        self.service.intake.count_refused(refused.len());
        for envelope in refused {
            let text = "the database has been away for some time; nothing has changed, try again later";
            self.answer(
                envelope.reference_id,
                envelope.proxy_client_id,
                ErrorCode::DatabaseUnavailable,
                text,
            );
        }
        pass
    }

    fn answer(&self, reference_id: u64, proxy_client_id: u32, code: ErrorCode, text: &str) {
        let error = EventError { error_code: code as i32, error_description: text.to_owned() };
        let envelope = ServerEnvelope {
            reference_id,
            proxy_client_id,
            event: Some(Event::EventError(error)),
            ..ServerEnvelope::default()
        };
        // A stream that no longer takes answers is ending anyway.
        if let Err(PushError::Overflow(_)) = self.outbound.push(proxy_client_id, encode_envelope(&envelope)) {
            let client = ClientRef { connection: self.connection, proxy_client_id };
            let _ = self.service.driver.send(Message::Input(Input::ClientOverflowed(client)));
        }
    }
}
