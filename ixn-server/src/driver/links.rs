//! The connections, as the driver knows them: what is sent to them, and how they end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, mpsc};

use ixn_engine::Input;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_proto::encoded::encode_envelope;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ErrorCode, EventClientDisconnected, ListSessionsResponse, ServerEnvelope};
use ixn_sessions::{Closed, Outbound, Overflow, PushError};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::{Ended, Message};
use crate::protocol::Loads;
use crate::tasks::Tasks;

/// How clients are spread when they are asked to connect again: so many slots of so many milliseconds.
const RECONNECT_SLOTS: u64 = 20;
const RECONNECT_SLOT: u32 = 50;
/// Field 1 of a server envelope, varint: the number of the request that it answers. It is encoded first.
const REFERENCE_ID_KEY: u8 = 0x08;

/// What may wait in a client's outbound queue before whoever has much more for it rests, and which part of a small queue.
const AHEAD_BYTES: usize = 1 << 20;
const AHEAD_PART: usize = 8;

/// How many bytes may wait for a client before whoever has much more for it rests.
pub(crate) fn ahead_bytes(outbound: &Outbound<Status>) -> usize {
    AHEAD_BYTES.min(outbound.limits().client_bytes / AHEAD_PART)
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// What waits to be sent.
    pub(crate) outbound: Outbound<Status>,
    /// Ends the reading side.
    pub(crate) closed: CancellationToken,
    /// Tells the reading side that the connection's client is registered.
    pub(crate) registered: CancellationToken,
    /// What its clients have under way.
    pub(crate) loads: Arc<Loads>,
    /// With what its stream ends, when not normally.
    pub(crate) end: Option<Status>,
    /// Where the client is.
    pub(crate) peer: String,
    /// When it came, Unix seconds.
    pub(crate) connected_at: i64,
    /// Requests that it has sent.
    pub(crate) requests: u64,
}

/// A client read too slowly: what waited for it is gone, and it must be dropped.
#[derive(Debug)]
pub(super) struct ClientOverflowed;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Links {
    links: HashMap<ConnectionId, Link>,
    /// Connections to wake when all that leaves now is queued. Empty in between; kept for its room.
    sent_to: HashSet<ConnectionId>,
}

impl Links {
    pub(super) fn open(&mut self, connection: ConnectionId, link: Link) {
        self.links.insert(connection, link);
    }

    pub(super) fn get(&self, connection: ConnectionId) -> Option<&Link> {
        self.links.get(&connection)
    }

    /// Counts requests. One that does not say what its answer answers counts as under way no longer than until here.
    pub(super) fn received(&mut self, connection: ConnectionId, envelopes: &[ClientEnvelope]) {
        let Some(link) = self.links.get_mut(&connection) else { return };
        link.requests += envelopes.len() as u64;
        for envelope in envelopes.iter().filter(|envelope| envelope.reference_id == 0) {
            link.loads.answered(envelope.proxy_client_id, 0);
        }
    }

    /// Says with what a connection's stream ends.
    pub(super) fn ends_with(&mut self, connection: ConnectionId, end: Option<Status>) {
        if let Some(link) = self.links.get_mut(&connection) {
            link.end = end;
        }
    }

    /// Queues an envelope; it leaves at the next [`wake`](Self::wake).
    pub(super) fn send(&mut self, client: ClientRef, envelope: bytes::Bytes) -> Result<(), ClientOverflowed> {
        let Some(link) = self.links.get(&client.connection) else { return Ok(()) };
        self.sent_to.insert(client.connection);
        if let Some(reference_id) = reference_id(&envelope) {
            link.loads.answered(client.proxy_client_id, reference_id);
        }
        match link.outbound.queue(client.proxy_client_id, envelope) {
            Ok(()) | Err(PushError::Closed | PushError::Dropped) => Ok(()),
            Err(PushError::Overflow(Overflow::Client)) => {
                tracing::warn!(
                    connection = client.connection.0,
                    proxy_client_id = client.proxy_client_id,
                    "a client reads too slowly and is dropped"
                );
                Err(ClientOverflowed)
            }
            Err(PushError::Overflow(Overflow::Connection)) => {
                tracing::warn!(
                    connection = client.connection.0,
                    "a connection reads too slowly and is closed"
                );
                let reason = "too much waited for this connection; read faster or ask for less";
                link.outbound.abort(Status::resource_exhausted(reason));
                link.closed.cancel();
                Ok(())
            }
        }
    }

