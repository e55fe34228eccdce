//! What comes unasked: the events of one registration, and what happens to its connection.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt};
use ixn_proto::{RegistrationInfo, ServerEnvelope};

use crate::{Refusal, shared::Shared};

/// Something that came unasked.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// An event of the server.
    Event(Box<ServerEnvelope>),
    /// The registration is gone; the client is making it again. Logins, subscriptions and tickets are gone with it.
    Disconnected {
        /// Why.
        reason: DisconnectReason,
    },
    /// The registration stands again. Several losses since the last look are told as one.
    Reconnected {
        /// What the client is registered with.
        registration: RegistrationInfo,
    },
}

/// Why a registration was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisconnectReason {
    /// The connection broke.
    Lost(String),
    /// The server said that it ends the registration.
    EndedByServer(Refusal),
    /// The client gives up: the server will not have it again. No event follows.
    Refused(Refusal),
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost(reason) => write!(formatter, "the connection was lost: {reason}"),
            Self::EndedByServer(refusal) => write!(formatter, "the server ended it: {refusal}"),
            Self::Refused(refusal) => write!(formatter, "the server refused to register it again: {refusal}"),
        }
    }
}

/// The events of one registration, in order. Ends when the client is closed, when it gives up, and when the events
/// are taken again elsewhere.
///
/// At most [`events_capacity`](crate::ClientOptions::events_capacity) events wait here. Then the whole connection is
/// read no further, answers included, until some are taken: so take events in a task of its own, or do not await
/// requests for long between two of them. Without an `Events` the oldest waiting events are dropped instead, and
/// dropping this goes back to that: who only sends requests needs no `Events`.
#[derive(Debug)]
pub struct Events {
    pub(crate) shared: Arc<Shared>,
    pub(crate) proxy_client_id: u32,
    pub(crate) reader: u64,
}

impl Events {
    /// The next one; `None` at the end. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        StreamExt::next(self).await
    }
}

impl Stream for Events {
    type Item = ClientEvent;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<ClientEvent>> {
        self.shared.poll_event(self.proxy_client_id, self.reader, context)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.release_events(self.proxy_client_id, self.reader);
    }
}
