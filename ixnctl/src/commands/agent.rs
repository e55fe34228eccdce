//! `ixnctl agent`: log in and work, by hand or by itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::agent::crew::{self, Plan, UntilEmpty};
use crate::agent::interactive;
use crate::agent::requests::Finish;
use crate::agent::roster::Roster;
use crate::arguments::{Common, duration};
use crate::exit::Failure;

/// Logs in as an agent and works.
#[derive(Debug, Args)]
pub(crate) struct Agent {
    /// The agent who works by hand: offers are shown, orders are read from standard input.
    #[arg(value_name = "AGENT", conflicts_with = "auto", required_unless_present = "auto")]
    pub agent: Option<String>,
    /// Many agents work by themselves: they accept every offer, think, and finish it.
    #[arg(long)]
    pub auto: bool,
    /// With --auto: these agents. Default: all of the configuration.
    #[arg(long, requires = "auto", value_delimiter = ',', value_name = "AGENT,…")]
    pub agents: Vec<String>,
    /// The file with the server's configuration objects. Default: the sample that a server without a file has.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The media types to be ready for. Default: all of the configuration (--config, else the sample).
    #[arg(long, value_delimiter = ',', value_name = "MEDIA,…")]
    pub media: Vec<String>,
    /// With --auto: how long one thinks about each interaction, such as 200ms, 3s or 1min.
    #[arg(long, requires = "auto", default_value = "0s", value_parser = duration, value_name = "TIME")]
    pub think: Duration,
    /// With --auto: what is done then: stop, or place:QUEUE.
    #[arg(long, requires = "auto", default_value = "stop", value_name = "WHAT")]
    pub done: Finish,
    /// With --auto: end when nothing is queued, routed or handled in the queues served.
    #[arg(long, requires = "auto")]
    pub until_empty: bool,
    /// With --until-empty: the queues. Default: all that strategies are fed from.
    #[arg(long, requires = "until_empty", value_delimiter = ',', value_name = "QUEUE,…")]
    pub queue: Vec<String>,
    /// With --until-empty: fail with 124 when it is not empty after this time, such as 30s.
    #[arg(long, requires = "until_empty", value_parser = duration, value_name = "TIME")]
    pub timeout: Option<Duration>,
}

/// Works.
///
/// # Errors
/// The server is unavailable, an agent cannot log in, or the time is over.
pub(crate) async fn run(common: &Common, agent: &Agent) -> Result<(), Failure> {
    let file = agent.config.as_deref();
    if let Some(agent_id) = &agent.agent {
        let roster = Roster::new(file, std::slice::from_ref(agent_id), &agent.media)?;
        return interactive::run(common, agent_id, &roster).await;
    }
    let roster = Roster::new(file, &agent.agents, &agent.media)?;
    let plan = Plan {
        think: agent.think,
        finish: agent.done.clone(),
        media: roster.media.clone(),
        known_agents: roster.known_agents.clone(),
    };
    let until_empty =
        agent.until_empty.then(|| UntilEmpty { queues: agent.queue.clone(), timeout: agent.timeout });
    let (work, ended) = crew::work(common, &roster, plan, until_empty).await?;
    let finished = match agent.done {
        Finish::Stop => "stopped",
        Finish::Place(_) => "placed",
    };
    common.output().either(
        || {
            let refused =
                if work.refused > 0 { format!(", {} refused", work.refused) } else { String::new() };
            format!("{} accepted, {} {finished}{refused}", work.accepted, work.finished)
        },
        || json!({"accepted": work.accepted, finished: work.finished, "refused": work.refused}),
    )?;
    ended?;
    match (work.failed, work.unanswered) {
        (0, 0) => Ok(()),
        (0, open) => Err(Failure::Partly(format!(
            "{open} requests had no answer: whether they were carried out is not known"
        ))),
        (failed, _) => Err(Failure::Partly(format!("the server refused {failed}"))),
    }
}
