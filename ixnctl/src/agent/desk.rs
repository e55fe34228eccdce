//! What an agent who works by himself does next. Pure: the worker tells it what happened and does what it says.
//!
//! He accepts every offer, thinks, and finishes. A lost connection takes nothing from him: after the next login he
//! goes on with what the server says he holds, and with nothing else.

use std::collections::{BTreeMap, BTreeSet};

/// How often finishing one interaction is tried before it is left alone.
const ATTEMPTS_TO_FINISH: u32 = 3;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// He is logged in, holds these interactions, and is not ready for these media although he means to be.
    LoggedIn { held: Vec<String>, not_ready: Vec<String> },
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
            Input::LoggedIn { held, not_ready } => self.logged_in(held, not_ready),
            Input::Disconnected => {
                self.is_logged_in = false;
                Vec::new()
            }
            Input::Invited { ticket_id, interaction_id } => {
                self.accepting.insert(ticket_id);
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
                self.interactions.remove(&interaction_id);
                Vec::new()
            }
            Input::NotFinished { interaction_id, gone } => self.not_finished(interaction_id, gone),
            Input::Revoked { interaction_id } => {
                self.interactions.remove(&interaction_id);
                Vec::new()
            }
            Input::MadeNotReady { media_type } => vec![Action::BecomeReady { media_type }],
        }
    }

    fn logged_in(&mut self, held: Vec<String>, not_ready: Vec<String>) -> Vec<Action> {
        self.is_logged_in = true;
        // Requests in flight are repeated by the client and will be answered; the rest is what the server says.
        self.interactions.retain(|id, step| matches!(step, Step::Finishing { .. }) || held.contains(id));
        let become_ready = |media_type| Action::BecomeReady { media_type };
        let mut actions: Vec<Action> = not_ready.into_iter().map(become_ready).collect();
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
            self.interactions.remove(&interaction_id);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> String {
        "i1".to_owned()
    }

    fn login(held: Vec<String>) -> Input {
        Input::LoggedIn { held, not_ready: Vec::new() }
    }

    fn logged_in() -> Desk {
        let mut desk = Desk::default();
        assert_eq!(desk.handle(login(vec![])), []);
        desk
    }

    fn handling() -> Desk {
        let mut desk = logged_in();
        desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
        desk.handle(accepted(false));
        desk
    }

    fn accepted(repeated: bool) -> Input {
        Input::Accepted { ticket_id: 7, interaction_id: id(), repeated }
    }

    #[test]
    fn an_offer_is_accepted_thought_about_and_finished() {
        let mut desk = logged_in();
        let accept = Action::Accept { ticket_id: 7, interaction_id: id() };
        assert_eq!(desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() }), [accept]);
        let think = Action::Think { interaction_id: id() };
        assert_eq!(desk.handle(accepted(false)), [think]);
        let finish = Action::Finish { interaction_id: id() };
        assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), [finish]);
        assert_eq!(desk.holding(), 1);
        assert_eq!(desk.handle(Input::Finished { interaction_id: id() }), []);
        assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (1, 1, 0));
    }

    #[test]
    fn a_refused_or_revoked_offer_leaves_nothing() {
        let mut desk = logged_in();
        desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
        desk.handle(Input::NotAccepted { ticket_id: 7 });
        assert_eq!((desk.accepted(), desk.holding()), (0, 0));
        let mut desk = handling();
        desk.handle(Input::Revoked { interaction_id: id() });
        assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), []);
        assert_eq!(desk.holding(), 0);
    }

    #[test]
    fn held_interactions_are_finished_after_the_next_login() {
        let mut desk = Desk::default();
        let think = Action::Think { interaction_id: id() };
        assert_eq!(desk.handle(login(vec![id()])), [think]);
        desk.handle(Input::Disconnected);
        assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), [], "nobody to tell");
        let finish = Action::Finish { interaction_id: id() };
        assert_eq!(desk.handle(login(vec![id()])), [finish]);
        desk.handle(Input::Finished { interaction_id: id() });
        assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (0, 1, 0));
    }

    #[test]
    fn what_the_server_took_meanwhile_is_forgotten() {
        let mut desk = handling();
        desk.handle(Input::Disconnected);
        assert_eq!(desk.handle(login(vec![])), []);
        assert_eq!(desk.handle(Input::Thought { interaction_id: id() }), []);
        assert_eq!(desk.holding(), 0);
    }

    #[test]
    fn an_accept_whose_answer_was_lost_counts_once_and_is_finished_once() {
        let mut desk = logged_in();
        desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
        desk.handle(Input::Disconnected);
        let think = Action::Think { interaction_id: id() };
        assert_eq!(desk.handle(login(vec![id()])), [think]);
        assert_eq!(desk.handle(accepted(true)), [], "thinks already");
        desk.handle(Input::Thought { interaction_id: id() });
        desk.handle(Input::Finished { interaction_id: id() });
        assert_eq!((desk.accepted(), desk.finished(), desk.holding()), (1, 1, 0));
    }

    #[test]
    fn an_accept_whose_answer_was_lost_with_the_work_begins_nothing() {
        let mut desk = logged_in();
        desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
        desk.handle(Input::Disconnected);
        desk.handle(login(vec![]));
        assert_eq!(desk.handle(accepted(true)), []);
        assert_eq!((desk.accepted(), desk.holding()), (1, 0));
    }

    #[test]
    fn the_end_of_an_old_offer_leaves_the_new_one() {
        let mut desk = logged_in();
        desk.handle(Input::Invited { ticket_id: 6, interaction_id: id() });
        desk.handle(Input::Disconnected);
        desk.handle(login(vec![]));
        desk.handle(Input::Invited { ticket_id: 7, interaction_id: id() });
        desk.handle(Input::NotAccepted { ticket_id: 6 });
        assert_eq!(desk.holding(), 1);
        assert_eq!(desk.handle(accepted(false)), [Action::Think { interaction_id: id() }]);
    }

    #[test]
    fn a_stop_in_flight_at_a_login_is_not_sent_twice() {
        let mut desk = handling();
        desk.handle(Input::Thought { interaction_id: id() });
        desk.handle(Input::Disconnected);
        assert_eq!(desk.handle(login(vec![id()])), []);
        desk.handle(Input::Finished { interaction_id: id() });
        assert_eq!((desk.finished(), desk.holding()), (1, 0));
    }

    #[test]
    fn finishing_is_tried_again_but_not_for_ever() {
        let mut desk = handling();
        for _ in 1..ATTEMPTS_TO_FINISH {
            assert_eq!(desk.handle(Input::Thought { interaction_id: id() }).len(), 1);
            let think = Action::Think { interaction_id: id() };
            assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), [think]);
        }
        desk.handle(Input::Thought { interaction_id: id() });
        assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), []);
        assert_eq!((desk.finished(), desk.holding()), (0, 0));
    }

    #[test]
    fn what_has_ended_is_not_tried_again() {
        let mut desk = handling();
        desk.handle(Input::Thought { interaction_id: id() });
        assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: true }), []);
        assert_eq!(desk.holding(), 0);
    }

    #[test]
    fn a_stop_refused_before_the_login_waits_for_it() {
        let mut desk = handling();
        desk.handle(Input::Thought { interaction_id: id() });
        desk.handle(Input::Disconnected);
        assert_eq!(desk.handle(Input::NotFinished { interaction_id: id(), gone: false }), []);
        let finish = Action::Finish { interaction_id: id() };
        assert_eq!(desk.handle(login(vec![id()])), [finish]);
    }

    #[test]
    fn who_was_made_not_ready_becomes_ready() {
        let ready = Action::BecomeReady { media_type: "email".to_owned() };
        let made_not_ready = Input::MadeNotReady { media_type: "email".to_owned() };
        assert_eq!(logged_in().handle(made_not_ready), std::slice::from_ref(&ready));
        let resumed = Input::LoggedIn { held: Vec::new(), not_ready: vec!["email".to_owned()] };
        assert_eq!(logged_in().handle(resumed), [ready]);
    }
}
