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
mod first_contact;
mod inspector;
mod load;
mod message_json;
mod names;
mod output;
mod server_address;
mod submission;
mod troubles;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::exit::Failure;
use crate::output::printable;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Our own words: what the libraries below say of every frame drowns them.
    let filter = if arguments.common.verbose { "ixnctl=debug,ixn_client=debug" } else { "off" };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    log.with_ansi(io::stderr().is_terminal()).init();
    // A load leaves the other processors to the server, which often shares the machine.
    let mut runtime = match arguments.command {
        Command::Load(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let ended = match runtime.enable_all().build() {
        Ok(runtime) => {
            let ended = runtime.block_on(run(&arguments));
            // A read of standard input cannot be called back: do not wait for it.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(Failure::NotStarted(error)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // Who has read enough of what is only looked at is content; what was not done is told in any case.
        Err(failure) if failure.is_closed_output() && arguments.command.only_looks() => ExitCode::SUCCESS,
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
        Command::Explain(explain) => commands::explain::run(common, explain).await,
        Command::Show(show) => commands::show::run(common, show).await,
        Command::Stop(stop) => commands::stop::run(common, stop).await,
        Command::Move(to) => commands::move_to::run(common, to).await,
        Command::Watch(watch) => commands::watch::run(common, watch).await,
        Command::Load(load) => commands::load::run(common, load).await,
    }
}
