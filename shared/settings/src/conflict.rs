//! What several options say together and cannot both be.

/// Options that cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The names of the options, without dashes in front. It is told at the first one, and only when nothing else is
    /// wrong with any of them.
    pub options: &'static [&'static str],
    /// What is wrong and what to do.
    pub message: String,
}

/// Finds the conflicts of a service's options.
pub type Conflicts<O> = fn(&O) -> Vec<Conflict>;
