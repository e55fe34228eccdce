//! What stands on the protocol's port: the stream of sessions and the read-only inspection.

mod inspection;
mod loads;
mod rate;
mod serving;
mod session;
mod sockets;

pub(crate) use inspection::{Describe, InspectionService};
pub(crate) use loads::{ClientLimits, Loads};
pub(crate) use rate::Rate;
pub(crate) use serving::{TransportLimits, describe, serve};
pub(crate) use session::{Limits, SessionService};
pub(crate) use sockets::SocketLimits;
