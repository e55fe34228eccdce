//! Submits what is due on one connection, many at a time and none twice.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ixn_client::{
    ClientError, ErrorCode, IdempotencyKey, KeyValueList, LogicalClient, RequestOptions, RequestSubmit,
};

use super::names::{MEDIA_TYPE, QUEUE};
use super::shared::Shared;

/// How many submits of one connection may wait for their answers. Those that are due beyond that wait for room; their
/// latency counts from the instant that they were due all the same.
const IN_FLIGHT: usize = 16_384;

/// The submitter of one connection.
pub(super) struct Submitter {
    pub client: LogicalClient,
    pub shared: Arc<Shared>,
    /// It submits this lifecycle, and then every `step`th.
    pub first: usize,
    pub step: usize,
    /// How many lifecycles the run has.
    pub lifecycles: usize,
}

impl Submitter {
    /// Submits until all of its own are submitted and answered.
    pub(super) async fn run(self) {
        let user_data = user_data();
        let mut due = self.shared.pace.due();
        let mut next = self.first;
        let mut in_flight = FuturesUnordered::new();
        while next < self.lifecycles || !in_flight.is_empty() {
            let due_now = usize::try_from(*due.borrow_and_update()).unwrap_or(usize::MAX);
            while next < due_now.min(self.lifecycles) && in_flight.len() < IN_FLIGHT {
                self.shared.note(|ledger, now| {
                    ledger.sent(next, self.shared.pace.intended(next as u64, now), now);
                });
                in_flight.push(self.submit(next, user_data.clone()));
                next += self.step;
            }
            tokio::select! {
                Some(()) = in_flight.next() => {}
                changed = due.changed(), if next < self.lifecycles && in_flight.len() < IN_FLIGHT => {
                    if changed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn submit(&self, lifecycle: usize, user_data: KeyValueList) {
        let external_id = self.shared.run.external_id(lifecycle);
        let idempotency_key = IdempotencyKey::Given(external_id.clone());
        let request = request(QUEUE, external_id, user_data);
        let options = RequestOptions { idempotency_key, ..RequestOptions::default() };
        let submitted = self.client.with(options).submit(request).await;
        self.shared.note(|ledger, now| match submitted {
            Ok(submitted) => ledger.acknowledged(lifecycle, &submitted.interaction_id, now),
            Err(error) => ledger.refused(&sentence(error)),
        });
    }
}

/// One submit of the load.
pub(super) fn request(queue: &str, external_id: String, user_data: KeyValueList) -> RequestSubmit {
    RequestSubmit {
        queue: queue.to_owned(),
        media_type: MEDIA_TYPE.to_owned(),
        external_id,
        user_data: Some(user_data),
        ..RequestSubmit::default()
    }
}

/// 1 KB, as an e-mail's headers have.
pub(super) fn user_data() -> KeyValueList {
    let mut user_data = KeyValueList::new();
    user_data.push_text("Subject", "ixnctl load");
    user_data.push_text("Text", &"x".repeat(1_000));
    user_data
}

/// The error, and what to do when the server was not made for a load.
pub(super) fn sentence(error: ClientError) -> String {
    let names = [ErrorCode::UnknownQueue, ErrorCode::UnknownMediaType, ErrorCode::UnknownAgent];
    match error.code() {
        Some(code) if names.contains(&code) => format!(
            "{error}; start the server with the file that ixnctl load --print-configuration writes, for at \
             least as many agents"
        ),
        _ => error.to_string(),
    }
}
