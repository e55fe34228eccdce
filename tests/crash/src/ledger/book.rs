//! What the records add up to: for each interaction what has been acknowledged, and what is of unknown outcome.

use std::collections::HashMap;

use super::record::{Id, Operation, Phase, Record};

/// No queue: the interaction was never acknowledged as submitted or placed.
pub const NO_QUEUE: u8 = 0;

/// What has been acknowledged of one interaction. Each field goes with the place in the ledger of the *sending* that set
/// it: a later sending wins, in whatever order the answers are written down.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// The id that the server gave it.
    pub id: Id,
    /// Its submit was sent.
    pub sent: bool,
    /// Its submit was acknowledged.
    pub submitted: bool,
    /// Its stop was acknowledged.
    pub stopped: bool,
    /// Its queue.
    pub queue: u8,
    queue_at: u32,
    /// The value of its properties.
    pub value: u32,
    value_at: u32,
    /// The agent who accepted it and has not given it away; 0 = nobody.
    pub owner: u16,
    owner_at: u32,
}

/// An operation that was sent and has no answer.
#[derive(Clone, Copy, Debug)]
struct Open {
    at: u32,
    value: u32,
}

/// Something that the ledger alone shows to be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Two ids were acknowledged for one submit.
    TwoIds {
        /// The interaction.
        number: u32,
    },
    /// An agent's accept was acknowledged while another had it.
    TwoOwners {
        /// The interaction.
        number: u32,
        /// Who had it.
        first: u16,
        /// Who got it too.
        second: u16,
    },
}

/// The state of the ledger.
#[derive(Debug, Default)]
pub struct Book {
    entries: Vec<Entry>,
    open: HashMap<(u32, Operation, u16), Open>,
    records: u32,
    acknowledged: [u64; 7],
    contradictions: Vec<Contradiction>,
}

impl Book {
    /// Takes a record in.
    pub fn apply(&mut self, record: &Record) {
        self.records += 1;
        let Record { operation, actor, number, value, .. } = *record;
        let index = number as usize;
        if self.entries.len() <= index {
            self.entries.resize(index + 1, Entry::default());
        }
        let key = (number, operation, actor);
        match record.phase {
            Phase::Sent => {
                self.open.insert(key, Open { at: self.records, value });
                let entry = &mut self.entries[index];
                entry.sent |= operation == Operation::Submit;
                // Whoever sends it away may have lost it from here on.
                if matches!(operation, Operation::Place | Operation::Stop) && entry.owner == actor {
                    entry.owner = 0;
                    entry.owner_at = self.records;
                }
            }
            Phase::Acknowledged => {
                let at = self.open.remove(&key).map_or(self.records, |open| open.at);
                self.acknowledge(record, at);
            }
            Phase::Refused => {
                let sent_at = self.open.remove(&key).map(|open| open.at);
                let entry = &mut self.entries[index];
                // Nothing was changed, so he has what he meant to send away.
                if matches!(operation, Operation::Place | Operation::Stop) && sent_at == Some(entry.owner_at)
                {
                    entry.owner = actor;
                }
            }
            Phase::Unknown => {}
        }
    }

    fn acknowledge(&mut self, record: &Record, at: u32) {
        let Record { operation, actor, number, value, id, .. } = *record;
        let entry = &mut self.entries[number as usize];
        self.acknowledged[operation as usize] += 1;
        match operation {
            Operation::Submit => {
                if entry.submitted && entry.id != id {
                    self.contradictions.push(Contradiction::TwoIds { number });
                }
                entry.submitted = true;
                entry.id = id;
                entry.set_queue(value as u8, at);
            }
            Operation::Accept if at > entry.owner_at => {
                if entry.owner != 0 && entry.owner != actor {
                    let (first, second) = (entry.owner, actor);
                    self.contradictions.push(Contradiction::TwoOwners { number, first, second });
                }
                (entry.owner, entry.owner_at) = (actor, at);
            }
            Operation::Accept | Operation::Reject => {}
            Operation::Change => {
                if at > entry.value_at {
                    (entry.value, entry.value_at) = (value, at);
                }
            }
            Operation::Place => entry.set_queue(value as u8, at),
            Operation::Stop => entry.stopped = true,
        }
    }

    /// What has been acknowledged of each interaction, by number.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How often this was acknowledged.
    pub fn acknowledged(&self, operation: Operation) -> u64 {
        self.acknowledged[operation as usize]
    }

    /// How many records there are.
    pub fn records(&self) -> u32 {
        self.records
    }

