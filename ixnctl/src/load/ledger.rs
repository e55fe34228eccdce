//! What is known of every lifecycle, from its own clients and from reporting, and what follows from it. Pure.
//!
//! Memory is one fixed [`Slot`] a lifecycle, so that millions fit.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

/// A latency that was not measured.
const NONE: u32 = u32::MAX;

/// One lifecycle. Times are microseconds since the start.
#[derive(Clone, Copy, Debug)]
struct Slot {
    /// When it was to be submitted.
    intended: u64,
    /// The hash of the id that the server acknowledged; 0 = not acknowledged.
    id: u64,
    /// The hash of the id that reporting told first; 0 = none.
    reported_id: u64,
    /// From the intended instant to the acknowledgement.
    to_ack: u32,
    /// From the intended instant to the first offer.
    to_invite: u32,
    /// The agent who has it, as the answers to the agents say; 0 = nobody.
    holder: u32,
    /// The agent who has it, as reporting says; 0 = nobody.
    reported_holder: u32,
    /// How many submits reporting told.
    submits: u8,
    /// How many ends reporting told.
    stops: u8,
    /// It came to its end, as an answer or reporting said first.
    ended: bool,
    /// Two agents had it at the same time, or reporting told two ids.
    double_owned: bool,
    two_ids: bool,
}

const UNKNOWN: Slot = Slot {
    intended: 0,
    id: 0,
    reported_id: 0,
    to_ack: NONE,
    to_invite: NONE,
    holder: 0,
    reported_holder: 0,
    submits: 0,
    stops: 0,
    ended: false,
    double_owned: false,
    two_ids: false,
};

/// The ledger of one run.
#[derive(Debug)]
pub(crate) struct Ledger {
    slots: Vec<Slot>,
    /// From the intended instant to the sending, microseconds; the tool's own delay.
    late: Vec<u32>,
    counts: Counts,
    last_end: u64,
    error: Option<String>,
}

/// How far the lifecycles are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Submits sent.
    pub sent: u64,
    /// Submits acknowledged.
    pub acknowledged: u64,
    /// Submits refused for good.
    pub refused: u64,
    /// Lifecycles that came to their end.
    pub ended: u64,
    /// Lifecycles that were acknowledged and whose end was reported.
    pub confirmed: u64,
    /// Requests refused or left without an answer, refused submits among them.
    pub errors: u64,
    /// Accepts that came when the offer no longer stood.
    pub missed_offers: u64,
    /// Reporting events of any kind.
    pub events: u64,
    /// Times that reporting had lost events; what the ledger says then is not the whole truth.
    pub gaps: u64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Acknowledged, and not reported as stopped under that id.
    pub lost: u64,
    /// Reported as submitted or stopped more than once.
    pub duplicated: u64,
    /// Had by two agents at the same time.
    pub double_owned: u64,
}

impl Ledger {
    /// The ledger of so many lifecycles, numbered from 0.
    pub(crate) fn new(lifecycles: usize) -> Self {
        let (counts, late) = (Counts::default(), Vec::with_capacity(lifecycles));
        Self { slots: vec![UNKNOWN; lifecycles], late, counts, last_end: 0, error: None }
    }

    /// How far the lifecycles are.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Every lifecycle has come to its end and reporting has told so, but for those that were refused.
    pub(crate) fn is_complete(&self) -> bool {
        let Counts { acknowledged, refused, confirmed, .. } = self.counts;
        acknowledged + refused == self.slots.len() as u64 && confirmed == acknowledged
    }

    /// When the last one ended, microseconds since the start.
    pub(crate) fn last_end(&self) -> u64 {
        self.last_end
    }

    /// The first error, as a sentence.
    pub(crate) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    // --- what the clients see

    /// A submit is being sent, this long after it was to be.
    pub(crate) fn sent(&mut self, lifecycle: usize, intended: u64, now: u64) {
        self.counts.sent += 1;
        self.late.push(micros(intended, now));
        if let Some(slot) = self.slots.get_mut(lifecycle) {
            slot.intended = intended;
        }
    }

