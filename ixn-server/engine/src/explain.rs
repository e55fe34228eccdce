//! Why an interaction is where it is: what its queue's views make of it, what routing does with it, and for each agent whom
//! it could go to, why it does not.

use ixn_conditions::Truth;
use ixn_configuration::Executor;
use ixn_proto::{
    ConditionResult, ExplainInteractionResponse, Obstacle, RoutingExplanation, TargetExplanation,
    ViewExplanation,
};

use crate::engine::Engine;
use crate::interaction::{Interaction, Routing, State};
use crate::names::{AgentId, StrategyId};
use crate::routing::steps::line_of;
use crate::setup::ViewSetup;
use crate::time::Milliseconds;
use crate::timers::TimerHandle;

/// How many of those who wait before it are counted.
const MAX_COUNTED: usize = 1_000;
/// How many agents are told of.
const MAX_TARGETS: usize = 1_000;

impl Engine {
    /// Explains where an interaction is; `None`: there is no such interaction.
    pub(crate) fn explain(&self, id: &str) -> Option<ExplainInteractionResponse> {
        let row = self.interactions.get(self.interactions.find(&self.vocabulary, id)?)?;
        let views: Vec<_> = self.setup.views.iter().filter(|view| view.queue == row.queue).collect();
        let routing = row.routing().map(|routing| self.explain_routing(row, routing));
        Some(ExplainInteractionResponse {
            interaction: Some(self.properties(row)),
            parties: self.parties(row),
            explanation: self.sentence(row, &views, routing.as_ref()),
            views: views.into_iter().map(|view| self.explain_view(row, view)).collect(),
            routing,
        })
    }

    fn explain_view(&self, row: &Interaction, view: &ViewSetup) -> ViewExplanation {
        let facts = row.facts(&self.vocabulary);
        let now_seconds = unix_seconds(self.now);
        let result = match view.condition.evaluate(&facts, now_seconds) {
            Truth::True => ConditionResult::True,
            Truth::False => ConditionResult::False,
            Truth::Unknown => ConditionResult::Unknown,
        };
        let interval_seconds = i64::try_from(view.check_interval.as_secs()).unwrap_or(i64::MAX);
        let next_change = view.condition.next_change(&facts, now_seconds);
        ViewExplanation {
            view_name: view.name.clone(),
            strategy_name: view.strategy.map(|id| self.strategy_name(id)).unwrap_or_default(),
            enabled: view.enabled,
            condition: view.condition.to_string(),
            result: result as i32,
            may_change_at: next_change.recheck_at(now_seconds, interval_seconds).unwrap_or_default(),
        }
    }

    fn explain_routing(&self, row: &Interaction, routing: &Routing) -> RoutingExplanation {
        let steps = self.setup.strategies.get(&routing.strategy).map_or(&[][..], |setup| &setup.steps);
        let step = steps.get(routing.step);
        let waiting_before = line_of(row).map_or(0, |(line, urgency)| {
            self.lines.waiting(line).take(MAX_COUNTED).take_while(|other| *other < urgency).count()
        });
        let reach = |is_logged_in| {
            let reach = step.into_iter().flat_map(|step| &step.reach);
            reach.filter(move |agent| self.agents.contains_key(agent) == is_logged_in)
        };
        let targets = reach(true).chain(reach(false)).take(MAX_TARGETS);
        RoutingExplanation {
            strategy_name: self.strategy_name(routing.strategy),
            step: routing.step as u32 + 1,
            steps: steps.len() as u32,
            step_ends_at: self.ends_at(routing.step_timer),
            routing_ends_at: self.ends_at(routing.routing_timer),
            waiting_before: waiting_before as u32,
            target_count: step.map_or(0, |step| step.reach.len() as u32),
            targets: targets.map(|agent| self.explain_target(row, *agent)).collect(),
        }
    }

    fn explain_target(&self, row: &Interaction, agent: AgentId) -> TargetExplanation {
        let state = self.agents.get(&agent);
        let media = state.and_then(|state| state.media.get(&row.media_type));
        let setup = self.setup.agents.get(&agent);
        TargetExplanation {
            agent_id: self.vocabulary.agents.name(agent).to_owned(),
            obstacle: self.obstacle(row, agent) as i32,
            load: media.map_or(0, |media| media.load),
            capacity: setup.map_or(0, |setup| setup.capacity_for(row.media_type)),
        }
    }

