//! `ixnctl stop`: ends interactions.

use clap::Args;
use ixn_proto::client_envelope::Request;
use ixn_proto::{ReasonInfo, RequestStopProcessing};

use super::each_interaction::{self, Operation, Targets};
use crate::arguments::Common;
use crate::exit::Failure;

/// Ends interactions: they leave the server.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    targets: Targets,
    /// Why, for those who look at the history.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

/// Stops them.
///
/// # Errors
/// The server is unavailable, or refused some.
pub(crate) async fn run(common: &Common, stop: &Stop) -> Result<(), Failure> {
    let reason = ReasonInfo { reason_description: stop.reason.clone(), ..each_interaction::reason() };
    let request = |interaction_id| {
        Request::RequestStopProcessing(RequestStopProcessing { interaction_id, reason: Some(reason.clone()) })
    };
    let operation = Operation { outcome: "stopped", request: &request };
    each_interaction::run(common, &stop.targets, &operation).await
}
