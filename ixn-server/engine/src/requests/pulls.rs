//! Pulls on their way: while user data is read the chosen interactions are *cached*, invisible to every other pull; then
//! the agent handles them and his application gets them, all in one answer. When the agent or his client is gone before
//! that, they are queued again and nobody hears of it. User data is read in portions until an answer is full; what is left
//! then is queued again too.
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
use super::jobs::PAGE_BYTES;
use super::{Caller, Refusal, Result, Waiter};
use crate::commit::InteractionKey;
use crate::contents::Unreadable;
use crate::engine::Engine;
use crate::interaction::State;
use crate::names::AgentId;
use crate::sessions::ClientRef;
use crate::wire::Actor;

/// For so many interactions user data is read at once.
const PORTION: usize = 32;

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
    contents: BTreeMap<InteractionKey, KeyValueList>,
    /// Bytes of `contents`.
    bytes: usize,
    missing: BTreeSet<InteractionKey>,
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
            again: false,
        }
    }

    fn take_in(&mut self, key: InteractionKey, data: KeyValueList) {
        self.bytes += data.as_bytes().len();
        self.contents.insert(key, data);
    }

    /// What user data is to be asked for next: nothing while some is missing, or when there is enough for an answer.
    fn next_portion(&mut self) -> Vec<InteractionKey> {
        if !self.missing.is_empty() || self.bytes > PAGE_BYTES {
            return Vec::new();
        }
        let portion: Vec<_> = self.chosen.iter().skip(self.asked).take(PORTION).copied().collect();
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
    by_client: BTreeSet<(ClientRef, PullId)>,
    by_key: BTreeMap<u128, PullId>,
}

impl Pulls {
    /// An interaction went elsewhere: the pull that chose it does without.
    pub(crate) fn lose(&mut self, key: InteractionKey) {
        self.chosen_by.remove(&key);
    }

    /// The interactions that pulls have chosen.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = InteractionKey> {
        self.chosen_by.keys().copied()
    }

    fn remove(&mut self, id: PullId) -> Option<Pull> {
        let pull = self.pulls.remove(&id)?;
        for caller in &pull.callers {
            self.by_client.remove(&(caller.client, id));
            if let Some((fingerprint, _)) = caller.idempotency {
                self.by_key.remove(&fingerprint.key_hash);
            }
        }
        Some(pull)
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
        for caller in &pull.callers {
            self.pulls.by_client.insert((caller.client, id));
            if let Some((fingerprint, _)) = caller.idempotency {
                self.pulls.by_key.insert(fingerprint.key_hash, id);
            }
        }
        self.pulls.pulls.insert(id, pull);
        self.read_for_pull(id);
    }

    /// Asks for the next portions of user data, and completes the pull when nothing more is to be read.
    fn read_for_pull(&mut self, id: PullId) {
        while let Some(pull) = self.pulls.pulls.get_mut(&id) {
            let portion = pull.next_portion();
            if portion.is_empty() {
                if pull.missing.is_empty()
                    && let Some(pull) = self.pulls.remove(id)
                {
                    self.complete_pull(id, pull);
                }
                return;
            }
            for key in portion {
                if !pull.again && self.pulls.chosen_by.get(&key) != Some(&id) {
                    continue;
                }
                match self.contents.get(key) {
                    Some(Ok(data)) => pull.take_in(key, data.clone()),
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
        }
        self.read_for_pull(id);
    }

    /// Gives the agent what was chosen and is still to be had, and answers.
    fn complete_pull(&mut self, id: PullId, mut pull: Pull) {
        let mut answer =
            EventPulledInteractions { view_id: pull.view_id.clone(), ..EventPulledInteractions::default() };
        let mut bytes = 0;
        for (position, key) in pull.chosen.iter().enumerate() {
            let user_data = pull.contents.remove(key);
            if pull.again {
                if !self.interactions.get(*key).is_some_and(|row| row.is_handled_by(pull.agent)) {
                    continue;
                }
            } else {
                if self.pulls.chosen_by.get(key) != Some(&id) {
                    continue;
                }
                if bytes > PAGE_BYTES || position >= pull.asked {
                    self.give_up(*key);
                    continue;
                }
                self.pulls.chosen_by.remove(key);
                self.take_by_agent(*key, &pull);
            }
            let Some(row) = self.interactions.get(*key) else { continue };
            let mut interaction = self.properties(row);
            // A repeat leaves nothing out, but user data beyond a page; RequestGetInteractionProperties reads that.
            interaction.user_data = user_data.filter(|_| bytes <= PAGE_BYTES);
            bytes += interaction.encoded_len();
            answer.interactions.push(PulledInteraction { interaction: Some(interaction), session: None });
        }
        answer.number_of_interactions = answer.interactions.len() as u32;
        self.answer_pull(&pull, answer);
    }

    fn answer_pull(&mut self, pull: &Pull, answer: EventPulledInteractions) {
        let ids =
            answer.interactions.iter().filter_map(|pulled| pulled.interaction.as_ref()).map(|interaction| {
                let interaction = InteractionProperties {
                    interaction_id: interaction.interaction_id.clone(),
                    ..Default::default()
                };
                PulledInteraction { interaction: Some(interaction), session: None }
            });
        let remembered = ServerEnvelope {
            event: Some(Event::EventPulledInteractions(EventPulledInteractions {
                interactions: ids.collect(),
                ..answer.clone()
            })),
            ..ServerEnvelope::default()
        };
        for (position, caller) in pull.callers.iter().enumerate() {
            let repeated = pull.again || position > 0;
            if !repeated {
                self.remember_answer(caller, &remembered);
            }
            let event = Some(Event::EventPulledInteractions(answer.clone()));
            self.send_answer(caller, ServerEnvelope { event, repeated, ..ServerEnvelope::default() });
        }
    }

    /// Answers a repeat: what the agent still handles of what he was given, as it is now.
    pub(super) fn answer_pull_again(&mut self, caller: &Caller, pulled: &EventPulledInteractions) {
        let agent = match caller.logged_in() {
            Ok(agent) => agent,
            Err(refusal) => return self.refuse(caller.client, caller.reference_id, &refusal),
        };
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
            let Some(mut pull) = self.pulls.remove(id) else { continue };
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
            if pull.callers.is_empty() {
                let chosen = pull.chosen.into_iter();
                for key in chosen.filter(|key| self.pulls.chosen_by.get(key) == Some(&id)).collect::<Vec<_>>()
                {
                    self.give_up(key);
                }
                continue;
            }
            for caller in &pull.callers {
                self.pulls.by_client.insert((caller.client, id));
                if let Some((fingerprint, _)) = caller.idempotency {
                    self.pulls.by_key.insert(fingerprint.key_hash, id);
                }
            }
            self.pulls.pulls.insert(id, pull);
        }
    }
}
