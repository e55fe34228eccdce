//! `InteractionServer.Connect`: one stream, many envelopes to a message, one or many logical clients.
//!
//! The response starts before the first message is awaited, so that no client waits for the other side.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::stream::{Stream, StreamExt};
use ixn_engine::Input;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_proto::client_envelope::Request as ClientRequest;
use ixn_proto::encoded::interaction_server_server::InteractionServer;
use ixn_proto::encoded::{EncodedServerMessage, encode_envelope};
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ClientMessage, ErrorCode, EventError, ServerEnvelope, error_code};
use ixn_sessions::{Closed, Outbound, OutboundStream, PushError, outbound};
use parking_lot::Mutex;
use prost::Message as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::{Request, Response, Status, Streaming};

use super::loads::{ClientLimits, Loads, Over};
use super::rate::Rate;
use super::sockets::SocketInfo;
use crate::clock;
use crate::driver::{Link, Message, kind, target};
use crate::intake::{Admission, Intake, Permit};
use crate::tasks::Tasks;

/// How long a registration may be put off when very many come at once; one that would have to wait longer is refused.
const REGISTRATION_PATIENCE: Duration = Duration::from_secs(10);

/// Bounds of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How long a client may take to register on a new stream.
    pub(crate) handshake: Duration,
    /// Outbound queues.
    pub(crate) outbound: ixn_sessions::Limits,
    /// How many streams may be open.
    pub(crate) connections: u64,
    /// Each logical client.
    pub(crate) client: ClientLimits,
    /// How many clients may register in a second, all together; none: any number.
    pub(crate) registrations: Option<Rate>,
}

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct SessionService {
    driver: mpsc::Sender<Message>,
    intake: Intake,
    limits: Limits,
    next_connection: Arc<AtomicU64>,
    open: Arc<AtomicU64>,
    /// Until when the registrations that have come are paid off.
    registrations: Arc<Mutex<Option<Instant>>>,
    draining: CancellationToken,
    tasks: Tasks,
}

impl SessionService {
    pub(crate) fn new(
        driver: mpsc::Sender<Message>,
        intake: Intake,
        limits: Limits,
        draining: CancellationToken,
        tasks: Tasks,
    ) -> Self {
        Self {
            driver,
            intake,
            limits,
            next_connection: Arc::default(),
            open: Arc::default(),
            registrations: Arc::default(),
            draining,
            tasks,
        }
    }
}

/// What the client is sent. It is dropped when the client has gone.
pub(crate) struct Answers {
    stream: OutboundStream<Status>,
    _gone: DropGuard,
}

impl Stream for Answers {
    type Item = Result<EncodedServerMessage, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream
            .poll_next_unpin(context)
            .map(|message| message.map(|bytes| bytes.map(EncodedServerMessage)))
    }
}

#[tonic::async_trait]
impl InteractionServer for SessionService {
    type ConnectStream = Answers;

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
        let peer = request.extensions().get::<SocketInfo>().map(|socket| socket.peer);
        let connection = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed) + 1);
        let (sender, receiver) = outbound(self.limits.outbound);
        let closed = CancellationToken::new();
        let registered = CancellationToken::new();
        let gone = CancellationToken::new();
        let loads = Arc::new(Loads::new(self.limits.client));
        let link = Link {
            outbound: sender.clone(),
            closed: closed.clone(),
            registered: registered.clone(),
            loads: Arc::clone(&loads),
            end: None,
            peer: peer.map(|peer| peer.to_string()).unwrap_or_default(),
            connected_at: (clock::now().0 / 1000) as i64,
            requests: 0,
        };
        self.driver
            .send(Message::Connected(connection, link, self.intake.waits(1)))
            .map_err(|_| Status::unavailable("the server is ending; connect again"))?;
        tracing::debug!(connection = connection.0, ?peer, "connection opened");
        let answers = Answers { stream: receiver, _gone: gone.clone().drop_guard() };
        let service = self.clone();
        let reader = Reader { service, connection, outbound: sender, closed, registered, gone, loads };
        self.tasks.spawn(reader.run(request.into_inner()));
        Ok(Response::new(answers))
    }
}

/// What became of a message.
enum Forwarded {
    /// The engine has what was not refused of it.
    Done,
    /// The client has gone, or nobody takes requests any more.
    Ended,
}

