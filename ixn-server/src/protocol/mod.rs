//! What stands on the protocol's port: the stream of sessions and the read-only inspection.

mod inspection;
mod serving;
mod session;

pub(crate) use inspection::{Describe, InspectionService};
pub(crate) use serving::{describe, serve};
pub(crate) use session::{Limits, SessionService};
