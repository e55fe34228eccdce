//! Full state for reporting subscribers: agents and their parties always, interactions when asked for, in pages. Each row
//! carries its last event number; the subscription begins where the state began, and the reader ignores what a row already
//! shows.

use std::collections::VecDeque;
use std::ops::Bound;

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    EventReportingGap, EventReportingState, EventReportingStateEnd, InteractionOperation, ReportingAgent,
    ReportingInteraction, ReportingParty, WorkbinContentCount,
};

use crate::commit::InteractionKey;
use crate::engine::{Engine, Output, Subscription};
use crate::interaction::Interaction;
use crate::names::AgentId;
use crate::sessions::ClientRef;
use crate::workbins::contents::PlaceId;

/// Rows of one page; also what one engine step sends of a state.
const PAGE_ROWS: usize = 100;

/// So many pages are sent before the client must have read them.
pub(crate) const PAGES_UNTIL_REST: usize = 8;

/// Where one state's sending stands.
#[derive(Debug)]
struct StatePage {
    client: ClientRef,
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

/// States that are being sent. A client's state rests until what was sent of it has been read.
#[derive(Debug, Default)]
pub(crate) struct StatePages {
    active: VecDeque<StatePage>,
    resting: Vec<StatePage>,
}

impl StatePages {
    /// Whether nothing can be sent now.
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    pub(crate) fn forget(&mut self, client: ClientRef) {
        self.active.retain(|page| page.client != client);
        self.resting.retain(|page| page.client != client);
    }

    /// The client has read what was sent.
    pub(crate) fn go_on(&mut self, client: ClientRef) {
        self.active.extend(self.resting.extract_if(.., |page| page.client == client));
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
        let began_at_event = self.journal.last_event().0;
        let next = Next::Agents { after: None };
        self.state_pages.active.push_back(StatePage { client, filter, began_at_event, next, sent: 0 });
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
        self.state_pages.forget(client);
        self.send(client, Event::EventReportingGap(EventReportingGap { asked, oldest_held }));
        self.send_state(client, Subscription { with_interactions, ..filter });
    }

    /// Sends one page of the state whose turn it is.
    pub(crate) fn send_state_pages(&mut self) {
        let Some(mut page) = self.state_pages.active.pop_front() else { return };
        let mut state = EventReportingState::default();
        let next = match page.next {
            Next::Agents { after } => {
                let start = after.map_or(Bound::Unbounded, Bound::Excluded);
                let agents = self.agents.range((start, Bound::Unbounded)).map(|(agent, _)| *agent);
                let agents: Vec<AgentId> = agents.take(PAGE_ROWS).collect();
                let wanted = agents.iter().filter(|agent| self.is_chosen(&page.filter, **agent));
                state.agents = wanted.filter_map(|agent| self.reporting_agent(*agent)).collect();
                match agents.last() {
                    Some(last) => Some(Next::Agents { after: Some(*last) }),
                    None => Some(Next::Workbins { after: None }),
                }
            }
            Next::Workbins { after } => {
                let counts: Vec<_> = match page.filter.workbins {
                    true => self.workbins.contents.counts_after(after).take(PAGE_ROWS).collect(),
                    false => Vec::new(),
                };
                // Every event so far is in the count.
                let last_event_number = self.journal.last_event().0;
                let rows = counts.iter().map(|(place, count)| WorkbinContentCount {
                    workbin: self.placement(*place).map(|place| self.workbin_info(place)),
                    number_of_interactions: *count as u32,
                    last_event_number,
                });
                state.workbins = rows.collect();
                match counts.last() {
                    Some((last, _)) => Some(Next::Workbins { after: Some(*last) }),
                    None if page.filter.with_interactions => {
                        Some(Next::Interactions { after: InteractionKey(0) })
                    }
                    None => None,
                }
            }
            Next::Interactions { after } => {
                let rows: Vec<&Interaction> = self.interactions.after(after).take(PAGE_ROWS).collect();
                let wanted = rows.iter().filter(|row| {
                    page.filter.chosen.is_none()
                        || row.agents().iter().any(|party| self.is_chosen(&page.filter, party.agent))
                });
                state.interactions = wanted
                    .map(|row| ReportingInteraction {
                        interaction: Some(self.properties(row)),
                        parties: self.parties(row),
                        last_event_number: row.last_event.0,
                    })
                    .collect();
                rows.last().map(|row| Next::Interactions { after: row.key })
            }
        };
        if state != EventReportingState::default() {
            self.send(page.client, Event::EventReportingState(state));
        }
        match next {
            Some(next) => {
                page.next = next;
                page.sent += 1;
                if page.sent % PAGES_UNTIL_REST == 0 {
                    self.output(Output::AwaitDrain(page.client));
                    self.state_pages.resting.push(page);
                } else {
                    self.state_pages.active.push_back(page);
                }
            }
            None => {
                let end = EventReportingStateEnd { event_number: page.began_at_event };
                self.send(page.client, Event::EventReportingStateEnd(end));
            }
        }
    }

    /// Whether a subscriber wants to hear of an agent.
    fn is_chosen(&self, filter: &Subscription, agent: AgentId) -> bool {
        let Some(chosen) = &filter.chosen else { return true };
        chosen.includes(self.vocabulary.agents.name(agent), &self.place_of(agent))
    }

    fn reporting_agent(&self, agent: AgentId) -> Option<ReportingAgent> {
        let state = self.agents.get(&agent)?;
        let mut parties = Vec::new();
        for (keys, invited) in [(&state.handled, false), (&state.offered, true)] {
            for row in keys.iter().filter_map(|key| self.interactions.get(*key)) {
                let labels = &self.vocabulary.labels;
                let since = row.agents().iter().find(|party| party.agent == agent).map(|party| party.since);
                parties.push(ReportingParty {
                    interaction_id: self.id_of(row),
                    media_type: self.vocabulary.media_types.name(row.media_type).to_owned(),
                    interaction_type: labels.name(row.interaction_type).to_owned(),
                    interaction_subtype: labels.name(row.subtype).to_owned(),
                    party: Some(self.agent_party(agent)),
                    invited,
                    operation: InteractionOperation::Deliver as i32,
                    since: since.map_or(0, |since| (since.0 / 1000) as i64),
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
