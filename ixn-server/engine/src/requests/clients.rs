//! The ends of clients: connections that are gone, clients that read too slowly.

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventClientDisconnected};

use crate::engine::{Engine, Output};
use crate::names::AgentId;
use crate::sessions::{ClientRef, ConnectionId};
use crate::wire::server_reason;

impl Engine {
    /// A connection is gone, and with it all its clients.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        self.forget_clients(&self.sessions.of_connection(connection));
        self.sessions.connections.remove(&connection);
        // Behind the answers to all that it has sent.
        self.output(Output::Close { connection, reason: None });
    }

    /// A client that reads too slowly has lost events: it is dropped and told so.
    pub(crate) fn overflowed(&mut self, client: ClientRef) {
        if !self.sessions.clients.contains_key(&client) {
            // Whoever registers under this number next must be heard.
            self.output(Output::Unsubscribe(client));
            return;
        }
        self.forget_clients(&[client]);
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

    /// Forgets logical clients: their subscriptions end, what they were being given returns, their agents may come back for
    /// a while.
    pub(super) fn forget_clients(&mut self, clients: &[ClientRef]) {
        let lost: Vec<AgentId> = clients.iter().filter_map(|client| self.forget_client(*client)).collect();
        // Only now, when nobody who is just as gone can be the next choice.
        let reason = server_reason("AgentGone", "the agent's connection is gone");
        for agent in lost {
            self.withdraw_offers(agent, None, &reason);
        }
    }

    /// Answers the agent who has lost his last client by it.
    fn forget_client(&mut self, client: ClientRef) -> Option<AgentId> {
        let registered = self.sessions.remove(client)?;
        self.jobs.forget(client);
        self.workbins.subscribers.forget(client);
        self.topics.forget(client);
        self.abandon_pulls(client, None);
        self.output(Output::Unsubscribe(client));
        if registered.available_agent.is_some() {
            self.announced_agent_gone(&registered);
        }
        registered.agent.filter(|agent| self.agent_lost_client(*agent, client))
    }
}