    /// The server acknowledged a submit.
    pub(crate) fn acknowledged(&mut self, lifecycle: usize, interaction_id: &str, now: u64) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        slot.id = hash(interaction_id);
        slot.to_ack = micros(slot.intended, now);
        self.counts.acknowledged += 1;
        self.counts.confirmed += u64::from(slot.stops > 0);
    }

    /// A submit was refused for good.
    pub(crate) fn refused(&mut self, error: &str) {
        self.counts.refused += 1;
        self.failed(error);
    }

    /// A request was refused, or its outcome stays unknown.
    pub(crate) fn failed(&mut self, error: &str) {
        self.counts.errors += 1;
        self.error.get_or_insert_with(|| error.to_owned());
    }

    /// An accept came when the offer no longer stood.
    pub(crate) fn missed_offer(&mut self) {
        self.counts.missed_offers += 1;
    }

    /// It was offered to an agent.
    pub(crate) fn invited(&mut self, lifecycle: usize, now: u64) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        if slot.to_invite == NONE {
            slot.to_invite = micros(slot.intended, now);
        }
    }

    /// The server told an agent that he has it.
    pub(crate) fn held(&mut self, lifecycle: usize, agent: u32) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        slot.double_owned |= slot.holder != 0 && slot.holder != agent;
        slot.holder = agent;
    }

    /// The agent no longer has it, or cannot know.
    pub(crate) fn released(&mut self, lifecycle: usize, agent: u32) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        if slot.holder == agent {
            slot.holder = 0;
        }
    }

    /// The server acknowledged its end.
    pub(crate) fn stop_acknowledged(&mut self, lifecycle: usize, now: u64) {
        self.ended(lifecycle, now);
    }

    // --- what reporting tells

    /// An event came.
    pub(crate) fn event(&mut self) {
        self.counts.events += 1;
    }

    /// Events were lost.
    pub(crate) fn gap(&mut self) {
        self.counts.gaps += 1;
    }

    /// It was submitted.
    pub(crate) fn reported_submit(&mut self, lifecycle: usize, interaction_id: &str) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        slot.submits = slot.submits.saturating_add(1);
        slot.told_id(interaction_id);
    }

    /// An agent got it.
    pub(crate) fn reported_agent_added(&mut self, lifecycle: usize, agent: u32) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        slot.double_owned |= slot.reported_holder != 0 && slot.reported_holder != agent;
        slot.reported_holder = agent;
    }

    /// An agent no longer has it.
    pub(crate) fn reported_agent_removed(&mut self, lifecycle: usize, agent: u32) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        if slot.reported_holder == agent {
            slot.reported_holder = 0;
        }
    }

    /// It ended.
    pub(crate) fn reported_stop(&mut self, lifecycle: usize, interaction_id: &str, now: u64) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        slot.stops = slot.stops.saturating_add(1);
        slot.told_id(interaction_id);
        slot.reported_holder = 0;
        self.counts.confirmed += u64::from(slot.stops == 1 && slot.id != 0);
        self.ended(lifecycle, now);
    }

    fn ended(&mut self, lifecycle: usize, now: u64) {
        let Some(slot) = self.slots.get_mut(lifecycle) else { return };
        if !slot.ended {
            slot.ended = true;
            self.counts.ended += 1;
            self.last_end = self.last_end.max(now);
        }
    }

    // --- what follows

    /// What is wrong, of what is known until now.
    pub(crate) fn faults(&self) -> Faults {
        let mut faults = Faults::default();
        for slot in &self.slots {
            let acknowledged = slot.id != 0;
            let told_under_that_id = slot.reported_id == slot.id || slot.two_ids;
            faults.lost += u64::from(acknowledged && (slot.stops == 0 || !told_under_that_id));
            faults.duplicated += u64::from(slot.submits > 1 || slot.stops > 1 || slot.two_ids);
            faults.double_owned += u64::from(slot.double_owned);
        }
        faults
    }

    /// From the intended instants to the acknowledgements, microseconds, in any order.
    pub(crate) fn to_ack(&self) -> Vec<u32> {
        self.slots.iter().map(|slot| slot.to_ack).filter(|micros| *micros != NONE).collect()
    }

    /// From the intended instants to the first offers, microseconds, in any order.
    pub(crate) fn to_invite(&self) -> Vec<u32> {
        self.slots.iter().map(|slot| slot.to_invite).filter(|micros| *micros != NONE).collect()
    }

    /// From the intended instants to the sendings, microseconds; they are forgotten.
    pub(crate) fn take_late(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.late)
    }
}

impl Slot {
    fn told_id(&mut self, interaction_id: &str) {
        let id = hash(interaction_id);
        if self.reported_id == 0 {
            self.reported_id = id;
        }
        self.two_ids |= self.reported_id != id;
    }
}