/// The reading side of one stream.
struct Reader {
    service: SessionService,
    connection: ConnectionId,
    outbound: Outbound<Status>,
    /// The server ends the stream.
    closed: CancellationToken,
    /// The connection's client is registered.
    registered: CancellationToken,
    /// Nobody reads the answers any more.
    gone: CancellationToken,
    loads: Arc<Loads>,
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
    async fn read(
        &self,
        mut stream: impl Stream<Item = Result<ClientMessage, Status>> + Unpin,
    ) -> Option<Status> {
        // What the client has left to register in; for what it waits here for others it is not to blame.
        let mut left = self.service.limits.handshake;
        loop {
            let began = tokio::time::Instant::now();
            let next = tokio::select! {
                () = self.closed.cancelled() => return None,
                () = self.unregistered_for(left) => return Some(self.give_up_waiting()),
                next = stream.next() => next,
            };
            left = left.saturating_sub(began.elapsed());
            let message = match next {
                None => return None,
                Some(Err(status)) => {
                    tracing::debug!(connection = self.connection.0, %status, "stream broken");
                    return Some(status);
                }
                Some(Ok(message)) => message,
            };
            if let Forwarded::Ended = self.forward(message.envelopes).await {
                return None;
            }
        }
    }

    /// Ends when nobody has registered for so long.
    async fn unregistered_for(&self, time: Duration) {
        if self.registered.run_until_cancelled(tokio::time::sleep(time)).await.is_none() {
            std::future::pending().await
        }
    }

    fn give_up_waiting(&self) -> Status {
        let seconds = self.service.limits.handshake.as_secs();
        let text = format!("no client has registered for {seconds} s; send RequestRegisterClient first");
        self.answer(0, 0, ErrorCode::NotRegistered, &text);
        let status = Status::deadline_exceeded(text);
        // The engine has nothing to answer here, so its end of the stream need not be waited for.
        self.outbound.close(Closed::With(status.clone()));
        status
    }

    /// Hands requests on, when it is their time, or refuses them.
    async fn forward(&self, envelopes: Vec<ClientEnvelope>) -> Forwarded {
        let arrived = Instant::now();
        let intake = &self.service.intake;
        intake.count_received(envelopes.len());
        let waiting = intake.waits(envelopes.len());
        let admitted = tokio::select! {
            biased;
            () = self.closed.cancelled() => None,
            admitted = self.admit(envelopes) => Some(admitted),
            // Requests of a broken connection that have not been let in never are, so that its end does not wait for them.
            () = self.gone.cancelled() => None,
        };
        let Some((envelopes, permit)) = admitted else { return Forwarded::Ended };
        if envelopes.is_empty() {
            return Forwarded::Done;
        }
        let message = Message::Requests { connection: self.connection, envelopes, permit, arrived, waiting };
        match self.service.driver.send(message) {
            Ok(()) => Forwarded::Done,
            Err(_) => Forwarded::Ended,
        }
    }

    /// Waits until requests may go to the engine; answers those that may.
    async fn admit(&self, envelopes: Vec<ClientEnvelope>) -> (Vec<ClientEnvelope>, Option<Permit>) {
        let envelopes = self.pace_registrations(envelopes).await;
        let bytes = envelopes.iter().map(ClientEnvelope::encoded_len).sum();
        if envelopes.iter().all(is_leaving) {
            let permit = self.service.intake.let_leave(bytes).await;
            return (envelopes, permit);
        }
        match self.service.intake.admit(bytes).await {
            Admission::Admitted(permit) => (self.within_limits(envelopes), Some(permit)),
            Admission::Refused => (self.refuse_without_database(envelopes), None),
        }
    }

    /// When very many clients register at once they are put off a little, and refused when a little is not enough.
    async fn pace_registrations(&self, mut envelopes: Vec<ClientEnvelope>) -> Vec<ClientEnvelope> {
        let Some(rate) = &self.service.limits.registrations else { return envelopes };
        let mut wait = Duration::ZERO;
        envelopes.retain(|envelope| {
            if !matches!(envelope.request, Some(ClientRequest::RequestRegisterClient(_))) {
                return true;
            }
            let now = Instant::now();
            match rate.take(&mut self.service.registrations.lock(), now, REGISTRATION_PATIENCE) {
                Ok(this) => wait = wait.max(this),
                Err(this) => {
                    let seconds = this.as_secs() + 1;
                    let text = format!("too many clients register at once; register again in {seconds} s");
                    self.refuse(envelope, ErrorCode::TooManyRequests, &text);
                    return false;
                }
            }
            true
        });
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        envelopes
    }

