//! `ixnctl interactions`: what the server has, by queue and condition. Stop and move choose in the same way.

use clap::Args;
use ixn_proto::{InteractionProperties, ListInteractionsRequest};

use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, or_dash, time};

/// Which interactions.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Selection {
    /// Only this queue.
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Only those for which this is true: a condition as in views, such as "Priority > 5 AND MediaType = 'email'".
    #[arg(long = "where", value_name = "CONDITION")]
    pub condition: Option<String>,
    /// At most so many.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub limit: Option<u64>,
}

impl Selection {
    /// The question to the server, without a page.
    pub(crate) fn request(&self) -> ListInteractionsRequest {
        ListInteractionsRequest {
            queue: self.queue.clone().unwrap_or_default(),
            condition: self.condition.clone().unwrap_or_default(),
            page: None,
        }
    }

    /// True when it names neither a queue nor a condition.
    pub(crate) fn is_everything(&self) -> bool {
        self.queue.is_none() && self.condition.is_none()
    }
}

/// Lists interactions.
///
/// # Errors
/// The server is unavailable, or refuses the condition.
pub(crate) async fn run(common: &Common, selection: &Selection) -> Result<(), Failure> {
    let output = common.output();
    let mut pages = Inspector::connect(common).await?.interactions(selection.request(), selection.limit);
    let mut is_first = true;
    while let Some(page) = pages.next().await? {
        if output.is_json() {
            page.iter()
                .try_for_each(|row| output.object(&message_json::object("InteractionProperties", row)))?;
        } else if is_first || !page.is_empty() {
            // A long list comes as several tables, so that it starts at once.
            table(&page).lines().iter().try_for_each(|line| output.line(line))?;
        }
        is_first = false;
    }
    Ok(())
}

fn table(interactions: &[InteractionProperties]) -> Table {
    let mut table = Table::new(&[
        "interaction",
        "queue",
        "media",
        "state",
        "assigned to",
        "priority",
        "submitted at",
        "in queue since",
        "subject",
    ]);
    for interaction in interactions {
        let subject = interaction.custom_properties.as_ref().and_then(|list| list.get_text("Subject"));
        table.row([
            interaction.interaction_id.clone(),
            interaction.queue.clone(),
            interaction.media_type.clone(),
            state(interaction),
            or_dash(&interaction.assigned_to),
            interaction.priority.to_string(),
            time(interaction.submitted_at),
            time(interaction.moved_to_queue_at),
            or_dash(subject.unwrap_or_default()),
        ]);
    }
    table
}

/// The state in a word, with its flags.
pub(crate) fn state(interaction: &InteractionProperties) -> String {
    let mut state = interaction.workflow_state.to_lowercase();
    if state.is_empty() {
        state = interaction
            .interaction_state()
            .as_str_name()
            .trim_start_matches("INTERACTION_STATE_")
            .to_lowercase();
    }
    if interaction.is_held && state != "held" {
        state.push_str(", held");
    }
    if interaction.is_locked {
        state.push_str(", locked");
    }
    state
}

#[cfg(test)]
mod tests {
    use ixn_proto::InteractionState;

    use super::*;

    #[test]
    fn the_state_is_one_word_and_what_it_does_not_say() {
        let held = |workflow_state: &str| InteractionProperties {
            workflow_state: workflow_state.into(),
            is_held: true,
            ..Default::default()
        };
        assert_eq!(state(&held("Held")), "held");
        assert_eq!(state(&held("Handling")), "handling, held");
    }

    #[test]
    fn a_row_says_where_an_interaction_is() {
        let interaction = InteractionProperties {
            interaction_id: "03W0GH2KD56YV000".into(),
            queue: "inbox".into(),
            media_type: "email".into(),
            interaction_state: InteractionState::Handling as i32,
            is_held: true,
            assigned_to: "alice".into(),
            submitted_at: 1_700_000_000,
            ..Default::default()
        };
        let lines = table(&[interaction]).lines();
        assert_eq!(
            lines.last().map(String::as_str),
            Some(
                "03W0GH2KD56YV000  inbox  email  handling, held  alice               0  2023-11-14T22:13:20Z  -               -"
            )
        );
    }
}
