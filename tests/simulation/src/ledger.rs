//! What clients were told, so that nobody can take it back.

use std::collections::{BTreeMap, BTreeSet};

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;

use crate::keys::{Circumstances, Key, Keys};
use crate::replay::Replay;
use crate::user_data::{Change, Entries, entries};

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
    keys: Keys,
    /// User data of submits, and changes of it, that have yet to be looked for among the events.
    user_data: Vec<(String, Entries)>,
    changes: Vec<(String, Change)>,
    /// How many acknowledgements there have been.
    pub acknowledged: u64,
}

impl Ledger {
    /// A client sends a request, whatever becomes of it. Answers whether its key was acknowledged before.
    pub fn sent(&mut self, request: &Request, key: Option<&Key>, now_seconds: u64) -> bool {
        if let Request::RequestStopProcessing(stop) = request {
            self.perhaps_stopped.insert(stop.interaction_id.clone());
        }
        if let Request::RequestSubmit(submit) = request {
            // When its key is no longer kept it may come a second time under the id of the client's choice.
            self.stopped.remove(&submit.interaction_id);
        }
        key.is_some_and(|key| self.keys.sent(key, now_seconds))
    }

    /// A client hears an answer.
    pub fn answered(
        &mut self,
        request: &Request,
        event: &Event,
        key: Option<Key>,
        agent: Option<&str>,
        how: Circumstances,
    ) {
        if let Some(key) = &key {
            self.keys.answered(key, request, event, how);
        }
        let Event::EventAck(ack) = event else { return };
        self.acknowledged += 1;
        match request {
            Request::RequestSubmit(submit) => {
                self.user_data.push((ack.interaction_id.clone(), entries(submit.user_data.as_ref())));
                only_once(&mut self.submitted, &ack.interaction_id, key);
            }
            Request::RequestChangeProperties(change) => {
                let lists =
                    [&change.added_properties, &change.changed_properties, &change.deleted_properties];
                let lists = lists.map(|list| entries(list.as_ref()));
                if lists.iter().any(|list| !list.is_empty()) {
                    self.changes.push((change.interaction_id.clone(), lists));
                }
            }
            Request::RequestStopProcessing(stop) => only_once(&mut self.stopped, &stop.interaction_id, key),
            Request::RequestAccept(accept) => {
                let agent = agent.unwrap_or_default().to_owned();
                let first = self.accepted.entry(accept.ticket_id).or_insert_with(|| agent.clone());
                assert_eq!(*first, agent, "the offer {} was accepted by two agents", accept.ticket_id);
            }
            _ => {}
        }
    }

    /// Everything that was acknowledged is so.
    pub fn agrees_with(&mut self, replay: &Replay) {
        for id in self.submitted.keys().filter(|id| !self.perhaps_stopped.contains(*id)) {
            assert!(replay.has(id), "'what was acknowledged is there' does not hold: {id} is not");
        }
        for id in self.stopped.keys() {
            assert!(!replay.has(id), "'what was acknowledged is there' does not hold: {id} was stopped");
        }
        for (id, data) in self.user_data.drain(..) {
            assert_eq!(
                replay.user_data.submitted(&id),
                Some(&data),
                "'user data is told' does not hold: {id}: what the events say, what was submitted"
            );
        }
        for (id, change) in self.changes.drain(..) {
            assert!(
                replay.user_data.has_change(&id, &change),
                "'user data is told' does not hold: {id}: no event tells of {change:?}"
            );
        }
    }
}

/// What happens once in an interaction's life is acknowledged once, or again under the same key.
fn only_once(known: &mut BTreeMap<String, Option<Key>>, id: &str, key: Option<Key>) {
    if let Some(before) = known.get(id) {
        assert!(
            key.is_some() && *before == key,
            "'it happens once' does not hold: {id} under {before:?} and under {key:?}"
        );
    }
    known.insert(id.to_owned(), key);
}
