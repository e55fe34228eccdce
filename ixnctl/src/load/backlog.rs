//! Fills the queue that nobody routes, so that the load is measured beside many interactions that wait.

use futures::StreamExt as _;
use indicatif::ProgressBar;
use ixn_client::{IdempotencyKey, RequestOptions};
use ixn_proto::ClientType;

use super::names::QUEUED;
use super::run::connect;
use super::submitter::{request, sentence, user_data};
use crate::arguments::Common;
use crate::exit::Failure;

/// How many submits wait for their answers at the same time.
const IN_FLIGHT: usize = 1_024;

/// Submits as many as there shall be, each with an idempotency key that is the same in every run: what is there from
/// a run of the last 24 hours is not submitted again.
///
/// # Errors
/// The server is unavailable, or refuses one.
pub(super) async fn fill(common: &Common, interactions: u64, bar: &ProgressBar) -> Result<(), Failure> {
    let client = connect(common, "queued", ClientType::MediaServer).await?;
    let user_data = user_data();
    let mut answers = futures::stream::iter(0..interactions)
        .map(|number| {
            let idempotency_key = IdempotencyKey::Given(format!("queued-{number}"));
            let client = client.with(RequestOptions { idempotency_key, ..RequestOptions::default() });
            let request = request(QUEUED, String::new(), user_data.clone());
            async move { client.submit(request).await }
        })
        .buffer_unordered(IN_FLIGHT);
    bar.set_length(interactions);
    while let Some(answer) = answers.next().await {
        answer.map_err(|error| Failure::Refused(sentence(error)))?;
        bar.inc(1);
    }
    drop(answers);
    client.close().await;
    bar.reset();
    Ok(())
}
