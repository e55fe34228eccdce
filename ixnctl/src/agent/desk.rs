//! What an agent who works by himself does next. Pure: the worker tells it what happened and does what it says.
//!
//! He accepts every offer, thinks, and finishes. A lost connection takes nothing from him: after the next login he
//! goes on with what the server says he holds, and with nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// How often finishing one interaction is tried before it is left alone.
pub(super) const ATTEMPTS_TO_FINISH: u32 = 3;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// He is logged in, holds these interactions, and is not ready for these media although he means to be. `more`: he
    /// holds others too.
    LoggedIn { held: Vec<String>, more: bool, not_ready: Vec<String> },
    /// All that he holds was found.
    Found { held: Vec<String> },
    /// The connection is lost.
    Disconnected,
    /// An interaction is offered to him.
    Invited { ticket_id: u64, interaction_id: String },
    /// The server acknowledged that he accepted. `repeated`: it is the first answer again, after a lost connection.
    Accepted { ticket_id: u64, interaction_id: String, repeated: bool },
    /// The server refused it, or no answer came.
    NotAccepted { ticket_id: u64 },
    /// He has thought for long enough.
    Thought { interaction_id: String },
    /// The server acknowledged the end of his work.
    Finished { interaction_id: String },
    /// The server refused it, or no answer came.
    NotFinished { interaction_id: String, gone: bool },
    /// An offer or an interaction was taken from him.
    Revoked { interaction_id: String },
    /// Somebody else made him not ready for a medium.
    MadeNotReady { media_type: String },
}

/// What he does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Accept the offer.
    Accept { ticket_id: u64, interaction_id: String },
    /// Think, then say so.
    Think { interaction_id: String },
    /// Stop or place the interaction.
    Finish { interaction_id: String },
    /// Find all that he holds.
    FindHeld,
    /// Become ready again.
    BecomeReady { media_type: String },
}

/// Where one interaction of his stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// He thinks.
    Thinking { attempts: u32 },
    /// He has thought, and waits for a login.
    Due { attempts: u32 },
    /// He finishes; the server has not answered.
    Finishing { attempts: u32 },
}

/// One agent's interactions and counts.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// The tickets of the offers that he accepted, unanswered by the server.
    accepting: BTreeSet<u64>,
    /// What he has.
    interactions: BTreeMap<String, Step>,
    /// While all that he holds is looked for: what has gone since, which may be found all the same.
    gone_meanwhile: Option<BTreeSet<String>>,
    is_logged_in: bool,
    accepted: u64,
    finished: u64,
}

impl Desk {
    /// How many offers he accepted, as the server acknowledged.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// How many interactions he finished, as the server acknowledged.
    pub(super) fn finished(&self) -> u64 {
        self.finished
    }

    /// How many interactions he has or is about to have.
    pub(super) fn holding(&self) -> usize {
        self.accepting.len() + self.interactions.len()
    }

    /// True while a login stands.
    pub(super) fn is_logged_in(&self) -> bool {
        self.is_logged_in
    }

    /// Takes in what happened; the answer is what he does, in order.
    pub(super) fn handle(&mut self, input: Input) -> Vec<Action> {
        match input {
            Input::LoggedIn { held, more, not_ready } => self.logged_in(held, more, not_ready),
            Input::Found { held } => self.found(held),
            Input::Disconnected => {
                self.is_logged_in = false;
                self.gone_meanwhile = None;
                Vec::new()
            }
            Input::Invited { ticket_id, interaction_id } => {
                self.accepting.insert(ticket_id);
                // It may have been his before, and be so again.
                if let Some(gone) = &mut self.gone_meanwhile {
                    gone.remove(&interaction_id);
                }
                vec![Action::Accept { ticket_id, interaction_id }]
            }
            Input::Accepted { ticket_id, interaction_id, repeated } => {
                self.accepting.remove(&ticket_id);
                self.accepted += 1;
                // The login that came before a repeat has told whether he still has it.
                if repeated { Vec::new() } else { self.begin(interaction_id) }
            }
            Input::NotAccepted { ticket_id } => {
                self.accepting.remove(&ticket_id);
                Vec::new()
            }
            Input::Thought { interaction_id } => self.thought(interaction_id),
            Input::Finished { interaction_id } => {
                self.finished += 1;
                self.lose(interaction_id);
                Vec::new()
            }
            Input::NotFinished { interaction_id, gone } => self.not_finished(interaction_id, gone),
            Input::Revoked { interaction_id } => {
                self.lose(interaction_id);
                Vec::new()
            }
            Input::MadeNotReady { media_type } => vec![Action::BecomeReady { media_type }],
        }
    }

