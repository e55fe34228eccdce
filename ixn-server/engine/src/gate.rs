//! The commit gate: nothing leaves before it is durable.
//!
//! The gate collects what engine steps put out, freezes a batch when none is under way, and decides what happens when
//! that batch is durable, of unknown outcome, fenced, or refused. It does no I/O: it answers [`Action`]s, the shell
//! carries them out and reports back. One commit is in flight; the next gathers.

use std::sync::Arc;
use std::time::Duration;

use crate::commit::{CommitBatch, CommitIdentity, CommitNumber};

/// How long to wait before a batch is sent again that the database could not take.
pub const RETRY_DELAY: Duration = Duration::from_millis(200);

/// What became of the commit in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is in the database.
    Durable,
    /// Nobody knows.
    Unknown,
    /// It certainly is not, and may be sent again.
    NotApplied,
    /// Another server has taken over.
    Fenced,
    /// The database refuses it as bad data; the text is the database's.
    Refused(String),
}

/// What the shell must do next.
#[derive(Debug, PartialEq)]
pub enum Action<O> {
    /// Hand these outputs out, in order: all they depend on is durable.
    Release {
        /// The newest durable commit.
        durable: CommitNumber,
        /// The batch that has just become durable, if that is why they leave; its events are for the subscribers.
        batch: Option<Arc<CommitBatch>>,
        /// The outputs.
        outputs: Vec<O>,
    },
    /// Write this batch, after a pause if there is one.
    Commit {
        /// The frozen batch.
        batch: Arc<CommitBatch>,
        /// How long to wait first.
        after: Duration,
    },
    /// Ask the log about this number.
    LookUp(CommitNumber),
    /// Drop the engine, close the sessions with a reason, leave.
    Fenced,
    /// A defect: keep the batch for whoever looks into it, and abort.
    Abort {
        /// The batch that was refused.
        batch: Arc<CommitBatch>,
        /// Why.
        reason: String,
    },
}

/// What the gate freezes: the engine, seen from here.
pub trait Source {
    /// Whether anything has changed since the last freeze.
    fn has_changes(&self) -> bool;
    /// Freezes the changes into the batch with this number.
    fn freeze(&mut self, number: CommitNumber) -> CommitBatch;
}

#[derive(Debug)]
struct InFlight<O> {
    batch: Arc<CommitBatch>,
    outputs: Vec<O>,
}

/// The gate.
#[derive(Debug)]
pub struct Gate<O> {
    durable: CommitNumber,
    in_flight: Option<InFlight<O>>,
    gathering: Vec<O>,
    is_held: bool,
}

impl<O> Gate<O> {
    /// A gate over a log whose newest record is `durable`.
    pub fn new(durable: CommitNumber) -> Self {
        Self { durable, in_flight: None, gathering: Vec::new(), is_held: false }
    }

    /// The newest durable commit.
    pub fn durable(&self) -> CommitNumber {
        self.durable
    }

    /// Whether a commit is in flight.
    pub fn is_committing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Whether anything waits behind the commit in flight.
    pub fn is_gathering(&self) -> bool {
        self.in_flight.is_some() && !self.gathering.is_empty()
    }

    /// Outputs that wait.
    pub fn waiting(&self) -> usize {
        self.gathering.len() + self.in_flight.as_ref().map_or(0, |flight| flight.outputs.len())
    }

    /// While held, changes gather and no batch is frozen: what gathers is one commit instead of many. Whoever holds must let
    /// go, and then call [`Gate::gathered`], with no outputs if there are none.
    pub fn hold(&mut self, is_held: bool) {
        self.is_held = is_held;
    }

    /// Takes the outputs of engine steps in.
    pub fn gathered(&mut self, outputs: Vec<O>, source: &mut impl Source) -> Vec<Action<O>> {
        if self.gathering.is_empty() {
            self.gathering = outputs;
        } else {
            self.gathering.extend(outputs);
        }
        self.proceed(source)
    }

    fn proceed(&mut self, source: &mut impl Source) -> Vec<Action<O>> {
        if self.in_flight.is_some() {
            return Vec::new();
        }
        if !source.has_changes() {
            let outputs = std::mem::take(&mut self.gathering);
            if outputs.is_empty() {
                return Vec::new();
            }
            return vec![Action::Release { durable: self.durable, batch: None, outputs }];
        }
        if self.is_held { Vec::new() } else { vec![self.freeze(source)] }
    }

