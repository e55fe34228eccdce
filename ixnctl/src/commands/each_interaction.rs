//! What is done to many interactions, named or chosen by a condition: one request for each, many in flight.

use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use futures::StreamExt as _;
use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientType, ReasonInfo};
use serde_json::json;

use super::interactions::Selection;
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::troubles::Teller;

/// How many requests may wait for their answers.
const IN_FLIGHT: usize = 256;

/// Which interactions: named, or chosen.
#[derive(Debug, Args)]
pub(crate) struct Targets {
    /// The interactions. Instead of names: --queue or --where, which choose among all, whoever has them.
    #[arg(value_name = "ID", conflicts_with_all = ["queue", "condition", "limit"])]
    ids: Vec<String>,
    #[command(flatten)]
    selection: Selection,
}

/// What is done to each of them.
pub(crate) struct Operation<'a> {
    /// What is said when it is done: `stopped`.
    pub outcome: &'static str,
    /// The request for one interaction.
    pub request: &'a (dyn Fn(String) -> Request + Sync),
}

/// The reason that every request names.
pub(crate) fn reason() -> ReasonInfo {
    ReasonInfo { reason_system_name: "Operator".to_owned(), ..ReasonInfo::default() }
}

/// Does it, tells each outcome, and the sums at the end.
///
/// # Errors
/// The server is unavailable, nothing is named, or the server refused some.
pub(crate) async fn run(
    common: &Common,
    targets: &Targets,
    operation: &Operation<'_>,
) -> Result<(), Failure> {
    let output = common.output();
    let ids = targets.ids(common).await?;
    let client = connection::connect(common, ClientType::MediaServer).await?;
    let bar = output.progress(ids.len() as u64);
    let teller = Teller::new(common, &client, &bar);
    let (mut done, mut failed, mut not_tried) = (0_u64, 0_u64, 0_u64);
    let mut unavailable = None;
    // The server has gone: what is on its way is waited for, nothing further is begun.
    let gone = AtomicBool::new(false);
    {
        let answers = futures::stream::iter(ids)
            .map(|id| async {
                if gone.load(Ordering::Relaxed) {
                    return (id, None);
                }
                let answer = teller.during(client.request((operation.request)(id.clone()))).await;
                (id, Some(answer))
            })
            .buffered(IN_FLIGHT);
        let mut answers = std::pin::pin!(answers);
        while let Some((id, answer)) = answers.next().await {
            bar.inc(1);
            match answer {
                None => not_tried += 1,
                Some(Ok(_)) => {
                    done += 1;
                    if output.is_json() {
                        output.object(&json!({"interaction_id": id, "outcome": operation.outcome}))?;
                    }
                }
                Some(Err(error)) => {
                    failed += 1;
                    output.remark(&bar, &format!("{id}: {error}"));
                    if output.is_json() {
                        output.object(
                            &json!({"interaction_id": id, "outcome": "failed", "reason": error.to_string()}),
                        )?;
                    }
                    if connection::is_unavailable(&error) {
                        gone.store(true, Ordering::Relaxed);
                        unavailable.get_or_insert(error);
                    }
                }
            }
        }
    }
    teller.end().await;
    bar.finish_and_clear();
    let sentence = || {
        let not_tried = if not_tried > 0 { format!(", {not_tried} not tried") } else { String::new() };
        format!("{done} {}, {failed} failed{not_tried}", operation.outcome)
    };
    let sums = || json!({operation.outcome: done, "failed": failed, "not_tried": not_tried});
    output.either(sentence, sums)?;
    match unavailable {
        Some(error) => Err(connection::failure(common, error)),
        None if failed > 0 => Err(Failure::Partly(format!("the server refused {failed}"))),
        None => Ok(()),
    }
}

impl Targets {
    /// Nothing named is not everything.
    ///
    /// # Errors
    /// No interaction is named, and there is no choice.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.ids.is_empty() && self.selection.is_everything() {
            let problem = "name interactions, or choose them with --queue or --where";
            return Err(Failure::Usage(problem.to_owned()));
        }
        Ok(())
    }

    async fn ids(&self, common: &Common) -> Result<Vec<String>, Failure> {
        self.check()?;
        if !self.ids.is_empty() {
            return Ok(self.ids.clone());
        }
        let mut pages =
            Inspector::connect(common).await?.interactions(self.selection.request(), self.selection.limit);
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await? {
            ids.extend(page.into_iter().map(|interaction| interaction.interaction_id));
        }
        Ok(ids)
    }
}
