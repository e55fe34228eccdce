//! What stands on the protocol's port: the stream of sessions and the read-only inspection.

mod inspection;
mod session;

pub(crate) use inspection::{Describe, InspectionService};
pub(crate) use session::{Limits, SessionService};
