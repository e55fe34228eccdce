//! Interactions, agents, offers and logins as the reporting events tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ixn_proto::*;

/// An interaction, as the events tell it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub queue: String,
    pub is_held: bool,
    pub priority: i32,
    pub workbin: Option<WorkbinInfo>,
    /// Agents by id, strategies by name, each with its type.
    pub parties: BTreeSet<(i32, String)>,
    /// The newest event's properties.
    pub newest: Rc<InteractionProperties>,
}

impl Seen {
    pub fn state(&self) -> InteractionState {
        let has = |kind: PartyType| self.parties.iter().any(|(party, _)| *party == kind as i32);
        if has(PartyType::Agent) {
            InteractionState::Handling
        } else if has(PartyType::Strategy) {
            InteractionState::Routing
        } else {
            InteractionState::Queued
        }
    }
}

/// An agent, as the events tell him.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeenAgent {
    pub media: BTreeMap<String, bool>,
    pub do_not_disturb: bool,
}

/// An open offer.
#[derive(Clone, Debug)]
pub struct Offer {
    pub interaction_id: String,
    pub agent_id: String,
    /// The record that has the invitation.
    pub record: usize,
}

/// A login, as its event and those before it tell it.
#[derive(Clone, Debug)]
pub struct Login {
    pub number: u64,
    pub resumed: bool,
    pub agent: SeenAgent,
    pub handled: BTreeSet<String>,
}

/// How something was behind each event about it; none: it was not there.
pub type History<T> = Vec<(u64, Option<T>)>;

/// How it was behind an event.
pub fn at<T>(history: &History<T>, number: u64) -> Option<&T> {
    let position = history.partition_point(|(at, _)| *at <= number).checked_sub(1)?;
    history.get(position)?.1.as_ref()
}

pub fn party(info: &Option<PartyInfo>) -> (i32, String) {
    let info = info.as_ref().unwrap();
    let name = if info.party_type == PartyType::Agent as i32 { &info.agent_id } else { &info.strategy_id };
    (info.party_type, name.clone())
}

/// An agent as his media, each by name and whether he is ready, show him.
pub fn seen_agent(media: &[MediaState], do_not_disturb: bool) -> SeenAgent {
    let media = media.iter().map(|state| (state.media_type_name.clone(), state.ready)).collect();
    SeenAgent { media, do_not_disturb }
}

pub fn media(agent: &AgentInfo) -> SeenAgent {
    seen_agent(&agent.media_list, agent.do_not_disturb)
}
