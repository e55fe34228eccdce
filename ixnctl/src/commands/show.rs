//! `ixnctl show`: one interaction with its user data and parties.

use clap::Args;
use ixn_proto::key_value_list::{ListView, Value};
use ixn_proto::{GetInteractionResponse, KeyValueList, PartyInfo, PartyType};

use super::interactions::state;
use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, printable, time};

/// How deep nested lists are shown.
const SHOWN_LEVELS: usize = 16;

/// Shows one interaction.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The interaction.
    #[arg(value_name = "ID")]
    pub interaction_id: String,
}

/// Shows the interaction.
///
/// # Errors
/// The server is unavailable, or has no such interaction.
pub(crate) async fn run(common: &Common, show: &Show) -> Result<(), Failure> {
    let output = common.output();
    let answer = Inspector::connect(common).await?.interaction(&show.interaction_id).await?;
    if output.is_json() {
        return Ok(output.object(&message_json::object("GetInteractionResponse", &answer))?);
    }
    Ok(lines(&answer).iter().try_for_each(|line| output.line(line))?)
}

fn lines(answer: &GetInteractionResponse) -> Vec<String> {
    let interaction = answer.interaction.clone().unwrap_or_default();
    let workbin = interaction.workbin.clone().unwrap_or_default();
    let owners = [
        &workbin.workbin_agent_id,
        &workbin.workbin_place_id,
        &workbin.workbin_group_id,
        &workbin.workbin_place_group_id,
    ];
    let owner = owners.into_iter().find(|owner| !owner.is_empty()).cloned().unwrap_or_default();
    let workbin = if workbin.workbin_type_id.is_empty() {
        String::new()
    } else {
        format!("{} of {owner}", workbin.workbin_type_id)
    };
    let session = if answer.session_id == 0 { String::new() } else { answer.session_id.to_string() };
    let properties = [
        ("interaction", interaction.interaction_id.clone()),
        ("state", state(&interaction)),
        ("queue", interaction.queue.clone()),
        ("workbin", workbin),
        ("media type", interaction.media_type.clone()),
        ("type", interaction.interaction_type.clone()),
        ("subtype", interaction.interaction_subtype.clone()),
        ("online", if interaction.is_online { "yes" } else { "no" }.to_owned()),
        ("priority", interaction.priority.to_string()),
        ("assigned to", interaction.assigned_to.clone()),
        ("parent", interaction.parent_id.clone()),
        ("external id", interaction.external_id.clone()),
        ("submitted by", interaction.submitted_by.clone()),
        ("routing session", session),
    ];
    let times = [
        ("received at", interaction.received_at),
        ("submitted at", interaction.submitted_at),
        ("came to queue at", interaction.moved_to_queue_at),
        ("placed in queue at", interaction.placed_in_queue_at),
        ("submitted to router at", interaction.submitted_to_router_at),
        ("delivered at", interaction.delivered_at),
        ("assigned at", interaction.assigned_at),
        ("held at", interaction.held_at),
        ("abandoned at", interaction.abandoned_at),
        ("completed at", interaction.completed_at),
    ];
    let mut lines: Vec<String> = properties
        .into_iter()
        .chain(times.map(|(name, at)| (name, if at == 0 { String::new() } else { time(at) })))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:<22}  {}", printable(&value)))
        .collect();
    if !answer.parties.is_empty() {
        lines.push("parties".to_owned());
        let mut table = Table::new(&["  kind", "who", "place"]);
        answer.parties.iter().for_each(|party| table.row(party_cells(party)));
        lines.extend(table.lines());
    }
    for (title, list) in
        [("custom properties", &interaction.custom_properties), ("user data", &interaction.user_data)]
    {
        if let Some(list) = list.as_ref().filter(|list| !list.is_empty()) {
            lines.push(title.to_owned());
            push_entries(list, &mut lines);
        }
    }
    lines
}

fn party_cells(party: &PartyInfo) -> [String; 3] {
    let (kind, who) = match party.party_type() {
        PartyType::Strategy if party.router_id.is_empty() => ("strategy", party.strategy_id.clone()),
        PartyType::Strategy => ("strategy", format!("{} (router {})", party.strategy_id, party.router_id)),
        PartyType::Agent => ("agent", party.agent_id.clone()),
        PartyType::MediaServer => ("media server", party.client_name.clone()),
        PartyType::Unspecified => ("-", String::new()),
    };
    [format!("  {kind}"), who, party.place_id.clone()]
}

fn push_entries(list: &KeyValueList, lines: &mut Vec<String>) {
    push_level(list.view(), 1, lines);
}

fn push_level(list: ListView<'_>, level: usize, lines: &mut Vec<String>) {
    let indent = "  ".repeat(level);
    for entry in list.entries().map_while(Result::ok) {
        let key = printable(entry.key);
        match entry.value {
            Value::None => lines.push(format!("{indent}{key}")),
            Value::Text(text) => lines.push(format!("{indent}{key}: {}", printable(text))),
            Value::Integer(integer) => lines.push(format!("{indent}{key}: {integer}")),
            Value::Binary(bytes) => lines.push(format!("{indent}{key}: ({} bytes)", bytes.len())),
            Value::List(_) if level >= SHOWN_LEVELS => lines.push(format!("{indent}{key}: …")),
            Value::List(list) => {
                lines.push(format!("{indent}{key}:"));
                push_level(list, level + 1, lines);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::InteractionProperties;

    use super::*;

    #[test]
    fn what_is_not_set_is_not_shown_and_nested_data_is_indented() {
        let mut nested = KeyValueList::new();
        nested.push_integer("level", 7);
        let mut user_data = KeyValueList::new();
        user_data.push_text("Subject", "hello\u{1b}").push_list("Skill", &nested);
        let interaction = InteractionProperties {
            interaction_id: "1".into(),
            queue: "inbox".into(),
            submitted_at: 1_700_000_000,
            user_data: Some(user_data),
            ..Default::default()
        };
        let party =
            PartyInfo { party_type: PartyType::Agent as i32, agent_id: "alice".into(), ..Default::default() };
        let answer =
            GetInteractionResponse { interaction: Some(interaction), parties: vec![party], session_id: 0 };
        let lines = lines(&answer);
        assert!(lines.contains(&"submitted at            2023-11-14T22:13:20Z".to_owned()), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.starts_with("held at")), "{lines:#?}");
        let end: Vec<&str> = lines.iter().rev().take(4).rev().map(String::as_str).collect();
        assert_eq!(end, ["user data", "  Subject: hello ", "  Skill:", "    level: 7"]);
    }
}
