//! Reporting subscribers: the full state with which they begin, their place in the log, and what of it they want to hear.

pub mod cursor;
mod selection;
mod state;

pub use selection::Selection;
pub(crate) use state::{PAGES_UNTIL_REST, StatePages};
