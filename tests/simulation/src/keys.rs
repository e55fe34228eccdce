//! Requests with idempotency keys, and what was answered: a key that was acknowledged is acknowledged alike for as long as it
//! is kept, and never carried out again.

use std::collections::BTreeMap;

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventPulledInteractions};

/// How long the answer under a key is kept for sure, seconds.
const SUBMIT_SECONDS: u64 = 86_000;
const OTHER_SECONDS: u64 = 590;

/// A client's name and its key.
pub type Key = (String, String);

#[derive(Default)]
struct Life {
    first_sent_at: u64,
    times_sent: usize,
    acknowledged: Option<Event>,
    /// It was carried out: an acknowledgement came that was not repeated.
    carried_out: bool,
}

/// All keys that clients have used.
#[derive(Default)]
pub struct Keys {
    lives: BTreeMap<Key, Life>,
}

/// How an answer came.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// When it was heard, seconds.
    pub at_seconds: u64,
    /// It says that it was given before.
    pub repeated: bool,
    /// The key had been acknowledged to somebody before the request was sent.
    pub was_acknowledged: bool,
    /// The server that answered is the only one that serves; one that others took over from may refuse what it cannot do.
    pub by_primary: bool,
}

impl Keys {
    /// A request with this key is sent. Answers whether it was acknowledged before.
    pub fn sent(&mut self, key: &Key, at_seconds: u64) -> bool {
        let life = self.lives.entry(key.clone()).or_default();
        if life.times_sent == 0 {
            life.first_sent_at = at_seconds;
        }
        life.times_sent += 1;
        life.acknowledged.is_some()
    }

    /// It is answered.
    pub fn answered(&mut self, key: &Key, request: &Request, event: &Event, how: Circumstances) {
        let Some(life) = self.lives.get_mut(key) else { return };
        let seconds =
            if matches!(request, Request::RequestSubmit(_)) { SUBMIT_SECONDS } else { OTHER_SECONDS };
        if life.first_sent_at + seconds <= how.at_seconds {
            return;
        }
        if let Event::EventError(error) = event {
            // An agent who was logged out meanwhile has to log in again to hear what he pulled.
            let pulls = matches!(request, Request::RequestPull(_));
            let is_due = pulls && error.error_code() == ErrorCode::AgentNotLoggedIn;
            assert!(
                !(how.was_acknowledged && how.by_primary) || is_due,
                "'a key is answered alike' does not hold: {key:?} was acknowledged, and is refused: {error:?}"
            );
            return;
        }
        if let Some(first) = &life.acknowledged {
            assert!(
                is_alike(first, event),
                "'a key is answered alike' does not hold: {key:?}: {first:?}, then {event:?}"
            );
        }
        if how.repeated {
            assert!(life.times_sent > 1, "'a key is answered alike' does not hold: {key:?} is not repeated");
        } else {
            assert!(
                !life.carried_out && !how.was_acknowledged,
                "'a key is carried out once' does not hold: {key:?} a second time: {event:?}"
            );
            life.carried_out = true;
        }
        life.acknowledged.get_or_insert_with(|| event.clone());
    }
}

/// A pull's repeat tells of what the agent still handles, so of two either may have less; anything else is the same.
fn is_alike(first: &Event, then: &Event) -> bool {
    let ids = |pulled: &EventPulledInteractions| -> Vec<String> {
        let interactions = pulled.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref());
        interactions.map(|interaction| interaction.interaction_id.clone()).collect()
    };
    match (first, then) {
        (Event::EventPulledInteractions(first), Event::EventPulledInteractions(then)) => {
            let (one, other) = (ids(first), ids(then));
            first.view_id == then.view_id
                && (one.iter().all(|id| other.contains(id)) || other.iter().all(|id| one.contains(id)))
        }
        _ => first == then,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::{EventAck, EventError, RequestStopProcessing};

    fn life(how: &[(bool, bool)]) -> impl FnOnce() {
        let how = how.to_vec();
        move || {
            let (mut keys, key) = (Keys::default(), ("desk".to_owned(), "key 1".to_owned()));
            let request = Request::RequestStopProcessing(RequestStopProcessing::default());
            for (repeated, refused) in how {
                let was_acknowledged = keys.sent(&key, 0);
                let event = match refused {
                    true => Event::EventError(EventError::default()),
                    false => Event::EventAck(EventAck::default()),
                };
                let how = Circumstances { at_seconds: 5, repeated, was_acknowledged, by_primary: true };
                keys.answered(&key, &request, &event, how);
            }
        }
    }

    fn holds(how: &[(bool, bool)]) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(life(how))).is_ok()
    }

    #[test]
    fn after_an_acknowledgement_only_the_same_one_again_is_right() {
        assert!(holds(&[(false, true), (false, false), (true, false)]));
        assert!(!holds(&[(false, false), (false, false)]), "carried out twice");
        assert!(!holds(&[(false, false), (false, true)]), "refused although it was done");
        assert!(!holds(&[(true, false)]), "repeated, although it was sent once");
    }
}
