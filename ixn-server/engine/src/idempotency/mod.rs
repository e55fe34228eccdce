//! Safe retries: the first answer to a mutating request, remembered under the client's key.
//!
//! A repeat of the same request gets the first answer again; the same key with another body is an error. Keys are scoped
//! to the client's name. RequestSubmit's are kept longest; the oldest go first when there are too many.

mod key_log;

use std::time::Duration;

use crate::commit::IdempotencyRow;
use crate::time::Milliseconds;

pub use key_log::Answer;
use key_log::{Entry, KeyLog};

/// How long a submit's key is kept.
pub const SUBMIT_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// How long any other request's key is kept.
pub const OTHER_RETENTION: Duration = Duration::from_secs(10 * 60);
/// How many keys are kept: of submits, and as many of other requests.
pub const MAX_KEYS: usize = 1_000_000;
/// How many bytes the answers to them may take, of each kind: a pull's answer names up to a thousand interactions.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
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
    Answered(Answer),
    /// Seen before with another body.
    OtherBody,
}

/// How many keys of submits there were since the start, with those that the start read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmitKeys {
    /// Remembered ever.
    pub seen: u64,
    /// Forgotten again: the oldest of these.
    pub forgotten: u64,
}

/// The remembered keys. Those of submits and of other requests have a bound each: a short-lived key must never have to go
/// because there are too many long-lived ones.
#[derive(Debug)]
pub struct Idempotency {
    submits: KeyLog,
    others: KeyLog,
    /// Of each kind.
    limit: usize,
    /// The latest expiry among the submits' keys that had to go before it.
    dropped_until_seconds: u64,
    new_rows: Vec<IdempotencyRow>,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self {
            submits: KeyLog::default(),
            others: KeyLog::default(),
            limit: MAX_KEYS,
            dropped_until_seconds: 0,
            new_rows: Vec::new(),
        }
    }
}

impl Idempotency {
    /// Looks a request up.
    pub fn look_up(&self, fingerprint: Fingerprint, now: Milliseconds) -> Known {
        let entries =
            [&self.submits, &self.others].into_iter().filter_map(|log| log.get(fingerprint.key_hash));
        match entries.max_by_key(|entry| entry.expires_at_seconds) {
            Some(found) if u64::from(found.expires_at_seconds) > now.0 / 1000 => {
                if found.body_hash == fingerprint.body_hash {
                    Known::Answered(found.answer.clone())
                } else {
                    Known::OtherBody
                }
            }
            _ => Known::New,
        }
    }

    /// Remembers an answer, in this batch's commit too: `stored` is what the database keeps of it.
    pub fn remember(
        &mut self,
        fingerprint: Fingerprint,
        answer: Answer,
        stored: bytes::Bytes,
        retention: Duration,
        now: Milliseconds,
    ) {
        let row = IdempotencyRow {
            key_hash: fingerprint.key_hash,
            body_hash: fingerprint.body_hash,
            expires_at_seconds: now.after(retention).0 / 1000,
            answer: stored,
        };
        self.restore(&row, answer, now);
        self.new_rows.push(row);
        self.forget_expired(now);
    }

    /// Takes a row in that the database holds; rows come in the order in which they were written.
    pub fn restore(&mut self, row: &IdempotencyRow, answer: Answer, now: Milliseconds) {
        // A submit's key in its last minutes counts with the others: harmless.
        let is_submit = row.expires_at_seconds > now.after(OTHER_RETENTION).0 / 1000;
        let log = if is_submit { &mut self.submits } else { &mut self.others };
        log.push(Entry::new(row.key_hash, row.body_hash, row.expires_at_seconds, answer));
        while log.len() > self.limit || log.answer_bytes() > MAX_ANSWER_BYTES {
            let Some(expires_at) = log.pop_first() else { break };
            if is_submit {
                self.dropped_until_seconds = self.dropped_until_seconds.max(expires_at);
            }
        }
    }

