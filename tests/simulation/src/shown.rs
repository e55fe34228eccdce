//! What the server shows, in inspection, in answers and in full states, compared with what the reporting events tell.

use std::collections::{BTreeMap, BTreeSet};

use ixn_engine::Selection;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_proto::*;

use crate::database::Database;
use crate::process::Process;
use crate::replay::Replay;
use crate::seen::{Seen, at, media, party, seen_agent};
use crate::user_data::entries;

/// A full state as a subscriber has read it.
#[derive(Clone, Debug, Default)]
pub struct FullState {
    pub agents: Vec<ReportingAgent>,
    pub interactions: Vec<ReportingInteraction>,
    pub workbins: Vec<WorkbinContentCount>,
    /// Only these agents, and what they handle; none: everything.
    pub selection: Option<Selection>,
    /// Interactions were asked for.
    pub with_interactions: bool,
    /// Every event up to this one is in it.
    pub number: u64,
}

impl FullState {
    /// Whether the subscriber asked for an interaction: for all, or for those of his agents.
    fn wants(&self, seen: &Seen) -> bool {
        let mut parties = seen.parties.iter().filter(|(party, _)| *party == PartyType::Agent as i32);
        let selection = self.selection.as_ref();
        selection.is_none_or(|selection| parties.any(|(_, agent)| selection.includes(agent, "")))
    }
}

/// A workbin, to be compared.
fn place(info: &Option<WorkbinInfo>) -> (String, String) {
    info.as_ref()
        .map(|info| (info.workbin_type_id.clone(), info.workbin_agent_id.clone()))
        .unwrap_or_default()
}

/// Properties without what no event tells: that user data is being read for a pull. Custom properties have no order.
fn reported(properties: &InteractionProperties) -> InteractionProperties {
    let custom = properties.custom_properties.as_ref();
    let mut custom: Vec<_> = custom.into_iter().flat_map(KeyValueList::entries).flatten().collect();
    custom.sort_by_key(|entry| entry.key);
    let custom = KeyValueList::from_entries(custom.iter().map(|entry| (entry.key, entry.value)));
    InteractionProperties {
        custom_properties: Some(custom),
        interaction_state: 0,
        workflow_state: String::new(),
        user_data: None,
        ..properties.clone()
    }
}

fn state(properties: &InteractionProperties) -> InteractionState {
    match properties.interaction_state() {
        InteractionState::Cached => InteractionState::Queued,
        state => state,
    }
}

impl Replay {
    /// Compares what the events tell with what the server shows, which must rest.
    pub fn agrees_with(&self, server: &mut Process, database: &Database, now: u64) {
        let mut inspect = |request| server.inspect(database, now, request);
        let page = PageRequest { page_size: 1000, ..Default::default() };
        let request = ListInteractionsRequest { page: Some(page), ..Default::default() };
        let InspectionResponse::Interactions(list) = inspect(InspectionRequest::Interactions(request)) else {
            panic!("no list of interactions");
        };
        assert_eq!(
            list.interactions.len(),
            self.interactions.len(),
            "interactions of the server, of the events"
        );
        for shown in list.interactions {
            let id = shown.interaction_id.clone();
            let seen = self.interactions.get(&id).unwrap_or_else(|| panic!("no event tells of {id}"));
            let whole = match inspect(InspectionRequest::Interaction(id.clone())) {
                InspectionResponse::Interaction(Some(whole)) => whole,
                other => panic!("{id} is listed and not there: {other:?}"),
            };
            let is_offered = self.offers.values().any(|offer| offer.interaction_id == id);
            assert_eq!(is_offered && !shown.is_held, shown.workflow_state == "Delivering", "{id} is offered");
            seen.agrees_with(&shown, &whole.parties);
        }
        let InspectionResponse::Agents(list) = inspect(InspectionRequest::Agents(PageRequest::default()))
        else {
            panic!("no list of agents");
        };
        self.agents_agree_with(&list.agents);
    }

    fn agents_agree_with(&self, agents: &[AgentStatus]) {
        let shown = agents.iter().map(|status| {
            let info = status.agent.as_ref().unwrap();
            (info.agent_id.clone(), media(info))
        });
        assert_eq!(self.agents, shown.collect(), "agents of the events, of the server");
        for status in agents {
            let id = &status.agent.as_ref().unwrap().agent_id;
            let handled: BTreeSet<_> = status.interaction_ids.iter().cloned().collect();
            let seen: BTreeSet<_> = self.handled_by(id).into_iter().collect();
            assert_eq!(handled, seen, "what {id} handles: the server, the events");
            let offered: u32 = status.media.iter().map(|media| media.delivering).sum();
            assert_eq!(offered as usize, self.offered_to(id).len(), "how many offers {id} has");
        }
    }