    fn freeze(&mut self, source: &mut impl Source) -> Action<O> {
        let batch = Arc::new(source.freeze(self.durable.next()));
        let outputs = std::mem::take(&mut self.gathering);
        self.in_flight = Some(InFlight { batch: Arc::clone(&batch), outputs });
        Action::Commit { batch, after: Duration::ZERO }
    }

    /// Commits although nothing changed, unless a commit is in flight: shows that this server still owns the database.
    pub fn heartbeat(&mut self, source: &mut impl Source) -> Vec<Action<O>> {
        if self.in_flight.is_some() { Vec::new() } else { vec![self.freeze(source)] }
    }

    /// The commit in flight came back.
    pub fn completed(&mut self, outcome: Outcome, source: &mut impl Source) -> Vec<Action<O>> {
        let Some(flight) = self.in_flight.take() else { return Vec::new() };
        match outcome {
            Outcome::Durable => {
                self.durable = flight.batch.number;
                let mut actions = vec![Action::Release {
                    durable: self.durable,
                    batch: Some(flight.batch),
                    outputs: flight.outputs,
                }];
                actions.extend(self.proceed(source));
                actions
            }
            Outcome::Unknown => {
                let number = flight.batch.number;
                self.in_flight = Some(flight);
                vec![Action::LookUp(number)]
            }
            Outcome::NotApplied => {
                let batch = Arc::clone(&flight.batch);
                self.in_flight = Some(flight);
                vec![Action::Commit { batch, after: RETRY_DELAY }]
            }
            // The commit stays in flight for ever: nothing that depends on it, or comes behind it, may leave.
            Outcome::Fenced => {
                self.in_flight = Some(flight);
                vec![Action::Fenced]
            }
            Outcome::Refused(reason) => {
                let batch = Arc::clone(&flight.batch);
                self.in_flight = Some(flight);
                vec![Action::Abort { batch, reason }]
            }
        }
    }

