//! Bringing `ixn_health_info_*` up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ixn_engine::figures::{BUILT_IN_ROUTER, Figures, StrategyFigures};
use ixn_engine::interactions::QueueCounts;
use ixn_proto::ClientType;
use ixn_telemetry::{ServerMetrics, Subject, raise_to};

use super::Sources;
use super::snapshot::Snapshot;

/// After this long without a request there is no waiting time to tell: about a scrape's interval.
const WAIT_SHOWN: Duration = Duration::from_secs(15);
/// The limit and the capacity of what has no limit.
const UNLIMITED: i64 = i64::MAX;

/// Every client type that registers, and its label.
const CLIENT_TYPES: [(ClientType, &str); 5] = [
    (ClientType::Proxy, "Proxy"),
    (ClientType::MediaServer, "Media server"),
    (ClientType::AgentApplication, "Agent application"),
    (ClientType::ReportingEngine, "Reporting engine"),
    (ClientType::RoutingEngine, "Routing engine"),
];

/// A name, or two, that make a series.
type Pair = (Arc<str>, Arc<str>);

/// What the series tell, and about what there are series.
pub(super) struct Refresher {
    sources: Sources,
    shown: Option<Arc<Snapshot>>,
    views: BTreeSet<Arc<str>>,
    routers: BTreeSet<Arc<str>>,
    strategies: BTreeSet<Pair>,
    media: BTreeSet<Arc<str>>,
    queue_media: BTreeSet<Pair>,
    /// What each strategy's total was; kept when it is deleted, so that a router's total goes on.
    submitted: BTreeMap<Pair, u64>,
}

impl Refresher {
    pub(super) fn new(sources: Sources) -> Self {
        Self {
            sources,
            shown: None,
            views: BTreeSet::new(),
            routers: BTreeSet::new(),
            strategies: BTreeSet::new(),
            media: BTreeSet::new(),
            queue_media: BTreeSet::new(),
            submitted: BTreeMap::new(),
        }
    }

    pub(super) fn refresh(&mut self, metrics: &ServerMetrics, now: Instant) {
        self.requests(metrics, now);
        let Some(snapshot) = self.sources.latest.get() else { return };
        let is_shown = self.shown.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, &snapshot));
        if is_shown {
            return;
        }
        let figures = &snapshot.engine;
        metrics.current_database_connections.set(snapshot.database_connections as i64);
        clients(metrics, figures);
        self.views(metrics, figures);
        self.routers(metrics, figures);
        self.agents(metrics, figures);
        self.queues(metrics, figures);
        self.shown = Some(snapshot);
    }

    fn requests(&self, metrics: &ServerMetrics, now: Instant) {
        let Sources { driver, intake, tasks, .. } = &self.sources;
        raise_to(&metrics.total_tasks, tasks.started());
        metrics.current_tasks.set(tasks.running() as i64);
        raise_to(&metrics.total_requests_received, intake.requests_received.load(Relaxed));
        let refused = intake.refused() + intake.over_limit();
        raise_to(&metrics.total_requests_handled, driver.requests_handled.load(Relaxed) + refused);
        let waiting = intake.waiting();
        metrics.current_request_queue_size.set(waiting as i64);
        let last = driver.last_request_at.get();
        let is_news = last.is_some_and(|last| now.saturating_duration_since(last) <= WAIT_SHOWN);
        let wait = if waiting == 0 && !is_news { 0 } else { driver.queue_wait_microseconds.load(Relaxed) };
        metrics.current_request_queue_wait.set(wait as f64 / 1e6);
        metrics
            .current_database_requests
            .set(i64::from(driver.has_batch_waiting(now) || intake.is_refusing()));
    }

    fn views(&mut self, metrics: &ServerMetrics, figures: &Figures) {
        metrics.current_views.set(figures.views.len() as i64);
        let names = figures.views.iter().map(|view| Arc::clone(&view.name)).collect();
        keep(metrics, &mut self.views, names, |name| Subject::View(name));
        for view in &figures.views {
            metrics.view_have_interactions.with_label_values(&[&*view.name]).set(view.interactions as i64);
        }
    }

    fn routers(&mut self, metrics: &ServerMetrics, figures: &Figures) {
        metrics.current_strategies.set(figures.strategies.len() as i64);
        let mut routers: BTreeMap<Arc<str>, Vec<&StrategyFigures>> = BTreeMap::new();
        routers.insert(BUILT_IN_ROUTER.into(), Vec::new());
        for strategy in &figures.strategies {
            routers.entry(Arc::clone(&strategy.router)).or_default().push(strategy);
        }
        keep(metrics, &mut self.routers, routers.keys().cloned().collect(), |name| Subject::Router(name));
        let strategies = figures.strategies.iter().map(key).collect();
        keep(metrics, &mut self.strategies, strategies, |(router, strategy)| Subject::Strategy {
            router,
            strategy,
        });
        for (router, strategies) in routers {
            let labels = [&*router];
            let total = metrics.router_total_submitted.with_label_values(&labels);
            let (mut current, mut max) = (0, 0_i64);
            for strategy in strategies {
                let before =
                    self.submitted.insert(key(strategy), strategy.total_submitted).unwrap_or_default();
                total.inc_by(strategy.total_submitted.saturating_sub(before));
                current += strategy.currently_submitted as i64;
                max = max.saturating_add(limit(strategy));
                show_strategy(metrics, strategy);
            }
            metrics.router_currently_submitted.with_label_values(&labels).set(current);
            metrics.router_max_submitted.with_label_values(&labels).set(max);
            metrics.router_current_capacity.with_label_values(&labels).set(capacity(max, current));
        }
    }

    fn agents(&mut self, metrics: &ServerMetrics, figures: &Figures) {
        metrics.agent_logged_in_count.set(figures.agents_logged_in as i64);
        let mut media: BTreeMap<Arc<str>, (u64, u64, u64)> = BTreeMap::new();
        for name in &figures.media_types {
            media.entry(Arc::clone(name)).or_default();
        }
        for of_agents in &figures.agent_media {
            let (agents, ready, _) = media.entry(Arc::clone(&of_agents.media_type)).or_default();
            (*agents, *ready) = (of_agents.agents, of_agents.ready);
        }
        for in_queue in &figures.queue_media {
            media.entry(Arc::clone(&in_queue.media_type)).or_default().2 += in_queue.counts.on_agent;
        }
        keep(metrics, &mut self.media, media.keys().cloned().collect(), |name| Subject::Media(name));
        for (name, (agents, ready, handling)) in &media {
            let labels = [&**name];
            metrics.agent_media_count.with_label_values(&labels).set(*agents as i64);
            metrics.agent_media_ready_count.with_label_values(&labels).set(*ready as i64);
            metrics.agent_media_handling_count.with_label_values(&labels).set(*handling as i64);
        }
    }

    fn queues(&mut self, metrics: &ServerMetrics, figures: &Figures) {
        let mut pairs: BTreeSet<Pair> = BTreeSet::new();
        for queue in &figures.queues {
            pairs.extend(figures.media_types.iter().map(|media| (Arc::clone(queue), Arc::clone(media))));
        }
        let held = figures.queue_media.iter();
        pairs.extend(held.map(|of| (Arc::clone(&of.queue), Arc::clone(&of.media_type))));
        // What is no longer held is zero, or gone in a moment.
        for of in self.shown.iter().flat_map(|shown| &shown.engine.queue_media) {
            show_queue(metrics, &of.queue, &of.media_type, QueueCounts::default());
        }
        keep(metrics, &mut self.queue_media, pairs, |(queue, media)| Subject::QueueMedia { queue, media });
        for of in &figures.queue_media {
            show_queue(metrics, &of.queue, &of.media_type, of.counts);
        }
    }
}