/// Never 0, which stands for none.
fn hash(interaction_id: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(interaction_id).max(1)
}

/// From one instant to a later one; the longest that is told is 71 minutes.
fn micros(from: u64, to: u64) -> u32 {
    u32::try_from(to.saturating_sub(from)).unwrap_or(NONE - 1).min(NONE - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One lifecycle without a fault: offered after 30 µs, ended after 50.
    fn lifecycle(ledger: &mut Ledger, number: usize, id: &str) {
        ledger.sent(number, 10, 12);
        ledger.acknowledged(number, id, 30);
        ledger.reported_submit(number, id);
        ledger.invited(number, 40);
        ledger.held(number, 1);
        ledger.reported_agent_added(number, 1);
        ledger.stop_acknowledged(number, 60);
        ledger.released(number, 1);
        ledger.reported_agent_removed(number, 1);
        ledger.reported_stop(number, id, 65);
    }

    #[test]
    fn a_whole_lifecycle_has_no_fault_and_its_latencies_count_from_the_intended_instant() {
        let mut ledger = Ledger::new(1);
        lifecycle(&mut ledger, 0, "a");
        assert!(ledger.is_complete());
        assert_eq!(ledger.faults(), Faults::default());
        assert_eq!((ledger.to_ack(), ledger.to_invite(), ledger.take_late()), (vec![20], vec![30], vec![2]));
        assert_eq!(ledger.last_end(), 60);
        let counts = ledger.counts();
        assert_eq!((counts.ended, counts.confirmed, counts.errors), (1, 1, 0));
    }

    #[test]
    fn what_was_acknowledged_and_never_reported_as_stopped_is_lost() {
        let mut ledger = Ledger::new(2);
        lifecycle(&mut ledger, 0, "a");
        ledger.sent(1, 0, 0);
        ledger.acknowledged(1, "b", 1);
        ledger.stop_acknowledged(1, 2);
        assert!(!ledger.is_complete(), "an acknowledged stop is not enough");
        assert_eq!(ledger.faults(), Faults { lost: 1, ..Default::default() });
    }

    #[test]
    fn the_end_of_another_id_does_not_find_what_is_lost() {
        let mut ledger = Ledger::new(1);
        ledger.acknowledged(0, "a", 1);
        ledger.reported_submit(0, "b");
        ledger.reported_stop(0, "b", 2);
        assert_eq!(ledger.faults(), Faults { lost: 1, ..Default::default() });
    }

    #[test]
    fn submitted_or_stopped_twice_is_duplicated() {
        let mut twice = Ledger::new(1);
        lifecycle(&mut twice, 0, "a");
        twice.reported_stop(0, "a", 70);
        assert_eq!(twice.faults(), Faults { duplicated: 1, ..Default::default() });
        assert_eq!(twice.counts().ended, 1);
        let mut another = Ledger::new(1);
        lifecycle(&mut another, 0, "a");
        another.reported_submit(0, "b");
        assert_eq!(another.faults(), Faults { duplicated: 1, ..Default::default() });
    }

    #[test]
    fn two_agents_at_a_time_are_seen_in_the_answers_and_in_reporting() {
        let mut answers = Ledger::new(1);
        answers.held(0, 1);
        answers.released(0, 2);
        answers.held(0, 2);
        assert_eq!(answers.faults().double_owned, 1);
        let mut reporting = Ledger::new(1);
        reporting.reported_agent_added(0, 1);
        reporting.reported_agent_added(0, 2);
        assert_eq!(reporting.faults().double_owned, 1);
        let mut in_turn = Ledger::new(1);
        in_turn.held(0, 1);
        in_turn.released(0, 1);
        in_turn.held(0, 2);
        in_turn.reported_agent_added(0, 1);
        in_turn.reported_agent_removed(0, 1);
        in_turn.reported_agent_added(0, 2);
        assert_eq!(in_turn.faults().double_owned, 0);
    }

    #[test]
    fn reporting_may_be_first_and_a_refused_submit_is_an_error() {
        let mut ledger = Ledger::new(2);
        ledger.reported_submit(0, "a");
        ledger.reported_stop(0, "a", 5);
        ledger.acknowledged(0, "a", 9);
        ledger.refused("no such queue");
        assert!(ledger.is_complete());
        assert_eq!(ledger.counts().errors, 1);
        assert_eq!(ledger.error(), Some("no such queue"));
        assert_eq!(ledger.faults(), Faults::default());
    }
}
