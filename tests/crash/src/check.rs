//! Comparing what was acknowledged with what the server has and what reporting told. Pure.

use serde::Serialize;

use crate::ledger::{Book, Contradiction, Entry, Id, Possible};
use crate::names::agent_id;
use crate::picture::{Oddity, Picture, Seen};

/// An interaction as the server shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its id.
    pub id: Id,
    /// Its queue.
    pub queue: u8,
    /// The agent who handles it; 0 = nobody.
    pub owner: u16,
    /// The value of its properties; `None` when they contradict each other.
    pub value: Option<u32>,
}

/// All that the server shows.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Option<Row>>,
    twice: Vec<u32>,
    foreign: Vec<String>,
}

impl Rows {
    /// Takes one in. `None` as number: the submitter gave it none.
    pub fn add(&mut self, number: Option<u32>, id: &str, row: Row) {
        let Some(number) = number else {
            self.foreign.push(id.to_owned());
            return;
        };
        let index = number as usize;
        if self.rows.len() <= index {
            self.rows.resize(index + 1, None);
        }
        if self.rows[index].replace(row).is_some() {
            self.twice.push(number);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.iter().flatten().count() + self.twice.len() + self.foreign.len()
    }
}

/// What kind of promise is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something acknowledged is not there.
    Lost,
    /// Something is there twice, or was never asked for.
    Duplicated,
    /// Two have it.
    DoubleOwned,
    /// Reporting has a gap, or tells something else than the server shows.
    EventGap,
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The promise.
    pub kind: Kind,
    /// The interaction, when it is about one.
    pub number: Option<u32>,
    /// What is wrong.
    pub text: String,
}

/// Compares all of it. Whoever calls has made sure that nothing is on its way and that reporting has caught up.
pub fn check(book: &Book, picture: &Picture, rows: &Rows) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |kind, number, text| findings.push(Finding { kind, number, text });
    for contradiction in book.contradictions() {
        match *contradiction {
            Contradiction::TwoIds { number } => {
                found(Kind::Duplicated, Some(number), "two ids were acknowledged for one submit".to_owned());
            }
            Contradiction::TwoOwners { number, first, second } => found(
                Kind::DoubleOwned,
                Some(number),
                format!("{} accepted it while {} had it", agent_id(second), agent_id(first)),
            ),
        }
    }
    for oddity in picture.oddities() {
        let (kind, number) = match oddity {
            Oddity::SecondOwner { number, .. } => (Kind::DoubleOwned, Some(*number)),
            Oddity::NotOwner { number, .. } => (Kind::EventGap, Some(*number)),
            Oddity::Again { .. } => (Kind::Duplicated, None),
            Oddity::Gap { .. } | Oddity::NotHeld { .. } => (Kind::EventGap, None),
        };
        found(kind, number, format!("reporting: {oddity:?}"));
    }
    for number in &rows.twice {
        found(Kind::Duplicated, Some(*number), "the server has it twice".to_owned());
    }
    for id in &rows.foreign {
        found(Kind::Duplicated, None, format!("the server has {id}, which nobody submitted"));
    }
    let possible = book.open();
    let nothing = Possible::default();
    let all = book.entries().len().max(rows.rows.len()).max(picture.seen().len());
    for number in 0..all as u32 {
        let index = number as usize;
        let entry = book.entries().get(index).cloned().unwrap_or_default();
        let row = rows.rows.get(index).copied().flatten();
        let seen = picture.seen().get(index).copied().unwrap_or_default();
        let possible = possible.get(&number).unwrap_or(&nothing);
        for (kind, text) in check_one(&entry, possible, row.as_ref(), &seen) {
            found(kind, Some(number), text);
        }
    }
    findings
}

