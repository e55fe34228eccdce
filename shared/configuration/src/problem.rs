//! What is wrong with a configuration, and where.

use std::fmt;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One mistake in a configuration.
///
/// Shown as `FILE:LINE:COLUMN: OBJECT: MESSAGE`, without what is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the name of another source.
    pub file: String,
    /// Where in the file; nothing when it is about the whole file or there is no file.
    pub position: Option<Position>,
    /// The object that it is about: `view 'billing'`; empty when it is about the whole file.
    pub object: String,
    /// What is wrong, and what to do when that is not plain.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(formatter, ":{line}:{column}")?;
        }
        if !self.object.is_empty() {
            write!(formatter, ": {}", self.object)?;
        }
        write!(formatter, ": {}", self.message)
    }
}

/// All mistakes of a configuration, in the order of the file; never empty.
///
/// Shown with one problem per line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Err` with the problems in order, or `Ok` when there are none.
    pub(crate) fn none_of(mut problems: Vec<Problem>) -> Result<(), Problems> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by_key(|problem| problem.position);
        Err(Problems(problems))
    }

    /// A single problem, with the whole file.
    pub(crate) fn of_file(file: &str, message: String) -> Problems {
        Problems(vec![Problem { file: file.to_owned(), position: None, object: String::new(), message }])
    }

    /// The problems, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[Problem] {
        &self.0
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

/// What is wrong inside a text that has a language of its own: a condition, an order, a skill
/// expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TextProblem {
    /// Where in the text, in bytes from 0.
    pub offset_bytes: usize,
    /// What is wrong.
    pub message: String,
}
