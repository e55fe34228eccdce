//! What every service shows of itself: logs, health, metrics.
//!
//! - [`LogOptions::init`]: log lines on standard error, text for people, JSON for collectors.
//! - [`Health`]: named conditions for the three probes, and beats of threads that must not stop.
//! - [`registry`]: the one metrics registry of a process; [`Refreshed`] for values read when scraped;
//!   [`ServerMetrics`] for the metrics of `ixn-server`.
//! - [`serve`]: `/health/live`, `/health/ready`, `/health/startup` and `/metrics` over HTTP.
//!
//! What this crate must never do: keep a registry or a health state in a global; decide what *healthy* means
//! for a service; hold up the end of a process.

mod health;
mod http;
mod ixn_server_metrics;
mod logs;
mod metrics;

pub use health::{Beat, Clock, Condition, Failing, Health, Probe};
pub use http::{DRAIN, serve};
pub use ixn_server_metrics::{CLIENT_TYPE_NAMES, SERVER_METRICS, ServerMetrics, Subject};
pub use logs::{InitLogsError, LogFilter, LogFormat, LogOptions, ParseLogFilterError};
pub use metrics::{MetricKind, MetricSpec, Refreshed, raise_to, registry};
