//! The ends of clients: connections that are gone, clients that read too slowly.

use std::collections::VecDeque;

use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventClientDisconnected};

use super::jobs::{Job, Progress};
use crate::engine::{Engine, Output};
use crate::names::AgentId;
use crate::sessions::{ClientRef, ConnectionId};
use crate::wire::server_reason;

/// Clients that are gone.
#[derive(Debug)]
pub(crate) struct Loss {
    /// Who is yet to be forgotten.
    gone: Option<Gone>,
    /// Agents who have lost their last client by it, and have offers.
    agents: VecDeque<AgentId>,
}

#[derive(Clone, Copy, Debug)]
enum Gone {
    Client(ClientRef),
    Connection(ConnectionId),
}

impl Loss {
    /// Whether it takes back what this agent is offered.
    pub(crate) fn concerns(&self, agent: AgentId) -> bool {
        self.agents.contains(&agent)
    }
}

impl Engine {
    /// A connection is gone, and with it all its clients.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId) {
        // From now on whoever is still known on it is as good as gone.
        self.sessions.connections.remove(&connection);
        self.lose(Gone::Connection(connection));
    }

    /// A client that reads too slowly has lost events: it is dropped and told so.
    pub(crate) fn overflowed(&mut self, client: ClientRef) {
        if !self.sessions.clients.contains_key(&client) {
            // Whoever registers under this number next must be heard.
            self.output(Output::Unsubscribe(client));
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

    /// Forgets a logical client: its subscriptions end, what it was being given returns, its agent may come back for a while.
    pub(super) fn forget_client(&mut self, client: ClientRef) {
        self.lose(Gone::Client(client));
    }

    fn lose(&mut self, gone: Gone) {
        self.start(Job::Loss(Box::new(Loss { gone: Some(gone), agents: VecDeque::new() })));
    }

    /// Forgets the next of the clients that are gone; then takes back what their agents were offered.
    pub(super) fn forget_on(&mut self, loss: &mut Loss) -> Progress {
        match loss.gone {
            Some(Gone::Client(client)) => loss.agents.extend(self.forget(client)),
            Some(Gone::Connection(connection)) => {
                let most = self.slices.clients;
                let next: Vec<_> = self.sessions.of_connection(connection).take(most).collect();
                loss.agents.extend(next.iter().filter_map(|client| self.forget(*client)));
                if next.len() == most {
                    return Progress::GoesOn;
                }
                // Behind the answers to all that it has sent.
                self.output(Output::Close { connection, reason: None });
            }
            None => {}
        }
        loss.gone = None;
        // Only now, when nobody who is just as gone can be the next choice.
        let reason = server_reason("AgentGone", "the agent's connection is gone");
        let mut most = self.slices.returned;
        while let Some(agent) = loss.agents.pop_front() {
            let has_come_back = self.agents.get(&agent).is_some_and(|state| !state.clients.is_empty());
            if has_come_back {
                continue;
            }
            most -= self.withdraw_offers(agent, None, &reason, most);
            if most == 0 {
                // He may have more.
                loss.agents.push_front(agent);
                return Progress::GoesOn;
            }
        }
        Progress::Done
    }

    /// Forgets those clients of an agent whose connection is gone and whose turn to be forgotten has not come yet.
    pub(super) fn forget_gone_clients_of(&mut self, agent: AgentId) {
        let clients = self.agents.get(&agent).map(|state| state.clients.clone()).unwrap_or_default();
        for client in clients {
            if !self.sessions.connections.contains_key(&client.connection) {
                self.forget(client);
            }
        }
    }

    /// Answers the agent who has lost his last client by it, and has offers.
    fn forget(&mut self, client: ClientRef) -> Option<AgentId> {
        let registered = self.sessions.remove(client)?;
        self.jobs.forget(client);
        self.workbins.subscribers.forget(client);
        self.topics.forget(client);
        self.abandon_pulls(client, None);
        if let Some(agent) = registered.waits_for {
            self.forget_waiting(client, agent);
        }
        self.output(Output::Unsubscribe(client));
        if registered.available_agent.is_some() {
            self.announced_agent_gone(&registered);
        }
        let agent = registered.agent.filter(|agent| self.agent_lost_client(*agent, client))?;
        self.agents.get(&agent).filter(|state| !state.offered.is_empty()).map(|_| agent)
    }
}
