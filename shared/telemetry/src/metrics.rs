//! The registry of a process and what every service puts into it.

use std::collections::HashMap;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// A new registry whose metrics all carry the label `tenant`, with what every service has: the
/// `process_*` metrics and `ixn_build_info{version}`.
///
/// # Errors
/// prometheus refuses a label value.
pub fn registry(tenant: &str, version: &str) -> Result<Registry, prometheus::Error> {
    let labels = HashMap::from([("tenant".to_owned(), tenant.to_owned())]);
    let registry = Registry::new_custom(None, Some(labels))?;
    registry.register(Box::new(ProcessCollector::for_self()))?;
    let build = Opts::new("ixn_build_info", "Always 1; the label says which version runs.");
    let build = IntGauge::with_opts(build.const_label("version", version))?;
    build.set(1);
    registry.register(Box::new(build))?;
    Ok(registry)
}

/// Metrics that are brought up to date when they are scraped.
///
/// `refresh` runs before each scrape, one scrape at a time; it should read a snapshot and not wait for anybody.
pub struct Refreshed {
    refresh: Mutex<Box<dyn FnMut() + Send>>,
    metrics: Vec<Box<dyn Collector>>,
}

impl Refreshed {
    /// Calls `refresh`, which sets some of `metrics`, before they are collected.
    pub fn new(metrics: Vec<Box<dyn Collector>>, refresh: impl FnMut() + Send + 'static) -> Self {
        Self { refresh: Mutex::new(Box::new(refresh)), metrics }
    }
}

impl Collector for Refreshed {
    fn desc(&self) -> Vec<&Desc> {
        self.metrics.iter().flat_map(|metric| metric.desc()).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // Held to the end, so that one scrape shows one snapshot.
        let mut refresh = self.refresh.lock();
        refresh();
        self.metrics.iter().flat_map(|metric| metric.collect()).collect()
    }
}

/// Brings a counter up to a total that is counted elsewhere. A smaller total is ignored: counters never go down.
/// For use in [`Refreshed`] only: two callers at once would count twice.
pub fn raise_to(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// One row of a table of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricSpec {
    /// The whole name.
    pub name: &'static str,
    /// Counter or gauge.
    pub kind: MetricKind,
    /// The names of its labels, without those that all metrics carry.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// A kind of handle that a table of metrics can hold.
pub(crate) trait Metric: Collector + Clone + Sized + 'static {
    const KIND: MetricKind;

    fn declare(spec: &MetricSpec) -> Result<Self, prometheus::Error>;
    /// Makes the series with these label values exist; nothing where the metric has no labels.
    fn create_series(&self, _label_values: &[&str]) {}
    /// Ends the series with these label values.
    fn end_series(&self, _label_values: &[&str]) {}
}

macro_rules! plain_metric {
    ($handle:ident, $kind:ident) => {
        impl Metric for $handle {
            const KIND: MetricKind = MetricKind::$kind;

            fn declare(spec: &MetricSpec) -> Result<Self, prometheus::Error> {
                $handle::new(spec.name, spec.help)
            }
        }
    };
}

macro_rules! labelled_metric {
    ($handle:ident, $kind:ident) => {
        impl Metric for $handle {
            const KIND: MetricKind = MetricKind::$kind;

            fn declare(spec: &MetricSpec) -> Result<Self, prometheus::Error> {
                $handle::new(Opts::new(spec.name, spec.help), spec.labels)
            }

            fn create_series(&self, label_values: &[&str]) {
                self.with_label_values(label_values);
            }

            fn end_series(&self, label_values: &[&str]) {
                // The one error is that there was no such series, which is what is wanted.
                let _ = self.remove_label_values(label_values);
            }
        }
    };
}

plain_metric!(IntCounter, Counter);
plain_metric!(IntGauge, Gauge);
plain_metric!(Gauge, Gauge);
labelled_metric!(IntCounterVec, Counter);
labelled_metric!(IntGaugeVec, Gauge);

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn every_metric_carries_the_tenant() {
        let text = text(&registry("0089", "1.2.3").unwrap());
        assert!(text.contains("\nixn_build_info{version=\"1.2.3\",tenant=\"0089\"} 1\n"), "{text}");
        assert!(text.contains("\nprocess_resident_memory_bytes{tenant=\"0089\"} "), "{text}");
    }

    #[test]
    fn refreshed_metrics_are_read_when_scraped() {
        let registry = Registry::new();
        let scrapes = IntCounter::new("scrapes_total", "Scrapes.").unwrap();
        let total = scrapes.clone();
        let mut seen = 40;
        let refresh = move || {
            seen += 1;
            raise_to(&total, seen);
        };
        registry.register(Box::new(Refreshed::new(vec![Box::new(scrapes.clone())], refresh))).unwrap();
        assert!(text(&registry).contains("\nscrapes_total 41\n"));
        assert!(text(&registry).contains("\nscrapes_total 42\n"));
        raise_to(&scrapes, 7);
        assert_eq!(scrapes.get(), 42);
        assert!(registry.register(Box::new(scrapes)).is_err(), "the name is taken");
    }
}