/// Makes series exist, at zero, for what is there now, and ends those of what is gone.
fn keep<T: Ord>(
    metrics: &ServerMetrics,
    known: &mut BTreeSet<T>,
    now: BTreeSet<T>,
    subject: impl for<'a> Fn(&'a T) -> Subject<'a>,
) {
    for gone in known.difference(&now) {
        metrics.forget(subject(gone));
    }
    for new in now.difference(known) {
        metrics.declare(subject(new));
    }
    *known = now;
}

fn key(strategy: &StrategyFigures) -> Pair {
    (Arc::clone(&strategy.router), Arc::clone(&strategy.name))
}

fn limit(strategy: &StrategyFigures) -> i64 {
    strategy.max_submitted.and_then(|max| i64::try_from(max).ok()).unwrap_or(UNLIMITED)
}

fn capacity(max: i64, current: i64) -> i64 {
    if max == UNLIMITED { UNLIMITED } else { (max - current).max(0) }
}

fn clients(metrics: &ServerMetrics, figures: &Figures) {
    let mut all = 0;
    for (client_type, name) in CLIENT_TYPES {
        let count = figures.clients.get(&client_type).copied().unwrap_or_default() as i64;
        metrics.client_count.with_label_values(&[name]).set(count);
        all += count;
        if client_type == ClientType::RoutingEngine {
            metrics.current_routers.set(count);
        }
    }
    metrics.current_clients.set(all);
    for (client_type, request, total) in &figures.requests {
        if let Some((_, name)) = CLIENT_TYPES.iter().find(|(of, _)| of == client_type) {
            raise_to(&metrics.client_protocol_request_total.with_label_values(&[*name, *request]), *total);
        }
    }
}

