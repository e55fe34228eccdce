//! A request on its way to its answer.

use bytes::Bytes;
use ixn_proto::{EventWorkbinContent, ServerEnvelope, server_envelope::Event};
use tokio::sync::oneshot;

use crate::{ClientError, request_nature::Login};

/// A request as it is handed over for sending.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) proxy_client_id: u32,
    /// The encoded envelope without its reference id.
    pub(crate) body: Bytes,
    /// It may be sent again when its answer did not come.
    pub(crate) repeatable: bool,
    /// The session of its registration that it belongs to: in a later one it would mean something else. `None` = none.
    pub(crate) session: Option<u64>,
    /// What it has to do with the login of the registration's agent.
    pub(crate) login: Login,
    /// No answer is wanted: it is done when it is sent.
    pub(crate) unanswered: bool,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The answer.
    pub(crate) result: Result<Box<ServerEnvelope>, Failure>,
    /// It was sent on an earlier connection too, where it may have been carried out.
    pub(crate) sent_before: bool,
}

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// It was sent and the connection was lost.
    LostAfterSending(String),
    /// The connection was lost before it was sent.
    LostBeforeSending(String),
    /// The client or the registration is over.
    Closed(ClientError),
}

/// A request that has no answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) request: Outgoing,
    /// Sent on this connection.
    pub(super) sent: bool,
    /// Sent on an earlier connection.
    pub(super) sent_before: bool,
    /// Who waits; nobody when it was given up, or when it is a registration.
    pub(super) answer: Option<oneshot::Sender<Outcome>>,
    /// It registers its logical client.
    pub(super) registers: bool,
    /// Pages that came, when the answer has several.
    pages: Option<EventWorkbinContent>,
}

impl Pending {
    pub(super) fn new(request: Outgoing, answer: Option<oneshot::Sender<Outcome>>) -> Self {
        let (sent, sent_before, registers, pages) = (false, false, false, None);
        Self { request, sent, sent_before, answer, registers, pages }
    }

    pub(super) fn registration(request: Outgoing) -> Self {
        Self { registers: true, ..Self::new(request, None) }
    }

    pub(super) fn finish(self, result: Result<Box<ServerEnvelope>, Failure>) {
        if let Some(answer) = self.answer {
            // Who waited may have gone in this moment: then nobody wants it.
            let _ = answer.send(Outcome { result, sent_before: self.sent_before });
        }
    }

    /// It goes back to those not sent yet.
    pub(super) fn send_again(&mut self) {
        self.sent_before |= self.sent;
        self.sent = false;
        self.pages = None;
    }

    /// Keeps a page when more follow; gives the whole answer back with the last one.
    pub(super) fn collect(&mut self, mut envelope: Box<ServerEnvelope>) -> Option<Box<ServerEnvelope>> {
        let Some(Event::EventWorkbinContent(page)) = &mut envelope.event else { return Some(envelope) };
        if let Some(mut pages) = self.pages.take() {
            pages.interactions.append(&mut page.interactions);
            page.interactions = pages.interactions;
        }
        if page.more {
            self.pages = Some(std::mem::take(page));
            return None;
        }
        Some(envelope)
    }
}
