//! `ixnctl agent`: log in and work, by hand or by itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::agent::crew::{self, Plan, UntilEmpty};
use crate::agent::interactive;
use crate::agent::requests::Finish;
use crate::agent::roster::Roster;
use crate::arguments::Common;
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
    /// With --auto: these agents.
    #[arg(long, requires = "auto", value_delimiter = ',', value_name = "AGENT,…")]
    pub agents: Vec<String>,
    /// With --auto: all agents of the configuration, which is also what happens without --agents.
    #[arg(long, requires = "auto")]
    pub all: bool,
    /// The file with the server's configuration objects. Default: the sample that a server without a file has.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The media types to be ready for. Default: all of the configuration.
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
        let roster = Roster::new(file, std::slice::from_ref(agent_id), false, &agent.media)?;
        return interactive::run(common, agent_id, &roster.media).await;
    }
    let all = agent.all || agent.agents.is_empty();
    let roster = Roster::new(file, &agent.agents, all, &agent.media)?;
    let plan = Plan { think: agent.think, finish: agent.done.clone(), media: roster.media.clone() };
    let until_empty =
        agent.until_empty.then(|| UntilEmpty { queues: agent.queue.clone(), timeout: agent.timeout });
    let (work, ended) = crew::work(common, &roster, plan, until_empty).await?;
    let finished = match agent.done {
        Finish::Stop => "stopped",
        Finish::Place(_) => "placed",
    };
    common.output().either(
        || format!("{} accepted, {} {finished}", work.accepted, work.finished),
        || json!({"accepted": work.accepted, finished: work.finished}),
    )?;
    ended
}

/// Reads a length of time with its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("give a number and a unit: 200ms, 3s, 1min, 1h".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "give a whole number and a unit: 200ms, 3s, 1min, 1h".to_owned())?;
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "it is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        assert_eq!(duration("2min"), Ok(Duration::from_secs(120)));
        for wrong in ["", "3", "s", "1.5s", "-1s", "99999999999999999999s", "18446744073709551615h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
