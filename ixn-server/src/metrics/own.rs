//! The metrics that the vendor's dashboards do not know: the commits, and what waits in memory.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, exponential_buckets,
};

use ixn_engine::commit::CommitBatch;
use ixn_telemetry::{Refreshed, raise_to};

use super::Sources;

/// The handles.
#[derive(Clone)]
pub(crate) struct OwnMetrics {
    /// How long commits took, seconds.
    pub(crate) commit_duration: Histogram,
    committed_rows: IntCounter,
    committed_events: IntCounter,
    /// What the commit log takes in the database.
    pub(crate) log_bytes: IntGauge,
    idempotency_keys: IntGauge,
    idempotency_reach: IntGauge,
    content_cache_bytes: IntGauge,
    view_index_bytes: IntGaugeVec,
    outbound_waiting_bytes: IntGauge,
    subscribers: IntGauge,
    subscriber_lag: IntGauge,
    requests_refused: IntCounter,
    requests_over_limit: IntCounter,
    /// Whether the configuration file, as it is now, is the configuration in force.
    pub(crate) configuration_valid: IntGauge,
}

impl OwnMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        // From 0.5 ms to 8 s.
        let buckets = exponential_buckets(0.0005, 2.0, 15)?;
        let commit_duration = HistogramOpts::new(
            "ixn_server_commit_duration_seconds",
            "How long the database took to make a batch durable, in seconds.",
        );
        let configuration_valid = IntGauge::new(
            "ixn_configuration_valid",
            "1 when the configuration file can be used; 0 when it has mistakes and the one of before stays in force.",
        )?;
        // A server with mistakes in it does not start.
        configuration_valid.set(1);
        Ok(Self {
            configuration_valid,
            commit_duration: Histogram::with_opts(commit_duration.buckets(buckets))?,
            committed_rows: IntCounter::new(
                "ixn_server_committed_rows_total",
                "Rows that durable batches wrote or deleted.",
            )?,
            committed_events: IntCounter::new(
                "ixn_server_committed_events_total",
                "Reporting events in durable batches.",
            )?,
            log_bytes: IntGauge::new("ixn_server_log_bytes", "Bytes of the commit log in the database.")?,
            idempotency_keys: IntGauge::new(
                "ixn_server_idempotency_keys",
                "Idempotency keys that are remembered.",
            )?,
            idempotency_reach: IntGauge::new(
                "ixn_server_idempotency_reach_seconds",
                "The age up to which the idempotency key of a submit is still known, in seconds.",
            )?,
            content_cache_bytes: IntGauge::new(
                "ixn_server_content_cache_bytes",
                "Bytes of user data in the cache.",
            )?,
            view_index_bytes: IntGaugeVec::new(
                Opts::new(
                    "ixn_server_view_index_bytes",
                    "About how much memory the index of a view takes, in bytes.",
                ),
                &["view_name"],
            )?,
            outbound_waiting_bytes: IntGauge::new(
                "ixn_server_outbound_waiting_bytes",
                "Bytes that wait to be sent to clients.",
            )?,
            subscribers: IntGauge::new("ixn_server_subscribers", "Clients that receive reporting events.")?,
            subscriber_lag: IntGauge::new(
                "ixn_server_subscriber_lag_events",
                "Reporting events that the subscriber farthest behind has not been sent yet.",
            )?,
            requests_refused: IntCounter::new(
                "ixn_server_requests_refused_total",
                "Requests refused because the database was away.",
            )?,
            requests_over_limit: IntCounter::new(
                "ixn_server_requests_over_limit_total",
                "Requests refused because their client sent too many.",
            )?,
        })
    }

    /// Counts a batch that has become durable.
    pub(crate) fn committed(&self, batch: &CommitBatch) {
        let rows = batch.hot.len()
            + batch.cold.len()
            + batch.deleted.len()
            + batch.agents.len()
            + batch.deleted_agents.len()
            + batch.idempotency.len();
        self.committed_rows.inc_by(rows as u64);
        self.committed_events.inc_by((batch.last_event.0 + 1).saturating_sub(batch.first_event.0));
    }

    pub(super) fn register(&self, registry: &Registry, sources: Sources) -> Result<(), prometheus::Error> {
        let own = self.clone();
        registry.register(Box::new(Refreshed::new(self.collectors(), move || own.refresh(&sources))))
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.commit_duration.clone()),
            Box::new(self.committed_rows.clone()),
            Box::new(self.committed_events.clone()),
            Box::new(self.log_bytes.clone()),
            Box::new(self.idempotency_keys.clone()),
            Box::new(self.idempotency_reach.clone()),
            Box::new(self.content_cache_bytes.clone()),
            Box::new(self.view_index_bytes.clone()),
            Box::new(self.outbound_waiting_bytes.clone()),
            Box::new(self.subscribers.clone()),
            Box::new(self.subscriber_lag.clone()),
            Box::new(self.requests_refused.clone()),
            Box::new(self.requests_over_limit.clone()),
            Box::new(self.configuration_valid.clone()),
        ]
    }

    fn refresh(&self, sources: &Sources) {
        raise_to(&self.requests_refused, sources.intake.refused());
        raise_to(&self.requests_over_limit, sources.intake.over_limit());
        let Some(snapshot) = sources.latest.get() else { return };
        let figures = &snapshot.engine;
        self.idempotency_keys.set(figures.idempotency_keys as i64);
        self.idempotency_reach.set(figures.idempotency_reach.as_secs() as i64);
        self.content_cache_bytes.set(figures.content_cache_bytes as i64);
        // A view that is no more has no value.
        self.view_index_bytes.reset();
        for view in &figures.views {
            self.view_index_bytes.with_label_values(&[&*view.name]).set(view.index_bytes as i64);
        }
        self.outbound_waiting_bytes.set(snapshot.outbound_waiting_bytes as i64);
        self.subscribers.set(snapshot.subscribers as i64);
        self.subscriber_lag.set(snapshot.subscriber_lag_events as i64);
    }
}