    /// The age up to which the key of a submit is still known: its whole retention, or less when there were too many.
    pub fn reach(&self, now: Milliseconds) -> Duration {
        let dropped_expires_in = Duration::from_secs(self.dropped_until_seconds.saturating_sub(now.0 / 1000));
        SUBMIT_RETENTION.saturating_sub(dropped_expires_in)
    }

    /// How many keys of submits came and went.
    pub fn submit_keys(&self) -> SubmitKeys {
        SubmitKeys { seen: self.submits.added(), forgotten: self.submits.gone() }
    }

    fn forget_expired(&mut self, now: Milliseconds) {
        // A few at a time: never a long step.
        for log in [&mut self.submits, &mut self.others] {
            for _ in 0..8 {
                let Some(entry) = log.first() else { break };
                if u64::from(entry.expires_at_seconds) > now.0 / 1000 {
                    break;
                }
                log.pop_first();
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
        self.submits.len() + self.others.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Milliseconds = Milliseconds(1_000_000);

    fn remember(keys: &mut Idempotency, key: u128, body: u64, retention: Duration, now: Milliseconds) {
        let answer = Answer::Encoded((*b"first").into());
        keys.remember(fingerprint(key, body), answer, bytes::Bytes::from_static(b"first"), retention, now);
    }

    fn fingerprint(key: u128, body_hash: u64) -> Fingerprint {
        Fingerprint { key_hash: key, body_hash }
    }

    #[test]
    fn a_repeat_gets_the_first_answer_until_it_expires() {
        let mut keys = Idempotency::default();
        remember(&mut keys, 1, 7, Duration::from_secs(600), NOW);
        assert_eq!(
            keys.look_up(fingerprint(1, 7), NOW),
            Known::Answered(Answer::Encoded((*b"first").into())),
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
            remember(&mut keys, key, 0, Duration::from_secs(key as u64), NOW);
        }
        assert_eq!(keys.look_up(fingerprint(1, 0), NOW), Known::New);
        assert_ne!(keys.look_up(fingerprint(3, 0), NOW), Known::New);
    }

    #[test]
    fn large_answers_push_out_the_oldest() {
        let mut keys = Idempotency::default();
        let large = vec![0; MAX_ANSWER_BYTES / 2];
        for key in 1..=3 {
            let answer = Answer::Encoded(large.clone().into());
            let stored = bytes::Bytes::from(large.clone());
            keys.remember(fingerprint(key, 0), answer, stored, OTHER_RETENTION, NOW);
        }
        assert_eq!(keys.look_up(fingerprint(1, 0), NOW), Known::New);
        assert_ne!(keys.look_up(fingerprint(2, 0), NOW), Known::New);
        assert_eq!(keys.len(), 2);
    }

    #[test]
    fn how_far_back_the_keys_of_submits_reach_is_known() {
        let mut keys = Idempotency { limit: 2, ..Idempotency::default() };
        let later = |seconds| Milliseconds(NOW.0 + seconds * 1000);
        for key in 0..2 {
            remember(&mut keys, key, 0, SUBMIT_RETENTION, later(key as u64 * 10));
        }
        assert_eq!(keys.reach(later(10)), SUBMIT_RETENTION);
        remember(&mut keys, 2, 0, SUBMIT_RETENTION, later(20));
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
            remember(&mut keys, key, 0, SUBMIT_RETENTION, NOW);
        }
        remember(&mut keys, 3, 0, OTHER_RETENTION, NOW);
        assert!((1..=3).all(|key| keys.look_up(fingerprint(key, 0), NOW) != Known::New));
    }

    #[test]
    fn the_newest_of_two_stored_rows_of_a_key_counts() {
        let row = |expires_at_seconds: u64| IdempotencyRow {
            key_hash: 1,
            body_hash: 0,
            expires_at_seconds,
            answer: bytes::Bytes::new(),
        };
        let answer = |text: &str| Answer::Encoded(text.as_bytes().into());
        let mut keys = Idempotency::default();
        keys.restore(&row(2000), answer("old"), NOW);
        keys.restore(&row(3000), answer("new"), NOW);
        assert_eq!(keys.look_up(fingerprint(1, 0), NOW), Known::Answered(answer("new")));
    }
}