    /// Refuses what goes over its client's limits.
    fn within_limits(&self, mut envelopes: Vec<ClientEnvelope>) -> Vec<ClientEnvelope> {
        let now = Instant::now();
        envelopes.retain(|envelope| {
            if is_leaving(envelope) || is_answer(envelope) {
                return true;
            }
            let text = match self.loads.begin(envelope.proxy_client_id, envelope.reference_id, now) {
                Ok(()) => return true,
                Err(Over::InFlight) => format!(
                    "{} requests of this client have no answer yet, the most that may; wait for answers \
                     (option client-requests-in-flight)",
                    self.service.limits.client.in_flight
                ),
                Err(Over::Rate) => "this client sends too many requests a second; send more slowly \
                                    (option client-request-rate)"
                    .into(),
            };
            self.refuse(envelope, ErrorCode::TooManyRequests, &text);
            false
        });
        envelopes
    }

    /// Refuses what changes or reads something; who leaves may leave.
    fn refuse_without_database(&self, mut envelopes: Vec<ClientEnvelope>) -> Vec<ClientEnvelope> {
        envelopes.retain(|envelope| {
            if !is_leaving(envelope) {
                let text = "the database has been away for some time; nothing has changed, try again later";
                self.refuse(envelope, ErrorCode::DatabaseUnavailable, text);
            }
            is_leaving(envelope)
        });
        envelopes
    }

    /// Refuses a request that the engine does not see.
    fn refuse(&self, envelope: &ClientEnvelope, code: ErrorCode, text: &str) {
        match code {
            ErrorCode::DatabaseUnavailable => self.service.intake.count_refused(),
            _ => self.service.intake.count_over_limit(),
        }
        tracing::debug!(
            target: target!(),
            connection = self.connection.0,
            proxy_client_id = envelope.proxy_client_id,
            reference_id = envelope.reference_id,
            request = envelope.request.as_ref().map(kind),
            error = error_code::name(code),
            "request refused"
        );
        self.answer(envelope.reference_id, envelope.proxy_client_id, code, text);
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

/// Whether a client says that it leaves, which it may at any time.
fn is_leaving(envelope: &ClientEnvelope) -> bool {
    matches!(envelope.request, Some(ClientRequest::RequestUnregisterClient(_)))
}

/// Whether a client answers the server: that gets no answer itself.
fn is_answer(envelope: &ClientEnvelope) -> bool {
    matches!(
        envelope.request,
        Some(ClientRequest::Event3rdServerResponse(_) | ClientRequest::Event3rdServerFault(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, stream};
    use ixn_proto::RequestRegisterClient;

    const HANDSHAKE: Duration = Duration::from_secs(10);

    /// The reading side of a stream, and what is there of it: the driver's messages and the token that says it is registered.
    fn reader() -> (Reader, mpsc::Receiver<Message>, CancellationToken) {
        let (driver, messages) = mpsc::channel();
        let limits = Limits {
            handshake: HANDSHAKE,
            outbound: ixn_sessions::Limits::default(),
            connections: 1,
            client: ClientLimits { in_flight: 0, rate: None },
            registrations: None,
        };
        let (intake, draining) = (Intake::new(1 << 20), CancellationToken::new());
        let service = SessionService::new(driver, intake, limits, draining, Tasks::here());
        let registered = CancellationToken::new();
        let reader = Reader {
            service,
            connection: ConnectionId(1),
            outbound: outbound(limits.outbound).0,
            closed: CancellationToken::new(),
            registered: registered.clone(),
            gone: CancellationToken::new(),
            loads: Arc::new(Loads::new(limits.client)),
        };
        (reader, messages, registered)
    }

    /// A stream that says this, and then nothing for ever.
    fn says(request: Option<ClientRequest>) -> impl Stream<Item = Result<ClientMessage, Status>> + Unpin {
        let envelope = ClientEnvelope { reference_id: 1, request, ..ClientEnvelope::default() };
        let message = ClientMessage { envelopes: vec![envelope] };
        stream::iter([Ok(message)]).chain(stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_on_which_nobody_registers_ends_whatever_it_says() {
        let (reader, messages, _registered) = reader();
        let ended = tokio::time::timeout(2 * HANDSHAKE, reader.read(says(None))).await.unwrap();
        assert_eq!(ended.unwrap().code(), tonic::Code::DeadlineExceeded);
        assert!(matches!(messages.try_recv(), Ok(Message::Requests { .. })), "the engine may answer it");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_on_which_somebody_has_registered_may_stay_silent() {
        let (reader, _messages, registered) = reader();
        let register = RequestRegisterClient::default();
        let mut reading = Box::pin(reader.read(says(Some(ClientRequest::RequestRegisterClient(register)))));
        assert!(reading.as_mut().now_or_never().is_none());
        registered.cancel();
        assert!(tokio::time::timeout(100 * HANDSHAKE, reading).await.is_err());
    }
}
