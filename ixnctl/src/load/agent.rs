//! One agent of the load: he accepts what he is offered and stops it at once, one after the other.
//!
//! After a lost connection he logs in again and first stops what the server says he holds.

use std::sync::Arc;

use ixn_client::{
    ClientError, ClientEvent, ErrorCode, IdempotencyKey, LogicalClient, RequestOptions, ServerEnvelope,
};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentLoginInfo, AgentStateChangeOperation, InteractionProperties, RequestAccept, RequestStopProcessing,
};

use super::names::{MEDIA_TYPE, agent_id};
use super::shared::Shared;
use super::submitter::sentence;
use crate::agent::held::find_held;
use crate::agent::requests::{LOGIN_PATIENCE, log_in, login};

/// An agent at work.
pub(super) struct Agent {
    pub number: u32,
    pub client: LogicalClient,
    pub shared: Arc<Shared>,
    /// How many requests with a key he has sent.
    pub requests: u64,
}

/// An interaction that he is offered or has.
struct Piece {
    interaction_id: String,
    /// `None`: it is of another run.
    lifecycle: Option<usize>,
}

/// What an event means to him.
enum Meaning {
    Offer { ticket_id: u64, piece: Piece },
    NotReady,
    LoggedOut,
    LoggedInElsewhere,
    Nothing,
}

/// Why he stopped working, as a sentence.
type Left = String;

impl Agent {
    /// Logs in for the first time; for the errors that a wrong configuration makes.
    ///
    /// # Errors
    /// A sentence: the server refuses him.
    pub(super) async fn log_in(&mut self) -> Result<(), Left> {
        let agent_id = agent_id(self.number);
        let login = login(&agent_id, &[MEDIA_TYPE.to_owned()]);
        match log_in(&self.client, login, LOGIN_PATIENCE).await {
            Ok(Some(login)) => self.logged_in(login).await,
            // The next event tells of the next connection.
            Ok(None) => {}
            Err(error) => return Err(format!("agent {agent_id}: {}", sentence(error))),
        }
        Ok(())
    }

    async fn logged_in(&mut self, login: AgentLoginInfo) {
        let held: Vec<_> = if login.more_interactions {
            match find_held(&self.client, &login.agent_id).await {
                Ok(held) => held,
                Err(error) => {
                    self.shared.ledger().failed(&sentence(error));
                    Vec::new()
                }
            }
        } else {
            login.interactions.into_iter().filter_map(|held| held.interaction).collect()
        };
        for held in &held {
            self.stop(self.piece(held)).await;
        }
        // A resumed login keeps the media states of before.
        if !login.media_list.iter().any(|media| media.ready && media.media_type_name == MEDIA_TYPE) {
            self.become_ready().await;
        }
    }

    /// Works until the connection is closed.
    ///
    /// # Errors
    /// A sentence: his login was ended by somebody else, or the server will not have him again.
    pub(super) async fn work(mut self) -> Result<(), Left> {
        let mut events = self.client.events();
        while let Some(event) = events.next().await {
            let meaning = match event {
                ClientEvent::Event(envelope) => self.meaning(&envelope),
                ClientEvent::Disconnected { .. } => Meaning::Nothing,
                ClientEvent::Reconnected { .. } => Meaning::LoggedOut,
            };
            match meaning {
                Meaning::Offer { ticket_id, piece } => self.offered(ticket_id, piece).await,
                Meaning::NotReady => self.become_ready().await,
                Meaning::LoggedOut => self.log_in().await?,
                Meaning::LoggedInElsewhere => {
                    let agent_id = agent_id(self.number);
                    return Err(format!("agent {agent_id} logged in elsewhere; run one load at a time"));
                }
                Meaning::Nothing => {}
            }
        }
        Ok(())
    }

    /// Read in its place: an event is large, and what is carried over an await is copied often.
    fn meaning(&self, envelope: &ServerEnvelope) -> Meaning {
        match &envelope.event {
            Some(Event::EventInvite(invite)) => match &invite.interaction {
                Some(interaction) => {
                    Meaning::Offer { ticket_id: invite.ticket_id, piece: self.piece(interaction) }
                }
                None => Meaning::Nothing,
            },
            Some(Event::EventForcedAgentStateChange(change)) => match change.agent_state_change_operation() {
                AgentStateChangeOperation::NotReadyForMedia => Meaning::NotReady,
                AgentStateChangeOperation::Logout => Meaning::LoggedOut,
                _ => Meaning::Nothing,
            },
            Some(Event::EventAgentConnectionClosed(_)) => Meaning::LoggedInElsewhere,
            _ => Meaning::Nothing,
        }
    }

    async fn offered(&mut self, ticket_id: u64, piece: Piece) {
        if let Some(lifecycle) = piece.lifecycle {
            self.shared.note(|ledger, now| ledger.invited(lifecycle, now));
        }
        let accept = RequestAccept { ticket_id, interaction_id: piece.interaction_id.clone() };
        match self.request(Request::RequestAccept(accept)).await {
            // The connection was lost meanwhile. The login that follows tells whether he still has it.
            Ok(true) => {}
            Ok(false) => self.stop(piece).await,
            Err(error) if is_over(&error) => self.shared.ledger().missed_offer(),
            Err(error) => self.shared.ledger().failed(&sentence(error)),
        }
    }

    /// Stops what the server says he has.
    async fn stop(&mut self, Piece { interaction_id, lifecycle }: Piece) {
        if let Some(lifecycle) = lifecycle {
            self.shared.ledger().held(lifecycle, self.number);
        }
        let stop = RequestStopProcessing { interaction_id, reason: None };
        let stopped = self.request(Request::RequestStopProcessing(stop)).await;
        self.shared.note(|ledger, now| {
            if let Some(lifecycle) = lifecycle {
                ledger.released(lifecycle, self.number);
            }
            match (stopped, lifecycle) {
                (Ok(_), Some(lifecycle)) => ledger.stop_acknowledged(lifecycle, now),
                (Ok(_), None) => {}
                // It was asked again on a new connection. The login that follows tells whether he still has it.
                (Err(error), _) if error.code() == Some(ErrorCode::AgentNotLoggedIn) => {}
                (Err(error), _) => ledger.failed(&sentence(error)),
            }
        });
    }

    async fn become_ready(&mut self) {
        // Refused when he is ready or logged out meanwhile: nothing is to be done then.
        let _ = self.client.cancel_not_ready_for_media(MEDIA_TYPE).await;
    }

    /// Sends a request with an idempotency key. True: this is the first answer again.
    async fn request(&mut self, request: Request) -> Result<bool, ClientError> {
        self.requests += 1;
        let idempotency_key = IdempotencyKey::Given(self.shared.run.agent_key(self.requests));
        let options = RequestOptions { idempotency_key, ..RequestOptions::default() };
        self.client.request_with(request, options).await.map(|answer| answer.repeated)
    }

    fn piece(&self, interaction: &InteractionProperties) -> Piece {
        let lifecycle = self.shared.run.lifecycle(&interaction.external_id);
        Piece { interaction_id: interaction.interaction_id.clone(), lifecycle }
    }
}

/// The offer no longer stands.
fn is_over(error: &ClientError) -> bool {
    use ErrorCode::{AgentNotLoggedIn, UnknownInteraction, UnknownTicket};
    matches!(error.code(), Some(AgentNotLoggedIn | UnknownInteraction | UnknownTicket))
}
