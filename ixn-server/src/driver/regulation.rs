//! The pace: whether further requests are let in (by the room that those in here take, for how long they have been here, and
//! for how long the database has not answered), when the next commit may begin, and how long the thread may sleep. It is told
//! the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::intake::{Flow, Permit};

/// When requests have been in here for this long, unanswered, no further ones are let in until that is over.
const LAG: Duration = Duration::from_secs(1);
/// When a commit has been under way for this long, nobody's time runs out until it ends: nobody can be answered.
const SILENCE: Duration = Duration::from_secs(1);
/// When a commit has been under way for this long, requests are refused instead of waiting.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);
/// The longest the thread sleeps.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);
/// The longest it sleeps while requests are held: nobody else wakes it when they need not be any more.
const HOLDING_SLEEP: Duration = Duration::from_millis(5);
/// How long after one commit began the next begins at the soonest. On a database that answers at once a server with little to
/// do would otherwise commit every single request, and do for each what it can do for many: that takes the processor that
/// others on the machine need, and makes no client noticeably faster.
const COMMIT_SPACING: Duration = Duration::from_millis(1);

/// What of the requests in here is not dealt with. A permit is let go of when what its request has changed is durable.
#[derive(Debug, Default)]
pub(super) struct Regulation {
    /// Of requests whose answers wait for the next commit.
    gathering: Vec<Permit>,
    /// Of requests whose answers wait for the commit under way.
    in_flight: Vec<Permit>,
    /// Of requests that were taken when user data was asked for, with how many rows had been asked for by then. Which of them
    /// wait for it is not known: all of them do.
    loading: VecDeque<(u64, Vec<Permit>)>,
    rows_asked: u64,
    rows_loaded: u64,
    /// Since when a commit has been under way.
    commit_began: Option<Instant>,
    /// When the next one may begin.
    next_commit_at: Option<Instant>,
    /// Since when something has been waiting behind the commit under way.
    gathering_since: Option<Instant>,
    /// How long the oldest request of this turn had waited when it was taken.
    taken_after: Duration,
    /// What was decided last.
    flow: Flow,
    /// Whether the database has not answered for so long that nobody's time may run out.
    is_silent: bool,
}

impl Regulation {
    /// A request was taken.
    pub(super) fn taken(&mut self, permit: Option<Permit>, now: Instant) {
        let age = permit.as_ref().map_or(Duration::ZERO, |permit| permit.age(now));
        self.taken_after = self.taken_after.max(age);
        self.gathering.extend(permit);
    }

    /// A batch is frozen and its commit begins: it carries all that has been taken. While one is under way it is that same one,
    /// sent again, which carries nothing new.
    pub(super) fn commit_begins(&mut self, now: Instant) {
        if self.commit_began.is_some() {
            return;
        }
        self.commit_began = Some(now);
        self.next_commit_at = Some(now + COMMIT_SPACING);
        self.gathering_since = None;
        self.in_flight.append(&mut self.gathering);
    }

    /// The commit is durable.
    pub(super) fn durable(&mut self) {
        self.commit_began = None;
        self.in_flight.clear();
    }

    /// So many rows of user data are asked for; they come in this order.
    pub(super) fn asked_for(&mut self, rows: usize) {
        self.rows_asked += rows as u64;
        if !self.gathering.is_empty() {
            self.loading.push_back((self.rows_asked, std::mem::take(&mut self.gathering)));
        }
    }

    /// So many have come: what waited for them is carried out now.
    pub(super) fn loaded(&mut self, rows: usize) {
        self.rows_loaded += rows as u64;
        while let Some((_, mut permits)) = self.loading.pop_front_if(|(until, _)| *until <= self.rows_loaded)
        {
            self.gathering.append(&mut permits);
        }
    }

    /// Nothing waits for a commit; what waits for a match takes no room.
    pub(super) fn nothing_waits(&mut self) {
        self.gathering.clear();
    }

