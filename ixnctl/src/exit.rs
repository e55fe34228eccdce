//! How the program ends: the exit codes, and the errors that end it.

use std::process::ExitCode;
use std::time::Duration;

/// Why the program ends before its work is done, or with a part of it not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A part of the work failed; what failed was told where it happened.
    #[error("{0}")]
    Partly(String),
    /// A value on the command line cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The server could not be reached at first.
    #[error(
        "nobody serves at {server}{}: {reason}; start the server, name another address with --server, or wait longer \
         with --connect-timeout", waited_text(*waited)
    )]
    Unreachable {
        /// The address.
        server: String,
        /// How long it was tried; zero = once.
        waited: Duration,
        /// What the last attempt met.
        reason: String,
    },
    /// A server could be reached at first, and did not serve.
    #[error(
        "the server at {server} runs, but does not serve{}: {reason}; look at its log and its database, or wait longer \
         with --connect-timeout", waited_text(*waited)
    )]
    NotServing {
        /// The address.
        server: String,
        /// How long it was tried; zero = once.
        waited: Duration,
        /// What it said at the last attempt.
        reason: String,
    },
    /// The server can be reached and does not do what it is asked, which is mostly its database's fault.
    #[error(
        "the server at {server} runs, but does not answer: {reason}; probably its database is away: look at its log and \
         at its database"
    )]
    Unanswered {
        /// The address.
        server: String,
        /// What was seen.
        reason: String,
    },
    /// The server went away for good, or its answer was lost.
    #[error(
        "the server at {server} is unavailable: {reason}; look whether it and its database run, or name another one \
         with --server"
    )]
    Unavailable {
        /// The address.
        server: String,
        /// What the connection said.
        reason: String,
    },
    /// The server refused what the whole command depends on, or an answer makes no sense.
    #[error("{0}")]
    Refused(String),
    /// The time that `--timeout` gave is over.
    #[error("{0}")]
    TimedOut(String),
    /// The program cannot even begin.
    #[error("it cannot start: {0}; look whether this machine has threads and open files left")]
    NotStarted(std::io::Error),
    /// The output cannot be written.
    #[error("the output cannot be written: {0}")]
    Output(#[from] std::io::Error),
}

fn waited_text(waited: Duration) -> String {
    if waited.is_zero() { String::new() } else { format!(", tried for {waited:?}") }
}

impl Failure {
    /// The exit code. The numbers are documented: they never change their meaning.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Partly(_) | Failure::Refused(_) | Failure::NotStarted(_) | Failure::Output(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable { .. }
            | Failure::NotServing { .. }
            | Failure::Unanswered { .. }
            | Failure::Unavailable { .. } => 69,
            Failure::TimedOut(_) => 124,
        })
    }

    /// True when whoever reads the output has gone.
    pub(crate) fn is_closed_output(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}
