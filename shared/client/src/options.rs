//! What a client is told when it connects, and what a request is told when it is sent.

use std::{fmt, sync::Arc, time::Duration};

use ixn_proto::{ClientType, KeyValueList, RequestRegisterClient, RoutingSession};

use crate::backoff::Backoff;

/// How a connection is made, kept and used. Start from `ClientOptions::new` or `..Default::default()`.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Required. Where the server listens: `http://host:port`.
    pub server: String,
    /// Required. The name to register with, at most 128 bytes. Idempotency keys and routing sessions belong to it.
    pub client_name: String,
    /// Required. The kind of client. Only a `Proxy` may have logical clients.
    pub client_type: ClientType,
    /// Media servers: the media type that it serves. Default: none.
    pub media_type: String,
    /// External services: the application type under which it can be called. Default: by client name only.
    pub application_type: String,
    /// Optional protocol features that the application understands. Default: none.
    pub capabilities: Vec<String>,
    /// Further named values of the registration. Default: none.
    pub extension: Option<KeyValueList>,
    /// Routing engines: the sessions to present at every registration. Default: none.
    pub routing_sessions: RoutingSessions,

    /// How long one attempt to connect and register may take. Default 5 s.
    pub connect_timeout: Duration,
    /// How long `Client::connect` goes on trying while the server cannot be reached. Zero = one attempt. Default 10 s.
    pub connect_deadline: Duration,
    /// The waits between attempts to connect or register. Default: from 100 ms up to 2 s.
    pub reconnect: Backoff,
    /// The waits before a refused request is repeated. Default: from 20 ms up to 1 s.
    pub retry: Backoff,
    /// How long a request may take in all, repeats and reconnects included. Default 30 s.
    pub request_deadline: Duration,
    /// The same for requests that a person decides: transfer, conference, intrude, delivery by a router. Default 10 min.
    pub decision_deadline: Duration,

    /// How many events may wait for each registration while its [`Events`](crate::Events) is held; then the whole
    /// connection is read no further until some are taken. Default 4,096; at least 1.
    pub events_capacity: usize,
    /// The largest stream message that is accepted, bytes. A larger one ends the stream. Default 64 MiB.
    pub max_message_bytes: usize,
    /// After how long without traffic the peer is asked whether it is there. Default 10 s.
    pub keepalive_interval: Duration,
    /// How long it may take to answer that before the connection counts as lost. Default 5 s.
    pub keepalive_timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            server: "http://127.0.0.1:7120".to_owned(),
            client_name: String::new(),
            client_type: ClientType::Unspecified,
            media_type: String::new(),
            application_type: String::new(),
            capabilities: Vec::new(),
            extension: None,
            routing_sessions: RoutingSessions::default(),
            connect_timeout: Duration::from_secs(5),
            connect_deadline: Duration::from_secs(10),
            reconnect: Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(2) },
            retry: Backoff { initial: Duration::from_millis(20), max: Duration::from_secs(1) },
            request_deadline: Duration::from_secs(30),
            decision_deadline: Duration::from_secs(600),
            events_capacity: 4096,
            max_message_bytes: 64 << 20,
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
        }
    }
}

impl ClientOptions {
    /// The defaults with the three values that have none.
    pub fn new(server: impl Into<String>, client_name: impl Into<String>, client_type: ClientType) -> Self {
        Self { server: server.into(), client_name: client_name.into(), client_type, ..Self::default() }
    }

    pub(crate) fn profile(&self) -> LogicalOptions {
        LogicalOptions {
            client_name: self.client_name.clone(),
            client_type: self.client_type,
            media_type: self.media_type.clone(),
            application_type: self.application_type.clone(),
            capabilities: self.capabilities.clone(),
            extension: self.extension.clone(),
            routing_sessions: self.routing_sessions.clone(),
        }
    }
}