    /// How long until the next commit may begin.
    pub(super) fn until_commit(&self, now: Instant) -> Duration {
        self.next_commit_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// What becomes of further requests, decided once a turn; whether something waits behind the commit under way.
    pub(super) fn decide(&mut self, now: Instant, is_gathering: bool) -> Flow {
        self.gathering_since = is_gathering.then(|| self.gathering_since.unwrap_or(now));
        let oldest = self.in_flight.first().or(self.gathering.first());
        let lag = oldest.map_or(Duration::ZERO, |permit| permit.age(now));
        let lag = lag.max(std::mem::take(&mut self.taken_after));
        let is_away = |began| now.saturating_duration_since(began) > DATABASE_PATIENCE;
        self.flow = if self.commit_began.is_some_and(is_away) {
            Flow::Refusing
        } else if lag > LAG {
            Flow::Holding
        } else {
            Flow::Reading
        };
        self.flow
    }

    /// Whether the database has begun to be silent since the last call, or ceased to be.
    pub(super) fn silence(&mut self, now: Instant) -> Option<bool> {
        let is_long = |began| now.saturating_duration_since(began) > SILENCE;
        let is_silent = self.commit_began.is_some_and(is_long);
        let was_silent = std::mem::replace(&mut self.is_silent, is_silent);
        (is_silent != was_silent).then_some(is_silent)
    }

    /// Since when something has been waiting behind the commit under way.
    pub(super) fn gathering_since(&self) -> Option<Instant> {
        self.gathering_since
    }

    /// How long the thread may sleep, whatever the engine says.
    pub(super) fn longest_sleep(&self) -> Duration {
        if self.flow == Flow::Holding { HOLDING_SLEEP } else { LONGEST_SLEEP }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    const MILLISECOND: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// Permits of a room of ten, and the moment at which the first was given.
    struct Room(Arc<Semaphore>, Instant);

    impl Room {
        fn new() -> Self {
            Self(Arc::new(Semaphore::new(10)), Instant::now())
        }

        fn permit(&self, after: Duration) -> Option<Permit> {
            Some(Permit::admitted(&self.0, self.1 + after))
        }

        fn taken(&self) -> usize {
            10 - self.0.available_permits()
        }
    }

    #[test]
    fn a_request_has_its_room_until_the_commit_that_carries_it_is_durable() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let began = room.1;
        regulation.taken(room.permit(Duration::ZERO), began);
        regulation.commit_begins(began);
        regulation.taken(room.permit(Duration::ZERO), began);
        assert_eq!(room.taken(), 2);
        regulation.durable();
        assert_eq!(room.taken(), 1, "the second waits for the next commit");
        regulation.commit_begins(began + SECOND);
        regulation.durable();
        assert_eq!(room.taken(), 0);
        regulation.taken(room.permit(Duration::ZERO), began);
        regulation.nothing_waits();
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn a_batch_that_is_sent_again_carries_no_request_that_came_since_and_is_as_old_as_it_was() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let began = room.1;
        regulation.taken(room.permit(Duration::ZERO), began);
        regulation.commit_begins(began);
        let later = began + DATABASE_PATIENCE + MILLISECOND;
        regulation.taken(room.permit(DATABASE_PATIENCE), later);
        regulation.decide(later, true);
        regulation.commit_begins(later);
        assert_eq!(regulation.gathering_since(), Some(later));
        assert_eq!(regulation.decide(later, true), Flow::Refusing);
        regulation.durable();
        assert_eq!(room.taken(), 1);
    }

    #[test]
    fn what_may_wait_for_user_data_has_its_room_until_that_has_come_and_the_next_commit_is_durable() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let began = room.1;
        regulation.asked_for(1);
        for rows in [2, 1] {
            regulation.taken(room.permit(Duration::ZERO), began);
            regulation.asked_for(rows);
        }
        regulation.nothing_waits();
        regulation.commit_begins(began);
        regulation.durable();
        assert_eq!(room.taken(), 2);
        regulation.loaded(2);
        regulation.nothing_waits();
        assert_eq!(room.taken(), 2, "one of the rows that the first asked for is missing");
        regulation.loaded(1);
        regulation.commit_begins(began);
        assert_eq!(room.taken(), 2);
        regulation.durable();
        assert_eq!(room.taken(), 1);
        regulation.loaded(1);
        regulation.nothing_waits();
        assert_eq!(room.taken(), 0);
    }

