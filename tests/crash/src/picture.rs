//! What reporting told: for each interaction where it stands by the events, and a fingerprint of the events themselves.

use ixn_proto::server_envelope::Event;
use ixn_proto::{InteractionProperties, PartyInfo, PartyType};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::names::{agent_number, interaction_number, queue_number, value};

/// One interaction as reporting told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// How often its submit was told.
    pub submitted: u8,
    /// How often its end was told.
    pub stopped: u8,
    /// The queue that the last event named.
    pub queue: u8,
    /// The agent who is a party.
    pub owner: u16,
    /// How many strategies are parties.
    pub strategies: u8,
    /// The value of its properties.
    pub value: u32,
}

/// Something wrong with the events alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Events are missing before this one.
    Gap {
        /// The last number before.
        last: u64,
        /// The number that came.
        came: u64,
    },
    /// A number came again, or an older one.
    Again {
        /// The last number before.
        last: u64,
        /// The number that came.
        came: u64,
    },
    /// The server said that it no longer holds what was asked for.
    NotHeld {
        /// The number after which events were asked for.
        asked: u64,
    },
    /// A second agent or router became a party.
    SecondOwner {
        /// The interaction.
        number: u32,
        /// The event's number.
        event: u64,
        /// Who is there twice.
        who: String,
    },
    /// It was taken from a party that did not have it.
    NotOwner {
        /// The interaction.
        number: u32,
        /// The event's number.
        event: u64,
        /// From whom.
        who: String,
    },
}

/// The sum of the events.
#[derive(Debug, Default)]
pub struct Picture {
    seen: Vec<Seen>,
    last: u64,
    oddities: Vec<Oddity>,
}

impl Picture {
    /// Takes an event in.
    pub fn apply(&mut self, number: u64, event: &Event) {
        if number <= self.last {
            self.oddities.push(Oddity::Again { last: self.last, came: number });
            return;
        }
        if number != self.last + 1 {
            self.oddities.push(Oddity::Gap { last: self.last, came: number });
        }
        self.last = number;
        let Some((interaction, what)) = step(event) else { return };
        let Some(index) = interaction_number(interaction) else { return };
        if self.seen.len() <= index as usize {
            self.seen.resize(index as usize + 1, Seen::default());
        }
        let seen = &mut self.seen[index as usize];
        seen.queue = queue_number(&interaction.queue);
        // One that hot properties contradict shows as a value that nobody ever set.
        seen.value = value(interaction).unwrap_or(u32::MAX);
        match what {
            Step::Submitted => seen.submitted = seen.submitted.saturating_add(1),
            Step::Stopped => seen.stopped = seen.stopped.saturating_add(1),
            Step::Added(party) => {
                let who = described(party);
                let odd = if party.party_type() == PartyType::Strategy {
                    seen.strategies += 1;
                    seen.strategies > 1
                } else {
                    let before = seen.owner;
                    seen.owner = agent_number(&party.agent_id);
                    before != 0
                };
                if odd {
                    self.oddities.push(Oddity::SecondOwner { number: index, event: number, who });
                }
            }
            Step::Removed(party) => {
                let who = described(party);
                let odd = if party.party_type() == PartyType::Strategy {
                    let before = seen.strategies;
                    seen.strategies = before.saturating_sub(1);
                    before != 1
                } else {
                    let before = seen.owner;
                    seen.owner = 0;
                    before != agent_number(&party.agent_id)
                };
                if odd {
                    self.oddities.push(Oddity::NotOwner { number: index, event: number, who });
                }
            }
            Step::Other => {}
        }
    }

    /// Notes that the server did not hold what was asked for.
    pub fn not_held(&mut self, asked: u64) {
        self.oddities.push(Oddity::NotHeld { asked });
    }

    /// Begins after this number.
    pub fn begin_after(&mut self, number: u64) {
        self.last = number;
    }

    /// The number of the last event.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// What was told of each interaction, by number.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// What was wrong with the events alone.
    pub fn oddities(&self) -> &[Oddity] {
        &self.oddities
    }
}

