//! Where a value came from.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where the effective value of an option came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    NotSet,
    /// The option's own default.
    Default,
    /// The settings file.
    File(Position),
    /// The environment variable of this name.
    Variable(String),
    /// The command line.
    Flag,
}

/// A place in the settings file; prints as `FILE:LINE:COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The file as it was named.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Position {
    pub(crate) fn new(path: &Path, line: usize, column: usize) -> Self {
        Self { path: path.to_owned(), line, column }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSet => f.write_str("not set"),
            Self::Default => f.write_str("default"),
            Self::File(position) => position.fmt(f),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag => f.write_str("flag"),
        }
    }
}
