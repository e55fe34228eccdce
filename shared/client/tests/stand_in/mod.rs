//! A server that speaks the real service and does exactly what a test tells it, misbehaviour included.

// Each test file uses its part.
#![allow(dead_code)]

use std::{collections::VecDeque, future::Future, net::SocketAddr, pin::Pin, time::Duration};

use ixn_client::{
    Client, ClientOptions, ClientType, Event, RegistrationInfo, Request, ServerEnvelope,
    proto::{
        ClientEnvelope, ClientMessage, ErrorCode, EventAck, EventClientDisconnected, EventError,
        ServerMessage,
        interaction_server_server::{InteractionServer, InteractionServerServer},
    },
};
use tokio::{
    runtime::Runtime,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{
    Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The server, on a runtime of its own: dropping it kills its sockets as the end of a process does.
pub struct StandIn {
    pub address: SocketAddr,
    runtime: Option<Runtime>,
    connections: mpsc::UnboundedReceiver<Connection>,
}

/// One stream of one client.
pub struct Connection {
    requests: Streaming<ClientMessage>,
    answers: mpsc::Sender<Result<ServerMessage, Status>>,
    received: VecDeque<ClientEnvelope>,
    /// How many envelopes each stream message had.
    pub messages: Vec<usize>,
}

struct Service(mpsc::UnboundedSender<Connection>);

#[tonic::async_trait]
impl InteractionServer for Service {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ServerMessage, Status>> + Send>>;

    async fn connect(
        &self,
        request: tonic::Request<Streaming<ClientMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (answers, stream) = mpsc::channel(4);
        let requests = request.into_inner();
        let connection = Connection { requests, answers, received: VecDeque::new(), messages: Vec::new() };
        self.0.send(connection).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

impl StandIn {
    pub fn start() -> Self {
        Self::start_on("127.0.0.1:0".parse().unwrap())
    }

    pub fn start_on(address: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (sender, connections) = mpsc::unbounded_channel();
        let entered = runtime.enter();
        let incoming = TcpIncoming::bind(address).unwrap().with_nodelay(Some(true));
        let address = incoming.local_addr().unwrap();
        runtime.spawn(
            Server::builder()
                .add_service(InteractionServerServer::new(Service(sender)))
                .serve_with_incoming(incoming),
        );
        drop(entered);
        Self { address, runtime: Some(runtime), connections }
    }

    /// Options for a client of this server, with short waits.
    pub fn options(&self, client_type: ClientType) -> ClientOptions {
        let mut options = ClientOptions::new(format!("http://{}", self.address), "test", client_type);
        options.reconnect.initial = Duration::from_millis(5);
        options.reconnect.max = Duration::from_millis(50);
        options.retry.initial = Duration::from_millis(2);
        options.retry.max = Duration::from_millis(20);
        options.request_deadline = PATIENCE;
        options
    }

    /// The next stream, before its registration.
    pub async fn accept(&mut self) -> Connection {
        patiently("a connection", self.connections.recv()).await.unwrap()
    }

    /// The next stream, registered.
    pub async fn accept_registered(&mut self, info: RegistrationInfo) -> Connection {
        let mut connection = self.accept().await;
        let registration = connection.next().await;
        assert!(
            matches!(registration.request, Some(Request::RequestRegisterClient(_))),
            "the first request was {registration:?}"
        );
        connection.send([ack_registration(&registration, info)]).await;
        connection
    }

    /// A client of this server, and its stream.
    pub async fn client(&mut self, options: ClientOptions) -> (Client, Connection) {
        self.client_with(options, info()).await
    }

    pub async fn client_with(
        &mut self,
        options: ClientOptions,
        info: RegistrationInfo,
    ) -> (Client, Connection) {
        let (client, connection) = tokio::join!(Client::connect(options), self.accept_registered(info));
        (client.unwrap(), connection)
    }

    /// Dies at once.
    pub fn kill(mut self) -> SocketAddr {
        let runtime = self.runtime.take().unwrap();
        // Elsewhere: a runtime may not wait for another one. Waited for, so that the port is free.
        std::thread::spawn(move || runtime.shutdown_timeout(PATIENCE)).join().unwrap();
        self.address
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Connection {
    /// The next request; `None` when the client has gone.
    pub async fn try_next(&mut self) -> Option<ClientEnvelope> {
        while self.received.is_empty() {
            let message = patiently("a request", self.requests.message()).await;
            let envelopes = message.ok()??.envelopes;
            self.messages.push(envelopes.len());
            self.received.extend(envelopes);
        }
        self.received.pop_front()
    }

    pub async fn next(&mut self) -> ClientEnvelope {
        self.try_next().await.expect("the client has gone")
    }

    /// Whether the requests that came are all taken.
    pub fn nothing_waits(&self) -> bool {
        self.received.is_empty()
    }

    /// Several requests.
    pub async fn take(&mut self, count: usize) -> Vec<ClientEnvelope> {
        let mut requests = Vec::new();
        while requests.len() < count {
            requests.push(self.next().await);
        }
        requests
    }

    /// Sends one stream message.
    pub async fn send(&self, envelopes: impl IntoIterator<Item = ServerEnvelope>) {
        let envelopes = envelopes.into_iter().collect();
        let sent = self.answers.send(Ok(ServerMessage { envelopes }));
        // A client that has gone is seen by what it does next.
        let _ = patiently("room to send", sent).await;
    }

    /// Ends the stream in order; the client may go on sending.
    pub fn end(self) {}

    /// Breaks the stream off.
    pub async fn fail(self) {
        let _ = self.answers.send(Err(Status::unavailable("the test broke it"))).await;
    }

    /// Waits until the client has closed its end.
    pub async fn closed(mut self) {
        while let Some(request) = self.try_next().await {
            drop(request);
        }
    }
}

/// What a server without limits announces.
pub fn info() -> RegistrationInfo {
    RegistrationInfo { server_name: "stand-in".to_owned(), epoch: 1, tenant_id: 7, ..Default::default() }
}

fn answer(request: &ClientEnvelope, event: Event) -> ServerEnvelope {
    ServerEnvelope {
        reference_id: request.reference_id,
        proxy_client_id: request.proxy_client_id,
        event: Some(event),
        ..Default::default()
    }
}

pub fn ack(request: &ClientEnvelope) -> ServerEnvelope {
    answer(request, Event::EventAck(EventAck::default()))
}

pub fn ack_submit(request: &ClientEnvelope, interaction_id: &str) -> ServerEnvelope {
    let interaction_id = interaction_id.to_owned();
    answer(request, Event::EventAck(EventAck { interaction_id, ..Default::default() }))
}

pub fn ack_registration(request: &ClientEnvelope, info: RegistrationInfo) -> ServerEnvelope {
    answer(request, Event::EventAck(EventAck { registration: Some(info), ..Default::default() }))
}

pub fn answer_with(request: &ClientEnvelope, event: Event) -> ServerEnvelope {
    answer(request, event)
}

pub fn refuse(request: &ClientEnvelope, code: ErrorCode) -> ServerEnvelope {
    let error_description = format!("{code:?}, says the test");
    answer(request, Event::EventError(EventError { error_code: code.into(), error_description }))
}

pub fn event(proxy_client_id: u32, event: Event) -> ServerEnvelope {
    ServerEnvelope { proxy_client_id, event: Some(event), ..Default::default() }
}

pub fn client_disconnected(
    proxy_client_id: u32,
    code: ErrorCode,
    reconnect_after_milliseconds: u32,
) -> ServerEnvelope {
    let disconnected = EventClientDisconnected {
        error_code: code.into(),
        error_description: "says the test".to_owned(),
        reconnect_after_milliseconds,
    };
    event(proxy_client_id, Event::EventClientDisconnected(disconnected))
}

/// The future, or a failed test.
pub async fn patiently<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Waits for a condition; `last_seen` tells what there was instead.
pub async fn eventually(what: &str, mut condition: impl FnMut() -> Result<(), String>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match condition() {
            Ok(()) => return,
            Err(last_seen) if Instant::now() > deadline => panic!("{what}: last seen {last_seen}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}
