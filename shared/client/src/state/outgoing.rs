//! What the client sends: requests in, packed messages out.

use std::task::{Context, Waker};

use tokio::sync::oneshot;

use super::{Link, Outcome, Outgoing, Phase, State, pending::Pending};
use crate::{ClientError, codec::PackedMessage};

/// What the sender of a connection gets.
#[derive(Debug)]
pub(crate) enum NextMessage {
    /// Send this.
    Message(PackedMessage),
    /// Nothing yet; the sender is woken.
    Nothing,
    /// The connection is over.
    End,
}

impl State {
    /// Takes a request; its outcome comes through the receiver. The number is for [`State::give_up_request`].
    pub(crate) fn enqueue(
        &mut self,
        request: Outgoing,
    ) -> Result<(u64, oneshot::Receiver<Outcome>), ClientError> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        let proxy_client_id = request.proxy_client_id;
        let reference_id = self.take_reference_id();
        let Some(registration) = self.registrations.get_mut(&proxy_client_id) else {
            return Err(ClientError::closed("the logical client was closed"));
        };
        if let Phase::Closed(reason) = &registration.phase {
            return Err(ClientError::closed(reason.clone()));
        }
        if request.session.is_some_and(|session| session != registration.session) {
            let reason = "its session was lost while it waited to be repeated".to_owned();
            return Err(ClientError::NotSent { reason });
        }
        registration.line_up(reference_id, request.login);
        let (answer, receiver) = oneshot::channel();
        self.pending.insert(reference_id, Pending::new(request, Some(answer)));
        self.line_up(proxy_client_id);
        Ok((reference_id, receiver))
    }

    /// Nobody waits for this request any more. True: it was sent, now or before.
    pub(crate) fn give_up_request(&mut self, reference_id: u64) -> bool {
        let Some(pending) = self.pending.get_mut(&reference_id) else { return false };
        let maybe_carried_out = pending.sent || pending.sent_before;
        if pending.sent {
            // Its answer still counts against the server's limit, so it is awaited; the body is not needed.
            pending.answer = None;
            pending.request.body = bytes::Bytes::new();
        } else {
            let proxy_client_id = pending.request.proxy_client_id;
            self.pending.remove(&reference_id);
            if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
                registration.gave_up(&self.pending);
            }
        }
        maybe_carried_out
    }

    /// Takes the encoded registration of a logical client that was due.
    pub(crate) fn enqueue_registration(&mut self, request: Outgoing) {
        let registration = self.registrations.get(&request.proxy_client_id);
        // While it was encoded, its logical client may have been dropped.
        let is_awaited = registration.is_some_and(|found| found.phase == Phase::Registering);
        if self.link != Link::Up || !is_awaited {
            return;
        }
        let reference_id = self.take_reference_id();
        self.pending.insert(reference_id, Pending::registration(request));
        self.registering.push_back(reference_id);
        self.wake_sender();
    }

    /// What waits, packed up to a size; one envelope each of the registrations in turn. Larger envelopes go alone.
    pub(crate) fn next_message(
        &mut self,
        connection: u64,
        message_bytes: usize,
        context: &mut Context<'_>,
    ) -> NextMessage {
        if connection != self.connection {
            return NextMessage::End;
        }
        let message = match self.link {
            Link::Up => {
                let limit = usize::try_from(self.max_message_bytes()).unwrap_or(usize::MAX);
                self.pack(if limit == 0 { message_bytes } else { message_bytes.min(limit) })
            }
            Link::Down | Link::Draining => PackedMessage::default(),
        };
        if !message.is_empty() {
            return NextMessage::Message(message);
        }
        if self.closed.is_some() {
            return NextMessage::End;
        }
        self.sleep_sender(context.waker());
        NextMessage::Nothing
    }

    fn sleep_sender(&mut self, waker: &Waker) {
        match &mut self.sender {
            Some(known) => known.clone_from(waker),
            None => self.sender = Some(waker.clone()),
        }
    }

    fn pack(&mut self, message_bytes: usize) -> PackedMessage {
        let mut message = PackedMessage::default();
        while let Some(reference_id) = self.registering.front().copied() {
            if !self.put(reference_id, message_bytes, &mut message) {
                return message;
            }
            self.registering.pop_front();
        }
        while let Some(proxy_client_id) = self.turn.pop_front() {
            let next = self.next_waiting(proxy_client_id);
            if let Some(reference_id) = next
                && !self.put(reference_id, message_bytes, &mut message)
            {
                if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
                    registration.waiting.push_front(reference_id);
                }
                self.turn.push_front(proxy_client_id);
                break;
            }
            let Some(registration) = self.registrations.get_mut(&proxy_client_id) else { continue };
            registration.in_turn = false;
            self.line_up(proxy_client_id);
        }
        message
    }

    /// The next request of a registration that still has somebody waiting for it.
    fn next_waiting(&mut self, proxy_client_id: u32) -> Option<u64> {
        let registration = self.registrations.get_mut(&proxy_client_id)?;
        if !registration.can_send() {
            return None;
        }
        while let Some(reference_id) = registration.waiting.pop_front() {
            if self.pending.contains_key(&reference_id) {
                return Some(reference_id);
            }
            registration.stale = registration.stale.saturating_sub(1);
        }
        None
    }

    /// Puts one request into the message. False: there is no room.
    fn put(&mut self, reference_id: u64, message_bytes: usize, message: &mut PackedMessage) -> bool {
        let Some(pending) = self.pending.get_mut(&reference_id) else { return true };
        let unanswered = pending.request.unanswered;
        let wire_reference_id = if unanswered { 0 } else { reference_id };
        let body = &pending.request.body;
        if !message.is_empty() && message.encoded_bytes_with(wire_reference_id, body) > message_bytes {
            return false;
        }
        message.push(wire_reference_id, body.clone());
        if unanswered {
            if let Some(pending) = self.pending.remove(&reference_id) {
                pending.finish(Ok(Box::default()));
            }
            return true;
        }
        pending.sent = true;
        if !pending.request.repeatable {
            // It is sent once only.
            pending.request.body = bytes::Bytes::new();
        }
        let proxy_client_id = pending.request.proxy_client_id;
        if !pending.registers
            && let Some(registration) = self.registrations.get_mut(&proxy_client_id)
        {
            registration.in_flight += 1;
        }
        true
    }
}
