//! Safe retries: the first answer to a mutating request, remembered under the client's key.
//!
//! A repeat of the same request gets the first answer again; the same key with another body is an error. Keys are scoped
//! to the client's name. RequestSubmit's are kept longest; the oldest go first when there are too many.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;

use crate::commit::IdempotencyRow;
use crate::time::Milliseconds;

/// How long a submit's key is kept.
pub const SUBMIT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long any other request's key is kept.
pub const OTHER_RETENTION: Duration = Duration::from_secs(10 * 60);
/// How many keys are kept: of submits, and as many of other requests.
pub const MAX_KEYS: usize = 1_000_000;
/// How long a key may be.
pub const MAX_KEY_BYTES: usize = 128;

/// A request's key and body, hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Client name and key.
    pub key_hash: u128,
    /// The request.
    pub body_hash: u64,
}

/// What is known about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Never seen, or forgotten.
    New,
    /// Answered before: this was the answer.
    Answered(Bytes),
    /// Seen before with another body.
    OtherBody,
}

#[derive(Debug)]
struct Remembered {
    body_hash: u64,
    expires_at_seconds: u64,
    class: Class,
    answer: Bytes,
}

/// Keys of submits and of other requests have a bound each: a short-lived key must never have to go because there are too
/// many long-lived ones.
#[derive(Clone, Copy, Debug)]
enum Class {
    Other = 0,
    Submit = 1,
}

/// The remembered keys.
#[derive(Debug)]
pub struct Idempotency {
    answers: HashMap<u128, Remembered>,
    /// By class: expiry and key.
    by_expiry: [BTreeSet<(u64, u128)>; 2],
    /// Of each class.
    limit: usize,
    /// The latest expiry among the submits' keys that had to go before it.
    dropped_until_seconds: u64,
    new_rows: Vec<IdempotencyRow>,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            answers: HashMap::new(),
            by_expiry: Default::default(),
            limit: MAX_KEYS,
            dropped_until_seconds: 0,
            new_rows: Vec::new(),
        }
    }
}

impl Idempotency {
    /// Looks a request up.
    pub fn look_up(&self, fingerprint: Fingerprint, now: Milliseconds) -> Known {
        match self.answers.get(&fingerprint.key_hash) {
            Some(found) if found.expires_at_seconds > now.0 / 1000 => {
                if found.body_hash == fingerprint.body_hash {
                    Known::Answered(found.answer.clone())
                } else {
                    Known::OtherBody
                }
            }
            _ => Known::New,
        }
    }

    /// Remembers an answer, in this batch's commit too.
    pub fn remember(
        &mut self,
        fingerprint: Fingerprint,
        answer: Bytes,
        retention: Duration,
        now: Milliseconds,
    ) {
        let row = IdempotencyRow {
            key_hash: fingerprint.key_hash,
            body_hash: fingerprint.body_hash,
            expires_at_seconds: now.after(retention).0 / 1000,
            answer,
        };
        self.restore(row.clone(), now);
        self.new_rows.push(row);
        self.forget_expired(now);
    }

    /// Takes a row in that the database holds.
    pub fn restore(&mut self, row: IdempotencyRow, now: Milliseconds) {
        let known = self.answers.get(&row.key_hash);
        if known.is_some_and(|known| known.expires_at_seconds > row.expires_at_seconds) {
            return;
        }
        // A submit's key in its last minutes counts with the others: harmless.
        let class = match row.expires_at_seconds > now.after(OTHER_RETENTION).0 / 1000 {
            true => Class::Submit,
            false => Class::Other,
        };
        let remembered = Remembered {
            body_hash: row.body_hash,
            expires_at_seconds: row.expires_at_seconds,
            class,
            answer: row.answer,
        };
        if let Some(before) = self.answers.insert(row.key_hash, remembered) {
            self.by_expiry[before.class as usize].remove(&(before.expires_at_seconds, row.key_hash));
        }
        let keys = &mut self.by_expiry[class as usize];
        keys.insert((row.expires_at_seconds, row.key_hash));
        while keys.len() > self.limit {
            let Some((expires_at, key_hash)) = keys.pop_first() else { break };
            self.answers.remove(&key_hash);
            if matches!(class, Class::Submit) {
                self.dropped_until_seconds = self.dropped_until_seconds.max(expires_at);
            }
        }
    }

    /// The age up to which the key of a submit is still known: its whole retention, or less when there were too many.
    pub fn reach(&self, now: Milliseconds) -> Duration {
        let dropped_expires_in = Duration::from_secs(self.dropped_until_seconds.saturating_sub(now.0 / 1000));
        SUBMIT_RETENTION.saturating_sub(dropped_expires_in)
    }

