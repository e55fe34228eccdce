//! What must hold of offers beyond what the engine's invariants say of one moment.

use ixn_engine::commit::CommitBatch;
use ixn_proto::ServerEnvelope;
use ixn_proto::server_envelope::Event;
use prost::Message;

use crate::database::Database;
use crate::process::SILENCE_MILLISECONDS;

/// Every configuration of a run has this `delivering-timeout`.
const DELIVERING_MILLISECONDS: u64 = 30_000;

/// In one step nobody is invited and has the offer taken away again: nothing can have come between. The batch is what one step
/// has changed.
pub fn are_meant(batch: &CommitBatch) {
    let mut events = batch.events.clone();
    let mut invited = Vec::new();
    while !events.is_empty() {
        let Ok(envelope) = ServerEnvelope::decode_length_delimited(&mut events) else { return };
        match envelope.event {
            Some(Event::EventAgentInvited(event)) => invited.push(event.ticket_id),
            Some(Event::EventRevoked(event)) => assert!(
                !invited.contains(&event.ticket_id),
                "'nobody is invited in vain' does not hold: {event:?}"
            ),
            _ => {}
        }
    }
}

/// An offer that expires has been open for the time that agents have, counted from when it could leave the server at the
/// earliest: when the commit with the invitation was known to be durable. That commit, and the one before it, may each have
/// been under way for as long as nobody calls the database silent.
pub fn expires_in_time(database: &Database, invited_in: usize, expired_at: u64) {
    let known_at = database.log.get(invited_in).and_then(|record| record.known_at.get());
    let open_for = known_at.map_or(0, |known_at| expired_at.saturating_sub(known_at));
    assert!(
        open_for + 2 * SILENCE_MILLISECONDS >= DELIVERING_MILLISECONDS,
        "'an agent has his time to accept' does not hold: an offer expires {open_for} ms after it could leave"
    );
}
