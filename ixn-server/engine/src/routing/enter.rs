//! Entering routing: a view takes interactions out of their queue as soon as they match, up to the strategy's cap.

use ixn_configuration::Executor;
use ixn_proto::{EventPartyAdded, EventTakenFromQueue, InteractionOperation, server_envelope::Event};

use crate::commit::InteractionKey;
use crate::engine::{Engine, Timer};
use crate::interaction::{Routing, State};
use crate::names::StrategyId;
use crate::wire::Actor;

impl Engine {
    /// Lets the built-in router take the first of what a view shows, if the strategy has room. A view that may have more
    /// gets another turn.
    pub(crate) fn fill_from_view(&mut self, view: usize) {
        let Some(strategy) = self.setup.views.get(view).and_then(|view| view.strategy) else { return };
        if !self.has_room(strategy) {
            return;
        }
        let Some(key) = self.views.first(view) else { return };
        self.wake.views.insert(view);
        if self.still_shows(view, key) {
            self.enter_routing(key, view, strategy);
            self.wake.served_view = view;
        } else {
            self.reindex(key);
        }
    }

    /// Whether the built-in router executes the strategy and may take one more.
    pub(crate) fn has_room(&self, strategy: StrategyId) -> bool {
        let current = self.strategies.get(&strategy).map_or(0, |counts| counts.current);
        self.setup
            .strategies
            .get(&strategy)
            .is_some_and(|setup| setup.executor == Executor::BuiltIn && current < setup.max_submitted)
    }

    fn enter_routing(&mut self, key: InteractionKey, view: usize, strategy: StrategyId) {
        let now = self.now;
        let routing_timer =
            self.timers.set(now.after(self.setup.options.routing_timeout), Timer::Routing(key));
        self.change(key, |row| {
            row.state = State::Routing;
            row.submitted_to_router_at = now.seconds();
            row.parties_mut().routing = Some(Routing {
                strategy,
                step: 0,
                step_timer: None,
                routing_timer: Some(routing_timer),
                declined: Vec::new(),
            });
        });
        let counts = self.strategies.entry(strategy).or_default();
        counts.current += 1;
        counts.total += 1;
        counts.last_submitted_at = now;

        let view_id = self.setup.views.get(view).map(|view| view.name.clone()).unwrap_or_default();
        self.report(key, |interaction, engine| {
            Event::EventTakenFromQueue(EventTakenFromQueue {
                interaction: Some(interaction),
                party: Some(engine.strategy_party(strategy)),
                operation: InteractionOperation::Pull as i32,
                actor: Some(engine.actor_info(&Actor::Strategy(strategy))),
                reason: None,
                view_id,
            })
        });
        let party = self.strategy_party(strategy);
        let actor = Actor::Strategy(strategy);
        let former_workbin =
            self.take_from_workbin(key, Some(party), InteractionOperation::Pull, &actor, None);
        if let Some(parties) = self.interactions.get_mut(key).and_then(|row| row.parties.as_mut()) {
            parties.former_workbin = former_workbin;
        }
        self.report(key, |interaction, engine| {
            Event::EventPartyAdded(EventPartyAdded {
                interaction: Some(interaction),
                party: Some(engine.strategy_party(strategy)),
                operation: InteractionOperation::Pull as i32,
                actor: Some(engine.actor_info(&Actor::Strategy(strategy))),
                reason: None,
            })
        });
        self.begin_step(key, 0);
    }
}
