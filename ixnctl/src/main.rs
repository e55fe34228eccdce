//! The command line of IXN: submit interactions, act as an agent, look up and do what an operator does, watch
//! the reporting stream.
//!
//! It is a client like any other: what it knows it asks the server, and what it does goes through the protocol.
//! It must never read or write the server's database or data folder. With `--json` every line on standard output
//! is one JSON object; remarks and progress are on standard error.

mod agent;
mod arguments;
mod commands;
mod connection;
mod email;
mod exit;
mod message_json;
mod output;
mod submission;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::exit::Failure;
use crate::output::printable;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let level = if arguments.common.verbose { "debug" } else { "off" };
    tracing_subscriber::fmt().with_env_filter(level).with_writer(io::stderr).init();
    let ended = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(&arguments));
            // A read of standard input cannot be called back: do not wait for it.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::Output(error)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            // A closed standard error is nobody's loss.
            let _ = writeln!(io::stderr(), "ixnctl: {}", printable(&failure.to_string()));
            failure.code()
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failure> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Submit(submit) => commands::submit::run(common, submit).await,
        Command::Agent(agent) => commands::agent::run(common, agent).await,
        Command::Queues => commands::queues::run(common).await,
        Command::Views => commands::views::run(common).await,
        Command::Agents => commands::agents::run(common).await,
        Command::Interactions(selection) => commands::interactions::run(common, selection).await,
        Command::Show(show) => commands::show::run(common, show).await,
        Command::Stop(stop) => commands::stop::run(common, stop).await,
        Command::Move(to) => commands::move_to::run(common, to).await,
        Command::Watch(watch) => commands::watch::run(common, watch).await,
    }
}
