//! Which idempotency keys the database need not hold any more, because the engine has forgotten them. Pure.
//!
//! The engine counts keys of submits as they come and go, the database holds them under the commits that wrote them: what
//! is noted now and then joins the two. Keys of other requests expire soon, and are waited for.

use std::collections::VecDeque;

use ixn_engine::commit::CommitNumber;
use ixn_engine::idempotency::{OTHER_RETENTION, SubmitKeys};

/// Commits between two notes. The database's parts are larger on PostgreSQL.
const NOTE_EVERY: u64 = 1024;

/// Commits that the counts may be ahead of the newest durable one: they are those of its successor's moment at the latest, when
/// another one gathered.
const AHEAD: u64 = 2;

struct Note {
    newest: CommitNumber,
    /// Keys of submits that this commit and those before it hold, or somewhat more.
    seen: u64,
    seconds: u64,
}

#[derive(Default)]
pub(crate) struct ForgottenKeys {
    notes: VecDeque<Note>,
    /// How many the engine had forgotten when this commit was the newest durable one: true after a kill only when what
    /// pushed them out is durable too.
    forgotten_at: Option<(CommitNumber, u64)>,
    forgotten: u64,
    below: CommitNumber,
}

impl ForgottenKeys {
    /// What is known now: the newest durable commit, the engine's counts with it, and its time. Answers below which commit
    /// no key is needed.
    pub(crate) fn below(&mut self, newest: CommitNumber, keys: SubmitKeys, now_seconds: u64) -> CommitNumber {
        match self.forgotten_at {
            Some((at, _)) if newest.0 < at.0 + AHEAD => {}
            before => {
                self.forgotten = before.map_or(self.forgotten, |(_, forgotten)| forgotten);
                self.forgotten_at = Some((newest, keys.forgotten));
            }
        }
        if self.notes.back().is_none_or(|last| newest.0 >= last.newest.0 + NOTE_EVERY) {
            self.notes.push_back(Note { newest, seen: keys.seen, seconds: now_seconds });
        }
        while let Some(note) = self.notes.front() {
            // One that is forgotten stays: by it a start knows that the keys do not reach further back.
            let are_forgotten = note.seen < self.forgotten;
            let others_expired = note.seconds + OTHER_RETENTION.as_secs() < now_seconds;
            if !are_forgotten || !others_expired {
                break;
            }
            self.below = CommitNumber(note.newest.0 + 1);
            self.notes.pop_front();
        }
        self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten keys a commit, of which the engine remembers 100,000; a look every hundred commits and every `seconds`.
    fn run(keys: &mut ForgottenKeys, commits: std::ops::Range<u64>, seconds: u64) -> CommitNumber {
        let mut below = CommitNumber(0);
        for newest in commits.step_by(100) {
            let seen = newest * 10;
            let counts = SubmitKeys { seen, forgotten: seen.saturating_sub(100_000) };
            below = keys.below(CommitNumber(newest), counts, newest / 100 * seconds);
        }
        below
    }

    #[test]
    fn what_the_engine_has_forgotten_may_go() {
        let mut keys = ForgottenKeys::default();
        assert_eq!(run(&mut keys, 0..10_000, 60), CommitNumber(0), "it remembers all of them");
        let below = run(&mut keys, 10_000..20_000, 60).0;
        assert!((8_000..=9_900).contains(&below), "{below} of the first 9,900 commits");
    }

    #[test]
    fn keys_of_other_requests_are_kept_until_they_expire() {
        let mut keys = ForgottenKeys::default();
        assert_eq!(run(&mut keys, 0..20_000, 1), CommitNumber(0), "200 s have passed");
    }

    #[test]
    fn a_key_goes_only_when_what_pushed_it_out_is_durable() {
        let mut keys = ForgottenKeys::default();
        let counts = |seen, forgotten| SubmitKeys { seen, forgotten };
        keys.below(CommitNumber(1), counts(5, 0), 0);
        assert_eq!(keys.below(CommitNumber(10), counts(20, 6), 1000), CommitNumber(0));
        assert_eq!(
            keys.below(CommitNumber(11), counts(21, 6), 1001),
            CommitNumber(0),
            "it may be the next but one"
        );
        assert_eq!(keys.below(CommitNumber(12), counts(22, 6), 1002), CommitNumber(2));
    }

    #[test]
    fn one_forgotten_key_stays() {
        let mut keys = ForgottenKeys::default();
        let counts = |forgotten| SubmitKeys { seen: 5, forgotten };
        keys.below(CommitNumber(1), counts(0), 0);
        for newest in (10..40).step_by(10) {
            assert_eq!(keys.below(CommitNumber(newest), counts(5), 1000), CommitNumber(0));
        }
        keys.below(CommitNumber(40), counts(6), 1000);
        assert_eq!(keys.below(CommitNumber(50), counts(6), 1000), CommitNumber(2));
    }
}