    fn obstacle(&self, row: &Interaction, agent: AgentId) -> Obstacle {
        if row.invitations().iter().any(|invitation| invitation.agent == agent) {
            return Obstacle::Invited;
        }
        let (Some(state), Some(setup)) = (self.agents.get(&agent), self.setup.agents.get(&agent)) else {
            return Obstacle::NotLoggedIn;
        };
        match state.standing(setup, row.media_type) {
            Err(obstacle) => obstacle,
            Ok(_) if self.has_declined(row, agent) => Obstacle::Declined,
            Ok(_) => Obstacle::None,
        }
    }

    /// The most important of it, as somebody would say it who knows.
    fn sentence(
        &self,
        row: &Interaction,
        views: &[&ViewSetup],
        routing: Option<&RoutingExplanation>,
    ) -> String {
        let invited =
            row.invitations().first().map(|invitation| self.vocabulary.agents.name(invitation.agent));
        let handles = row.agents().first().map(|party| self.vocabulary.agents.name(party.agent));
        match (row.state, routing) {
            _ if row.is_locked => {
                "it is locked by a snapshot: no view shows it until that is released".to_owned()
            }
            (State::Handling, _) => format!("agent '{}' handles it", handles.unwrap_or_default()),
            (State::Cached, _) => "a pull has chosen it; its user data is being read".to_owned(),
            _ if let Some(agent) = invited => {
                format!("it is offered to agent '{agent}', who has not answered yet")
            }
            _ if row.is_held => "it is on hold: nobody is offered it until it is resumed".to_owned(),
            (State::Routing, Some(routing)) => routing_sentence(routing),
            _ => self.queued_sentence(row, views),
        }
    }

    fn queued_sentence(&self, row: &Interaction, views: &[&ViewSetup]) -> String {
        let queue = self.vocabulary.queues.name(row.queue);
        let place = match row.workbin {
            Some(place) => format!("it lies in a workbin '{}'", self.vocabulary.workbins.name(place.workbin)),
            None => format!("it waits in queue '{queue}'"),
        };
        if views.iter().all(|view| !view.enabled) {
            return format!(
                "{place}; no view looks at queue '{queue}', so it stays until somebody takes it by its id"
            );
        }
        let facts = row.facts(&self.vocabulary);
        let now_seconds = unix_seconds(self.now);
        let mut matching = views
            .iter()
            .filter(|view| view.enabled && view.condition.evaluate(&facts, now_seconds).is_true());
        let Some(first) = matching.clone().next() else {
            return format!(
                "{place}; no view of queue '{queue}' shows it, as none of their conditions is true"
            );
        };
        let routed = matching.find_map(|view| Some((view, view.strategy?)));
        let Some((view, strategy)) = routed else {
            return format!(
                "{place}; view '{}' shows it and feeds no strategy, so it stays until an agent pulls it",
                first.name
            );
        };
        let name = self.strategy_name(strategy);
        let shown = format!("{place}; view '{}' shows it for strategy '{name}'", view.name);
        match self.setup.strategies.get(&strategy) {
            Some(setup) if setup.executor == Executor::BuiltIn && !self.has_room(strategy) => {
                let max = setup.max_submitted;
                format!(
                    "{shown}, which has all the {max} interactions that it may have at once (max-submitted)"
                )
            }
            Some(setup) => match &setup.executor {
                Executor::BuiltIn => format!("{shown}, which takes it in a moment"),
                Executor::External(router) => format!("{shown}, for which router '{router}' has to pull it"),
            },
            None => format!("{shown}, which is not configured any more"),
        }
    }

    fn ends_at(&self, timer: Option<TimerHandle>) -> i64 {
        timer.map_or(0, |timer| unix_seconds(self.timers.fires_at(timer)))
    }

    fn strategy_name(&self, strategy: StrategyId) -> String {
        self.vocabulary.strategies.name(strategy).to_owned()
    }
}

fn routing_sentence(routing: &RoutingExplanation) -> String {
    let RoutingExplanation { strategy_name, step, steps, target_count, targets, .. } = routing;
    let obstacles = || targets.iter().map(TargetExplanation::obstacle);
    let why = if *target_count == 0 {
        "the step reaches nobody: no agent of the configuration fits its targets".to_owned()
    } else if obstacles().any(|obstacle| obstacle == Obstacle::None) {
        "an agent is free, and is offered this or a more urgent one in a moment".to_owned()
    } else if obstacles().all(|obstacle| obstacle == Obstacle::NotLoggedIn) {
        format!("none of the agents whom it reaches ({target_count}) is logged in")
    } else {
        format!("none of the agents whom it reaches ({target_count}) is free for it")
    };
    format!("strategy '{strategy_name}' looks for an agent, at step {step} of {steps}: {why}")
}

fn unix_seconds(at: Milliseconds) -> i64 {
    i64::try_from(at.0 / 1000).unwrap_or(i64::MAX)
}
