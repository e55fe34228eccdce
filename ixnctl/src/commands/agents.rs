//! `ixnctl agents`: the agents who are logged in.

use ixn_proto::{AgentMediaStatus, AgentStatus};

use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, or_dash, time};

/// Lists the agents.
///
/// # Errors
/// The server is unavailable.
pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let output = common.output();
    let agents = Inspector::connect(common).await?.agents().await?;
    if output.is_json() {
        return Ok(agents
            .iter()
            .try_for_each(|agent| output.object(&message_json::object("AgentStatus", agent)))?);
    }
    let headings = [
        "agent",
        "place",
        "client",
        "media",
        "ready",
        "handling",
        "offered",
        "capacity",
        "idle since",
        "logged in",
    ];
    let mut table = Table::new(&headings);
    for agent in &agents {
        rows(agent, &mut table);
    }
    Ok(table.lines().iter().try_for_each(|line| output.line(line))?)
}

/// A row for each medium.
fn rows(agent: &AgentStatus, table: &mut Table) {
    let info = agent.agent.clone().unwrap_or_default();
    let client = if agent.connected { or_dash(&info.client_name) } else { "(connection lost)".to_owned() };
    let nothing = [AgentMediaStatus { media_name: "-".into(), ..Default::default() }];
    let media = if agent.media.is_empty() { nothing.as_slice() } else { agent.media.as_slice() };
    for medium in media {
        table.row([
            or_dash(&info.agent_id),
            info.place_id.clone(),
            client.clone(),
            medium.media_name.clone(),
            readiness(medium.ready, info.do_not_disturb).to_owned(),
            medium.handling.to_string(),
            medium.delivering.to_string(),
            medium.capacity.to_string(),
            time(medium.idle_since),
            time(info.logged_in_at),
        ]);
    }
}

fn readiness(ready: bool, do_not_disturb: bool) -> &'static str {
    match (do_not_disturb, ready) {
        (true, _) => "do not disturb",
        (false, true) => "yes",
        (false, false) => "no",
    }
}