    /// The log answered a [`Action::LookUp`].
    pub fn looked_up(&mut self, found: Option<CommitIdentity>, source: &mut impl Source) -> Vec<Action<O>> {
        let Some(flight) = &self.in_flight else { return Vec::new() };
        let ours = CommitIdentity { epoch: flight.batch.epoch, hash: flight.batch.hash };
        let outcome = match found {
            Some(identity) if identity == ours => Outcome::Durable,
            Some(_) => Outcome::Fenced,
            None => Outcome::NotApplied,
        };
        self.completed(outcome, source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commit::{Counters, Epoch, EventNumber};
    use bytes::Bytes;

    #[derive(Default)]
    struct Changes(usize);

    impl Source for Changes {
        fn has_changes(&self) -> bool {
            self.0 > 0
        }
        fn freeze(&mut self, number: CommitNumber) -> CommitBatch {
            self.0 = 0;
            CommitBatch {
                number,
                epoch: Epoch(1),
                first_event: EventNumber(1),
                last_event: EventNumber(0),
                counters: Counters::default(),
                at_milliseconds: 0,
                events: Bytes::new(),
                hot: Vec::new(),
                cold: Vec::new(),
                deleted: Vec::new(),
                agents: Vec::new(),
                deleted_agents: Vec::new(),
                idempotency: Vec::new(),
                hash: 99,
            }
        }
    }

    fn commits(actions: &[Action<&'static str>]) -> Vec<u64> {
        actions
            .iter()
            .filter_map(|action| match action {
                Action::Commit { batch, .. } => Some(batch.number.0),
                _ => None,
            })
            .collect()
    }

    fn releases(actions: &[Action<&'static str>]) -> Vec<(u64, Vec<&'static str>)> {
        actions
            .iter()
            .filter_map(|action| match action {
                Action::Release { durable, outputs, .. } => Some((durable.0, outputs.clone())),
                _ => None,
            })
            .collect()
    }

    /// The batch of the only action, a commit after this time.
    fn the_batch(actions: &[Action<&'static str>], after_this: Duration) -> Arc<CommitBatch> {
        match actions {
            [Action::Commit { batch, after }] if *after == after_this => Arc::clone(batch),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_read_waits_for_the_commit_that_it_may_depend_on() {
        let mut gate = Gate::new(CommitNumber(4));
        let mut changes = Changes(1);
        let first = gate.gathered(vec!["answer to a write"], &mut changes);
        assert_eq!(commits(&first), [5]);
        assert!(gate.gathered(vec!["read"], &mut changes).is_empty(), "the write may show in the read");
        let released = gate.completed(Outcome::Durable, &mut changes);
        assert_eq!(releases(&released), [(5, vec!["answer to a write"]), (5, vec!["read"])]);
    }

    #[test]
    fn an_idle_gate_lets_reads_through_at_once() {
        let mut gate = Gate::new(CommitNumber(4));
        let actions = gate.gathered(vec!["read"], &mut Changes(0));
        assert_eq!(releases(&actions), [(4, vec!["read"])]);
    }

    #[test]
    fn what_changes_while_a_commit_is_in_flight_goes_into_the_next() {
        let mut gate = Gate::new(CommitNumber(0));
        let mut changes = Changes(1);
        gate.gathered(vec!["a"], &mut changes);
        changes.0 = 1;
        assert!(gate.gathered(vec!["b"], &mut changes).is_empty());
        let actions = gate.completed(Outcome::Durable, &mut changes);
        assert_eq!(commits(&actions), [2]);
        assert!(matches!(&actions[0], Action::Release { outputs, .. } if outputs == &["a"]));
    }

    #[test]
    fn what_changes_while_the_gate_is_held_becomes_one_batch_when_it_is_let_go() {
        let mut gate = Gate::new(CommitNumber(0));
        let mut changes = Changes(1);
        gate.gathered(vec!["a"], &mut changes);
        changes.0 = 1;
        gate.hold(true);
        assert!(gate.gathered(vec!["b"], &mut changes).is_empty());
        assert_eq!(releases(&gate.completed(Outcome::Durable, &mut changes)), [(1, vec!["a"])]);
        assert!(gate.gathered(vec!["read"], &mut changes).is_empty(), "a change may show in the read");
        gate.hold(false);
        assert_eq!(commits(&gate.gathered(Vec::new(), &mut changes)), [2]);
        let released = gate.completed(Outcome::Durable, &mut changes);
        assert_eq!(releases(&released), [(2, vec!["b", "read"])]);
    }

    #[test]
    fn an_unknown_outcome_is_looked_up_and_the_same_batch_sent_again_when_it_is_not_there() {
        let mut gate = Gate::new(CommitNumber(0));
        let mut changes = Changes(1);
        let sent = the_batch(&gate.gathered(vec!["a"], &mut changes), Duration::ZERO);
        // What changes meanwhile is not in it.
        changes.0 = 1;
        assert!(gate.gathered(vec!["b"], &mut changes).is_empty());
        assert_eq!(gate.completed(Outcome::Unknown, &mut changes), vec![Action::LookUp(CommitNumber(1))]);
        let again = the_batch(&gate.looked_up(None, &mut changes), RETRY_DELAY);
        assert!(Arc::ptr_eq(&sent, &again));
        let once_more = the_batch(&gate.completed(Outcome::NotApplied, &mut changes), RETRY_DELAY);
        assert!(Arc::ptr_eq(&sent, &once_more));
        gate.completed(Outcome::Unknown, &mut changes);
        let found = CommitIdentity { epoch: Epoch(1), hash: 99 };
        let released = gate.looked_up(Some(found), &mut changes);
        assert_eq!((releases(&released), commits(&released)), (vec![(1, vec!["a"])], vec![2]));
    }

    #[test]
    fn another_batch_under_our_number_is_the_end() {
        let mut gate = Gate::new(CommitNumber(0));
        let mut changes = Changes(1);
        gate.gathered(vec!["a"], &mut changes);
        gate.completed(Outcome::Unknown, &mut changes);
        let other = CommitIdentity { epoch: Epoch(2), hash: 1 };
        assert_eq!(gate.looked_up(Some(other), &mut changes), vec![Action::Fenced]);
        assert!(gate.gathered(vec!["depends on it"], &mut changes).is_empty(), "nothing leaves any more");
        assert!(gate.heartbeat(&mut changes).is_empty());
    }

    #[test]
    fn a_refused_batch_is_kept_and_nothing_of_it_leaves() {
        let mut gate = Gate::new(CommitNumber(0));
        let mut changes = Changes(1);
        gate.gathered(vec!["a"], &mut changes);
        let actions = gate.completed(Outcome::Refused("bad".into()), &mut changes);
        assert!(matches!(&actions[..], [Action::Abort { reason, .. }] if reason == "bad"));
        assert!(gate.gathered(vec!["depends on it"], &mut changes).is_empty(), "nothing leaves any more");
    }

    #[test]
    fn a_heartbeat_commits_nothing_new_and_only_when_idle() {
        let mut gate = Gate::<&str>::new(CommitNumber(7));
        let mut changes = Changes(0);
        assert_eq!(commits(&gate.heartbeat(&mut changes)), [8]);
        assert!(gate.heartbeat(&mut changes).is_empty());
    }
}
