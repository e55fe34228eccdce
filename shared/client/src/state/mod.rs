//! The state of one connection and its registrations: who waits for what, what is sent next, what a loss means.
//!
//! No I/O and no clock in here: the shell brings messages, losses and times in, and takes messages and due
//! registrations out.

mod event_queue;
mod incoming;
mod lifecycle;
mod outgoing;
mod pending;
mod registration;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use event_queue::Next;
use ixn_proto::RegistrationInfo;
use pending::Pending;
use registration::{Phase, Registration};
use tokio::{sync::oneshot, time::Instant};

pub(crate) use incoming::{Delivery, Drain};
pub(crate) use outgoing::NextMessage;
pub(crate) use pending::{Failure, Outcome, Outgoing};

use crate::{Backoff, ClientError, ClientEvent, ClientOptions, LogicalOptions};

/// How far the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// There is none, or its registration is not answered yet.
    Down,
    /// Requests may be sent.
    Up,
    /// The server asked to go: what was sent is awaited, nothing more is sent.
    Draining,
}

#[derive(Debug)]
pub(crate) struct State {
    /// The number of the newest connection; they count from 1.
    connection: u64,
    link: Link,
    /// Whether it was ever registered.
    was_connected: bool,
    /// The client is being closed.
    closing: bool,
    /// Why the client is over.
    closed: Option<ClientError>,
    next_reference_id: u64,
    next_proxy_client_id: u32,
    pending: HashMap<u64, Pending>,
    registrations: BTreeMap<u32, Registration>,
    /// Registrations that have something to send, in turn.
    turn: VecDeque<u32>,
    /// Logical clients to be registered, by time.
    due: BTreeSet<(Instant, u32)>,
    /// Encoded registrations, sent before anything else.
    registering: VecDeque<u64>,
    /// Who sends.
    sender: Option<Waker>,
    /// Somebody's events are full and the connection is not read.
    reading_stopped: bool,
    backoff: Backoff,
    events_capacity: usize,
    /// How many messages were answers that nobody waited for.
    unclaimed_answers: u64,
}

impl State {
    pub(crate) fn new(options: &ClientOptions) -> Self {
        let own = Registration::new(Arc::new(options.profile()), options.events_capacity);
        Self {
            connection: 0,
            link: Link::Down,
            was_connected: false,
            closing: false,
            closed: None,
            next_reference_id: 1,
            next_proxy_client_id: 1,
            pending: HashMap::new(),
            registrations: BTreeMap::from([(0, own)]),
            turn: VecDeque::new(),
            due: BTreeSet::new(),
            registering: VecDeque::new(),
            sender: None,
            reading_stopped: false,
            backoff: options.reconnect,
            events_capacity: options.events_capacity,
            unclaimed_answers: 0,
        }
    }

    pub(crate) fn is_connected(&self, proxy_client_id: u32) -> bool {
        let phase = self.registrations.get(&proxy_client_id).map(|registration| &registration.phase);
        self.link == Link::Up && phase == Some(&Phase::Registered)
    }

    pub(crate) fn registration_info(&self, proxy_client_id: u32) -> RegistrationInfo {
        self.registrations.get(&proxy_client_id).map(|found| found.info.clone()).unwrap_or_default()
    }

    /// The number of the session that a registration has, or will have next.
    pub(crate) fn session(&self, proxy_client_id: u32) -> u64 {
        self.registrations.get(&proxy_client_id).map_or(0, |registration| registration.session)
    }

    /// The server's limit for a message, bytes; 0 = not known.
    pub(crate) fn max_message_bytes(&self) -> u64 {
        self.registrations.get(&0).map_or(0, |own| own.info.max_message_bytes)
    }

    pub(crate) fn unclaimed_answers(&self) -> u64 {
        self.unclaimed_answers
    }

    fn take_reference_id(&mut self) -> u64 {
        let reference_id = self.next_reference_id;
        self.next_reference_id += 1;
        reference_id
    }

    fn wake_sender(&mut self) {
        if let Some(waker) = self.sender.take() {
            waker.wake();
        }
    }

    /// Puts a registration in the line of those that send, when it can.
    fn line_up(&mut self, proxy_client_id: u32) {
        let Some(registration) = self.registrations.get_mut(&proxy_client_id) else { return };
        if registration.can_send() && !registration.in_turn {
            registration.in_turn = true;
            self.turn.push_back(proxy_client_id);
            self.wake_sender();
        }
    }

    // --- logical clients

