//! `ixn-crash`: see the library.
#![forbid(unsafe_code)]

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use ixn_crash::clients::Sizes;
use ixn_crash::plan::Fault;
use ixn_crash::run::{self, Plan};
use ixn_crash::stage::DatabaseKind;
use tokio::signal::unix::{SignalKind, signal};

/// Lets a server work at full speed while it, its database, its disk and its network fail, and checks after every round
/// that nothing acknowledged is lost, nothing is there twice, nobody is owned twice, and reporting has no gap.
///
/// The last line on standard output is the result, a JSON object. Exit code: 0 clean, 1 a promise is broken, 2 it could
/// not begin, 130 it was told to end.
#[derive(Debug, Parser)]
#[command(name = "ixn-crash", version)]
struct Options {
    /// The database.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: DatabaseKind,
    /// How many rounds.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// What the randomness comes from. Default: another one each time; it is in the result.
    #[arg(long)]
    seed: Option<u64>,
    /// What may go wrong; every round one of them. Default: all that the database and this machine allow.
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Fault>,
    /// How many interactions are submitted in each round.
    #[arg(long, default_value_t = 20_000)]
    submits_per_round: u32,
    /// Where ledger, results and evidence are written.
    #[arg(long, default_value = "target/crash-results/latest")]
    out: PathBuf,
    /// Go on after the last finished round in that folder, over a new database.
    #[arg(long)]
    resume: bool,
    /// Connections that submit.
    #[arg(long, default_value_t = 3)]
    submitters: usize,
    /// Submits in flight on each of them.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// Agents.
    #[arg(long, default_value_t = 64)]
    agents: u16,
    /// Proxy connections that they share.
    #[arg(long, default_value_t = 4)]
    proxies: usize,
    /// PostgreSQL without fsync, to see that the runner finds what a power cut then loses.
    #[arg(long)]
    without_fsync: bool,
    /// The server's program. Default: this workspace's, built when needed.
    #[arg(long)]
    server: Option<PathBuf>,
}

/// How long a round may go without any acknowledged submit: longer than any fault, on a slow disk too.
const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let faults = match faults(&options) {
        Ok(faults) => faults,
        Err(problem) => {
            say(&mut io::stderr(), &problem);
            return ExitCode::from(2);
        }
    };
    let plan = Plan {
        server: options.server.unwrap_or_else(|| ixn_tests::binary("ixn-server")),
        database: options.database,
        rounds: options.rounds,
        seed: options.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
        faults,
        submits_per_round: options.submits_per_round,
        without_fsync: options.without_fsync,
        out: options.out,
        resume: options.resume,
        patience: PATIENCE,
        sizes: Sizes {
            submitters: options.submitters.max(1),
            in_flight: options.in_flight.max(1),
            agents: options.agents,
            proxies: options.proxies.max(1),
        },
    };
    let carried_out = tokio::select! {
        carried_out = run::carry_out(plan, |round| say(&mut io::stderr(), &round.to_string())) => carried_out,
        // What was started and mounted ends with the run.
        () = told_to_end() => return ExitCode::from(130),
    };
    match carried_out {
        Ok(outcome) => {
            if let Some(evidence) = &outcome.evidence {
                say(&mut io::stderr(), &format!("the evidence is in {}", evidence.display()));
            }
            for (fault, reason) in &outcome.skipped {
                say(&mut io::stderr(), &format!("SKIPPED {fault}: {reason}"));
            }
            say(&mut io::stdout(), &serde_json::to_string(&outcome).unwrap_or_default());
            ExitCode::from(u8::from(!outcome.is_clean()))
        }
        Err(error) => {
            say(&mut io::stderr(), &format!("ixn-crash could not begin: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Ends when the user or the system wants the program to.
async fn told_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

/// What may go wrong.
fn faults(options: &Options) -> Result<Vec<Fault>, String> {
    let mut faults = options.faults.clone();
    if faults.is_empty() {
        faults = Fault::ALL.into_iter().filter(|fault| fault.suits(options.database)).collect();
    }
    match faults.iter().find(|fault| !fault.suits(options.database)) {
        Some(fault) => Err(format!("{fault:?} cannot happen to {:?}: leave it out", options.database)),
        None => Ok(faults),
    }
}

/// A reader who has gone is no reason to end.
fn say(to: &mut dyn io::Write, line: &str) {
    let _ = writeln!(to, "{line}");
}