    #[test]
    fn what_has_been_in_here_for_too_long_holds_others_off() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let began = room.1;
        regulation.taken(room.permit(Duration::ZERO), began);
        regulation.commit_begins(began);
        assert_eq!(regulation.decide(began + LAG, false), Flow::Reading);
        assert_eq!(regulation.longest_sleep(), LONGEST_SLEEP);
        assert_eq!(regulation.decide(began + LAG + MILLISECOND, false), Flow::Holding);
        assert_eq!(regulation.longest_sleep(), HOLDING_SLEEP);
        regulation.durable();
        assert_eq!(regulation.decide(began + LAG + MILLISECOND, false), Flow::Reading);
    }

    #[test]
    fn what_was_taken_late_holds_others_off_for_a_turn_although_it_is_done() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let late = room.1 + LAG + MILLISECOND;
        regulation.taken(room.permit(Duration::ZERO), late);
        regulation.nothing_waits();
        assert_eq!(regulation.decide(late, false), Flow::Holding);
        assert_eq!(regulation.decide(late, false), Flow::Reading);
    }

    #[test]
    fn a_database_that_is_away_for_long_lets_requests_be_refused_until_it_answers() {
        let (room, mut regulation) = (Room::new(), Regulation::default());
        let began = room.1;
        regulation.taken(room.permit(Duration::ZERO), began);
        regulation.commit_begins(began);
        assert_eq!(regulation.decide(began + DATABASE_PATIENCE, false), Flow::Holding);
        assert_eq!(regulation.decide(began + DATABASE_PATIENCE + MILLISECOND, false), Flow::Refusing);
        regulation.durable();
        assert_eq!(regulation.decide(began + DATABASE_PATIENCE + MILLISECOND, false), Flow::Reading);
    }

    #[test]
    fn a_database_is_silent_from_a_while_after_a_commit_began_until_it_is_durable_and_that_is_told_once() {
        let mut regulation = Regulation::default();
        let began = Instant::now();
        regulation.commit_begins(began);
        assert_eq!(regulation.silence(began + SILENCE), None);
        assert_eq!(regulation.silence(began + SILENCE + MILLISECOND), Some(true));
        assert_eq!(regulation.silence(began + SECOND * 60), None);
        regulation.durable();
        // Another one begins at once.
        regulation.commit_begins(began + SECOND * 60);
        assert_eq!(regulation.silence(began + SECOND * 60), Some(false));
        assert_eq!(regulation.silence(began + SECOND * 60), None);
    }

    #[test]
    fn commits_begin_a_little_apart() {
        let mut regulation = Regulation::default();
        let now = Instant::now();
        assert_eq!(regulation.until_commit(now), Duration::ZERO);
        regulation.commit_begins(now);
        assert_eq!(regulation.until_commit(now), COMMIT_SPACING);
        assert_eq!(regulation.until_commit(now + SECOND), Duration::ZERO);
    }

    #[test]
    fn what_waits_behind_a_commit_is_known_since_when_until_it_is_let_go_or_frozen() {
        let mut regulation = Regulation::default();
        let now = Instant::now();
        regulation.commit_begins(now);
        regulation.decide(now, true);
        regulation.decide(now + SECOND, true);
        assert_eq!(regulation.gathering_since(), Some(now));
        regulation.decide(now + SECOND, false);
        assert_eq!(regulation.gathering_since(), None);
        regulation.decide(now + SECOND, true);
        regulation.durable();
        regulation.commit_begins(now + SECOND);
        assert_eq!(regulation.gathering_since(), None);
    }
}
