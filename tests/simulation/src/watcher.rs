//! A reporting engine: it must hear every event once and in order, or be told what it missed, and get a full state that is
//! one.

use ixn_engine::Selection;
use ixn_proto::ServerEnvelope;
use ixn_proto::server_envelope::Event;

use crate::replay::Replay;
use crate::shown::FullState;

/// What one reporting engine has heard.
#[derive(Clone, Debug, Default)]
pub struct Watcher {
    /// The newest event that it knows everything up to.
    last: Option<u64>,
    /// Events that came while the state was on its way.
    beside_state: Vec<u64>,
    /// The full state whose end it waits for.
    state: Option<FullState>,
    /// It has subscribed, and nothing has ended that.
    is_subscribed: bool,
    with_interactions: bool,
    /// The agents that it wants to hear of; none: everything.
    selection: Option<Selection>,
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
    pub fn subscribed(&mut self, resume: Option<u64>, with_interactions: bool, selection: Option<Selection>) {
        let state = FullState { with_interactions, selection: selection.clone(), ..FullState::default() };
        *self = Self {
            last: resume,
            beside_state: Vec::new(),
            state: resume.is_none().then_some(state),
            is_subscribed: true,
            with_interactions,
            selection,
        };
    }

    /// It has lost what was on its way.
    pub fn lost_connection(&mut self) {
        if self.state.take().is_some() {
            self.last = None;
        }
        self.is_subscribed = false;
        self.beside_state.clear();
    }

    /// It hears something.
    pub fn hears(&mut self, envelope: &ServerEnvelope, replay: &Replay) {
        if !self.is_subscribed {
            // What was on its way when it left.
            return;
        }
        match &envelope.event {
            Some(Event::EventReportingGap(gap)) => {
                // Who selects may have been served more than what he heard.
                let fits = self
                    .last
                    .is_some_and(|last| last == gap.asked || (self.selection.is_some() && last < gap.asked));
                assert!(fits, "a gap behind something else than what it knows: {gap:?}, {:?}", self.last);
                let selection = self.selection.take();
                self.subscribed(None, self.with_interactions, selection);
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
                self.last = Some(end.event_number);
                for number in std::mem::take(&mut self.beside_state) {
                    self.hears_event(number, replay);
                }
                state.number = end.event_number;
                replay.agrees_with_state(&state);
            }
            Some(_) if envelope.event_number != 0 => {
                assert!(replay.has_event(envelope), "another event than the log has: {envelope:?}");
                match self.state {
                    // They go on where the state began.
                    Some(_) => self.beside_state.push(envelope.event_number),
                    None => self.hears_event(envelope.event_number, replay),
                }
            }
            _ => {}
        }
    }

    fn hears_event(&mut self, number: u64, replay: &Replay) {
        let next = self.last.and_then(|last| replay.next_heard(last, self.selection.as_ref()));
        assert_eq!(
            Some(number),
            next,
            "'a subscriber hears everything once' does not hold: it, what comes next"
        );
        self.last = Some(number);
    }

    /// When nothing is under way any more it knows everything.
    pub fn has_heard_all(&self, replay: &Replay) {
        assert!(self.state.is_none(), "'a full state ends' does not hold");
        let missing = self.last.map(|last| replay.next_heard(last, self.selection.as_ref()));
        assert_eq!(
            missing,
            Some(None),
            "'a subscriber hears everything' does not hold: what it did not hear"
        );
    }
}
