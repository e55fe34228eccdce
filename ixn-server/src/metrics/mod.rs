//! The server's metrics: handles for whoever counts, and gauges that are brought up to date when somebody scrapes.
//! `docs/metrics.md` lists them all.

mod health_info;
mod memory;
mod own;
mod round_trips;
mod snapshot;

use std::sync::Arc;
use std::time::Instant;

use ixn_telemetry::{ServerMetrics, registry};
use prometheus::Registry;

use crate::driver::DriverCounters;
use crate::intake::Intake;
use crate::tasks::Tasks;

pub(crate) use memory::resident_bytes;
pub(crate) use own::OwnMetrics;
pub(crate) use round_trips::RoundTrips;
pub(crate) use snapshot::{Latest, follow};

/// Handles of all metrics; clones share their values.
#[derive(Clone)]
pub(crate) struct Metrics {
    /// Those of the vendor's dashboards and alerts, `ixn_health_info_*`.
    pub(crate) health_info: ServerMetrics,
    /// Those that only this server has, `ixn_server_*`.
    pub(crate) own: OwnMetrics,
    /// How long the newest commits took.
    pub(crate) round_trips: RoundTrips,
}

/// What is read when somebody scrapes.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) driver: Arc<DriverCounters>,
    pub(crate) intake: Intake,
    pub(crate) latest: Latest,
    pub(crate) tasks: Tasks,
}

impl Metrics {
    /// Metrics at zero.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            health_info: ServerMetrics::new()?,
            own: OwnMetrics::new()?,
            round_trips: RoundTrips::default(),
        })
    }

    /// A registry with these metrics.
    pub(crate) fn register(&self, tenant: &str, sources: Sources) -> Result<Registry, prometheus::Error> {
        let registry = registry(tenant, env!("CARGO_PKG_VERSION"))?;
        let mut refresher = health_info::Refresher::new(sources.clone());
        self.health_info.register(&registry, move |metrics| {
            refresher.refresh(metrics, Instant::now());
        })?;
        self.own.register(&registry, sources)?;
        Ok(registry)
    }
}

/// The values of the metric `run_mode`.
pub(crate) mod run_mode {
    pub(crate) const PRIMARY: i64 = 0;
    pub(crate) const BACKUP: i64 = 1;
    pub(crate) const EXIT: i64 = 2;
}