/// The fingerprint of events up to and with this one. The same events read again must have the same.
pub fn fingerprint(before: u64, number: u64, time_milliseconds: i64, event: &Event) -> u64 {
    let mut bytes = Vec::with_capacity(96);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&time_milliseconds.to_le_bytes());
    if let Some((interaction, step)) = step(event) {
        bytes.extend_from_slice(interaction.interaction_id.as_bytes());
        bytes.extend_from_slice(interaction.external_id.as_bytes());
        bytes.extend_from_slice(interaction.queue.as_bytes());
        bytes.extend_from_slice(&interaction.priority.to_le_bytes());
        match step {
            Step::Submitted => bytes.push(1),
            Step::Stopped => bytes.push(2),
            Step::Added(party) => bytes.extend_from_slice(party.agent_id.as_bytes()),
            Step::Removed(party) => bytes.extend_from_slice(party.agent_id.as_bytes()),
            Step::Other => {}
        }
    }
    xxh3_64_with_seed(&bytes, before)
}

/// What an event about an interaction says that matters here.
enum Step<'a> {
    Submitted,
    Stopped,
    Added(&'a PartyInfo),
    Removed(&'a PartyInfo),
    Other,
}

fn step(event: &Event) -> Option<(&InteractionProperties, Step<'_>)> {
    let (interaction, step) = match event {
        Event::EventInteractionSubmitted(event) => (&event.interaction, Step::Submitted),
        Event::EventProcessingStopped(event) => (&event.interaction, Step::Stopped),
        Event::EventPartyAdded(event) => (&event.interaction, Step::Added(event.party.as_ref()?)),
        Event::EventPartyRemoved(event) => (&event.interaction, Step::Removed(event.party.as_ref()?)),
        Event::EventPropertiesChanged(event) => (&event.interaction, Step::Other),
        Event::EventPlacedInQueue(event) => (&event.interaction, Step::Other),
        Event::EventTakenFromQueue(event) => (&event.interaction, Step::Other),
        Event::EventAgentInvited(event) => (&event.interaction, Step::Other),
        Event::EventRejected(event) => (&event.interaction, Step::Other),
        Event::EventRevoked(event) => (&event.interaction, Step::Other),
        _ => return None,
    };
    Some((interaction.as_ref()?, step))
}

fn described(party: &PartyInfo) -> String {
    if party.party_type() == PartyType::Strategy { party.strategy_id.clone() } else { party.agent_id.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::{EventInteractionSubmitted, EventPartyAdded};

    fn interaction(number: u32) -> Option<InteractionProperties> {
        Some(InteractionProperties {
            external_id: number.to_string(),
            queue: "work".into(),
            ..Default::default()
        })
    }

    fn submitted(number: u32) -> Event {
        Event::EventInteractionSubmitted(EventInteractionSubmitted {
            interaction: interaction(number),
            ..Default::default()
        })
    }

    fn accepted(number: u32, agent: &str) -> Event {
        let party =
            PartyInfo { agent_id: agent.into(), party_type: PartyType::Agent.into(), ..Default::default() };
        Event::EventPartyAdded(EventPartyAdded {
            interaction: interaction(number),
            party: Some(party),
            ..Default::default()
        })
    }

    #[test]
    fn a_missing_and_a_repeated_number_are_seen() {
        let mut picture = Picture::default();
        for number in [1, 3, 3, 4] {
            picture.apply(number, &submitted(number as u32));
        }
        let expected = [Oddity::Gap { last: 1, came: 3 }, Oddity::Again { last: 3, came: 3 }];
        assert_eq!(picture.oddities(), expected);
        assert_eq!(picture.seen()[3].submitted, 1);
    }

    #[test]
    fn a_second_agent_is_seen() {
        let mut picture = Picture::default();
        picture.apply(1, &accepted(0, "agent-00001"));
        picture.apply(2, &accepted(0, "agent-00002"));
        assert_eq!(
            picture.oddities(),
            [Oddity::SecondOwner { number: 0, event: 2, who: "agent-00002".into() }]
        );
    }

    #[test]
    fn other_events_have_another_fingerprint() {
        let one = fingerprint(0, 1, 5, &submitted(1));
        assert_eq!(one, fingerprint(0, 1, 5, &submitted(1)));
        for other in [fingerprint(0, 2, 5, &submitted(1)), fingerprint(0, 1, 5, &submitted(2))] {
            assert_ne!(one, other);
        }
        assert_ne!(one, fingerprint(one, 1, 5, &submitted(1)));
    }
}