fn check_one(entry: &Entry, possible: &Possible, row: Option<&Row>, seen: &Seen) -> Vec<(Kind, String)> {
    let mut wrong = Vec::new();
    match row {
        Some(row) => {
            if !entry.sent {
                wrong.push((Kind::Duplicated, "the server has it, but nobody submitted it".to_owned()));
            }
            if entry.stopped {
                wrong.push((Kind::Lost, "its stop was acknowledged, but the server has it".to_owned()));
            }
            if entry.submitted && row.id != entry.id {
                wrong.push((Kind::Duplicated, "the server has it under another id".to_owned()));
            }
            if row.queue != entry.queue && !possible.queues.contains(&row.queue) {
                wrong.push((
                    Kind::Lost,
                    format!("it is in queue {}, acknowledged is {}", row.queue, entry.queue),
                ));
            }
            if row.value.is_none_or(|value| value != entry.value && !possible.values.contains(&value)) {
                let text = format!("its value is {:?}, acknowledged is {}", row.value, entry.value);
                wrong.push((Kind::Lost, text));
            }
            if row.owner != entry.owner && !possible.owners.contains(&row.owner) {
                let text =
                    format!("its owner is {} (0 = nobody), acknowledged is {}", row.owner, entry.owner);
                wrong.push((Kind::Lost, text));
            }
            let told = (seen.queue, seen.owner, Some(seen.value));
            if seen.submitted == 1 && told != (row.queue, row.owner, row.value) {
                wrong.push((
                    Kind::EventGap,
                    format!("reporting told {seen:?}, the server shows {row:?} otherwise"),
                ));
            }
        }
        None => {
            let ended = entry.stopped || possible.stopped;
            if entry.submitted && !ended {
                wrong.push((Kind::Lost, "it was acknowledged, but the server does not have it".to_owned()));
            }
        }
    }
    let is_known = row.is_some() || entry.submitted;
    let expected = (u8::from(is_known || seen.submitted > 0), u8::from(row.is_none() && is_known));
    if seen.submitted > expected.0 || seen.stopped > 1 {
        wrong.push((Kind::Duplicated, format!("reporting told it more than once: {seen:?}")));
    } else if seen.submitted < expected.0 || (is_known && seen.stopped != expected.1) {
        wrong.push((
            Kind::EventGap,
            format!("reporting told {seen:?}, but {expected:?} are its submit and stop"),
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Operation, Phase, Record};
    use crate::names;
    use ixn_proto::server_envelope::Event;
    use ixn_proto::{
        EventInteractionSubmitted, EventPartyAdded, EventProcessingStopped, InteractionProperties, PartyInfo,
        PartyType,
    };

    const ID: &str = "0000000000000003";
    const NUMBER: u32 = 0;

    /// One interaction that an agent has, as it should be everywhere.
    struct World {
        book: Book,
        picture: Picture,
        rows: Rows,
    }

    fn properties() -> Option<InteractionProperties> {
        Some(InteractionProperties {
            interaction_id: ID.into(),
            external_id: NUMBER.to_string(),
            queue: "work".into(),
            priority: names::priority(7),
            custom_properties: Some(names::value_data(7)),
            ..Default::default()
        })
    }

    fn acknowledged(book: &mut Book, operation: Operation, actor: u16, value: u32) {
        for phase in [Phase::Sent, Phase::Acknowledged] {
            book.apply(&Record { phase, operation, actor, number: NUMBER, value, id: names::id(ID) });
        }
    }

    fn row() -> Row {
        Row { id: names::id(ID), queue: names::WORK, owner: 2, value: Some(7) }
    }

    fn submitted() -> Event {
        Event::EventInteractionSubmitted(EventInteractionSubmitted {
            interaction: properties(),
            ..Default::default()
        })
    }

    fn accepted() -> Event {
        let party =
            PartyInfo { agent_id: agent_id(2), party_type: PartyType::Agent.into(), ..Default::default() };
        Event::EventPartyAdded(EventPartyAdded {
            interaction: properties(),
            party: Some(party),
            ..Default::default()
        })
    }

    fn stopped() -> Event {
        Event::EventProcessingStopped(EventProcessingStopped {
            interaction: properties(),
            ..Default::default()
        })
    }

    impl World {
        fn sound() -> Self {
            let mut world =
                Self { book: Book::default(), picture: Picture::default(), rows: Rows::default() };
            acknowledged(&mut world.book, Operation::Submit, 0, u32::from(names::WORK));
            acknowledged(&mut world.book, Operation::Accept, 2, 0);
            acknowledged(&mut world.book, Operation::Change, 2, 7);
            world.picture.apply(1, &submitted());
            world.picture.apply(2, &accepted());
            world
        }

        fn with(mut self, row: Row) -> Self {
            self.rows.add(Some(NUMBER), ID, row);
            self
        }

        fn kinds(&self) -> Vec<Kind> {
            check(&self.book, &self.picture, &self.rows).into_iter().map(|finding| finding.kind).collect()
        }
    }

    #[test]
    fn what_is_as_it_should_be_is_clean() {
        assert_eq!(World::sound().with(row()).kinds(), []);
    }

    #[test]
    fn a_lost_interaction_is_found() {
        assert!(World::sound().kinds().contains(&Kind::Lost));
    }

    #[test]
    fn a_lost_value_queue_or_owner_is_found() {
        for wrong in [
            Row { value: Some(6), ..row() },
            Row { value: None, ..row() },
            Row { queue: names::PARKED, ..row() },
            Row { owner: 0, ..row() },
        ] {
            assert!(World::sound().with(wrong).kinds().contains(&Kind::Lost), "{wrong:?}");
        }
    }

    #[test]
    fn a_lost_stop_is_found() {
        let mut world = World::sound().with(row());
        acknowledged(&mut world.book, Operation::Stop, 2, 0);
        assert!(world.kinds().contains(&Kind::Lost));
        let mut gone = World::sound();
        acknowledged(&mut gone.book, Operation::Stop, 2, 0);
        gone.picture.apply(3, &stopped());
        assert_eq!(gone.kinds(), []);
    }

    #[test]
    fn one_that_is_there_twice_or_that_nobody_submitted_is_found() {
        assert_eq!(World::sound().with(row()).with(row()).kinds(), [Kind::Duplicated]);
        let mut world = World::sound().with(row());
        world.rows.add(Some(5), "0000000000000005", row());
        assert!(world.kinds().contains(&Kind::Duplicated));
        let mut world = World::sound().with(row());
        world.rows.add(None, "foreign", row());
        assert_eq!(world.kinds(), [Kind::Duplicated]);
    }

    #[test]
    fn two_owners_are_found() {
        let mut world = World::sound().with(row());
        acknowledged(&mut world.book, Operation::Accept, 1, 0);
        assert!(world.kinds().contains(&Kind::DoubleOwned));
        let mut world = World::sound().with(row());
        world.picture.apply(3, &accepted());
        assert_eq!(world.kinds(), [Kind::DoubleOwned]);
    }

    #[test]
    fn gaps_and_repeats_of_events_are_found() {
        let mut world = World::sound().with(row());
        world.picture.begin_after(5);
        world.picture.apply(8, &Event::EventAck(Default::default()));
        assert_eq!(world.kinds(), [Kind::EventGap]);
        let mut world = World::sound().with(row());
        world.picture.apply(3, &submitted());
        assert_eq!(world.kinds(), [Kind::Duplicated]);
        let mut silent = World::sound().with(row());
        silent.picture = Picture::default();
        assert_eq!(silent.kinds(), [Kind::EventGap]);
    }

    #[test]
    fn what_has_no_answer_may_be_so_or_not() {
        let mut world = World::sound();
        let record = |operation, value| Record {
            phase: Phase::Sent,
            operation,
            actor: 2,
            number: NUMBER,
            value,
            id: names::id(ID),
        };
        world.book.apply(&record(Operation::Change, 8));
        assert_eq!(world.with(row()).kinds(), []);
        let mut world = World::sound();
        world.book.apply(&record(Operation::Stop, 0));
        world.picture.apply(3, &stopped());
        assert_eq!(world.kinds(), []);
    }
}
