//! The outbound queue of one connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, Bytes, BytesMut};
use futures::Stream;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Field 1, length-delimited: how every envelope stands inside a message.
const ENVELOPE_TAG: u8 = 0x0a;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that may wait for one logical client; past that the client is dropped.
    pub client_bytes: usize,
    /// Bytes that may wait for all clients of a connection; past that the connection is closed.
    pub connection_bytes: usize,
    /// Bytes that are packed into one message (one larger envelope still makes a message of its own).
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { client_bytes: 8 << 20, connection_bytes: 256 << 20, message_bytes: 64 << 10 }
    }
}

/// What overflowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// This logical client; its queue has been emptied, the others go on. Nothing more is queued for it until it is
    /// [readmitted](Outbound::readmit): what came behind the hole would look as if nothing were missing.
    Client,
    /// The whole connection.
    Connection,
}

/// Why an envelope was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The reader is too slow.
    #[error("too much waits for a reader that is too slow")]
    Overflow(Overflow),
    /// The logical client has overflowed before and has not been readmitted.
    #[error("too much waited for this client, and it has not been readmitted")]
    Dropped,
    /// The stream has ended.
    #[error("the stream has ended")]
    Closed,
}

/// How a stream ends: what is queued is still sent, then this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed<E> {
    /// Without an error.
    Normally,
    /// With this error as its last item.
    With(E),
}

#[derive(Debug, Default)]
struct ClientQueue {
    envelopes: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Debug)]
struct Queues<E> {
    clients: BTreeMap<u32, ClientQueue>,
    /// Clients that have overflowed.
    dropped: BTreeSet<u32>,
    /// Clients with something to send, in turn.
    turn: VecDeque<u32>,
    bytes: usize,
    closed: Option<Closed<E>>,
    reader_gone: bool,
    waker: Option<Waker>,
}

/// The sending end; clones share the queue.
#[derive(Debug)]
pub struct Outbound<E> {
    queues: Arc<Mutex<Queues<E>>>,
    /// Told whenever less waits, or nothing will be sent any more.
    less_waits: Arc<Notify>,
    limits: Limits,
}

impl<E> Clone for Outbound<E> {
    fn clone(&self) -> Self {
        Self {
            queues: Arc::clone(&self.queues),
            less_waits: Arc::clone(&self.less_waits),
            limits: self.limits,
        }
    }
}

/// The stream that the transport sends: messages of packed envelopes.
#[derive(Debug)]
pub struct OutboundStream<E> {
    queues: Arc<Mutex<Queues<E>>>,
    /// Told whenever less waits, or nothing will be sent any more.
    less_waits: Arc<Notify>,
    limits: Limits,
}

/// The two ends of a new queue.
pub fn outbound<E>(limits: Limits) -> (Outbound<E>, OutboundStream<E>) {
    let queues = Arc::new(Mutex::new(Queues {
        clients: BTreeMap::new(),
        dropped: BTreeSet::new(),
        turn: VecDeque::new(),
        bytes: 0,
        closed: None,
        reader_gone: false,
        waker: None,
    }));
    let less_waits = Arc::<Notify>::default();
    let stream = OutboundStream { queues: Arc::clone(&queues), less_waits: Arc::clone(&less_waits), limits };
    (Outbound { queues, less_waits, limits }, stream)
}

impl<E> Outbound<E> {
    /// Queues an encoded envelope for a logical client, behind what already waits for that client, and wakes the stream.
    ///
    /// # Errors
    /// Too much waits, or did before; or the stream has ended.
    pub fn push(&self, client: u32, envelope: Bytes) -> Result<(), PushError> {
        self.queue(client, envelope)?;
        self.wake();
        Ok(())
    }

    /// As [`Outbound::push`], but the stream may sleep on until [`Outbound::wake`]: what is queued before that goes out in
    /// as few messages as it can.
    ///
    /// # Errors
    /// As [`Outbound::push`].
    pub fn queue(&self, client: u32, envelope: Bytes) -> Result<(), PushError> {
        let mut queues = self.queues.lock();
        if queues.closed.is_some() || queues.reader_gone {
            return Err(PushError::Closed);
        }
        if queues.dropped.contains(&client) {
            return Err(PushError::Dropped);
        }
        let size = envelope.len();
        if queues.bytes + size > self.limits.connection_bytes && queues.bytes > 0 {
            return Err(PushError::Overflow(Overflow::Connection));
        }
        let Queues { clients, dropped, turn, bytes, .. } = &mut *queues;
        let queue = clients.entry(client).or_default();
        if queue.bytes + size > self.limits.client_bytes && !queue.envelopes.is_empty() {
            *bytes -= queue.bytes;
            clients.remove(&client);
            dropped.insert(client);
            turn.retain(|waiting| *waiting != client);
            self.less_waits.notify_waiters();
            return Err(PushError::Overflow(Overflow::Client));
        }
        if queue.envelopes.is_empty() {
            turn.push_back(client);
        }
        queue.envelopes.push_back(envelope);
        queue.bytes += size;
        *bytes += size;
        Ok(())
    }