    /// What the ledger alone shows to be wrong.
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }

    /// What may be so although it was never acknowledged, by interaction.
    pub fn open(&self) -> HashMap<u32, Possible> {
        let mut possible = HashMap::<u32, Possible>::new();
        for (&(number, operation, actor), open) in &self.open {
            let Some(entry) = self.entries.get(number as usize) else { continue };
            let possible = possible.entry(number).or_default();
            match operation {
                Operation::Submit => possible.queues.push(open.value as u8),
                Operation::Place => {
                    if open.at > entry.queue_at {
                        possible.queues.push(open.value as u8);
                    }
                    possible.owners.extend([actor, 0]);
                }
                Operation::Change if open.at > entry.value_at => possible.values.push(open.value),
                Operation::Stop => {
                    possible.stopped = true;
                    // Not carried out, he has it still.
                    possible.owners.push(actor);
                }
                Operation::Accept => possible.owners.push(actor),
                Operation::Change | Operation::Reject => {}
            }
        }
        possible
    }
}

impl Entry {
    fn set_queue(&mut self, queue: u8, at: u32) {
        if at > self.queue_at {
            (self.queue, self.queue_at) = (queue, at);
        }
    }
}

/// What unanswered operations may have made of an interaction.
#[derive(Clone, Debug, Default)]
pub struct Possible {
    /// It may be stopped.
    pub stopped: bool,
    /// It may be in these queues.
    pub queues: Vec<u8>,
    /// Its properties may have these values.
    pub values: Vec<u32>,
    /// These may have it; 0 = nobody.
    pub owners: Vec<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(phase: Phase, operation: Operation, actor: u16, value: u32) -> Record {
        Record { phase, operation, actor, number: 3, value, id: *b"0000000000000003" }
    }

    #[test]
    fn a_later_sending_wins_in_whatever_order_the_answers_are_written_down() {
        let mut book = Book::default();
        book.apply(&record(Phase::Sent, Operation::Submit, 0, 1));
        book.apply(&record(Phase::Acknowledged, Operation::Submit, 0, 1));
        book.apply(&record(Phase::Sent, Operation::Accept, 1, 0));
        book.apply(&record(Phase::Acknowledged, Operation::Accept, 1, 0));
        book.apply(&record(Phase::Sent, Operation::Place, 1, 2));
        book.apply(&record(Phase::Sent, Operation::Accept, 2, 0));
        book.apply(&record(Phase::Acknowledged, Operation::Accept, 2, 0));
        book.apply(&record(Phase::Sent, Operation::Place, 2, 1));
        book.apply(&record(Phase::Acknowledged, Operation::Place, 2, 1));
        book.apply(&record(Phase::Acknowledged, Operation::Place, 1, 2));
        let entry = &book.entries()[3];
        assert_eq!((entry.queue, entry.owner), (1, 0));
        assert_eq!(book.contradictions(), []);
    }

    #[test]
    fn two_acknowledged_owners_contradict_each_other() {
        let mut book = Book::default();
        for actor in [1, 2] {
            book.apply(&record(Phase::Sent, Operation::Accept, actor, 0));
            book.apply(&record(Phase::Acknowledged, Operation::Accept, actor, 0));
        }
        assert_eq!(book.contradictions(), [Contradiction::TwoOwners { number: 3, first: 1, second: 2 }]);
    }

    #[test]
    fn two_ids_for_one_submit_contradict_each_other() {
        let mut book = Book::default();
        let mut submit = record(Phase::Acknowledged, Operation::Submit, 0, 1);
        book.apply(&submit);
        submit.id = *b"0000000000000004";
        book.apply(&submit);
        assert_eq!(book.contradictions(), [Contradiction::TwoIds { number: 3 }]);
    }

    #[test]
    fn whoever_was_refused_to_send_it_away_has_it_still() {
        let mut book = Book::default();
        book.apply(&record(Phase::Sent, Operation::Accept, 1, 0));
        book.apply(&record(Phase::Acknowledged, Operation::Accept, 1, 0));
        book.apply(&record(Phase::Sent, Operation::Stop, 1, 0));
        assert_eq!(book.entries()[3].owner, 0);
        book.apply(&record(Phase::Refused, Operation::Stop, 1, 0));
        assert_eq!(book.entries()[3].owner, 1);
    }

    #[test]
    fn what_has_no_answer_is_possible_and_what_was_refused_is_not() {
        let mut book = Book::default();
        book.apply(&record(Phase::Sent, Operation::Change, 1, 7));
        book.apply(&record(Phase::Unknown, Operation::Change, 1, 7));
        book.apply(&record(Phase::Sent, Operation::Stop, 1, 0));
        book.apply(&record(Phase::Refused, Operation::Stop, 1, 0));
        let possible = &book.open()[&3];
        assert_eq!((possible.stopped, &possible.values[..]), (false, &[7][..]));
    }
}
