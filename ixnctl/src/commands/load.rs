//! `ixnctl load`: whole lifecycles over real connections, with a ledger.

use std::time::Duration;

use clap::Args;

use crate::arguments::{Common, duration};
use crate::exit::Failure;
use crate::load::configuration::configuration;
use crate::load::pace::Rate;
use crate::load::run::{self, Plan};

/// How many lifecycles are under way for each agent at most, when the rate is max: enough that no agent waits.
const UNDER_WAY_PER_AGENT: u64 = 4;

/// Puts a load of whole lifecycles on a server: submit, route, invite, accept, stop.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// How many lifecycles.
    #[arg(long, required_unless_present = "print_configuration", value_parser = clap::value_parser!(u32).range(1..), value_name = "N")]
    pub lifecycles: Option<u32>,
    /// How many begin each second, whatever the server does; max = a new one begins when one ends.
    #[arg(long, default_value = "max", value_name = "R|max")]
    pub rate: Rate,
    /// How many agents work: load1, load2 and so on, of the server's configuration.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..), value_name = "A")]
    pub agents: u32,
    /// Over how many Proxy connections the agents and the submits are divided.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..), value_name = "C")]
    pub connections: u32,
    /// First fill a queue that nobody routes with so many interactions of 1 KB, unless they are there from a run of
    /// the last 24 hours.
    #[arg(long, default_value_t = 0, value_name = "Q")]
    pub queued: u64,
    /// Give up when nothing has happened for so long with lifecycles under way. Longer than a restart and the return of
    /// the agents.
    #[arg(long, default_value = "2min", value_parser = duration, value_name = "TIME")]
    pub patience: Duration,
    /// Write the configuration that the server needs for --agents, and end.
    #[arg(long)]
    pub print_configuration: bool,
}

/// Runs the load and tells what it found.
///
/// # Errors
/// The server is unavailable, or something was lost, done twice or refused.
pub(crate) async fn run(common: &Common, load: &Load) -> Result<(), Failure> {
    let output = common.output();
    if load.print_configuration && output.is_json() {
        let problem = "--print-configuration writes YAML: leave --json out";
        return Err(Failure::Usage(problem.to_owned()));
    }
    if load.print_configuration {
        return Ok(output.line(configuration(load.agents).trim_end())?);
    }
    let plan = Plan {
        lifecycles: load.lifecycles.and_then(|lifecycles| lifecycles.try_into().ok()).unwrap_or_default(),
        rate: load.rate,
        under_way: u64::from(load.agents) * UNDER_WAY_PER_AGENT,
        agents: load.agents,
        connections: load.connections,
        queued: load.queued,
        patience: load.patience,
    };
    let bar = output.progress(0);
    let (found, unfinished) = run::run(common, plan, &bar).await?;
    bar.finish_and_clear();
    output.either(|| found.lines(), || found.object())?;
    let reason = match unfinished {
        Some(reason) => format!("the run ended early: {reason}"),
        None if found.is_clean() => return Ok(()),
        None => "the run was not clean".to_owned(),
    };
    let first_error = found.first_error.map(|error| format!("; the first error: {error}"));
    Err(Failure::Partly(reason + &first_error.unwrap_or_default()))
}
