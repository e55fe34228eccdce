//! One line of the ledger, of fixed size: so a million of them have a known size and a torn last one is harmless.

use std::fmt;

/// The size of an encoded record, bytes.
pub const RECORD_BYTES: usize = 32;

/// The id that the server gave, or zeros while it is not known.
pub type Id = [u8; 16];

/// What a client did with an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Submitted it; the value is its queue.
    Submit = 1,
    /// Accepted its offer.
    Accept = 2,
    /// Rejected its offer.
    Reject = 3,
    /// Changed its properties; the value is what it set.
    Change = 4,
    /// Placed it; the value is the queue.
    Place = 5,
    /// Stopped it.
    Stop = 6,
}

/// How far that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is about to be sent. Every operation begins with this.
    Sent = 1,
    /// The server acknowledged it.
    Acknowledged = 2,
    /// The server refused it, which says that nothing was changed.
    Refused = 3,
    /// Nobody knows.
    Unknown = 4,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// How far it has come.
    pub phase: Phase,
    /// What is done.
    pub operation: Operation,
    /// Who does it: an agent's number from 1, 0 = the submitter.
    pub actor: u16,
    /// The interaction, by the number that its submitter gave it.
    pub number: u32,
    /// What it is set to.
    pub value: u32,
    /// The server's id of it.
    pub id: Id,
}

impl Record {
    /// The record's bytes.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[0] = self.phase as u8;
        bytes[1] = self.operation as u8;
        bytes[2..4].copy_from_slice(&self.actor.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.number.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.value.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id);
        bytes
    }

    /// Reads a record; `None` when these bytes are none.
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let phase = match bytes[0] {
            1 => Phase::Sent,
            2 => Phase::Acknowledged,
            3 => Phase::Refused,
            4 => Phase::Unknown,
            _ => return None,
        };
        let operation = match bytes[1] {
            1 => Operation::Submit,
            2 => Operation::Accept,
            3 => Operation::Reject,
            4 => Operation::Change,
            5 => Operation::Place,
            6 => Operation::Stop,
            _ => return None,
        };
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let mut id = Id::default();
        id.copy_from_slice(&bytes[16..32]);
        let actor = u16::from_le_bytes([bytes[2], bytes[3]]);
        Some(Self { phase, operation, actor, number: word(4), value: word(8), id })
    }
}

impl fmt::Display for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { phase, operation, actor, number, value, id } = self;
        let id = String::from_utf8_lossy(id);
        let id = id.trim_end_matches('\0');
        write!(formatter, "{number} {operation:?} {phase:?} actor {actor} value {value} id {id}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record = Record {
            phase: Phase::Refused,
            operation: Operation::Place,
            actor: 513,
            number: 70_000,
            value: u32::MAX,
            id: *b"0123456789ABCDEF",
        };
        assert_eq!(Record::decode(&record.encode()), Some(record));
        assert_eq!(Record::decode(&[0; RECORD_BYTES]), None);
    }
}