    /// Lets go what was queued: one wake a connection, however much it is.
    pub(super) fn wake(&mut self) {
        for connection in self.sent_to.drain() {
            // One that was closed meanwhile was woken by that.
            if let Some(link) = self.links.get(&connection) {
                link.outbound.wake();
            }
        }
    }

    /// Ends a connection behind everything that was sent to it.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: Option<String>) {
        let Some(link) = self.links.remove(&connection) else { return };
        let how = match (reason, link.end) {
            (Some(reason), _) => {
                tracing::info!(connection = connection.0, reason, "closing a connection");
                Closed::With(Status::failed_precondition(reason))
            }
            (None, Some(status)) => Closed::With(status),
            (None, None) => Closed::Normally,
        };
        link.outbound.close(how);
        link.closed.cancel();
    }

    /// Tells all clients why the server ends and when to come again, and closes their connections.
    pub(super) fn close_all(&self, ended: Ended) {
        let (code, text) = match ended {
            Ended::Shutdown => (ErrorCode::ShuttingDown, "the server is shutting down; connect again"),
            Ended::Fenced => {
                (ErrorCode::NotPrimary, "another server has taken over the database; connect to it")
            }
            Ended::Lost => (
                ErrorCode::InternalError,
                "the server ends because its database has lost data; connect again",
            ),
            Ended::Defect => (ErrorCode::InternalError, "the server ends because of a defect; connect again"),
        };
        for (connection, link) in &self.links {
            let notice = ServerEnvelope {
                event: Some(Event::EventClientDisconnected(EventClientDisconnected {
                    error_code: code as i32,
                    error_description: text.to_owned(),
                    // Spread out, so that not all come back at the same instant.
                    reconnect_after_milliseconds: (connection.0 % RECONNECT_SLOTS) as u32 * RECONNECT_SLOT,
                })),
                ..ServerEnvelope::default()
            };
            // Who reads no more hears nothing more.
            let _ = link.outbound.push(0, encode_envelope(&notice));
            link.outbound.close(Closed::With(Status::unavailable(text)));
            link.closed.cancel();
        }
    }

    /// Lets `driver` tell the engine when little waits for a client any more.
    pub(super) fn when_drained(&self, client: ClientRef, driver: &mpsc::Sender<Message>, tasks: &Tasks) {
        let Some(link) = self.links.get(&client.connection) else { return };
        let (outbound, driver) = (link.outbound.clone(), driver.clone());
        tasks.spawn(async move {
            outbound.drained(client.proxy_client_id, ahead_bytes(&outbound)).await;
            // Who is gone needs nothing more.
            if !outbound.is_closed() {
                let _ = driver.send(Message::Input(Input::Drained(client)));
            }
        });
    }

    /// Adds what only the shell knows of connections.
    pub(super) fn describe(&self, response: &mut ListSessionsResponse) {
        for session in &mut response.sessions {
            if let Some(link) = self.links.get(&ConnectionId(session.connection_number)) {
                session.peer_address.clone_from(&link.peer);
                session.connected_at = link.connected_at;
                session.total_requests_received = link.requests;
                session.requests_in_flight = link.loads.in_flight(session.proxy_client_id);
                session.outbound_queue_bytes =
                    link.outbound.waiting_for_client_bytes(session.proxy_client_id) as u64;
            }
        }
    }

    /// What waits to be sent, to all.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.links.values().map(|link| link.outbound.waiting_bytes()).sum()
    }
}

/// The number of the request that an encoded envelope answers; none for events that nobody asked for.
fn reference_id(envelope: &[u8]) -> Option<u64> {
    let (&REFERENCE_ID_KEY, mut rest) = envelope.split_first()? else { return None };
    prost::encoding::decode_varint(&mut rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::EventAck;

    #[test]
    fn an_encoded_answer_tells_what_it_answers() {
        let envelope = |reference_id| ServerEnvelope {
            reference_id,
            proxy_client_id: 7,
            event: Some(Event::EventAck(EventAck::default())),
            ..ServerEnvelope::default()
        };
        for number in [1, 127, 128, u64::MAX] {
            assert_eq!(reference_id(&encode_envelope(&envelope(number))), Some(number));
        }
        assert_eq!(reference_id(&encode_envelope(&envelope(0))), None);
        assert_eq!(reference_id(b""), None);
    }
}
