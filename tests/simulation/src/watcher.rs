//! A reporting engine: it must hear every event once and in order, or be told what it missed, and get a full state that is
//! one.

use ixn_proto::ServerEnvelope;
use ixn_proto::server_envelope::Event;

use crate::replay::Replay;
use crate::shown::FullState;

/// What one reporting engine has heard.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    /// The newest event that it knows everything up to.
    last: Option<u64>,
    /// Events that came while the state was on its way: the first, and the newest.
    beside_state: Option<(u64, u64)>,
    /// The full state whose end it waits for.
    state: Option<FullState>,
    /// It has subscribed, and nothing has ended that.
    is_subscribed: bool,
    with_interactions: bool,
}

impl Watcher {
    /// Where it would go on.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Whether it waits for events.
    pub fn is_subscribed(&self) -> bool {
        self.is_subscribed
    }

    /// It subscribes, from a number or anew.
    pub fn subscribed(&mut self, resume: Option<u64>, with_interactions: bool) {
        let state = FullState { with_interactions, ..FullState::default() };
        let state = resume.is_none().then_some(state);
        *self = Self { last: resume, beside_state: None, state, is_subscribed: true, with_interactions };
    }

    /// It has lost what was on its way.
    pub fn lost_connection(&mut self) {
        if self.state.take().is_some() {
            self.last = None;
        }
        self.is_subscribed = false;
        self.beside_state = None;
    }

    /// It hears something.
    pub fn hears(&mut self, envelope: &ServerEnvelope, replay: &Replay) {
        if !self.is_subscribed {
            // What was on its way when it left.
            return;
        }
        match &envelope.event {
            Some(Event::EventReportingGap(gap)) => {
                assert_eq!(Some(gap.asked), self.last, "a gap behind something else than what it knows");
                self.subscribed(None, self.with_interactions);
            }
            Some(Event::EventReportingState(page)) => {
                let state = self.state.as_mut().unwrap_or_else(|| panic!("a state that nobody asked for"));
                state.agents.extend(page.agents.iter().cloned());
                state.interactions.extend(page.interactions.iter().cloned());
                state.workbins.extend(page.workbins.iter().cloned());
            }
            Some(Event::EventReportingStateEnd(end)) => {
                let mut state =
                    self.state.take().unwrap_or_else(|| panic!("the end of a state that nobody asked for"));
                if let Some((first, _)) = self.beside_state {
                    assert_eq!(first, end.event_number + 1, "events go on where the state began");
                }
                self.last = Some(self.beside_state.map_or(end.event_number, |(_, newest)| newest));
                self.beside_state = None;
                state.number = end.event_number;
                replay.agrees_with_state(&state);
            }
            Some(_) if envelope.event_number != 0 => {
                assert!(replay.has_event(envelope), "another event than the log has: {envelope:?}");
                self.hears_event(envelope.event_number);
            }
            _ => {}
        }
    }

    fn hears_event(&mut self, number: u64) {
        if self.state.is_some() {
            let (first, newest) = self.beside_state.unwrap_or((number, number - 1));
            assert_eq!(
                number,
                newest + 1,
                "'a subscriber hears everything once' does not hold: beside the state"
            );
            self.beside_state = Some((first, number));
        } else {
            let next = self.last.map(|last| last + 1);
            assert_eq!(Some(number), next, "'a subscriber hears everything once' does not hold");
            self.last = Some(number);
        }
    }

    /// When nothing is under way any more it knows everything.
    pub fn has_heard_all(&self, newest: u64) {
        assert!(self.state.is_none(), "'a full state ends' does not hold");
        assert_eq!(self.last, Some(newest), "'a subscriber hears everything' does not hold: it, the log");
    }
}
