//! `ixnctl move`: moves interactions to a queue.

use clap::Args;
use ixn_proto::client_envelope::Request;
use ixn_proto::{ReasonInfo, RequestPlaceInQueue};

use super::each_interaction::{self, Operation, Targets};
use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::names;

/// Moves interactions to a queue. Who handles one loses it.
#[derive(Debug, Args)]
pub(crate) struct Move {
    #[command(flatten)]
    targets: Targets,
    /// The queue to move them to.
    #[arg(long, value_name = "QUEUE")]
    to: String,
    /// Put them on hold there.
    #[arg(long)]
    hold: bool,
    /// Why, for those who look at the history.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

/// Moves them.
///
/// # Errors
/// There is no such queue, the server is unavailable, or it refused some.
pub(crate) async fn run(common: &Common, to: &Move) -> Result<(), Failure> {
    to.targets.check()?;
    names::check_queues([to.to.as_str()], &Inspector::connect(common).await?.queues().await?)?;
    let reason = ReasonInfo { reason_description: to.reason.clone(), ..each_interaction::reason() };
    let request = |interaction_id| {
        let (queue, is_held, reason) = (to.to.clone(), to.hold, Some(reason.clone()));
        Request::RequestPlaceInQueue(RequestPlaceInQueue { interaction_id, queue, is_held, reason })
    };
    let operation = Operation { outcome: "moved", request: &request };
    each_interaction::run(common, &to.targets, &operation).await
}
