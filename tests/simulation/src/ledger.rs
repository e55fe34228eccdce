//! What clients were told, so that nobody can take it back.

use std::collections::{BTreeMap, BTreeSet};

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;

use crate::replay::Replay;

/// How long the answer under a key is kept for sure, seconds.
const SUBMIT_SECONDS: u64 = 86_000;
const OTHER_SECONDS: u64 = 590;

/// A client's name and its key.
pub type Key = (String, String);

/// The acknowledgements.
#[derive(Default)]
pub struct Ledger {
    /// Interactions that exist, until somebody tries to stop them, and under which key each was submitted.
    submitted: BTreeMap<String, Option<Key>>,
    /// Somebody has tried to stop them.
    perhaps_stopped: BTreeSet<String>,
    /// An acknowledgement said so, and under which key.
    stopped: BTreeMap<String, Option<Key>>,
    /// Who accepted under which ticket.
    accepted: BTreeMap<u64, String>,
    /// When each client's key was first used, in seconds.
    keys: BTreeMap<Key, u64>,
    /// The first answer under it.
    answers: BTreeMap<Key, Event>,
    /// How many acknowledgements there have been.
    pub acknowledged: u64,
}

impl Ledger {
    /// A client sends a request, whatever becomes of it.
    pub fn sent(&mut self, request: &Request, key: Option<&Key>, now_seconds: u64) {
        if let Request::RequestStopProcessing(stop) = request {
            self.perhaps_stopped.insert(stop.interaction_id.clone());
        }
        if let Some(key) = key {
            self.keys.entry(key.clone()).or_insert(now_seconds);
        }
    }

    /// A client was told that its request, sent at this time, was carried out.
    pub fn acknowledged(
        &mut self,
        request: &Request,
        event: &Event,
        key: Option<Key>,
        agent: Option<&str>,
        sent_at_seconds: u64,
    ) {
        let Event::EventAck(ack) = event else { return };
        self.acknowledged += 1;
        if let Some(key) = &key {
            self.answered(key, request, event, sent_at_seconds);
        }
        match request {
            Request::RequestSubmit(_) => only_once(&mut self.submitted, &ack.interaction_id, key),
            Request::RequestStopProcessing(stop) => only_once(&mut self.stopped, &stop.interaction_id, key),
            Request::RequestAccept(accept) => {
                let agent = agent.unwrap_or_default().to_owned();
                let first = self.accepted.entry(accept.ticket_id).or_insert_with(|| agent.clone());
                assert_eq!(*first, agent, "the offer {} was accepted by two agents", accept.ticket_id);
            }
            _ => {}
        }
    }

    /// As long as a key is kept its answer stays the same.
    fn answered(&mut self, key: &Key, request: &Request, event: &Event, sent_at_seconds: u64) {
        let kept_for =
            if matches!(request, Request::RequestSubmit(_)) { SUBMIT_SECONDS } else { OTHER_SECONDS };
        if self.keys.get(key).is_none_or(|first_used| first_used + kept_for <= sent_at_seconds) {
            return;
        }
        let first = self.answers.entry(key.clone()).or_insert_with(|| event.clone());
        assert_eq!(first, event, "{key:?} was answered differently before");
    }

    /// Everything that was acknowledged is so.
    pub fn agrees_with(&self, replay: &Replay) {
        for id in self.submitted.keys().filter(|id| !self.perhaps_stopped.contains(*id)) {
            assert!(replay.has(id), "{id} was acknowledged and is not there");
        }
        for id in self.stopped.keys() {
            assert!(!replay.has(id), "{id} was stopped and is there");
        }
    }
}

/// What happens once in an interaction's life is acknowledged once, or again under the same key.
fn only_once(known: &mut BTreeMap<String, Option<Key>>, id: &str, key: Option<Key>) {
    if let Some(before) = known.get(id) {
        assert!(key.is_some() && *before == key, "{id}: acknowledged under {before:?} and under {key:?}");
    }
    known.insert(id.to_owned(), key);
}