    fn offered_to(&self, agent: &str) -> BTreeSet<String> {
        let offers = self.offers.values().filter(|offer| offer.agent_id == agent);
        offers.map(|offer| offer.interaction_id.clone()).collect()
    }

    /// A full state is what the events tell: each row behind the event that it names, and nobody is left out.
    pub fn agrees_with_state(&self, shown: &FullState) {
        // Nothing has happened beside it.
        let alone = self.newest_event == shown.number;
        let mut agents = BTreeSet::new();
        for row in &shown.agents {
            let info = row.agent.as_ref().unwrap();
            let id = &info.agent_id;
            assert!(agents.insert(id.clone()), "'a full state is full' does not hold: {id} twice");
            let history = self.history_of_agents.get(id).unwrap_or_else(|| panic!("no event tells of {id}"));
            is_of_its_number(history, row.last_event_number, shown.number, id);
            let seen = at(history, row.last_event_number);
            assert_eq!(seen, Some(&media(info)), "'a full state agrees with the events' does not hold: {id}");
            if alone {
                let of = |invited: bool| -> BTreeSet<String> {
                    let parties = row.parties.iter().filter(|party| party.invited == invited);
                    parties.map(|party| party.interaction_id.clone()).collect()
                };
                let handled = self.handled_by(id).into_iter().collect();
                assert_eq!(
                    (of(true), of(false)),
                    (self.offered_to(id), handled),
                    "'a full state agrees with the events' does not hold: offers and parties of {id}"
                );
            }
        }
        let selected = |id: &str| shown.selection.as_ref().is_none_or(|selection| selection.includes(id, ""));
        assert!(agents.iter().all(|id| selected(id)), "'a full state is full' does not hold: {agents:?}");
        nobody_is_left_out(&self.history_of_agents, &agents, shown.number, |id, _| selected(id));
        if shown.with_interactions {
            self.agrees_with_interactions(shown);
        }
        self.agrees_with_workbins(shown, alone);
    }

    fn agrees_with_interactions(&self, shown: &FullState) {
        let mut interactions = BTreeSet::new();
        for row in &shown.interactions {
            let properties = row.interaction.as_ref().unwrap();
            let id = &properties.interaction_id;
            assert!(interactions.insert(id.clone()), "'a full state is full' does not hold: {id} twice");
            let history = self.history.get(id).unwrap_or_else(|| panic!("no event tells of {id}"));
            is_of_its_number(history, row.last_event_number, shown.number, id);
            let seen = at(history, row.last_event_number).unwrap_or_else(|| {
                panic!("'a full state agrees with the events' does not hold: {id} is gone")
            });
            seen.agrees_with(properties, &row.parties);
            assert!(shown.wants(seen), "'a full state is full' does not hold: {id} was not asked for");
        }
        nobody_is_left_out(&self.history, &interactions, shown.number, |_, seen| shown.wants(seen));
    }

    fn agrees_with_workbins(&self, shown: &FullState, alone: bool) {
        let mut workbins = BTreeMap::new();
        for row in &shown.workbins {
            let workbin = place(&row.workbin);
            let seen = self.history.values().filter_map(|history| at(history, row.last_event_number));
            let count = seen.filter(|seen| seen.workbin.is_some() && place(&seen.workbin) == workbin).count();
            assert_eq!(
                row.number_of_interactions as usize, count,
                "'a full state agrees with the events' does not hold: workbin {workbin:?}"
            );
            workbins.insert(workbin, count);
        }
        if alone {
            let filled = self.interactions.values().filter(|seen| seen.workbin.is_some());
            for workbin in filled.map(|seen| place(&seen.workbin)) {
                let is_shown = workbins.contains_key(&workbin);
                assert!(is_shown, "'a full state is full' does not hold: workbin {workbin:?}");
            }
        }
    }

