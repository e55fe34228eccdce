//! What can be wrong with settings.

use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use crate::origin::{Origin, Position};

/// The exit code of a process whose settings are wrong (`EX_USAGE` of `sysexits.h`).
pub const EXIT_CODE: i32 = 64;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The command line is wrong, or asks for `--help` or `--version`.
    #[error("{}", .0.to_string().trim_end())]
    CommandLine(#[from] clap::Error),
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}: {source}", path.display())]
    ReadFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The settings file is not YAML of the accepted shape.
    #[error("{position}: {message}")]
    Syntax {
        /// Where.
        position: Position,
        /// What is wrong.
        message: String,
    },
    /// Values that are wrong, one line each.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
}

/// One wrong value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the value was given.
    pub origin: Origin,
    /// The option's name, without dashes in front.
    pub name: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Flag => write!(f, "--{}: {}", self.name, self.message),
            _ => write!(f, "{}: {}: {}", self.origin, self.name, self.message),
        }
    }
}

impl SettingsError {
    /// Says what is wrong on standard error and ends the process with [`EXIT_CODE`]. What `--help` and
    /// `--version` ask for goes to standard output and ends it with 0.
    pub fn exit(&self) -> ! {
        if let Self::CommandLine(error) = self {
            // A closed terminal is no reason to fail in another way.
            let _ = error.print();
            std::process::exit(if error.use_stderr() { EXIT_CODE } else { 0 });
        }
        let _ = writeln!(std::io::stderr(), "{self}");
        std::process::exit(EXIT_CODE)
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}
