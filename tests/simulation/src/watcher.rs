//! A reporting engine: it must hear every event once and in order, or be told what it missed.

use ixn_proto::ServerEnvelope;
use ixn_proto::server_envelope::Event;

/// What one reporting engine has heard.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    /// The newest event that it knows everything up to.
    last: Option<u64>,
    /// Events that came while the state was on its way: the first, and the newest.
    beside_state: Option<(u64, u64)>,
    /// It waits for the end of a full state.
    awaits_state: bool,
}

impl Watcher {
    /// Where it would go on.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// It subscribes, from a number or anew.
    pub fn subscribed(&mut self, resume: Option<u64>) {
        *self = Self { last: resume, beside_state: None, awaits_state: resume.is_none() };
    }

    /// It has lost what was on its way.
    pub fn lost_connection(&mut self) {
        if self.awaits_state {
            self.last = None;
        }
        self.beside_state = None;
    }

    /// It hears something.
    pub fn hears(&mut self, envelope: &ServerEnvelope) {
        match &envelope.event {
            Some(Event::EventReportingGap(gap)) => {
                assert_eq!(Some(gap.asked), self.last, "a gap behind something else than what it knows");
                self.subscribed(None);
            }
            Some(Event::EventReportingState(_)) => {
                assert!(self.awaits_state, "a state that nobody asked for");
            }
            Some(Event::EventReportingStateEnd(end)) => {
                assert!(self.awaits_state, "the end of a state that nobody asked for");
                if let Some((first, _)) = self.beside_state {
                    assert_eq!(first, end.event_number + 1, "events go on where the state began");
                }
                self.last = Some(self.beside_state.map_or(end.event_number, |(_, newest)| newest));
                (self.awaits_state, self.beside_state) = (false, None);
            }
            Some(_) if envelope.event_number != 0 => self.hears_event(envelope.event_number),
            _ => {}
        }
    }

    fn hears_event(&mut self, number: u64) {
        if self.awaits_state {
            let (first, newest) = self.beside_state.unwrap_or((number, number - 1));
            assert_eq!(number, newest + 1, "an event is missing beside the state");
            self.beside_state = Some((first, number));
        } else {
            assert_eq!(Some(number), self.last.map(|last| last + 1), "an event is missing or came twice");
            self.last = Some(number);
        }
    }
}
