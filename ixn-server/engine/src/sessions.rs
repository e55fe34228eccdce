//! Who is connected: connections, and the logical clients behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ixn_proto::ClientType;

use crate::engine::{Engine, Subscription};
use crate::names::AgentId;

/// A connection, numbered by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A logical client: a connection, or one of many behind a Proxy connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientRef {
    /// The connection.
    pub connection: ConnectionId,
    /// 0 for the connection itself.
    pub proxy_client_id: u32,
}

/// Whom the server takes a session to be. Until clients authenticate it is whoever registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The name that idempotency keys are scoped to.
    pub name: Arc<str>,
}

/// A registered logical client.
#[derive(Clone, Debug)]
pub struct Client {
    /// The name it registered with.
    pub name: Arc<str>,
    /// What it is.
    pub client_type: ClientType,
    /// Whom it acts for.
    pub principal: Principal,
    /// The agent that is logged in on it.
    pub agent: Option<AgentId>,
    /// A login of its waits until this agent is logged out; what it sends waits behind it.
    pub waits_for: Option<AgentId>,
    /// The agent of another server whom it has announced as available.
    pub available_agent: Option<AvailableAgent>,
    /// A media server that hears of property changes of what it submitted.
    pub wants_property_changes: bool,
    /// What its reporting subscription wants to hear.
    pub subscription: Option<Subscription>,
}

/// An agent who is logged in at another server and may be reached here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvailableAgent {
    /// The agent.
    pub agent: AgentId,
    /// Where he was announced.
    pub place_id: String,
}

/// The limits that the shell keeps and that every client is told when it registers. 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnnouncedLimits {
    /// The largest message that a client may send.
    pub message_bytes: u64,
    /// How many requests of one logical client may be without an answer.
    pub requests_in_flight: u32,
}

impl Engine {
    /// Who has registered as this client.
    pub fn registered_client(&self, client: ClientRef) -> Option<&Client> {
        self.sessions.clients.get(&client)
    }
}

/// All connections and clients.
#[derive(Debug, Default)]
pub struct Sessions {
    /// Open connections: whether the connection itself has registered.
    pub connections: BTreeMap<ConnectionId, bool>,
    /// Registered clients.
    pub clients: BTreeMap<ClientRef, Client>,
    /// How many clients are registered on a connection, itself included.
    clients_on: BTreeMap<ConnectionId, usize>,
    /// The media servers that want property changes, by name.
    property_listeners: BTreeMap<Arc<str>, BTreeSet<ClientRef>>,
    /// What a client is told when it registers.
    pub announced: AnnouncedLimits,
}

impl Sessions {
    /// Takes a registered client in.
    pub fn insert(&mut self, client: ClientRef, registered: Client) {
        if registered.wants_property_changes {
            self.property_listeners.entry(Arc::clone(&registered.name)).or_default().insert(client);
        }
        if self.clients.insert(client, registered).is_none() {
            *self.clients_on.entry(client.connection).or_default() += 1;
        }
    }

    /// Forgets a registered client.
    pub fn remove(&mut self, client: ClientRef) -> Option<Client> {
        let registered = self.clients.remove(&client)?;
        if let Some(count) = self.clients_on.get_mut(&client.connection) {
            *count -= 1;
            if *count == 0 {
                self.clients_on.remove(&client.connection);
            }
        }
        if let Some(listeners) = self.property_listeners.get_mut(&registered.name) {
            listeners.remove(&client);
            if listeners.is_empty() {
                self.property_listeners.remove(&registered.name);
            }
        }
        Some(registered)
    }

    /// The media servers of this name that want to hear of property changes.
    pub fn property_listeners(&self, name: &str) -> Vec<ClientRef> {
        self.property_listeners.get(name).into_iter().flatten().copied().collect()
    }

    /// How many clients are registered on a connection, itself included.
    pub fn clients_on(&self, connection: ConnectionId) -> usize {
        self.clients_on.get(&connection).copied().unwrap_or_default()
    }

    /// All logical clients of a connection.
    pub fn of_connection(&self, connection: ConnectionId) -> impl Iterator<Item = ClientRef> {
        let first = ClientRef { connection, proxy_client_id: 0 };
        let last = ClientRef { connection, proxy_client_id: u32::MAX };
        self.clients.range(first..=last).map(|(client, _)| *client)
    }
}
