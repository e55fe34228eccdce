//! The events that wait for one registration's reader.

use std::{collections::VecDeque, task::Waker};

use ixn_proto::{RegistrationInfo, ServerEnvelope};

use crate::{ClientEvent, DisconnectReason};

/// The queue. It is full at its capacity while somebody reads it; without a reader it drops its oldest instead.
#[derive(Debug)]
pub(super) struct EventQueue {
    events: VecDeque<ClientEvent>,
    capacity: usize,
    /// The number of the newest reader; readers count from 1.
    newest_reader: u64,
    /// Whether the newest reader is still there.
    is_read: bool,
    waker: Option<Waker>,
    ended: bool,
}

/// What a reader gets.
#[derive(Debug)]
pub(super) enum Next {
    /// This one.
    Event(ClientEvent),
    /// Nothing yet; the reader is woken.
    Nothing,
    /// Nothing ever again.
    End,
}

impl EventQueue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            events: VecDeque::new(),
            capacity,
            newest_reader: 0,
            is_read: false,
            waker: None,
            ended: false,
        }
    }

    /// Queues an event, or gives it back when there is no room.
    pub(super) fn push(&mut self, envelope: Box<ServerEnvelope>) -> Result<(), Box<ServerEnvelope>> {
        if self.events.len() >= self.capacity {
            if self.is_read {
                return Err(envelope);
            }
            self.events.pop_front();
        }
        self.put(ClientEvent::Event(envelope));
        Ok(())
    }

    /// Tells that the registration was lost. A `Reconnected` that nobody has seen is withdrawn instead, together with
    /// the loss before it, so that a flapping connection cannot fill the queue.
    pub(super) fn disconnected(&mut self, reason: DisconnectReason) {
        if matches!(self.events.back(), Some(ClientEvent::Reconnected { .. })) {
            self.events.pop_back();
        }
        if matches!(self.events.back(), Some(ClientEvent::Disconnected { .. })) {
            self.events.pop_back();
        }
        self.put(ClientEvent::Disconnected { reason });
    }

    /// Tells that the registration stands again.
    pub(super) fn reconnected(&mut self, registration: RegistrationInfo) {
        self.put(ClientEvent::Reconnected { registration });
    }

    fn put(&mut self, event: ClientEvent) {
        self.events.push_back(event);
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Nothing is queued any more; what waits can still be read.
    pub(super) fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    /// A new reader, in place of the one before.
    pub(super) fn new_reader(&mut self) -> u64 {
        self.newest_reader += 1;
        self.is_read = true;
        self.wake();
        self.newest_reader
    }

    /// This reader is gone.
    pub(super) fn release(&mut self, reader: u64) {
        if reader == self.newest_reader {
            self.is_read = false;
            self.waker = None;
        }
    }

    pub(super) fn next(&mut self, reader: u64, waker: &Waker) -> Next {
        if reader != self.newest_reader {
            return Next::End;
        }
        match self.events.pop_front() {
            Some(event) => Next::Event(event),
            None if self.ended => Next::End,
            None => {
                self.waker = Some(waker.clone());
                Next::Nothing
            }
        }
    }

    /// Whether enough was taken that reading the connection should go on.
    pub(super) fn has_room_again(&self) -> bool {
        !self.is_read || self.events.len() <= self.capacity / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> Box<ServerEnvelope> {
        Box::new(ServerEnvelope { event_number: number, ..Default::default() })
    }

    fn lost(reason: &str) -> DisconnectReason {
        DisconnectReason::Lost(reason.to_owned())
    }

    fn drain(queue: &mut EventQueue, reader: u64) -> Vec<String> {
        let mut found = Vec::new();
        while let Next::Event(event) = queue.next(reader, Waker::noop()) {
            found.push(match event {
                ClientEvent::Event(envelope) => envelope.event_number.to_string(),
                ClientEvent::Disconnected { reason } => reason.to_string(),
                ClientEvent::Reconnected { registration } => format!("epoch {}", registration.epoch),
            });
        }
        found
    }

    #[test]
    fn a_read_queue_is_full_at_its_capacity_and_has_room_at_half() {
        let mut queue = EventQueue::new(4);
        let reader = queue.new_reader();
        for number in 1..=4 {
            queue.push(event(number)).unwrap();
        }
        assert_eq!(queue.push(event(5)).unwrap_err().event_number, 5);
        assert!(matches!(queue.next(reader, Waker::noop()), Next::Event(_)));
        assert!(!queue.has_room_again());
        assert!(matches!(queue.next(reader, Waker::noop()), Next::Event(_)));
        assert!(queue.has_room_again());
    }

    #[test]
    fn without_a_reader_the_oldest_is_dropped() {
        let mut queue = EventQueue::new(2);
        for number in 1..=3 {
            queue.push(event(number)).unwrap();
        }
        let reader = queue.new_reader();
        assert_eq!(drain(&mut queue, reader), ["2", "3"]);
    }

    #[test]
    fn losses_that_nobody_saw_are_told_as_one() {
        let mut queue = EventQueue::new(2);
        queue.push(event(1)).unwrap();
        for epoch in 1..100 {
            queue.disconnected(lost("again"));
            queue.reconnected(RegistrationInfo { epoch, ..Default::default() });
        }
        let reader = queue.new_reader();
        assert_eq!(drain(&mut queue, reader), ["1", "the connection was lost: again", "epoch 99"]);
        queue.disconnected(lost("once more"));
        assert_eq!(drain(&mut queue, reader), ["the connection was lost: once more"]);
    }

    #[test]
    fn a_new_reader_ends_the_one_before_and_the_end_comes_after_what_waits() {
        let mut queue = EventQueue::new(2);
        let first = queue.new_reader();
        let second = queue.new_reader();
        queue.push(event(1)).unwrap();
        queue.end();
        assert!(matches!(queue.next(first, Waker::noop()), Next::End));
        assert_eq!(drain(&mut queue, second), ["1"]);
        assert!(matches!(queue.next(second, Waker::noop()), Next::End));
        queue.release(first);
        assert!(queue.is_read, "only the newest reader can release the queue");
    }
}