    /// Wakes the stream: there is something to send.
    pub fn wake(&self) {
        let waker = self.queues.lock().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Queues again for a logical client that had overflowed.
    pub fn readmit(&self, client: u32) {
        self.queues.lock().dropped.remove(&client);
    }

    /// Ends the stream once everything that is queued has been sent. The first reason counts.
    pub fn close(&self, how: Closed<E>) {
        let mut queues = self.queues.lock();
        if queues.closed.is_none() {
            queues.closed = Some(how);
        }
        let waker = queues.waker.take();
        drop(queues);
        self.less_waits.notify_waiters();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Ends the stream at once: what is queued is dropped. For readers who may never read it.
    pub fn abort(&self, error: E) {
        let mut queues = self.queues.lock();
        queues.clients.clear();
        queues.turn.clear();
        queues.bytes = 0;
        if queues.closed.is_none() {
            queues.closed = Some(Closed::With(error));
        }
        let waker = queues.waker.take();
        drop(queues);
        self.less_waits.notify_waiters();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How much may wait.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Bytes that wait.
    pub fn waiting_bytes(&self) -> usize {
        self.queues.lock().bytes
    }

    /// Bytes that wait for one logical client.
    pub fn waiting_for_client_bytes(&self, client: u32) -> usize {
        self.queues.lock().clients.get(&client).map_or(0, |queue| queue.bytes)
    }

    /// Waits until no more than so many bytes wait for one logical client, or nothing will be sent any more.
    pub async fn drained(&self, client: u32, bytes: usize) {
        loop {
            // It hears of what happens from here on.
            let less_waits = self.less_waits.notified();
            if self.is_closed() || self.waiting_for_client_bytes(client) <= bytes {
                return;
            }
            less_waits.await;
        }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        let queues = self.queues.lock();
        queues.closed.is_some() || queues.reader_gone
    }
}

impl<E> Queues<E> {
    /// One envelope of each client in turn, until the message is full.
    fn pack(&mut self, message_bytes: usize) -> Bytes {
        let mut message = BytesMut::with_capacity(self.bytes.min(message_bytes) + 16);
        while let Some(client) = self.turn.pop_front() {
            let Some(queue) = self.clients.get_mut(&client) else { continue };
            let Some(envelope) = queue.envelopes.pop_front() else { continue };
            queue.bytes -= envelope.len();
            self.bytes -= envelope.len();
            if queue.envelopes.is_empty() {
                self.clients.remove(&client);
            } else {
                self.turn.push_back(client);
            }
            put_envelope(&mut message, &envelope);
            if message.len() >= message_bytes {
                break;
            }
        }
        message.freeze()
    }
}

fn put_envelope(message: &mut BytesMut, envelope: &[u8]) {
    message.put_u8(ENVELOPE_TAG);
    let mut length = envelope.len();
    while length >= 0x80 {
        message.put_u8((length as u8 & 0x7f) | 0x80);
        length >>= 7;
    }
    message.put_u8(length as u8);
    message.put_slice(envelope);
}

impl<E: Clone> Stream for OutboundStream<E> {
    type Item = Result<Bytes, E>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queues = self.queues.lock();
        if !queues.turn.is_empty() {
            let message = queues.pack(self.limits.message_bytes);
            drop(queues);
            self.less_waits.notify_waiters();
            return Poll::Ready(Some(Ok(message)));
        }
        match queues.closed.clone() {
            Some(Closed::Normally) => Poll::Ready(None),
            Some(Closed::With(error)) => {
                queues.closed = Some(Closed::Normally);
                Poll::Ready(Some(Err(error)))
            }
            None => {
                queues.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<E> Drop for OutboundStream<E> {
    fn drop(&mut self) {
        self.queues.lock().reader_gone = true;
        self.less_waits.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::executor::block_on;
    use futures::{FutureExt, StreamExt};

    fn limits(client_bytes: usize, connection_bytes: usize, message_bytes: usize) -> Limits {
        Limits { client_bytes, connection_bytes, message_bytes }
    }

    struct Wakes(AtomicUsize);

    impl std::task::Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes a message apart again.
    fn envelopes(mut message: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some((&tag, rest)) = message.split_first() {
            assert_eq!(tag, ENVELOPE_TAG);
            let mut length = 0;
            let mut used = 0;
            for (i, byte) in rest.iter().enumerate() {
                length |= usize::from(byte & 0x7f) << (7 * i);
                used = i + 1;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            found.push(rest[used..used + length].to_vec());
            message = &rest[used + length..];
        }
        found
    }

    fn text(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn what_is_ready_goes_out_in_one_message_in_order_per_client_and_in_turn_between_clients() {
        let (out, mut stream) = outbound::<()>(Limits::default());
        for envelope in ["1a", "1b", "1c"] {
            out.push(1, text(envelope)).unwrap();
        }
        out.push(2, text("2a")).unwrap();
        let message = block_on(stream.next()).unwrap().unwrap();
        assert_eq!(envelopes(&message), [b"1a", b"2a", b"1b", b"1c"]);
        assert_eq!(out.waiting_bytes(), 0);
    }

    #[test]
    fn envelopes_of_any_size_are_framed_so_that_they_come_apart_again() {
        let (out, mut stream) = outbound::<()>(limits(1 << 20, 1 << 20, 1 << 20));
        let sizes = [0, 1, 127, 128, 16_383, 16_384, 70_000];
        for size in sizes {
            out.push(0, Bytes::from(vec![7; size])).unwrap();
        }
        let message = block_on(stream.next()).unwrap().unwrap();
        assert_eq!(envelopes(&message).iter().map(Vec::len).collect::<Vec<_>>(), sizes);
    }

    #[test]
    fn what_is_queued_goes_out_when_the_stream_is_woken() {
        let (out, mut stream) = outbound::<()>(Limits::default());
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&wakes));
        let mut context = Context::from_waker(&waker);
        assert!(stream.poll_next_unpin(&mut context).is_pending());
        out.queue(1, text("a")).unwrap();
        out.queue(1, text("b")).unwrap();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        out.wake();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        let message = block_on(stream.next()).unwrap().unwrap();
        assert_eq!(envelopes(&message), [b"a", b"b"]);
    }

    #[test]
    fn a_slow_logical_client_hears_nothing_more_until_it_is_readmitted_and_the_others_go_on() {
        let (out, mut stream) = outbound::<()>(limits(4, 100, 100));
        out.push(1, text("abc")).unwrap();
        out.push(2, text("ok")).unwrap();
        assert_eq!(out.push(1, text("def")), Err(PushError::Overflow(Overflow::Client)));
        assert_eq!(out.push(1, text("x")), Err(PushError::Dropped));
        assert_eq!(envelopes(&block_on(stream.next()).unwrap().unwrap()), [b"ok"]);
        assert_eq!(out.push(1, text("y")), Err(PushError::Dropped));
        out.readmit(1);
        out.push(1, text("again")).unwrap();
        assert_eq!(envelopes(&block_on(stream.next()).unwrap().unwrap()), [b"again"]);
    }

    #[test]
    fn one_envelope_larger_than_every_bound_still_passes_when_nothing_waits() {
        let (out, mut stream) = outbound::<()>(limits(4, 8, 2));
        out.push(1, text("a large one")).unwrap();
        assert_eq!(out.push(2, text("b")), Err(PushError::Overflow(Overflow::Connection)));
        assert_eq!(envelopes(&block_on(stream.next()).unwrap().unwrap()).len(), 1);
    }

    #[test]
    fn a_message_is_full_once_it_has_so_many_bytes() {
        let (out, mut stream) = outbound::<()>(limits(100, 100, 10));
        for envelope in ["1234", "5678", "9"] {
            out.push(1, text(envelope)).unwrap();
        }
        assert_eq!(envelopes(&block_on(stream.next()).unwrap().unwrap()), [b"1234", b"5678"]);
        assert_eq!(envelopes(&block_on(stream.next()).unwrap().unwrap()), [b"9"]);
    }

    #[test]
    fn the_connection_has_a_bound_of_its_own() {
        let (out, _stream) = outbound::<()>(limits(10, 15, 100));
        out.push(1, text("0123456789")).unwrap();
        assert_eq!(out.push(2, text("0123456789")), Err(PushError::Overflow(Overflow::Connection)));
    }

    #[test]
    fn closing_sends_what_is_queued_then_the_reason_then_ends() {
        let (out, mut stream) = outbound::<&str>(Limits::default());
        out.push(0, text("last")).unwrap();
        out.close(Closed::With("shutting down"));
        assert_eq!(out.push(0, text("too late")), Err(PushError::Closed));
        assert!(block_on(stream.next()).unwrap().is_ok());
        assert_eq!(block_on(stream.next()), Some(Err("shutting down")));
        assert_eq!(block_on(stream.next()), None);
    }

    #[test]
    fn an_aborted_stream_keeps_nothing() {
        let (out, mut stream) = outbound::<&str>(Limits::default());
        out.push(0, text("never read")).unwrap();
        out.abort("too slow");
        assert_eq!(out.waiting_bytes(), 0);
        assert_eq!(block_on(stream.next()), Some(Err("too slow")));
        assert_eq!(block_on(stream.next()), None);
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let (out, stream) = outbound::<()>(Limits::default());
        drop(stream);
        assert_eq!(out.push(0, text("x")), Err(PushError::Closed));
    }

    #[test]
    fn who_waits_for_room_hears_when_there_is_some_and_when_there_never_will_be() {
        let (out, mut stream) = outbound::<&str>(limits(100, 100, 1));
        let drained = |bytes| Box::pin(out.drained(1, bytes));
        assert!(drained(0).now_or_never().is_some());
        for envelope in ["abc", "def"] {
            out.push(1, text(envelope)).unwrap();
        }
        let (mut below_four, mut empty) = (drained(3), drained(0));
        assert!(below_four.as_mut().now_or_never().is_none() && empty.as_mut().now_or_never().is_none());
        block_on(stream.next()).unwrap().unwrap();
        assert!(below_four.now_or_never().is_some());
        assert!(empty.as_mut().now_or_never().is_none());
        drop(stream);
        assert!(empty.now_or_never().is_some());
    }
}
