//! The ixn-server program.

use std::io::{self, Write};
use std::process::ExitCode;

use ixn_configuration::Configuration;
use ixn_server::settings::{Command, Options};
use ixn_server::{Exit, Server, StartError};
use ixn_settings::SettingsError;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The exit code of a server that could not start for a reason outside its settings.
const COULD_NOT_START: u8 = 69;

fn main() -> ExitCode {
    let settings = ixn_settings::from_process::<Options>("IXN_");
    let options = settings.options.clone();
    if let Some((option, message)) = options.mistake() {
        SettingsError::from(settings.problem(option, message)).exit();
    }
    match options.command {
        Some(Command::SampleConfig) => {
            say(io::stdout(), ixn_configuration::SAMPLE.trim_end());
            return ExitCode::SUCCESS;
        }
        Some(Command::ConfigSchema) => {
            say(io::stdout(), &format!("{:#}", Configuration::json_schema()));
            return ExitCode::SUCCESS;
        }
        Some(Command::CheckConfig) => return check_config(&options),
        None => {}
    }
    if let Err(error) = options.logs.init() {
        say(io::stderr(), &format!("ixn-server: {error}"));
        return ExitCode::from(ixn_settings::EXIT_CODE as u8);
    }
    match serve(&options) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            // Its sources stand in its sentence.
            say(io::stderr(), &format!("ixn-server: {error}"));
            match error.downcast_ref::<StartError>() {
                Some(StartError::Configuration(_) | StartError::Compile(_)) => {
                    ExitCode::from(ixn_settings::EXIT_CODE as u8)
                }
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

fn check_config(options: &Options) -> ExitCode {
    let checked = match &options.config {
        Some(path) => Configuration::read(path),
        None => Configuration::sample(),
    };
    match checked {
        Ok(_) => {
            say(io::stdout(), "settings and configuration can be used");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            say(io::stderr(), &problems.to_string());
            ExitCode::from(ixn_settings::EXIT_CODE as u8)
        }
    }
}

fn serve(options: &Options) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
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