    /// The answer to a login has what the agent holds, as one of his logins behind the event `known` says.
    pub fn agrees_with_login(&self, shown: &AgentLoginInfo, known: u64) {
        let id = &shown.agent_id;
        let handled: BTreeSet<String> = shown
            .interactions
            .iter()
            .filter_map(|held| held.interaction.as_ref())
            .map(|interaction| interaction.interaction_id.clone())
            .collect();
        let agent = seen_agent(&shown.media_list, shown.do_not_disturb);
        let logins = self.logins.get(id).into_iter().flatten().filter(|login| login.number > known);
        let mut fitting = logins.filter(|login| {
            (login.resumed, &login.agent, &login.handled) == (shown.resumed, &agent, &handled)
        });
        assert!(
            fitting.any(|login| shown.interactions.iter().all(|held| {
                let properties = held.interaction.as_ref().unwrap();
                let seen = self.history.get(&properties.interaction_id);
                let seen = seen.and_then(|history| at(history, login.number));
                seen.is_some_and(|seen| reported(&seen.newest) == reported(properties))
            })),
            "'a login answers what the agent holds' does not hold: {shown:?}, the events: {:?}",
            self.logins.get(id)
        );
    }

    /// An interaction that a client is shown with its user data is as it was at some moment, and not as it was only before the
    /// event `known`.
    pub fn agrees_with_shown(&self, shown: &InteractionProperties, known: u64) {
        let id = &shown.interaction_id;
        assert!(shown.user_data.is_some(), "'user data is shown' does not hold: {id} without any");
        let data = entries(shown.user_data.as_ref());
        assert!(
            self.user_data.was(id, &data, known),
            "'user data is shown' does not hold: {id} never had this behind event {known}: {data:?}"
        );
        self.was_so(shown, known);
    }

    /// The event by which an agent got an interaction: the first of its kind after the event `known`.
    pub fn taken_after(&self, id: &str, agent: &str, known: u64) -> Option<u64> {
        let history = self.history.get(id).map(Vec::as_slice).unwrap_or_default();
        let party = (PartyType::Agent as i32, agent.to_owned());
        let handles = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.parties.contains(&party));
        let mut steps = history.windows(2).filter_map(|pair| match pair {
            [(_, before), (number, after)] if !handles(before) && handles(after) => Some(*number),
            _ => None,
        });
        steps.find(|number| *number > known)
    }

    /// The same without user data.
    pub fn was_so(&self, shown: &InteractionProperties, known: u64) {
        let id = &shown.interaction_id;
        let history = self.history.get(id).map(Vec::as_slice).unwrap_or_default();
        let until = history.iter().skip(1).map(|(number, _)| *number).chain([u64::MAX]);
        let was = history.iter().zip(until).any(|((_, seen), until)| {
            until > known && seen.as_ref().is_some_and(|seen| reported(&seen.newest) == reported(shown))
        });
        assert!(was, "'what is shown was so' does not hold: behind event {known}: {shown:?}");
    }
}

/// A row names the newest event about what it shows, and has all that the state is said to have.
fn is_of_its_number<T>(history: &[(u64, Option<T>)], number: u64, state: u64, id: &str) {
    assert!(
        history.iter().any(|(at, _)| *at == number),
        "'a full state agrees with the events' does not hold: event {number} is not about {id}"
    );
    assert!(
        !history.iter().any(|(at, _)| (number + 1..=state).contains(at)),
        "'a full state is full' does not hold: {id} is older than the state"
    );
}

/// Who was there when a state began, and has not gone since, is in it.
fn nobody_is_left_out<T>(
    histories: &BTreeMap<String, Vec<(u64, Option<T>)>>,
    shown: &BTreeSet<String>,
    number: u64,
    is_wanted: impl Fn(&str, &T) -> bool,
) {
    for (id, history) in histories.iter().filter(|(id, _)| !shown.contains(*id)) {
        let is_there = |seen: &Option<T>| seen.as_ref().is_some_and(|seen| is_wanted(id, seen));
        let stays = history.iter().all(|(at, seen)| *at <= number || is_there(seen));
        assert!(
            !at(history, number).is_some_and(|seen| is_wanted(id, seen)) || !stays,
            "'a full state is full' does not hold: {id} is left out"
        );
    }
}

impl Seen {
    fn agrees_with(&self, shown: &InteractionProperties, parties: &[PartyInfo]) {
        let id = &shown.interaction_id;
        assert_eq!(self.queue, shown.queue, "{id}");
        assert_eq!(self.is_held, shown.is_held, "{id}");
        assert_eq!(self.priority, shown.priority, "{id}");
        assert_eq!(self.workbin, shown.workbin, "{id}");
        assert_eq!(self.state(), state(shown), "{id}");
        assert_eq!(reported(&self.newest), reported(shown), "every change of {id} is reported");
        let parties = parties.iter().map(|info| party(&Some(info.clone()))).collect();
        assert_eq!(self.parties, parties, "{id}");
    }
}
