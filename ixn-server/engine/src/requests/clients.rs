//! The ends of clients: connections that are gone, clients that read too slowly.

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventClientDisconnected};

use crate::engine::{Engine, Output};
use crate::sessions::{ClientRef, ConnectionId};

impl Engine {
    /// A connection is gone, and with it all its clients.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        for client in self.sessions.of_connection(connection) {
            self.forget_client(client);
        }
        self.sessions.connections.remove(&connection);
        // Behind the answers to all that it has sent.
        self.output(Output::Close { connection, reason: None });
    }

    /// A client that reads too slowly has lost events: it is dropped and told so.
    pub(crate) fn overflowed(&mut self, client: ClientRef) {
        if !self.sessions.clients.contains_key(&client) {
            return;
        }
        self.forget_client(client);
        self.send(
            client,
            Event::EventClientDisconnected(EventClientDisconnected {
                error_code: ErrorCode::LimitExceeded as i32,
                error_description: "this client read too slowly and events for it were dropped; \
                                    register again and ask for the current state"
                    .into(),
                reconnect_after_milliseconds: 0,
            }),
        );
        if client.proxy_client_id == 0 {
            let reason = Some("the client read too slowly".into());
            self.output(Output::Close { connection: client.connection, reason });
        }
    }

    /// Forgets a logical client: its subscriptions end, what it was being given returns, its agent may come back for a
    /// while.
    pub(crate) fn forget_client(&mut self, client: ClientRef) {
        let Some(registered) = self.sessions.remove(client) else { return };
        self.state_pages.forget(client);
        self.jobs.forget(client);
        self.workbins.subscribers.forget(client);
        self.topics.forget(client);
        self.abandon_pulls(client, None);
        self.output(Output::Unsubscribe(client));
        if registered.available_agent.is_some() {
            self.announced_agent_gone(&registered);
        }
        if let Some(agent) = registered.agent {
            self.agent_lost_client(agent, client);
        }
    }
}
