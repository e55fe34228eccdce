//! A reporting subscriber's place in the log: what it has been served, what it wants to hear of a commit, and whether
//! something that it should have heard is no longer held.

use bytes::{Buf, Bytes};
use ixn_proto::ServerEnvelope;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::commit::EventNumber;
use crate::engine::Subscription;

/// Tags of the workbin events inside a server envelope's oneof.
const WORKBIN_EVENTS: [u32; 2] = [110, 111];

/// The place of one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    served: EventNumber,
}

/// The events of a commit that are still to be looked at.
#[derive(Clone, Debug)]
pub struct CommitEvents {
    next: EventNumber,
    rest: Bytes,
}

impl CommitEvents {
    /// All events of a commit, as it holds them.
    pub fn new(first_event: EventNumber, events: Bytes) -> Self {
        Self { next: first_event, rest: events }
    }

    fn pop(&mut self) -> Option<(EventNumber, Bytes)> {
        let envelope = next_envelope(&mut self.rest)?;
        let number = self.next;
        self.next = number.next();
        Some((number, envelope))
    }
}

impl Cursor {
    /// The place behind this event.
    pub fn after(event: EventNumber) -> Self {
        Self { served: event }
    }

    /// The newest event that has been served or passed over.
    pub fn served(self) -> EventNumber {
        self.served
    }

    /// Whether events are gone that should have come before the commit whose first event this is.
    pub fn misses_events_before(self, first_event: EventNumber) -> bool {
        first_event > self.served.next()
    }

    /// The next event that the subscriber has not heard and wants to hear, encoded; passes over the others.
    pub fn next(&mut self, events: &mut CommitEvents, filter: &Subscription) -> Option<Bytes> {
        while let Some((number, envelope)) = events.pop() {
            if number <= self.served {
                continue;
            }
            self.served = number;
            if is_wanted(&envelope, filter) {
                return Some(envelope);
            }
        }
        None
    }
}

/// Whether a subscriber wants to hear an encoded event.
fn is_wanted(envelope: &Bytes, filter: &Subscription) -> bool {
    if !filter.workbins && event_tag(envelope).is_some_and(|tag| WORKBIN_EVENTS.contains(&tag)) {
        return false;
    }
    let Some(selection) = &filter.selection else { return true };
    let event = ServerEnvelope::decode(envelope.clone()).ok().and_then(|envelope| envelope.event);
    event.is_some_and(|event| selection.concerns(&event))
}

/// Takes the next length-delimited envelope off.
fn next_envelope(events: &mut Bytes) -> Option<Bytes> {
    if events.is_empty() {
        return None;
    }
    let length = usize::try_from(decode_varint(events).ok()?).ok()?;
    (length <= events.len()).then(|| events.split_to(length))
}

/// Which event an encoded envelope holds: the tag of its oneof.
fn event_tag(envelope: &Bytes) -> Option<u32> {
    let mut rest = envelope.clone();
    while !rest.is_empty() {
        let (tag, wire_type) = decode_key(&mut rest).ok()?;
        match wire_type {
            WireType::Varint => {
                decode_varint(&mut rest).ok()?;
            }
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
                if tag >= 10 {
                    return Some(tag);
                }
                if length > rest.len() {
                    return None;
                }
                rest.advance(length);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Selection;
    use ixn_proto::server_envelope::Event;
    use ixn_proto::{AgentInfo, EventAgentLogin, EventPlacedInWorkbin};

    fn encoded(event: Event) -> Bytes {
        let envelope = ServerEnvelope {
            event_number: 7,
            event_time_milliseconds: 1_800_000_000_000,
            event: Some(event),
            ..ServerEnvelope::default()
        };
        envelope.encode_to_vec().into()
    }

    fn login() -> Event {
        Event::EventAgentLogin(EventAgentLogin {
            agent: Some(AgentInfo { agent_id: "alice".into(), ..AgentInfo::default() }),
            ..EventAgentLogin::default()
        })
    }

    fn placed() -> Event {
        Event::EventPlacedInWorkbin(EventPlacedInWorkbin::default())
    }

    #[test]
    fn the_events_tag_is_found_without_decoding() {
        assert_eq!(event_tag(&encoded(placed())), Some(110));
    }

    #[test]
    fn a_subscriber_hears_what_it_asked_for() {
        let everything = Subscription { workbins: true, ..Subscription::default() };
        let only = |agent: &str| {
            let selection = Selection { agents: [agent.to_owned()].into(), ..Selection::default() };
            Subscription { selection: Some(selection), ..Subscription::default() }
        };
        let (placed, login) = (encoded(placed()), encoded(login()));
        assert!(is_wanted(&placed, &everything) && is_wanted(&login, &everything));
        assert!(!is_wanted(&placed, &Subscription::default()));
        assert!(is_wanted(&login, &only("alice")) && !is_wanted(&login, &only("bob")));
    }

    #[test]
    fn a_cursor_goes_on_behind_what_it_has_served_and_notices_what_is_missing() {
        let mut commit = Vec::new();
        for event in [login(), placed(), login()] {
            commit.extend(encoded_with_length(event));
        }
        let mut events = CommitEvents::new(EventNumber(5), commit.into());
        let mut cursor = Cursor::after(EventNumber(5));
        assert!(!cursor.misses_events_before(EventNumber(6)) && cursor.misses_events_before(EventNumber(7)));
        assert!(
            cursor.next(&mut events, &Subscription::default()).is_some(),
            "6 is about a workbin, 7 is not"
        );
        assert_eq!(cursor.served(), EventNumber(7));
        assert!(cursor.next(&mut events, &Subscription::default()).is_none());
    }

    fn encoded_with_length(event: Event) -> Vec<u8> {
        ServerEnvelope { event: Some(event), ..ServerEnvelope::default() }.encode_length_delimited_to_vec()
    }
}