    fn forget_expired(&mut self, now: Milliseconds) {
        // A few at a time: never a long step.
        for keys in &mut self.by_expiry {
            for _ in 0..8 {
                let Some((expires_at, key_hash)) = keys.first().copied() else { break };
                if expires_at > now.0 / 1000 {
                    break;
                }
                keys.pop_first();
                self.answers.remove(&key_hash);
            }
        }
    }

    /// The rows of this batch.
    pub fn take_new_rows(&mut self) -> Vec<IdempotencyRow> {
        std::mem::take(&mut self.new_rows)
    }

    /// Whether this batch has rows.
    pub fn has_new_rows(&self) -> bool {
        !self.new_rows.is_empty()
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.answers.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.answers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Milliseconds = Milliseconds(1_000_000);

    fn fingerprint(key: u128, body_hash: u64) -> Fingerprint {
        Fingerprint { key_hash: key, body_hash }
    }

    #[test]
    fn a_repeat_gets_the_first_answer_until_it_expires() {
        let mut keys = Idempotency::default();
        keys.remember(fingerprint(1, 7), Bytes::from_static(b"first"), Duration::from_secs(600), NOW);
        assert_eq!(
            keys.look_up(fingerprint(1, 7), NOW),
            Known::Answered(Bytes::from_static(b"first")),
            "same key, same body"
        );
        assert_eq!(keys.look_up(fingerprint(1, 8), NOW), Known::OtherBody);
        assert_eq!(keys.look_up(fingerprint(2, 7), NOW), Known::New);
        assert_eq!(keys.look_up(fingerprint(1, 7), Milliseconds(1_600_000)), Known::New, "expired");
        assert_eq!(keys.take_new_rows().len(), 1);
    }

    #[test]
    fn the_oldest_keys_go_first() {
        let mut keys = Idempotency { limit: 2, ..Idempotency::default() };
        for key in 1..=3 {
            keys.remember(
                fingerprint(key, 0),
                Bytes::new(),
                Duration::from_secs(key as u64),
                Milliseconds(NOW.0),
            );
        }
        assert_eq!(keys.look_up(fingerprint(1, 0), NOW), Known::New);
        assert_ne!(keys.look_up(fingerprint(3, 0), NOW), Known::New);
    }

    #[test]
    fn how_far_back_the_keys_of_submits_reach_is_known() {
        let mut keys = Idempotency { limit: 2, ..Idempotency::default() };
        let later = |seconds| Milliseconds(NOW.0 + seconds * 1000);
        for key in 0..2 {
            keys.remember(fingerprint(key, 0), Bytes::new(), SUBMIT_RETENTION, later(key as u64 * 10));
        }
        assert_eq!(keys.reach(later(10)), SUBMIT_RETENTION);
        keys.remember(fingerprint(2, 0), Bytes::new(), SUBMIT_RETENTION, later(20));
        assert_eq!(
            keys.reach(later(20)),
            Duration::from_secs(20),
            "what is younger than the key that went is known"
        );
        assert_eq!(
            keys.reach(later(100_000)),
            SUBMIT_RETENTION,
            "by then it would have been forgotten anyway"
        );
    }

    #[test]
    fn many_keys_of_submits_do_not_push_out_those_of_other_requests() {
        let mut keys = Idempotency { limit: 2, ..Idempotency::default() };
        for key in 1..=2 {
            keys.remember(fingerprint(key, 0), Bytes::new(), SUBMIT_RETENTION, NOW);
        }
        keys.remember(fingerprint(3, 0), Bytes::new(), OTHER_RETENTION, NOW);
        assert!((1..=3).all(|key| keys.look_up(fingerprint(key, 0), NOW) != Known::New));
    }

    #[test]
    fn the_newest_of_two_stored_rows_of_a_key_counts_in_whatever_order_they_come() {
        let row = |expires_at_seconds: u64, answer: &'static [u8]| IdempotencyRow {
            key_hash: 1,
            body_hash: 0,
            expires_at_seconds,
            answer: Bytes::from_static(answer),
        };
        let mut keys = Idempotency::default();
        keys.restore(row(3000, b"new"), NOW);
        keys.restore(row(2000, b"old"), NOW);
        let known = keys.look_up(fingerprint(1, 0), NOW);
        assert_eq!(known, Known::Answered(Bytes::from_static(b"new")));
    }
}
