//! Pulls on their way: while user data is read the chosen interactions are *cached*, invisible to every other pull; then
//! the agent handles them and his application gets them, all in one answer. When the agent or his client is gone before
//! that, they are queued again and nobody hears of it. User data is read in portions until an answer is full; what is left
//! then is queued again too. The agent is given them in portions as well, one a step; the answer comes with the last.
//!
//! A pull with an idempotency key is safe to repeat. What is remembered are the ids: a repeat is answered with those that
//! the agent still handles, as they are now. A repeat that comes while user data is read joins the pull under way.

use std::collections::{BTreeMap, BTreeSet};

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventPulledInteractions, EventTakenFromQueue, InteractionOperation, InteractionProperties,
    KeyValueList, PulledInteraction, ServerEnvelope,
};
use prost::Message;

use super::accept::add_agent;
use super::jobs::{Job, PAGE_BYTES, Progress};
use super::{Caller, Refusal, Result, Waiter};
use crate::commit::InteractionKey;
use crate::contents::Unreadable;
use crate::engine::Engine;
use crate::interaction::State;
use crate::names::AgentId;
use crate::sessions::ClientRef;
use crate::wire::Actor;

/// Names a pull under way.
pub(crate) type PullId = u64;

/// A pull.
#[derive(Debug)]
pub(crate) struct Pull {
    /// Who waits for the answer: the first, and those who repeated the request.
    callers: Vec<Caller>,
    agent: AgentId,
    view_id: String,
    /// Whether `view_id` names a view.
    from_view: bool,
    chosen: Vec<InteractionKey>,
    /// Of how many of them user data was asked for.
    asked: usize,
    /// User data, as it is now: what changes it changes this.
    contents: BTreeMap<InteractionKey, KeyValueList>,
    /// Bytes of `contents`.
    bytes: usize,
    missing: BTreeSet<InteractionKey>,
    /// How many of `chosen` have had their turn to be given.
    next: usize,
    given: Vec<InteractionKey>,
    /// What those take in the answer.
    given_bytes: usize,
    /// All user data is read, or nobody waits for it any more: what was chosen is given, or given up, a part a step.
    gives: bool,
    /// A repeat: the agent has them already.
    again: bool,
}

impl Pull {
    pub(super) fn new(
        caller: Caller,
        agent: AgentId,
        view_id: String,
        from_view: bool,
        chosen: Vec<InteractionKey>,
    ) -> Self {
        Self {
            callers: vec![caller],
            agent,
            view_id,
            from_view,
            chosen,
            asked: 0,
            contents: BTreeMap::new(),
            bytes: 0,
            missing: BTreeSet::new(),
            next: 0,
            given: Vec::new(),
            given_bytes: 0,
            gives: false,
            again: false,
        }
    }

    fn answer(&self, interactions: Vec<PulledInteraction>) -> ServerEnvelope {
        let pulled = EventPulledInteractions {
            view_id: self.view_id.clone(),
            number_of_interactions: interactions.len() as u32,
            interactions,
            ..EventPulledInteractions::default()
        };
        let event = Some(Event::EventPulledInteractions(pulled));
        ServerEnvelope { event, ..ServerEnvelope::default() }
    }

    fn take_in(&mut self, key: InteractionKey, data: KeyValueList) {
        self.bytes += data.as_bytes().len();
        if let Some(before) = self.contents.insert(key, data) {
            self.bytes -= before.as_bytes().len();
        }
    }

    /// What user data is to be asked for next: nothing while some is missing, or when there is enough for an answer.
    fn next_portion(&mut self, most: usize) -> Vec<InteractionKey> {
        if !self.missing.is_empty() || self.bytes > PAGE_BYTES {
            return Vec::new();
        }
        let portion: Vec<_> = self.chosen.iter().skip(self.asked).take(most).copied().collect();
        self.asked += portion.len();
        portion
    }
}

/// All pulls under way.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    next: PullId,
    pulls: BTreeMap<PullId, Pull>,
    /// Which pull has chosen an interaction.
    chosen_by: BTreeMap<InteractionKey, PullId>,
    /// Which pulls have an interaction's user data.
    with_data: BTreeSet<(InteractionKey, PullId)>,
    by_client: BTreeSet<(ClientRef, PullId)>,
    by_key: BTreeMap<u128, PullId>,
    /// How many were given up in this step.
    given_up_at_once: usize,
}

