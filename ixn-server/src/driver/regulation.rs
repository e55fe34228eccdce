//! Whether further requests are let in: the room that those in here take, for how long they have been here, and for how long
//! the database has not answered.

use std::time::{Duration, Instant};

use crate::intake::{Flow, Permit};

/// When requests have been in here for this long, unanswered, no further ones are let in until that is over.
const LAG: Duration = Duration::from_secs(1);
/// When a commit has been under way for this long, requests are refused instead of waiting.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);

/// What of the requests in here is not dealt with. A permit is let go of when what its request has changed is durable.
#[derive(Debug, Default)]
pub(super) struct Regulation {
    /// Of requests whose answers wait for the next commit.
    gathering: Vec<Permit>,
    /// Of requests whose answers wait for the commit under way.
    in_flight: Vec<Permit>,
    /// Since when a commit has been under way.
    commit_began: Option<Instant>,
    /// How long the oldest request of this turn had waited when it was taken.
    taken_after: Duration,
}

impl Regulation {
    /// A request was taken.
    pub(super) fn taken(&mut self, permit: Option<Permit>) {
        let age = permit.as_ref().map_or(Duration::ZERO, Permit::age);
        self.taken_after = self.taken_after.max(age);
        self.gathering.extend(permit);
    }

    /// A commit begins, or the same one is sent again: it carries all that has been taken.
    pub(super) fn commit_begins(&mut self, now: Instant) {
        self.commit_began.get_or_insert(now);
        self.in_flight.append(&mut self.gathering);
    }

    /// The commit is durable.
    pub(super) fn committed(&mut self) {
        self.commit_began = None;
        self.in_flight.clear();
    }

    /// Nothing waits for a commit; what waits for user data or for a match takes no room.
    pub(super) fn nothing_waits(&mut self) {
        self.gathering.clear();
    }

    /// What becomes of further requests, decided once a turn.
    pub(super) fn decide(&mut self) -> Flow {
        let oldest = self.in_flight.first().or(self.gathering.first());
        let lag = oldest.map_or(Duration::ZERO, Permit::age).max(std::mem::take(&mut self.taken_after));
        if self.commit_began.is_some_and(|began| began.elapsed() > DATABASE_PATIENCE) {
            Flow::Refusing
        } else if lag > LAG {
            Flow::Holding
        } else {
            Flow::Reading
        }
    }
}
