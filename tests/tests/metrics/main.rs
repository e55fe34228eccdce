//! `/metrics` and the probes of a running server, as Prometheus and Kubernetes see them.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

mod movement;
mod numbers;

use ixn_client::RequestSubmit;

const CONFIGURATION: &str = "
media-types: [{name: email}, {name: chat}]
agents: [{id: alice}]
strategies: [{name: general, max-submitted: 10, steps: [{targets: [{agent: alice}]}]}]
queues: [{name: inbox}, {name: manual}]
views:
  - {name: all, queue: inbox, strategy: general}
  - {name: by-hand, queue: manual}
";

fn interaction(queue: &str, media_type: &str) -> RequestSubmit {
    RequestSubmit { queue: queue.into(), media_type: media_type.into(), ..Default::default() }
}
