//! Full state for reporting subscribers: agents and their parties always, interactions when asked for, in pages. Each row
//! carries its last event number; the subscription begins where the state began, and the reader ignores what a row already
//! shows.

use std::ops::Bound;

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    EventReportingGap, EventReportingState, EventReportingStateEnd, InteractionOperation, ReportingAgent,
    ReportingInteraction, ReportingParty, WorkbinContentCount,
};
use prost::Message;

use crate::commit::InteractionKey;
use crate::engine::{Engine, Output, Subscription};
use crate::interaction::Interaction;
use crate::names::AgentId;
use crate::requests::jobs::{Job, PAGE_BYTES, Progress};
use crate::sessions::ClientRef;
use crate::workbins::contents::PlaceId;

/// Rows of one page; also what one engine step looks at.
const PAGE_ROWS: usize = 100;

/// So many pages are sent before the client must have read them.
pub(crate) const PAGES_UNTIL_REST: usize = 8;

/// Where one state's sending stands.
#[derive(Debug)]
pub(crate) struct StatePages {
    pub(crate) client: ClientRef,
    filter: Subscription,
    began_at_event: u64,
    next: Next,
    /// Pages so far.
    sent: usize,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    Agents { after: Option<AgentId> },
    Workbins { after: Option<PlaceId> },
    Interactions { after: InteractionKey },
}

/// How much of a page is left.
struct Room {
    rows: usize,
    bytes: usize,
}

impl Room {
    fn new() -> Self {
        Self { rows: PAGE_ROWS, bytes: PAGE_BYTES }
    }

    fn is_left(&self) -> bool {
        self.rows > 0 && self.bytes > 0
    }

    /// Takes what one more row needs; none when its reader does not want it.
    fn take(&mut self, row: Option<&impl Message>) {
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(row.map_or(0, Message::encoded_len));
    }
}

impl Engine {
    /// Sends the full state, and lets the live events follow from its beginning.
    pub(crate) fn send_state(&mut self, client: ClientRef, filter: Subscription) {
        let after_event = self.journal.last_event().0;
        self.send_state_alone(client, filter.clone());
        self.output(Output::Subscribe { client, after_event, filter });
    }

    /// Sends the full state to a subscriber whose live events go on as they are.
    pub(crate) fn send_state_alone(&mut self, client: ClientRef, filter: Subscription) {
        self.jobs.forget_state(client);
        let began_at_event = self.journal.last_event().0;
        let next = Next::Agents { after: None };
        self.start(Job::State(Box::new(StatePages { client, filter, began_at_event, next, sent: 0 })));
    }

    /// The log no longer holds what a subscriber asked for: it is told, and gets the state.
    pub(crate) fn reporting_gap(
        &mut self,
        client: ClientRef,
        asked: u64,
        oldest_held: u64,
        with_interactions: bool,
    ) {
        // Whoever has unsubscribed meanwhile wants nothing more.
        let Some(filter) = self.sessions.clients.get(&client).and_then(|client| client.subscription.clone())
        else {
            return;
        };
        self.send(client, Event::EventReportingGap(EventReportingGap { asked, oldest_held }));
        self.send_state(client, Subscription { with_interactions, ..filter });
    }

    /// Sends the next page of a state.
    pub(crate) fn send_state_page(&mut self, pages: &mut StatePages) -> Progress {
        let mut state = EventReportingState::default();
        let next = match pages.next {
            Next::Agents { after } => match self.agents_page(&pages.filter, after, &mut state) {
                Some(last) => Some(Next::Agents { after: Some(last) }),
                None => Some(Next::Workbins { after: None }),
            },
            // Those that a new configuration orders anew are counted when they are whole again.
            Next::Workbins { .. } if !self.changeover.is_indexed() => return Progress::GoesOn,
            Next::Workbins { after } => match self.workbins_page(&pages.filter, after, &mut state) {
                Some(last) => Some(Next::Workbins { after: Some(last) }),
                None if pages.filter.with_interactions => {
                    Some(Next::Interactions { after: InteractionKey(0) })
                }
                None => None,
            },
            Next::Interactions { after } => {
                let last = self.interactions_page(&pages.filter, after, &mut state);
                last.map(|after| Next::Interactions { after })
            }
        };
        if state != EventReportingState::default() {
            self.send(pages.client, Event::EventReportingState(state));
        }
        let Some(next) = next else {
            let end = EventReportingStateEnd { event_number: pages.began_at_event };
            self.send(pages.client, Event::EventReportingStateEnd(end));
            return Progress::Done;
        };
        pages.next = next;
        pages.sent += 1;
        match pages.sent.is_multiple_of(PAGES_UNTIL_REST) {
            true => Progress::GoesOnWhenRead,
            false => Progress::GoesOn,
        }
    }