    fn logged_in(&mut self, held: Vec<String>, more: bool, not_ready: Vec<String>) -> Vec<Action> {
        self.is_logged_in = true;
        self.gone_meanwhile = more.then(BTreeSet::new);
        // Requests in flight are repeated by the client and will be answered; the rest is what the server says.
        self.interactions
            .retain(|id, step| more || matches!(step, Step::Finishing { .. }) || held.contains(id));
        let become_ready = |media_type| Action::BecomeReady { media_type };
        let mut actions: Vec<Action> = not_ready.into_iter().map(become_ready).collect();
        actions.extend(self.take_up(held));
        actions.extend(more.then_some(Action::FindHeld));
        actions
    }

    fn found(&mut self, mut held: Vec<String>) -> Vec<Action> {
        // Found for a login that no longer stands: the next one tells.
        let Some(gone) = self.gone_meanwhile.take() else { return Vec::new() };
        held.retain(|id| !gone.contains(id));
        // What he was given since he asked is not in it; what waited for this login was his before.
        self.interactions.retain(|id, step| !matches!(step, Step::Due { .. }) || held.contains(id));
        self.take_up(held)
    }

    /// He goes on with what he holds.
    fn take_up(&mut self, held: Vec<String>) -> Vec<Action> {
        let mut actions = Vec::new();
        for interaction_id in held {
            match self.interactions.get_mut(&interaction_id) {
                Some(Step::Thinking { .. } | Step::Finishing { .. }) => {}
                None => actions.extend(self.begin(interaction_id)),
                Some(step @ Step::Due { .. }) => {
                    let Step::Due { attempts } = *step else { continue };
                    *step = Step::Finishing { attempts };
                    actions.push(Action::Finish { interaction_id });
                }
            }
        }
        actions
    }

    /// He has it: he thinks, unless he is at it already.
    fn begin(&mut self, interaction_id: String) -> Vec<Action> {
        if self.interactions.contains_key(&interaction_id) {
            return Vec::new();
        }
        self.interactions.insert(interaction_id.clone(), Step::Thinking { attempts: 0 });
        vec![Action::Think { interaction_id }]
    }

    /// He has it no longer.
    fn lose(&mut self, interaction_id: String) {
        self.interactions.remove(&interaction_id);
        if let Some(gone) = &mut self.gone_meanwhile {
            gone.insert(interaction_id);
        }
    }

    fn thought(&mut self, interaction_id: String) -> Vec<Action> {
        let is_logged_in = self.is_logged_in;
        match self.interactions.get_mut(&interaction_id) {
            Some(step @ Step::Thinking { .. }) => {
                let Step::Thinking { attempts } = *step else { return Vec::new() };
                if !is_logged_in {
                    *step = Step::Due { attempts };
                    return Vec::new();
                }
                *step = Step::Finishing { attempts };
                vec![Action::Finish { interaction_id }]
            }
            _ => Vec::new(),
        }
    }

    fn not_finished(&mut self, interaction_id: String, gone: bool) -> Vec<Action> {
        let Some(Step::Finishing { attempts }) = self.interactions.get(&interaction_id).copied() else {
            return Vec::new();
        };
        let attempts = attempts + 1;
        if gone || attempts >= ATTEMPTS_TO_FINISH {
            self.lose(interaction_id);
            return Vec::new();
        }
        if !self.is_logged_in {
            self.interactions.insert(interaction_id, Step::Due { attempts });
            return Vec::new();
        }
        self.interactions.insert(interaction_id.clone(), Step::Thinking { attempts });
        vec![Action::Think { interaction_id }]
    }
}