impl Pulls {
    /// A step begins.
    pub(crate) fn step(&mut self) {
        self.given_up_at_once = 0;
    }

    /// An interaction went elsewhere: the pull that chose it does without.
    pub(crate) fn lose(&mut self, key: InteractionKey) {
        self.chosen_by.remove(&key);
    }

    /// The interactions that pulls have chosen.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = InteractionKey> {
        self.chosen_by.keys().copied()
    }

    /// An interaction's user data has changed: the agent must get it as it is now.
    pub(super) fn user_data_changed(&mut self, key: InteractionKey, data: &KeyValueList) {
        for (_, id) in self.with_data.range((key, PullId::MIN)..=(key, PullId::MAX)) {
            if let Some(pull) = self.pulls.get_mut(id) {
                pull.take_in(key, data.clone());
            }
        }
    }

    fn list_callers(&mut self, id: PullId, pull: &Pull) {
        for caller in &pull.callers {
            self.by_client.insert((caller.client, id));
            if let Some((fingerprint, _)) = caller.idempotency {
                self.by_key.insert(fingerprint.key_hash, id);
            }
        }
    }

    fn unlist_callers(&mut self, id: PullId, pull: &Pull) {
        for caller in &pull.callers {
            self.by_client.remove(&(caller.client, id));
            if let Some((fingerprint, _)) = caller.idempotency {
                self.by_key.remove(&fingerprint.key_hash);
            }
        }
    }
}

impl Engine {
    /// Lets a repeat wait for the answer of the pull that it repeats, if that is still under way.
    pub(super) fn joined_pull(&mut self, caller: &Caller, agent: AgentId) -> Result<bool> {
        let Some((fingerprint, _)) = caller.idempotency else { return Ok(false) };
        let Some(&id) = self.pulls.by_key.get(&fingerprint.key_hash) else { return Ok(false) };
        let Some(pull) = self.pulls.pulls.get_mut(&id) else { return Ok(false) };
        let same_body = pull
            .callers
            .iter()
            .any(|other| other.idempotency.is_some_and(|(of_other, _)| of_other == fingerprint));
        if pull.agent != agent || !same_body {
            let text = "this idempotency key was used for another request; use a new key for a new request";
            return Err(Refusal::new(ErrorCode::IdempotencyKeyReused, text));
        }
        pull.callers.push(caller.clone());
        self.pulls.by_client.insert((caller.client, id));
        Ok(true)
    }

    /// Begins a pull; ends it at once when all user data is at hand.
    pub(super) fn pull(&mut self, pull: Pull) {
        self.pulls.next += 1;
        let id = self.pulls.next;
        if !pull.again {
            for key in &pull.chosen {
                self.pulls.chosen_by.insert(*key, id);
                self.change_unsaved(*key, |row| row.state = State::Cached);
            }
        }
        self.pulls.list_callers(id, &pull);
        self.pulls.pulls.insert(id, pull);
        self.read_for_pull(id);
    }

    /// Asks for the next portions of user data, and begins to give when nothing more is to be read.
    fn read_for_pull(&mut self, id: PullId) {
        while let Some(pull) = self.pulls.pulls.get_mut(&id).filter(|pull| !pull.gives) {
            let portion = pull.next_portion(self.slices.pulled);
            if portion.is_empty() {
                if pull.missing.is_empty() {
                    pull.gives = true;
                    self.start(Job::Pull(id));
                }
                return;
            }
            for key in portion {
                if !pull.again && self.pulls.chosen_by.get(&key) != Some(&id) {
                    continue;
                }
                match self.contents.get(key) {
                    Some(Ok(data)) => {
                        pull.take_in(key, data.clone());
                        self.pulls.with_data.insert((key, id));
                    }
                    // The agent gets it without.
                    Some(Err(Unreadable)) => {}
                    None => {
                        pull.missing.insert(key);
                        self.contents.wait(key, Waiter::Pull { pull: id });
                    }
                }
            }
        }
    }

