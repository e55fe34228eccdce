//! The command line: what is common to all commands, and their list.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use ixn_settings::{ParseTimeSpanError, TimeSpan};

use crate::commands;
use crate::output::Output;
use crate::server_address::server_address;

/// The command line of IXN.
#[derive(Debug, Parser)]
#[command(
    name = "ixnctl",
    version,
    about = "The command line of IXN: submit interactions, work as an agent, look up, stop, move and watch.",
    after_help = "Exit codes: 0 done, 1 a part of the work failed, 2 wrong usage, 69 the server is unavailable,\n\
        124 the time of --timeout is over.",
    arg_required_else_help = true
)]
pub(crate) struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub(crate) struct Common {
    /// The server: host:port, or http://host:port.
    #[arg(
        long,
        global = true,
        env = "IXN_SERVER",
        default_value = "http://127.0.0.1:7120",
        value_parser = server_address,
        value_name = "ADDRESS"
    )]
    pub server: String,
    /// How long to wait for a server that is not there at first, such as 30s; 0 = try once.
    #[arg(long, global = true, default_value = "10s", value_parser = duration, value_name = "TIME")]
    pub connect_timeout: Duration,
    /// One JSON object a line on standard output, no progress bar.
    #[arg(long, global = true)]
    pub json: bool,
    /// The name to register with. Idempotency keys belong to it: who changes it may submit a thing twice.
    #[arg(long, global = true, env = "IXN_CLIENT_NAME", default_value = "ixnctl", value_name = "NAME")]
    pub client_name: String,
    /// Tell on standard error what the connection does.
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

impl Common {
    /// Where results go.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.json)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit interactions: JSON lines, or real e-mail.
    Submit(commands::submit::Submit),
    /// Log in as an agent and work: by hand, or as many agents by themselves.
    Agent(commands::agent::Agent),
    /// List the queues with what waits and what is worked on.
    Queues,
    /// List the views with how many interactions match.
    Views,
    /// List the agents who are logged in.
    Agents,
    /// List interactions.
    Interactions(commands::interactions::Selection),
    /// Show one interaction with its user data and parties.
    Show(commands::show::Show),
    /// Say why an interaction is where it is: views, strategy, and for each agent why not him.
    Explain(commands::explain::Explain),
    /// End interactions.
    Stop(commands::stop::Stop),
    /// Move interactions to a queue.
    Move(commands::move_to::Move),
    /// Watch the reporting stream.
    Watch(commands::watch::Watch),
    /// Put a load of whole lifecycles on a server, and find out whether any was lost or done twice.
    Load(commands::load::Load),
}

impl Command {
    /// True when it changes nothing.
    pub(crate) fn only_looks(&self) -> bool {
        match self {
            Self::Queues
            | Self::Views
            | Self::Agents
            | Self::Interactions(_)
            | Self::Show(_)
            | Self::Explain(_)
            | Self::Watch(_) => true,
            Self::Submit(_) | Self::Agent(_) | Self::Stop(_) | Self::Move(_) | Self::Load(_) => false,
        }
    }
}

/// Reads a length of time, as in settings and configuration.
pub(crate) fn duration(text: &str) -> Result<Duration, ParseTimeSpanError> {
    text.parse::<TimeSpan>().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn common_options_may_stand_after_the_command() {
        let arguments = Arguments::try_parse_from(["ixnctl", "queues", "--json", "--server", "h:1"]).unwrap();
        assert!(arguments.common.json);
        assert_eq!(arguments.common.server, "http://h:1");
    }
}