fn show_strategy(metrics: &ServerMetrics, strategy: &StrategyFigures) {
    let labels = [&*strategy.router, &*strategy.name];
    let current = strategy.currently_submitted as i64;
    let free = capacity(limit(strategy), current);
    metrics.router_strategy_load_count.with_label_values(&labels).set(strategy.load_count as i64);
    raise_to(&metrics.router_strategy_total_submitted.with_label_values(&labels), strategy.total_submitted);
    metrics.router_strategy_currently_submitted.with_label_values(&labels).set(current);
    metrics.router_strategy_current_capacity.with_label_values(&labels).set(free);
    let last = strategy.last_submitted_at_seconds as i64;
    metrics.router_strategy_last_submitted_at.with_label_values(&labels).set(last);
}

fn show_queue(metrics: &ServerMetrics, queue: &str, media_type: &str, counts: QueueCounts) {
    let labels = [queue, media_type];
    let set =
        |gauge: &prometheus::IntGaugeVec, value: u64| gauge.with_label_values(&labels).set(value as i64);
    set(&metrics.queue_media_waiting_processing, counts.waiting_processing);
    set(&metrics.queue_media_in_processing, counts.in_processing());
    set(&metrics.queue_media_in_router, counts.in_router);
    set(&metrics.queue_media_on_agent, counts.on_agent);
    set(&metrics.queue_media_current_length, counts.current_length);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::DriverCounters;
    use crate::intake::Intake;
    use crate::metrics::Latest;
    use crate::tasks::Tasks;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sources() -> Sources {
        Sources {
            driver: Arc::<DriverCounters>::default(),
            intake: Intake::new(1024),
            latest: Latest::default(),
            tasks: Tasks::here(),
        }
    }

    #[tokio::test]
    async fn a_batch_counts_as_waiting_when_the_one_before_it_takes_long_or_requests_are_refused() {
        let sources = sources();
        let metrics = ServerMetrics::new().unwrap();
        let mut refresher = Refresher::new(sources.clone());
        let now = Instant::now();
        let mut waiting = |now| {
            refresher.refresh(&metrics, now);
            metrics.current_database_requests.get()
        };
        assert_eq!(waiting(now), 0);
        sources.driver.gathering_since.set(Some(now));
        assert_eq!(waiting(now), 0, "as on any busy server");
        assert_eq!(waiting(now + MINUTE), 1);
        sources.driver.gathering_since.set(None);
        assert_eq!(waiting(now + MINUTE), 0);
        sources.intake.set_flow(crate::intake::Flow::Refusing);
        assert_eq!(waiting(now), 1);
    }

    #[tokio::test]
    async fn the_waiting_time_is_told_while_it_is_news_or_something_waits() {
        let sources = sources();
        let metrics = ServerMetrics::new().unwrap();
        let mut refresher = Refresher::new(sources.clone());
        let now = Instant::now();
        let mut wait = |now| {
            refresher.refresh(&metrics, now);
            metrics.current_request_queue_wait.get()
        };
        sources.driver.queue_wait_microseconds.store(1_500_000, Relaxed);
        sources.driver.last_request_at.set(Some(now));
        assert!((wait(now) - 1.5).abs() < 1e-9);
        assert!(wait(now + MINUTE).abs() < 1e-9, "an idle server has no waiting time");
        let waiting = sources.intake.waits(1);
        assert!((wait(now + MINUTE) - 1.5).abs() < 1e-9, "one that takes nothing has");
        drop(waiting);
        assert!(wait(now + MINUTE).abs() < 1e-9);
    }

    fn strategy(name: &str, total_submitted: u64, max_submitted: Option<u64>) -> StrategyFigures {
        StrategyFigures {
            name: name.into(),
            router: BUILT_IN_ROUTER.into(),
            load_count: 1,
            total_submitted,
            currently_submitted: 1,
            max_submitted,
            last_submitted_at_seconds: 0,
        }
    }

    #[tokio::test]
    async fn a_routers_total_outlives_its_strategies_and_their_series_do_not() {
        let sources = sources();
        let metrics = ServerMetrics::new().unwrap();
        let mut refresher = Refresher::new(sources.clone());
        let mut router = |strategies| {
            let engine = Figures { strategies, ..Figures::default() };
            sources.latest.set(Snapshot { engine, ..Snapshot::default() });
            refresher.refresh(&metrics, Instant::now());
            let labels = [BUILT_IN_ROUTER];
            (
                metrics.router_total_submitted.with_label_values(&labels).get(),
                metrics.router_max_submitted.with_label_values(&labels).get(),
                metrics.router_current_capacity.with_label_values(&labels).get(),
            )
        };
        assert_eq!(router(vec![]), (0, 0, 0));
        assert_eq!(router(vec![strategy("a", 5, Some(10)), strategy("b", 2, Some(3))]), (7, 13, 11));
        assert_eq!(router(vec![strategy("b", 3, Some(3))]), (8, 3, 2));
        let gone = metrics.router_strategy_total_submitted.remove_label_values(&[BUILT_IN_ROUTER, "a"]);
        assert!(gone.is_err(), "a deleted strategy has no series");
        assert_eq!(
            router(vec![strategy("a", 6, None), strategy("b", 3, Some(3))]),
            (9, UNLIMITED, UNLIMITED)
        );
    }
}