    /// User data has been read for a pull.
    pub(super) fn pulled_contents_arrived(&mut self, key: InteractionKey, id: PullId) {
        let Some(pull) = self.pulls.pulls.get_mut(&id) else { return };
        let is_lost = !pull.again && self.pulls.chosen_by.get(&key) != Some(&id);
        if pull.missing.remove(&key)
            && !is_lost
            && let Some(Ok(data)) = self.contents.get(key)
        {
            pull.take_in(key, data.clone());
            self.pulls.with_data.insert((key, id));
        }
        self.read_for_pull(id);
    }

    /// Gives the agent the next of what was chosen and is still to be had, and answers when he has all of it; when nobody waits
    /// for it any more, gives it up.
    pub(super) fn give_pulled(&mut self, id: PullId) -> Progress {
        let Some(mut pull) = self.pulls.pulls.remove(&id) else { return Progress::Done };
        if pull.again {
            pull.given = std::mem::take(&mut pull.chosen);
        }
        let is_abandoned = pull.callers.is_empty();
        if pull.next == 0 && !pull.again && !is_abandoned {
            self.remember_pull(&pull);
        }
        let slice: Vec<_> = pull.chosen.iter().skip(pull.next).take(self.slices.pulled).copied().collect();
        for &key in &slice {
            pull.next += 1;
            if self.pulls.chosen_by.get(&key) != Some(&id) {
                continue;
            }
            if is_abandoned || pull.given_bytes > PAGE_BYTES || pull.next > pull.asked {
                self.give_up(key);
                continue;
            }
            self.pulls.chosen_by.remove(&key);
            self.take_by_agent(key, &pull);
            let properties = self.interactions.get(key).map_or(0, |row| self.properties(row).encoded_len());
            pull.given_bytes += properties + pull.contents.get(&key).map_or(0, |data| data.as_bytes().len());
            pull.given.push(key);
        }
        // A long answer takes a step of its own.
        let is_long = pull.chosen.len() > self.slices.pulled;
        if pull.next < pull.chosen.len() || (is_long && !slice.is_empty()) {
            self.pulls.pulls.insert(id, pull);
            return Progress::GoesOn;
        }
        for key in pull.contents.keys() {
            self.pulls.with_data.remove(&(*key, id));
        }
        self.pulls.unlist_callers(id, &pull);
        self.answer_pull(&mut pull);
        Progress::Done
    }

    /// From now on the pull has an effect, which a repeat must find: also one that comes after a restart in the middle.
    fn remember_pull(&mut self, pull: &Pull) {
        let Some(caller) = pull.callers.first().filter(|caller| caller.idempotency.is_some()) else { return };
        let ids = pull.chosen.iter().filter_map(|key| self.interactions.get(*key)).map(|row| {
            let interaction =
                InteractionProperties { interaction_id: self.id_of(row), ..InteractionProperties::default() };
            PulledInteraction { interaction: Some(interaction), session: None }
        });
        let answer = pull.answer(ids.collect());
        self.remember_answer(caller, &answer);
    }

    /// Answers whoever waits for it with what the agent has been given and still handles, as it is now.
    fn answer_pull(&mut self, pull: &mut Pull) {
        if pull.callers.is_empty() {
            return;
        }
        let mut interactions = Vec::with_capacity(pull.given.len());
        let mut bytes = 0;
        for key in &pull.given {
            let Some(row) = self.interactions.get(*key).filter(|row| row.is_handled_by(pull.agent)) else {
                continue;
            };
            let mut interaction = self.properties(row);
            // Nothing is left out, but user data beyond a page: that of a repeat, or what has grown meanwhile.
            interaction.user_data = pull.contents.get(key).filter(|_| bytes <= PAGE_BYTES).cloned();
            bytes += interaction.user_data.as_ref().map_or(0, |data| data.as_bytes().len());
            interactions.push(PulledInteraction { interaction: Some(interaction), session: None });
        }
        let mut answer = pull.answer(interactions);
        for (position, caller) in std::mem::take(&mut pull.callers).iter().enumerate() {
            answer.repeated = pull.again || position > 0;
            self.send_answer_to(caller, &mut answer);
        }
    }

