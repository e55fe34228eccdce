//! `ixnctl explain`: why an interaction is where it is, and what it waits for.

use clap::Args;
use ixn_proto::{ConditionResult, ExplainInteractionResponse, Obstacle, RoutingExplanation, ViewExplanation};

use super::interactions::state;
use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, or_dash, printable, time};

/// How many agents people are shown; `--json` has all that the server tells of.
const SHOWN_AGENTS: usize = 50;

/// Explains one interaction.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The interaction.
    #[arg(value_name = "ID")]
    pub interaction_id: String,
}

/// Explains the interaction.
///
/// # Errors
/// The server is unavailable, or has no such interaction.
pub(crate) async fn run(common: &Common, explain: &Explain) -> Result<(), Failure> {
    let output = common.output();
    let answer = Inspector::connect(common).await?.explanation(&explain.interaction_id).await?;
    if output.is_json() {
        return Ok(output.object(&message_json::object("ExplainInteractionResponse", &answer))?);
    }
    Ok(lines(&answer).iter().try_for_each(|line| output.line(line))?)
}

fn lines(answer: &ExplainInteractionResponse) -> Vec<String> {
    let interaction = answer.interaction.clone().unwrap_or_default();
    let mut lines = vec![
        format!(
            "{} ({}): {}",
            interaction.interaction_id,
            state(&interaction),
            printable(&answer.explanation)
        ),
        String::new(),
    ];
    if answer.views.is_empty() {
        lines.push(format!("queue {} has no views", printable(&interaction.queue)));
    } else {
        let mut table = Table::new(&["view", "strategy", "shows it", "may change at", "condition"]);
        for view in &answer.views {
            table.row([
                view.view_name.clone(),
                or_dash(&view.strategy_name),
                shows(view).to_owned(),
                time(view.may_change_at),
                or_dash(&view.condition),
            ]);
        }
        lines.extend(table.lines());
    }
    if let Some(routing) = &answer.routing {
        lines.push(String::new());
        lines.extend(routing_lines(routing));
    }
    lines
}

fn shows(view: &ViewExplanation) -> &'static str {
    match (view.enabled, view.result()) {
        (false, _) => "no: it is off",
        (true, ConditionResult::True) => "yes",
        (true, ConditionResult::False) => "no",
        (true, ConditionResult::Unknown) => "no: a property is not set",
    }
}

fn routing_lines(routing: &RoutingExplanation) -> Vec<String> {
    let next = match (routing.step_ends_at, routing.step == routing.steps) {
        (0, _) => "it stays at this step".to_owned(),
        (at, false) => format!("the next step begins at {}", time(at)),
        (at, true) => format!("this step, the last, ends at {}", time(at)),
    };
    let end = match routing.routing_ends_at {
        0 => String::new(),
        at => format!("; routing gives up at {}", time(at)),
    };
    let mut lines = vec![
        format!(
            "strategy {}, step {} of {}: {next}{end}",
            routing.strategy_name, routing.step, routing.steps
        ),
        format!("{} more urgent ones wait before it", routing.waiting_before),
    ];
    if !routing.targets.is_empty() {
        let mut table = Table::new(&["agent", "load", "capacity", "why not"]);
        for target in routing.targets.iter().take(SHOWN_AGENTS) {
            let why_not = why_not(target.obstacle()).to_owned();
            table.row([
                target.agent_id.clone(),
                target.load.to_string(),
                target.capacity.to_string(),
                why_not,
            ]);
        }
        lines.extend(table.lines());
    }
    let shown = routing.targets.len().min(SHOWN_AGENTS);
    if (routing.target_count as usize) > shown {
        lines.push(format!("… and {} more agents", routing.target_count as usize - shown));
    }
    lines
}

fn why_not(obstacle: Obstacle) -> &'static str {
    match obstacle {
        Obstacle::None => "- (he is free)",
        Obstacle::NotLoggedIn => "not logged in",
        Obstacle::Disconnected => "his connection is lost",
        Obstacle::DoNotDisturb => "do not disturb",
        Obstacle::MediaNotAdded => "has not added the medium",
        Obstacle::NotReady => "not ready for the medium",
        Obstacle::MediaCapacity => "has as many of the medium as he may",
        Obstacle::ReportedCapacity => "has as many as reporting says that he can",
        Obstacle::TotalCapacity => "has as many in all as he may",
        Obstacle::Declined => "declined it, or let it expire",
        Obstacle::Invited => "- (it is offered to him)",
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::{InteractionProperties, InteractionState, TargetExplanation};

    use super::*;

    #[test]
    fn people_see_the_sentence_the_views_and_each_agent() {
        let target = |agent_id: &str, obstacle: Obstacle| TargetExplanation {
            agent_id: agent_id.into(),
            obstacle: obstacle as i32,
            load: 1,
            capacity: 1,
        };
        let answer = ExplainInteractionResponse {
            interaction: Some(InteractionProperties {
                interaction_id: "i1".into(),
                queue: "inbox".into(),
                interaction_state: InteractionState::Routing as i32,
                ..Default::default()
            }),
            explanation: "nobody is free".into(),
            views: vec![ViewExplanation {
                view_name: "urgent".into(),
                enabled: true,
                condition: "Priority > 5".into(),
                result: ConditionResult::Unknown as i32,
                ..Default::default()
            }],
            routing: Some(RoutingExplanation {
                strategy_name: "billing".into(),
                step: 1,
                steps: 2,
                step_ends_at: 1_700_000_000,
                target_count: 3,
                targets: vec![target("alice", Obstacle::NotReady), target("bob", Obstacle::MediaCapacity)],
                ..Default::default()
            }),
            ..Default::default()
        };
        let lines = lines(&answer);
        assert_eq!(lines[0], "i1 (routing): nobody is free");
        let text = lines.join("\n");
        assert!(text.contains("no: a property is not set"), "{text}");
        assert!(text.contains("step 1 of 2: the next step begins at 2023-11-14T22:13:20Z"), "{text}");
        assert!(text.contains("not ready for the medium"), "{text}");
        assert!(text.ends_with("… and 1 more agents"), "{text}");
    }
}
