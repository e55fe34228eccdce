//! The ixn-server program.

use std::io::{self, Write};
use std::process::ExitCode;

use ixn_configuration::Configuration;
use ixn_server::settings::{Command, Options, VARIABLES_OF_OTHERS};
use ixn_server::{Exit, Findings, Server, StartError, check_config};
use ixn_settings::{Checked, Settings, UnknownVariable};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code of a server that could not start for a reason outside its settings.
const COULD_NOT_START: u8 = 69;
/// The exit code of one whose settings or configuration have mistakes.
const MISTAKES: u8 = ixn_settings::EXIT_CODE as u8;

fn main() -> ExitCode {
    let checked = ixn_settings::from_process::<Options>("IXN_", Options::conflicts);
    if let Some(Command::CheckConfig) = checked.settings.options.command {
        return check(&checked);
    }
    let settings = match checked.without_problems() {
        Ok(settings) => settings,
        Err(error) => error.exit(),
    };
    let options = &settings.options;
    match options.command {
        Some(Command::SampleConfig) => {
            say(io::stdout(), ixn_configuration::SAMPLE.trim_end());
            return ExitCode::SUCCESS;
        }
        Some(Command::ConfigSchema) => {
            say(io::stdout(), &format!("{:#}", Configuration::json_schema()));
            return ExitCode::SUCCESS;
        }
        Some(Command::CheckConfig) | None => {}
    }
    if let Err(error) = options.logs.init() {
        say(io::stderr(), &format!("ixn-server: {error}"));
        return ExitCode::from(MISTAKES);
    }
    ixn_server::end_on_panic();
    for unknown in unknown_variables(&settings) {
        tracing::warn!(variable = unknown.name, "{unknown}");
    }
    match serve(options) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            // Its sources stand in its sentence.
            say(io::stderr(), &format!("ixn-server: {error}"));
            match error.downcast_ref::<StartError>() {
                Some(StartError::Configuration(_) | StartError::Compile(_)) => ExitCode::from(MISTAKES),
                Some(StartError::Stopped) => ExitCode::SUCCESS,
                _ => ExitCode::from(COULD_NOT_START),
            }
        }
    }
}

/// Prints a line; a reader who has gone is no reason to end.
fn say(mut out: impl Write, text: &str) {
    let _ = writeln!(out, "{text}");
}

fn unknown_variables(settings: &Settings<Options>) -> impl Iterator<Item = &UnknownVariable> {
    settings.unknown_variables.iter().filter(|unknown| !VARIABLES_OF_OTHERS.contains(&unknown.name.as_str()))
}

fn check(checked: &Checked<Options>) -> ExitCode {
    for unknown in unknown_variables(&checked.settings) {
        say(io::stderr(), &format!("warning: {unknown}"));
    }
    let Findings { mistakes, database } = match runtime() {
        Ok(runtime) => runtime.block_on(check_config(checked)),
        Err(error) => {
            say(io::stderr(), &format!("ixn-server: {error}"));
            return ExitCode::from(COULD_NOT_START);
        }
    };
    mistakes.iter().for_each(|mistake| say(io::stderr(), mistake));
    if mistakes.is_empty() {
        say(io::stdout(), "settings and configuration can be used");
    }
    match &database {
        Some(Ok(what)) => say(io::stdout(), &format!("database {what}")),
        Some(Err(why)) => say(io::stderr(), &format!("database {why}")),
        None => {}
    }
    match database {
        _ if !mistakes.is_empty() => ExitCode::from(MISTAKES),
        Some(Err(_)) => ExitCode::from(COULD_NOT_START),
        _ => ExitCode::SUCCESS,
    }
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn serve(options: &Options) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    let exit = runtime.block_on(async {
        let stop = CancellationToken::new();
        stop_on_signal(stop.clone())?;
        let server = Server::start(options, &stop).await?;
        anyhow::Ok(server.run(stop).await)
    });
    // What still holds a thread (a transport without end) does not hold the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    exit
}

fn stop_on_signal(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