    /// Answers a repeat: what the agent still handles of what he was given, as it is now.
    pub(super) fn answer_pull_again(&mut self, caller: &Caller, pulled: &EventPulledInteractions) {
        let agent = match caller.logged_in() {
            Ok(agent) => agent,
            Err(refusal) => return self.refuse(caller.client, caller.reference_id, &refusal),
        };
        match self.joined_pull(caller, agent) {
            Ok(false) => {}
            Ok(true) => return,
            Err(refusal) => return self.refuse(caller.client, caller.reference_id, &refusal),
        }
        let ids = pulled.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref());
        let chosen: Vec<_> = ids
            .filter_map(|interaction| self.interactions.find(&self.vocabulary, &interaction.interaction_id))
            .filter(|key| self.interactions.get(*key).is_some_and(|row| row.is_handled_by(agent)))
            .collect();
        let caller = Caller { idempotency: None, ..caller.clone() };
        let pull = Pull::new(caller, agent, pulled.view_id.clone(), false, chosen);
        self.pull(Pull { again: true, ..pull });
    }

    fn take_by_agent(&mut self, key: InteractionKey, pull: &Pull) {
        let agent = pull.agent;
        let (actor, operation) = (Actor::Agent(agent), InteractionOperation::Pull);
        add_agent(self, key, agent, operation);
        let view_id = if pull.from_view { pull.view_id.clone() } else { String::new() };
        self.report(key, |interaction, engine| {
            Event::EventTakenFromQueue(EventTakenFromQueue {
                interaction: Some(interaction),
                party: Some(engine.agent_party(agent)),
                operation: operation as i32,
                actor: Some(engine.actor_info(&actor)),
                reason: None,
                view_id,
            })
        });
        let former = self.take_from_workbin(key, Some(self.agent_party(agent)), operation, &actor, None);
        if let Some(parties) = self.interactions.get_mut(key).and_then(|row| row.parties.as_mut()) {
            parties.former_workbin = former;
        }
        self.report_agent_added(key, agent, operation, &actor);
    }

    /// What a pull had chosen is queued again.
    fn give_up(&mut self, key: InteractionKey) {
        self.pulls.lose(key);
        self.change_unsaved(key, |row| row.state = State::Queued);
    }

    /// A client is gone, or no longer acts for `agent`: what it pulled goes to whoever repeated the request, else back.
    pub(super) fn abandon_pulls(&mut self, client: ClientRef, agent: Option<AgentId>) {
        let range = (client, PullId::MIN)..=(client, PullId::MAX);
        let ids: Vec<PullId> = self.pulls.by_client.range(range).map(|(_, id)| *id).collect();
        for id in ids {
            let Some(mut pull) = self.pulls.pulls.remove(&id) else { continue };
            self.pulls.unlist_callers(id, &pull);
            if agent.is_some() && pull.next > 0 {
                // It is carried out, as far as it came.
                self.answer_pull(&mut pull);
            }
            let (gone, stay) = pull.callers.into_iter().partition(|caller| caller.client == client);
            pull.callers = stay;
            if agent.is_some() {
                let text =
                    "the agent was logged out while his interactions were being read; log in and pull again";
                for caller in &gone {
                    let caller: &Caller = caller;
                    let refusal = Refusal::new(ErrorCode::AgentNotLoggedIn, text);
                    self.refuse(caller.client, caller.reference_id, &refusal);
                }
            }
            let gives = pull.gives;
            let is_abandoned = pull.callers.is_empty();
            if is_abandoned {
                pull.missing.clear();
                pull.gives = true;
            }
            self.pulls.list_callers(id, &pull);
            self.pulls.pulls.insert(id, pull);
            if is_abandoned && !gives {
                // A little of it at once: the agent may be back with the next request.
                match self.pulls.given_up_at_once < self.slices.returned {
                    true => {
                        self.pulls.given_up_at_once += self.slices.pulled;
                        self.start(Job::Pull(id));
                    }
                    false => self.jobs.enqueue(Job::Pull(id)),
                }
            }
        }
    }
}