    /// Fills a page; answers the last agent that it has looked at, none at the end.
    fn agents_page(
        &self,
        filter: &Subscription,
        after: Option<AgentId>,
        state: &mut EventReportingState,
    ) -> Option<AgentId> {
        let (mut room, mut last) = (Room::new(), None);
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        for (agent, _) in self.agents.range((start, Bound::Unbounded)) {
            if !room.is_left() {
                break;
            }
            last = Some(*agent);
            let row = self.is_selected(filter, *agent).then(|| self.reporting_agent(*agent)).flatten();
            room.take(row.as_ref());
            state.agents.extend(row);
        }
        last
    }

    fn workbins_page(
        &self,
        filter: &Subscription,
        after: Option<PlaceId>,
        state: &mut EventReportingState,
    ) -> Option<PlaceId> {
        if !filter.workbins {
            return None;
        }
        // Every event so far is in the count. A row is small: a full page is within its bytes.
        let last_event_number = self.journal.last_event().0;
        let mut last = None;
        for (place, count) in self.workbins.contents.counts_after(after).take(PAGE_ROWS) {
            state.workbins.push(WorkbinContentCount {
                workbin: self.placement(place).map(|place| self.workbin_info(place)),
                number_of_interactions: count as u32,
                last_event_number,
            });
            last = Some(place);
        }
        last
    }

    fn interactions_page(
        &self,
        filter: &Subscription,
        after: InteractionKey,
        state: &mut EventReportingState,
    ) -> Option<InteractionKey> {
        let (mut room, mut last) = (Room::new(), None);
        for interaction in self.interactions.after(after) {
            if !room.is_left() {
                break;
            }
            last = Some(interaction.key);
            let row = self.is_wanted(filter, interaction).then(|| ReportingInteraction {
                interaction: Some(self.properties(interaction)),
                parties: self.parties(interaction),
                last_event_number: interaction.last_event.0,
            });
            room.take(row.as_ref());
            state.interactions.extend(row);
        }
        last
    }

    /// Whether a subscriber wants to hear of an interaction.
    fn is_wanted(&self, filter: &Subscription, interaction: &Interaction) -> bool {
        let mut agents = interaction.agents().iter();
        filter.selection.is_none() || agents.any(|party| self.is_selected(filter, party.agent))
    }

    /// Whether a subscriber wants to hear of an agent.
    fn is_selected(&self, filter: &Subscription, agent: AgentId) -> bool {
        let Some(selection) = &filter.selection else { return true };
        selection.includes(self.vocabulary.agents.name(agent), &self.place_of(agent))
    }

    fn reporting_agent(&self, agent: AgentId) -> Option<ReportingAgent> {
        let state = self.agents.get(&agent)?;
        let mut parties = Vec::new();
        for (keys, invited) in [(&state.handled, false), (&state.offered, true)] {
            for row in keys.iter().filter_map(|key| self.interactions.get(*key)) {
                let labels = &self.vocabulary.labels;
                let party = row.agents().iter().find(|party| party.agent == agent);
                let operation = party.map_or(InteractionOperation::Deliver, |party| party.operation);
                parties.push(ReportingParty {
                    interaction_id: self.id_of(row),
                    media_type: self.vocabulary.media_types.name(row.media_type).to_owned(),
                    interaction_type: labels.name(row.interaction_type).to_owned(),
                    interaction_subtype: labels.name(row.subtype).to_owned(),
                    party: Some(self.agent_party(agent)),
                    invited,
                    operation: operation as i32,
                    since: party.map_or(0, |party| (party.since.0 / 1000) as i64),
                });
            }
        }
        Some(ReportingAgent {
            agent: Some(self.agent_info(agent)),
            parties,
            last_event_number: state.last_event.0,
        })
    }
}