/// How a logical client behind a Proxy connection registers.
#[derive(Clone, Debug, Default)]
pub struct LogicalOptions {
    /// Required. The name to register with, at most 128 bytes.
    pub client_name: String,
    /// Required. The kind of client, not `Proxy`.
    pub client_type: ClientType,
    /// Media servers: the media type that it serves. Default: none.
    pub media_type: String,
    /// External services: the application type under which it can be called. Default: by client name only.
    pub application_type: String,
    /// Optional protocol features that the application understands. Default: none.
    pub capabilities: Vec<String>,
    /// Further named values of the registration. Default: none.
    pub extension: Option<KeyValueList>,
    /// Routing engines: the sessions to present at every registration. Default: none.
    pub routing_sessions: RoutingSessions,
}

impl LogicalOptions {
    /// The defaults with the two values that have none.
    pub fn new(client_name: impl Into<String>, client_type: ClientType) -> Self {
        Self { client_name: client_name.into(), client_type, ..Self::default() }
    }

    pub(crate) fn registration(&self) -> RequestRegisterClient {
        RequestRegisterClient {
            client_name: self.client_name.clone(),
            client_type: self.client_type.into(),
            media_type: self.media_type.clone(),
            application_type: self.application_type.clone(),
            capabilities: self.capabilities.clone(),
            routing_sessions: self.routing_sessions.list(),
        }
    }
}

/// Tells which routing sessions a routing engine still works on; asked at every registration. None by default.
#[derive(Clone, Default)]
pub struct RoutingSessions(Option<Arc<dyn Fn() -> Vec<RoutingSession> + Send + Sync>>);

impl RoutingSessions {
    /// The sessions that this function lists when it is asked. It must not block.
    pub fn from_fn(list: impl Fn() -> Vec<RoutingSession> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(list)))
    }

    fn list(&self) -> Vec<RoutingSession> {
        self.0.as_ref().map_or_else(Vec::new, |list| list())
    }
}

impl fmt::Debug for RoutingSessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() { "RoutingSessions(asked)" } else { "RoutingSessions(none)" })
    }
}

/// How one request is sent. The default suits most: a key where one helps, the client's deadline, repeats.
#[derive(Clone, Debug, Default)]
pub struct RequestOptions {
    /// The request's idempotency key. Default: automatic.
    pub idempotency_key: IdempotencyKey,
    /// How long the request may take in all, repeats and reconnects included. Default: the client's; for a pull its
    /// hold is added to that.
    pub deadline: Option<Duration>,
    /// What happens when the server refuses for now. Default: repeat.
    pub when_refused_for_now: WhenRefusedForNow,
    /// Agents: the request is sent, and sent again, only while an agent is logged in through this registration. After
    /// a lost connection it so waits for the answer to the login that the application sends, which is why who awaits
    /// it must not keep that login waiting. Default: no.
    pub after_login: bool,
    /// Further named values that travel beside the request. Default: none.
    pub extension: Option<KeyValueList>,
}

impl RequestOptions {
    /// The request is repeated until it is answered, however long that takes, and always under the same key: over lost
    /// connections, restarts of the server and times without its database. For work of which it must be known whether
    /// it was done. It fails only when the server refuses it for good, or the client is over.
    pub fn until_answered() -> Self {
        Self { deadline: Some(Duration::MAX), ..Self::default() }
    }
}

/// Which idempotency key a request carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum IdempotencyKey {
    /// A new random one for requests whose repeat could do harm (see [`Client::request`](crate::Client::request)).
    #[default]
    Automatic,
    /// None. When the connection is lost before the answer, the request fails with `OutcomeUnknown`.
    Off,
    /// This one, at most 128 bytes. The same key with the same request gets the first answer again.
    Given(String),
}

/// What happens when the server refuses a request for now: `DATABASE_UNAVAILABLE`, `TOO_MANY_REQUESTS`,
/// `SHUTTING_DOWN`, `NOT_PRIMARY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenRefusedForNow {
    /// It is repeated, with growing waits, until the deadline.
    #[default]
    Repeat,
    /// The refusal is returned.
    Fail,
}
