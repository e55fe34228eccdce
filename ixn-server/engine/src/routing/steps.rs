//! The steps of a strategy: each reaches more agents than the one before; after the last the interaction overflows.

use ixn_proto::InteractionOperation;

use crate::commit::InteractionKey;
use crate::engine::{Engine, Timer};
use crate::interaction::Interaction;
use crate::routing::lines::{LineId, Urgency};
use crate::wire::{Actor, server_reason};

/// The line in which an interaction waits, and its place there.
pub(crate) fn line_of(interaction: &Interaction) -> Option<(LineId, Urgency)> {
    let routing = interaction.routing()?;
    let line = LineId { strategy: routing.strategy, step: routing.step, media_type: interaction.media_type };
    Some((line, Urgency::new(interaction.priority, interaction.key)))
}

impl Engine {
    /// Begins a step: its clock starts, and a free agent is asked at once if there is one.
    pub(crate) fn begin_step(&mut self, key: InteractionKey, step: usize) {
        let Some(strategy) = self.interactions.get(key).and_then(Interaction::routing).map(|r| r.strategy)
        else {
            return;
        };
        let timeout = self
            .setup
            .strategies
            .get(&strategy)
            .and_then(|setup| setup.steps.get(step))
            .and_then(|step| step.timeout);
        let timer = timeout.map(|timeout| self.timers.set(self.now.after(timeout), Timer::Step(key)));
        if let Some(routing) = self.interactions.get_mut(key).and_then(Interaction::routing_mut) {
            routing.step = step;
            routing.step_timer = timer;
        }
        self.offer(key);
    }

    /// A step's time is up. An offer that is open goes on: the next step begins behind it.
    pub(crate) fn step_expired(&mut self, key: InteractionKey) {
        let Some(row) = self.interactions.get(key) else { return };
        let Some((line, urgency)) = line_of(row) else { return };
        self.lines.dequeue(line, urgency);
        self.begin_step(key, line.step + 1);
    }

    /// Asks the best free agent whom the step reaches; with none the interaction waits in its line. While a new
    /// configuration comes into force it waits for its turn.
    pub(crate) fn offer(&mut self, key: InteractionKey) {
        if !self.changeover.holds_offers() {
            return self.offer_now(key);
        }
        if let Some((_, urgency)) = self.interactions.get(key).and_then(line_of) {
            self.changeover.enqueue(urgency);
        }
    }

    pub(crate) fn offer_now(&mut self, key: InteractionKey) {
        let Some(row) = self.interactions.get(key) else { return };
        if !row.invitations().is_empty() || row.is_held {
            return;
        }
        let Some((line, urgency)) = line_of(row) else { return };
        let Some(setup) = self.setup.strategies.get(&line.strategy) else {
            self.strategy_is_gone(key);
            return;
        };
        if line.step >= setup.steps.len() {
            self.overflow(key);
            return;
        }
        let agent = self.lines.free(line).find(|agent| !self.has_declined(row, *agent));
        match agent {
            Some(agent) => {
                self.lines.dequeue(line, urgency);
                self.invite(key, agent);
            }
            None => self.lines.enqueue(line, urgency),
        }
    }

    /// Changes the priority of an interaction, and with it its place in the line where it waits.
    pub(crate) fn set_priority(&mut self, key: InteractionKey, priority: i32) {
        let Some(row) = self.interactions.get(key) else { return };
        let waited = line_of(row).is_some_and(|(line, urgency)| self.lines.dequeue(line, urgency));
        self.change(key, |row| row.priority = priority);
        let Some((line, urgency)) = self.interactions.get(key).and_then(line_of) else { return };
        if waited {
            self.lines.enqueue(line, urgency);
        } else if self.changeover.holds_offers() {
            self.changeover.enqueue(urgency);
        }
    }

    /// No step could deliver it.
    fn overflow(&mut self, key: InteractionKey) {
        let strategy = self.interactions.get(key).and_then(Interaction::routing).map(|r| r.strategy);
        let setup = strategy.and_then(|strategy| self.setup.strategies.get(&strategy));
        let overflow_queue = setup.and_then(|setup| setup.overflow_queue);
        let reason = server_reason("Overflow", "no step of the strategy found an agent in time");
        match (overflow_queue, strategy) {
            (Some(queue), Some(strategy)) => {
                let actor = Actor::Strategy(strategy);
                self.move_to_queue(key, queue, InteractionOperation::PlaceInQueue, &actor, Some(reason));
            }
            _ => self.return_to_queue(key, InteractionOperation::PlaceBack, &Actor::Server, Some(reason)),
        }
    }

    /// Routing as a whole took too long.
    pub(crate) fn routing_expired(&mut self, key: InteractionKey) {
        let reason = server_reason("Expired", "the routing timeout has passed");
        self.return_to_queue(key, InteractionOperation::PlaceBack, &Actor::Server, Some(reason));
    }
}