    /// A new logical client, to be registered as soon as the connection allows.
    pub(crate) fn add_logical(
        &mut self,
        profile: Arc<LogicalOptions>,
        now: Instant,
    ) -> Result<(u32, oneshot::Receiver<Result<(), ClientError>>), ClientError> {
        if let Some(closed) = &self.closed {
            return Err(closed.clone());
        }
        let mut proxy_client_id = self.next_proxy_client_id;
        while proxy_client_id == 0 || self.registrations.contains_key(&proxy_client_id) {
            proxy_client_id = proxy_client_id.wrapping_add(1);
        }
        self.next_proxy_client_id = proxy_client_id.wrapping_add(1);
        let (started, receiver) = oneshot::channel();
        let mut registration = Registration::new(profile, self.events_capacity);
        registration.started = Some(started);
        self.registrations.insert(proxy_client_id, registration);
        if self.link == Link::Up {
            self.make_due(proxy_client_id, now);
        }
        Ok((proxy_client_id, receiver))
    }

    fn make_due(&mut self, proxy_client_id: u32, at: Instant) {
        if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
            registration.phase = Phase::Due(at);
            self.due.insert((at, proxy_client_id));
        }
    }

    /// When the next logical client is to be registered.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The logical clients to be registered now.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(u32, Arc<LogicalOptions>)> {
        let mut found = Vec::new();
        while let Some((at, proxy_client_id)) = self.due.first().copied()
            && at <= now
        {
            self.due.pop_first();
            if let Some(registration) = self.registrations.get_mut(&proxy_client_id)
                && registration.phase == Phase::Due(at)
            {
                registration.phase = Phase::Registering;
                found.push((proxy_client_id, Arc::clone(&registration.profile)));
            }
        }
        found
    }

    /// Forgets a logical client; `farewell` is its encoded unregistration. True: reading the connection may go on.
    pub(crate) fn remove_logical(&mut self, proxy_client_id: u32, farewell: Option<Outgoing>) -> bool {
        let Some(mut registration) = self.registrations.remove(&proxy_client_id) else { return false };
        registration.events.end();
        if let Some(farewell) = farewell
            && self.link == Link::Up
            && matches!(registration.phase, Phase::Registering | Phase::Registered)
        {
            // In its place among what this logical client sent: after everything else of it.
            let reference_id = self.take_reference_id();
            self.pending.insert(reference_id, Pending::new(farewell, None));
            self.registering.push_back(reference_id);
            self.wake_sender();
        }
        let gone = ClientError::closed("the logical client was dropped");
        self.fail_registration(proxy_client_id, &gone);
        std::mem::take(&mut self.reading_stopped)
    }

    /// Fails everything that waits on a registration and was not sent.
    fn fail_registration(&mut self, proxy_client_id: u32, error: &ClientError) {
        let ids: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| {
                pending.request.proxy_client_id == proxy_client_id && pending.answer.is_some()
            })
            .map(|(reference_id, _)| *reference_id)
            .collect();
        for reference_id in ids {
            if let Some(pending) = self.pending.remove(&reference_id) {
                let failure = if pending.sent {
                    Failure::LostAfterSending(error.to_string())
                } else {
                    Failure::Closed(error.clone())
                };
                pending.finish(Err(failure));
            }
        }
    }

    // --- events

    pub(crate) fn new_event_reader(&mut self, proxy_client_id: u32) -> u64 {
        self.registrations.get_mut(&proxy_client_id).map_or(0, |found| found.events.new_reader())
    }

    /// This reader is gone. True: reading the connection may go on.
    pub(crate) fn release_events(&mut self, proxy_client_id: u32, reader: u64) -> bool {
        if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
            registration.events.release(reader);
        }
        std::mem::take(&mut self.reading_stopped)
    }

    /// The next event of a reader, and whether reading the connection may go on.
    pub(crate) fn poll_event(
        &mut self,
        proxy_client_id: u32,
        reader: u64,
        context: &mut Context<'_>,
    ) -> (Poll<Option<ClientEvent>>, bool) {
        let Some(registration) = self.registrations.get_mut(&proxy_client_id) else {
            return (Poll::Ready(None), false);
        };
        let next = match registration.events.next(reader, context.waker()) {
            Next::Event(event) => Poll::Ready(Some(event)),
            Next::Nothing => Poll::Pending,
            Next::End => Poll::Ready(None),
        };
        let go_on = self.reading_stopped && registration.events.has_room_again();
        if go_on {
            self.reading_stopped = false;
        }
        (next, go_on)
    }

    /// How long to wait before the next attempt.
    pub(crate) fn reconnect_wait(&self, attempt: u32, asked: Option<Duration>) -> Duration {
        match asked {
            Some(at_least) => self.backoff.wait_after(attempt, at_least),
            None => self.backoff.wait(attempt),
        }
    }
}
