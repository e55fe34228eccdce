//! The logged-in agents: where they work, what they are ready for, what they hold. Load is counted from parties, for every
//! way in which an agent gets work.

use std::collections::{BTreeMap, BTreeSet};

use ixn_proto::Obstacle;

use crate::commit::{EventNumber, InteractionKey};
use crate::names::{AgentId, LabelId, MediaTypeId};
use crate::requests::agent_logout::Leaving;
use crate::sessions::ClientRef;
use crate::setup::AgentSetup;
use crate::time::Milliseconds;
use crate::timers::TimerHandle;

/// Why somebody or something is as it is, in the client's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// ReasonSystemName.
    pub system_name: String,
    /// ReasonDescription.
    pub description: String,
    /// The reason's number.
    pub number: i32,
}

/// One medium of a logged-in agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaState {
    /// Whether he takes work of it.
    pub ready: bool,
    /// Why.
    pub reason: Option<Reason>,
    /// Offers and handled interactions of this medium.
    pub load: u32,
    /// Up to which load a reporting engine last said that he can take more, if any did.
    pub reported_capacity: Option<u32>,
    /// The newest reporting event when he last made himself ready.
    pub ready_since_event: EventNumber,
}

/// A logged-in agent.
#[derive(Clone, Debug)]
pub struct AgentState {
    /// Where he works.
    pub place: LabelId,
    /// The connections on which he is logged in; none while he may still come back.
    pub clients: Vec<ClientRef>,
    /// The media that he has added.
    pub media: BTreeMap<MediaTypeId, MediaState>,
    /// Do not disturb: no offers at all.
    pub do_not_disturb: bool,
    /// Why he is in his state.
    pub reason: Option<Reason>,
    /// When he logged in.
    pub logged_in_at: Milliseconds,
    /// Since when he has had nothing new: his login, or the end of the last offer or interaction.
    pub idle_since: Milliseconds,
    /// The newest reporting event about him.
    pub last_event: EventNumber,
    /// Logs him out when he does not come back.
    pub reconnect_timer: Option<TimerHandle>,
    /// He is being logged out: he gets nothing new, nobody acts for him, and what he has returns.
    pub(crate) leaving: Option<Box<Leaving>>,
    /// What he handles.
    pub handled: BTreeSet<InteractionKey>,
    /// What he is offered.
    pub offered: BTreeSet<InteractionKey>,
    /// What he stands with in the router's lists, by medium.
    pub listed: BTreeMap<MediaTypeId, Standing>,
    /// The configuration, by its count, under which he was listed: lists of another one are no more.
    pub listed_under: u32,
}

/// How a free agent ranks: the least loaded first, then the longest idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Load of the medium.
    pub load: u32,
    /// Since when he has had nothing new.
    pub idle_since: Milliseconds,
}

impl AgentState {
    /// A fresh login.
    pub fn new(place: LabelId, now: Milliseconds) -> Self {
        Self {
            place,
            clients: Vec::new(),
            media: BTreeMap::new(),
            do_not_disturb: false,
            reason: None,
            logged_in_at: now,
            idle_since: now,
            last_event: EventNumber(0),
            reconnect_timer: None,
            leaving: None,
            handled: BTreeSet::new(),
            offered: BTreeSet::new(),
            listed: BTreeMap::new(),
            listed_under: 0,
        }
    }

    /// His standing for a medium, when he can take one more of it now; else why not.
    pub fn standing(&self, setup: &AgentSetup, media_type: MediaTypeId) -> Result<Standing, Obstacle> {
        if self.clients.is_empty() || self.leaving.is_some() {
            return Err(Obstacle::Disconnected);
        }
        if self.do_not_disturb {
            return Err(Obstacle::DoNotDisturb);
        }
        let media = self.media.get(&media_type).ok_or(Obstacle::MediaNotAdded)?;
        if !media.ready {
            return Err(Obstacle::NotReady);
        }
        if media.load >= setup.capacity_for(media_type) {
            return Err(Obstacle::MediaCapacity);
        }
        if media.reported_capacity.is_some_and(|most| media.load >= most) {
            return Err(Obstacle::ReportedCapacity);
        }
        if setup.total.is_some_and(|total| self.total_load() >= total) {
            return Err(Obstacle::TotalCapacity);
        }
        Ok(Standing { load: media.load, idle_since: self.idle_since })
    }

    /// Takes out with what he stands in the lists of this configuration; what he is put in from now on is in these.
    pub fn take_listed(&mut self, generation: u32) -> BTreeMap<MediaTypeId, Standing> {
        let listed = std::mem::take(&mut self.listed);
        let is_current = std::mem::replace(&mut self.listed_under, generation) == generation;
        if is_current { listed } else { BTreeMap::new() }
    }

    /// Offers and handled interactions of all media.
    pub fn total_load(&self) -> u32 {
        (self.handled.len() + self.offered.len()) as u32
    }
}

/// All logged-in agents.
pub type Agents = BTreeMap<AgentId, AgentState>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Id;
    use crate::sessions::ConnectionId;

    fn email() -> MediaTypeId {
        MediaTypeId::from_index(0)
    }

    fn ready_agent() -> AgentState {
        let mut agent = AgentState::new(LabelId::from_index(0), Milliseconds(5));
        agent.clients.push(ClientRef { connection: ConnectionId(1), proxy_client_id: 0 });
        agent.media.insert(email(), MediaState { ready: true, ..MediaState::default() });
        agent
    }

    #[test]
    fn an_agent_is_free_up_to_his_capacity_and_only_while_ready_connected_and_disturbable() {
        let setup = AgentSetup { other_media: 1, ..AgentSetup::default() };
        let agent = ready_agent();
        assert_eq!(agent.standing(&setup, email()), Ok(Standing { load: 0, idle_since: Milliseconds(5) }));
        let chat = MediaTypeId::from_index(1);
        assert_eq!(agent.standing(&setup, chat), Err(Obstacle::MediaNotAdded));

        let why_not = |change: fn(&mut AgentState)| {
            let mut agent = ready_agent();
            change(&mut agent);
            agent.standing(&setup, email()).unwrap_err()
        };
        fn media(agent: &mut AgentState) -> &mut MediaState {
            agent.media.get_mut(&email()).unwrap()
        }
        assert_eq!(why_not(|agent| agent.clients.clear()), Obstacle::Disconnected);
        assert_eq!(why_not(|agent| agent.do_not_disturb = true), Obstacle::DoNotDisturb);
        assert_eq!(why_not(|agent| media(agent).ready = false), Obstacle::NotReady);
        assert_eq!(why_not(|agent| media(agent).load = 1), Obstacle::MediaCapacity);
        assert_eq!(why_not(|agent| media(agent).reported_capacity = Some(0)), Obstacle::ReportedCapacity);
        let rule = AgentSetup { other_media: 5, total: Some(0), ..AgentSetup::default() };
        assert_eq!(ready_agent().standing(&rule, email()), Err(Obstacle::TotalCapacity));
    }
}
