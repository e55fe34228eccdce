//! The desk against a small model of a server, over many seeds: offers, answers that are lost with the connection,
//! work that is taken away. What the desk counts must be what the model did, and it never works on what it has not.

use std::collections::{BTreeMap, VecDeque};

use super::desk::{Action, Desk, Input};

const INTERACTIONS: usize = 4;
const STEPS: usize = 300;
const SEEDS: u64 = 500;

/// Where an interaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Queue,
    Offered(u64),
    Agent,
    Ended,
}

/// A request that has no answer yet.
#[derive(Clone, Debug)]
struct Pending {
    action: Action,
    /// The server carried it out, and the answer was lost: the next one is the first one again.
    carried_out: bool,
}

struct Scene {
    random: fastrand::Rng,
    desk: Desk,
    at: BTreeMap<String, At>,
    is_connected: bool,
    last_ticket: u64,
    requests: VecDeque<Pending>,
    thoughts: Vec<String>,
    accepts: u64,
    ends: u64,
}

impl Scene {
    fn new(seed: u64) -> Self {
        Self {
            random: fastrand::Rng::with_seed(seed),
            desk: Desk::default(),
            at: (0..INTERACTIONS).map(|number| (format!("i{number}"), At::Queue)).collect(),
            is_connected: false,
            last_ticket: 0,
            requests: VecDeque::new(),
            thoughts: Vec::new(),
            accepts: 0,
            ends: 0,
        }
    }

    fn tell(&mut self, input: Input) {
        for action in self.desk.handle(input) {
            match action {
                Action::Think { interaction_id } => {
                    assert_eq!(self.at[&interaction_id], At::Agent, "he begins what he has not");
                    self.thoughts.push(interaction_id);
                }
                Action::Finish { ref interaction_id } => {
                    assert_eq!(self.at[interaction_id], At::Agent, "he finishes what he has not");
                    self.requests.push_back(Pending { action, carried_out: false });
                }
                action => self.requests.push_back(Pending { action, carried_out: false }),
            }
        }
    }

    fn any_in(&mut self, wanted: impl Fn(At) -> bool) -> Option<String> {
        let found: Vec<&String> = self.at.iter().filter(|(_, at)| wanted(**at)).map(|(id, _)| id).collect();
        self.random.choice(found).cloned()
    }

    fn log_in(&mut self) {
        self.is_connected = true;
        let held = self.at.iter().filter(|(_, at)| **at == At::Agent).map(|(id, _)| id.clone()).collect();
        self.tell(Input::LoggedIn { held, more: false, not_ready: Vec::new() });
    }

    /// The connection is lost. The server returns offers, and with `returns` what he has too.
    fn lose(&mut self, returns: bool) {
        self.is_connected = false;
        for at in self.at.values_mut() {
            if matches!(at, At::Offered(_)) || (returns && *at == At::Agent) {
                *at = At::Queue;
            }
        }
        self.tell(Input::Disconnected);
    }

    fn offer(&mut self) {
        let Some(interaction_id) = self.any_in(|at| at == At::Queue) else { return };
        self.last_ticket += 1;
        let ticket_id = self.last_ticket;
        self.at.insert(interaction_id.clone(), At::Offered(ticket_id));
        self.tell(Input::Invited { ticket_id, interaction_id });
    }

    fn take_away(&mut self) {
        let has = |at| matches!(at, At::Offered(_) | At::Agent);
        let Some(interaction_id) = self.any_in(has) else { return };
        self.at.insert(interaction_id.clone(), At::Queue);
        self.tell(Input::Revoked { interaction_id });
    }

    /// The server takes the oldest request. With `loses` the answer is lost with the connection.
    fn serve(&mut self, loses: bool) {
        let Some(mut request) = self.requests.pop_front() else { return };
        let repeated = request.carried_out;
        let input = match request.action.clone() {
            Action::Accept { ticket_id, interaction_id } => {
                if !repeated && self.at[&interaction_id] == At::Offered(ticket_id) {
                    self.at.insert(interaction_id.clone(), At::Agent);
                    self.accepts += 1;
                    request.carried_out = true;
                }
                match request.carried_out {
                    true => Input::Accepted { ticket_id, interaction_id, repeated },
                    false => Input::NotAccepted { ticket_id },
                }
            }
            Action::Finish { interaction_id } => {
                if !repeated && self.at[&interaction_id] == At::Agent {
                    self.at.insert(interaction_id.clone(), At::Ended);
                    self.ends += 1;
                    request.carried_out = true;
                }
                match request.carried_out {
                    true => Input::Finished { interaction_id },
                    false => Input::NotFinished { interaction_id, gone: true },
                }
            }
            action => panic!("{action:?} is no request"),
        };
        if loses {
            self.requests.push_front(request);
            let returns = self.random.bool();
            self.lose(returns);
        } else {
            self.tell(input);
        }
    }

    fn think(&mut self) {
        if self.thoughts.is_empty() {
            return;
        }
        let index = self.random.usize(..self.thoughts.len());
        let interaction_id = self.thoughts.swap_remove(index);
        self.tell(Input::Thought { interaction_id });
    }

    fn step(&mut self) {
        match self.random.u8(..100) {
            0..30 => self.think(),
            _ if !self.is_connected => self.log_in(),
            30..55 => self.offer(),
            55..85 => self.serve(false),
            85..90 => self.serve(true),
            90..93 => {
                let returns = self.random.bool();
                self.lose(returns);
            }
            93..97 => self.take_away(),
            _ => {
                let ended = self.any_in(|at| at == At::Ended);
                ended.map(|interaction_id| self.at.insert(interaction_id, At::Queue));
            }
        }
    }

    /// Nothing new happens: all that is under way comes to its end.
    fn settle(&mut self) {
        if !self.is_connected {
            self.log_in();
        }
        while !self.requests.is_empty() || !self.thoughts.is_empty() {
            self.serve(false);
            self.think();
        }
    }
}

#[test]
fn whatever_is_lost_the_desk_counts_what_happened_and_leaves_nothing() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut scene = Scene::new(seed);
        for _ in 0..STEPS {
            scene.step();
        }
        scene.settle();
        assert_eq!((scene.desk.accepted(), scene.desk.finished()), (scene.accepts, scene.ends));
        assert_eq!(scene.desk.holding(), 0);
        assert_eq!(scene.any_in(|at| at == At::Agent), None, "he has it and does nothing");
    }
}
