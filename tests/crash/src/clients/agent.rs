//! An agent behind a Proxy connection: accepts and rejects offers, changes, places and stops what he has, keeps some.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use ixn_client::{
    Client, ClientError, ClientEvent, ClientType, DisconnectReason, ErrorCode, LogicalOptions, RequestOptions,
};
use ixn_proto::server_envelope::Event;
use ixn_proto::{EventInvite, MediaState, RequestAgentLogin};

use super::floor::{Deed, Floor, RETRY_PAUSE};
use super::submitter::change;
use crate::ledger::Operation;
use crate::names;

/// How long one attempt to log in may take.
const LOGIN_DEADLINE: Duration = Duration::from_secs(20);
/// How many interactions he keeps in hand.
const KEPT: usize = 1;

/// One agent at work.
struct Agent {
    floor: Arc<Floor>,
    client: Client,
    number: u16,
    random: Rng,
    kept: Vec<(u32, String)>,
}

/// Works for ever.
pub(super) async fn run(floor: Arc<Floor>, proxy: Client, number: u16, seed: u64) {
    let name = format!("{}-{}", floor.run, names::agent_id(number));
    let client = loop {
        match proxy.logical(LogicalOptions::new(name.clone(), ClientType::AgentApplication)).await {
            Ok(client) => break client,
            Err(error @ ClientError::Closed { .. }) => return floor.fail(error.to_string()),
            Err(error) => floor.note_refusal(&error),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    };
    let random = Rng::with_seed(seed ^ u64::from(number));
    let mut agent = Agent { floor, client, number, random, kept: Vec::new() };
    let mut events = agent.client.events();
    loop {
        if !agent.log_in().await {
            return;
        }
        loop {
            match events.next().await {
                Some(ClientEvent::Reconnected { .. }) => break,
                Some(ClientEvent::Disconnected { reason: reason @ DisconnectReason::Refused(_) }) => {
                    return agent.floor.fail(format!("{}: {reason}", names::agent_id(number)));
                }
                Some(ClientEvent::Disconnected { .. }) => {}
                Some(ClientEvent::Event(envelope)) => match envelope.event {
                    Some(Event::EventInvite(invite)) => agent.offered(invite).await,
                    Some(Event::EventForcedAgentStateChange(_)) => agent.become_ready().await,
                    Some(Event::EventAgentConnectionClosed(_)) => break,
                    _ => {}
                },
                None => return,
            }
        }
    }
}

impl Agent {
    /// Logs in, whatever it takes, and goes on with what the server says he has; `false` = the run is over.
    async fn log_in(&mut self) -> bool {
        let options = RequestOptions { deadline: Some(LOGIN_DEADLINE), ..Default::default() };
        let client = self.client.with(options);
        let login = loop {
            let medium = MediaState { media_type_name: names::MEDIUM.to_owned(), ready: true, reason: None };
            let request = RequestAgentLogin {
                agent_id: names::agent_id(self.number),
                media_list: vec![medium],
                ..Default::default()
            };
            match client.agent_login(request).await {
                Ok(login) => break login,
                Err(ClientError::Closed { .. }) => return false,
                // The connection was lost and came back during the login before: this is told of late.
                Err(error) if error.code() == Some(ErrorCode::AgentAlreadyLoggedIn) => return true,
                Err(error) => self.floor.note_refusal(&error),
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        };
        if !login.media_list.iter().any(|medium| medium.ready) {
            self.become_ready().await;
        }
        let held = login.interactions.into_iter().filter_map(|held| held.interaction);
        self.kept =
            held.filter_map(|held| Some((names::interaction_number(&held)?, held.interaction_id))).collect();
        let floor = Arc::clone(&self.floor);
        let _quiet = floor.gate.read().await;
        while self.kept.len() > KEPT {
            let (number, id) = self.kept.remove(0);
            self.work_on(number, &id).await;
        }
        true
    }

    async fn become_ready(&self) {
        if let Err(error) = self.client.cancel_not_ready_for_media(names::MEDIUM).await {
            self.floor.note_refusal(&error);
        }
    }

    async fn offered(&mut self, invite: EventInvite) {
        let Some(interaction) = invite.interaction else { return };
        let Some(number) = names::interaction_number(&interaction) else { return };
        let (id, ticket) = (interaction.interaction_id, invite.ticket_id);
        let floor = Arc::clone(&self.floor);
        let _quiet = floor.gate.read().await;
        if self.random.u8(..) < 20 {
            let deed = Deed { operation: Operation::Reject, actor: self.number, number, value: 0 };
            floor.carry_out(deed, &id, self.client.reject(ticket, &id)).await;
            return;
        }
        let deed = Deed { operation: Operation::Accept, actor: self.number, number, value: 0 };
        if !floor.carry_out(deed, &id, self.client.accept(ticket, &id)).await {
            return;
        }
        self.kept.push((number, id));
        if self.kept.len() > KEPT || self.random.u8(..) < 200 {
            let (number, id) = self.kept.remove(0);
            self.work_on(number, &id).await;
        }
    }

    async fn work_on(&mut self, number: u32, id: &str) {
        let floor = Arc::clone(&self.floor);
        let actor = self.number;
        if self.random.bool() && !change(&floor, &self.client, actor, number, id).await {
            return;
        }
        let queue = match self.random.u8(..) {
            0..170 => {
                let deed = Deed { operation: Operation::Stop, actor, number, value: 0 };
                floor.carry_out(deed, id, self.client.stop(id)).await;
                return;
            }
            170..220 => names::PARKED,
            _ => names::WORK,
        };
        let deed = Deed { operation: Operation::Place, actor, number, value: u32::from(queue) };
        let name = names::QUEUES[usize::from(queue) - 1];
        floor.carry_out(deed, id, self.client.place_in_queue(id, name)).await;
    }
}
