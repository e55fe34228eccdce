//! What the handles, the sender and the background task of one connection share.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::Stream;
use ixn_proto::{RequestUnregisterClient, client_envelope::Request};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{
    ClientError, ClientEvent, ClientOptions,
    codec::{PackedMessage, encode_body},
    request_nature::Login,
    state::{NextMessage, Outgoing, State},
    trouble::Troubles,
};

/// How much is packed into one stream message, bytes; a larger envelope makes a message of its own.
const MESSAGE_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: ClientOptions,
    pub(crate) state: Mutex<State>,
    /// Wakes the background task: to close, to register logical clients, to read on.
    pub(crate) task: Notify,
    pub(crate) troubles: Troubles,
    /// True once the background task has ended.
    pub(crate) ended: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new(options: ClientOptions) -> Self {
        let state = Mutex::new(State::new(&options));
        let (task, troubles, ended) = (Notify::new(), Troubles::new(), watch::Sender::new(false));
        Self { options, state, task, troubles, ended }
    }

    pub(crate) fn close(&self, error: ClientError) {
        self.state.lock().close(error);
        self.task.notify_one();
    }

    pub(crate) fn poll_event(
        &self,
        proxy_client_id: u32,
        reader: u64,
        context: &mut Context<'_>,
    ) -> Poll<Option<ClientEvent>> {
        let (next, read_on) = self.state.lock().poll_event(proxy_client_id, reader, context);
        if read_on {
            self.task.notify_one();
        }
        next
    }

    pub(crate) fn release_events(&self, proxy_client_id: u32, reader: u64) {
        if self.state.lock().release_events(proxy_client_id, reader) {
            self.task.notify_one();
        }
    }

    /// Forgets a logical client that the server has forgotten.
    pub(crate) fn forget_logical(&self, proxy_client_id: u32) {
        if self.state.lock().remove_logical(proxy_client_id, None) {
            self.task.notify_one();
        }
    }

    /// Unregisters a logical client without waiting for the answer.
    pub(crate) fn remove_logical(&self, proxy_client_id: u32) {
        let request = Request::RequestUnregisterClient(RequestUnregisterClient::default());
        let farewell = Outgoing {
            proxy_client_id,
            body: encode_body(proxy_client_id, String::new(), None, request),
            repeatable: false,
            session: None,
            login: Login::Unconcerned,
            unanswered: false,
        };
        if self.state.lock().remove_logical(proxy_client_id, Some(farewell)) {
            self.task.notify_one();
        }
    }
}

/// The messages that one connection sends: its registration first, then whatever waits.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: u64,
    pub(crate) registration: Option<PackedMessage>,
}

impl Stream for Outbound {
    type Item = PackedMessage;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<PackedMessage>> {
        if let Some(registration) = self.registration.take() {
            return Poll::Ready(Some(registration));
        }
        match self.shared.state.lock().next_message(self.connection, MESSAGE_BYTES, context) {
            NextMessage::Message(message) => Poll::Ready(Some(message)),
            NextMessage::Nothing => Poll::Pending,
            NextMessage::End => Poll::Ready(None),
        }
    }
}
