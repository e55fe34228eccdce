//! The metrics of `ixn-server`: one table, from which the handles, the registration and the documentation follow.
//!
//! The names and labels are those of the vendor's dashboards and alerts; a test compares the table with them.

use prometheus::core::Collector;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::metrics::{Metric, MetricSpec, Refreshed};

const CLIENT_TYPE: &[&str] = &["client_type_name"];
const REQUEST: &[&str] = &["client_type_name", "protocol_request_name"];
const VIEW: &[&str] = &["view_name"];
const ROUTER: &[&str] = &["router_name"];
const STRATEGY: &[&str] = &["router_name", "strategy_name"];
const EVENT_LOGGER: &[&str] = &["event_logger_name"];
const MEDIA: &[&str] = &["media_name"];
const QUEUE_MEDIA: &[&str] = &["queue_name", "media_name"];

/// The values of `client_type_name`. Their series exist from the start.
pub const CLIENT_TYPE_NAMES: [&str; 5] =
    ["Proxy", "Media server", "Agent application", "Reporting engine", "Routing engine"];

/// What a set of labelled series is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A type of clients.
    ClientType(&'a str),
    /// A request of the protocol, from one type of clients.
    Request {
        /// One of [`CLIENT_TYPE_NAMES`].
        client_type: &'a str,
        /// The message's name, `RequestSubmit`.
        request: &'a str,
    },
    /// A view.
    View(&'a str),
    /// A router.
    Router(&'a str),
    /// A strategy that a router has loaded.
    Strategy {
        /// The router's name.
        router: &'a str,
        /// The strategy's name.
        strategy: &'a str,
    },
    /// An event logger.
    EventLogger(&'a str),
    /// A media type.
    Media(&'a str),
    /// A media type in a queue.
    QueueMedia {
        /// The queue's name.
        queue: &'a str,
        /// The media type's name.
        media: &'a str,
    },
}

impl<'a> Subject<'a> {
    fn label_names(self) -> &'static [&'static str] {
        match self {
            Self::ClientType(_) => CLIENT_TYPE,
            Self::Request { .. } => REQUEST,
            Self::View(_) => VIEW,
            Self::Router(_) => ROUTER,
            Self::Strategy { .. } => STRATEGY,
            Self::EventLogger(_) => EVENT_LOGGER,
            Self::Media(_) => MEDIA,
            Self::QueueMedia { .. } => QUEUE_MEDIA,
        }
    }

    fn label_values(self) -> Vec<&'a str> {
        match self {
            Self::ClientType(name)
            | Self::View(name)
            | Self::Router(name)
            | Self::EventLogger(name)
            | Self::Media(name) => vec![name],
            Self::Request { client_type, request } => vec![client_type, request],
            Self::Strategy { router, strategy } => vec![router, strategy],
            Self::QueueMedia { queue, media } => vec![queue, media],
        }
    }
}

macro_rules! server_metrics {
    ($($field:ident: $handle:ident $labels:expr, $help:literal;)*) => {
        /// The table of the metrics of `ixn-server`.
        pub const SERVER_METRICS: &[MetricSpec] = &[$(MetricSpec {
            name: concat!("ixn_health_info_", stringify!($field)),
            kind: <$handle as Metric>::KIND,
            labels: $labels,
            help: $help,
        }),*];

        /// A handle for each metric of `ixn-server`; the fields are named as the metrics, without `ixn_health_info_`.
        /// Clones share their values.
        #[derive(Clone, Debug)]
        pub struct ServerMetrics {
            $(#[doc = $help] pub $field: $handle,)*
        }

        impl ServerMetrics {
            fn from_table() -> Result<Self, prometheus::Error> {
                let mut table = SERVER_METRICS.iter();
                let mut next = || table.next().ok_or_else(|| prometheus::Error::Msg("table too short".into()));
                Ok(Self { $($field: Metric::declare(next()?)?,)* })
            }

            fn collectors(&self) -> Vec<Box<dyn Collector>> {
                vec![$(Box::new(self.$field.clone()) as Box<dyn Collector>),*]
            }

            /// Makes every series about `subject` exist, at zero, so that the first event already counts as an increase.
            pub fn declare(&self, subject: Subject<'_>) {
                let values = subject.label_values();
                $(if subject.label_names() == ($labels as &[&str]) { self.$field.create_series(&values); })*
            }

            /// Ends every series about `subject`, which is no longer there.
            pub fn forget(&self, subject: Subject<'_>) {
                let values = subject.label_values();
                $(if subject.label_names() == ($labels as &[&str]) { self.$field.end_series(&values); })*
            }
        }
    };
}

impl ServerMetrics {
    /// Metrics at zero, not registered yet.
    ///
    /// # Errors
    /// prometheus refuses a row of the table; a test shows that it does not.
    pub fn new() -> Result<Self, prometheus::Error> {
        let metrics = Self::from_table()?;
        for name in CLIENT_TYPE_NAMES {
            metrics.declare(Subject::ClientType(name));
        }
        Ok(metrics)
    }

    /// Registers the metrics. `refresh` brings those up to date that are read from a snapshot when scraped.
    ///
    /// # Errors
    /// The registry has metrics of these names.
    pub fn register(
        &self,
        registry: &Registry,
        mut refresh: impl FnMut(&Self) + Send + 'static,
    ) -> Result<(), prometheus::Error> {
        let metrics = self.clone();
        registry.register(Box::new(Refreshed::new(self.collectors(), move || refresh(&metrics))))
    }
}

server_metrics! {
    config_server_connected: IntGauge &[], "1 while connected to Config Server, or when configuration comes from a file; else 0.";
    run_mode: IntGauge &[], "0 primary, 1 backup, 2 exit, 100 primary but disabled, 101 backup but disabled.";
    switch_to_primary_time: IntGauge &[], "When this server last became primary, in Unix seconds.";
    current_clients: IntGauge &[], "Connected clients.";
    current_routers: IntGauge &[], "Connected routers.";
    client_count: IntGaugeVec CLIENT_TYPE, "Connected clients of this type.";
    client_protocol_request_total: IntCounterVec REQUEST, "Requests received, by client type and name.";
    current_request_queue_size: IntGauge &[], "Requests, connects and disconnects that wait for the engine.";
    current_request_queue_wait: Gauge &[], "How long the request handled last waited for the engine, in seconds.";
    total_requests_received: IntCounter &[], "Requests received.";
    total_requests_handled: IntCounter &[], "Requests handled.";
    current_strategies: IntGauge &[], "Configured strategies.";
    current_views: IntGauge &[], "Configured views.";
    view_have_interactions: IntGaugeVec VIEW, "Above 0 when the view holds interactions.";
    view_frozen: IntGaugeVec VIEW, "Above 0 when the view is frozen.";
    router_total_submitted: IntCounterVec ROUTER, "Interactions submitted to the router.";
    router_currently_submitted: IntGaugeVec ROUTER, "Interactions that are now at the router.";
    router_current_capacity: IntGaugeVec ROUTER, "How many more interactions may be submitted to the router.";
    router_max_submitted: IntGaugeVec ROUTER, "How many interactions may be at the router at once.";
    router_strategy_load_count: IntGaugeVec STRATEGY, "How often the router has the strategy loaded.";
    router_strategy_total_submitted: IntCounterVec STRATEGY, "Interactions submitted to the strategy.";
    router_strategy_currently_submitted: IntGaugeVec STRATEGY, "Interactions that are now in the strategy.";
    router_strategy_current_capacity: IntGaugeVec STRATEGY, "How many more interactions may be submitted to the strategy.";
    router_strategy_last_submitted_at: IntGaugeVec STRATEGY, "When an interaction was last submitted to the strategy, in Unix seconds; 0 never.";
    current_database_connections: IntGauge &[], "Open connections to the database.";
    current_database_requests: IntGauge &[], "Batches that wait behind the one that is being committed.";
    total_database_requests: IntCounter &[], "Requests sent to the database.";
    total_database_deadlocks: IntCounter &[], "Requests that the database gave up because of a deadlock.";
    db_init_start_time: IntGauge &[], "When loading from the database began, in Unix seconds.";
    db_init_end_time: IntGauge &[], "When loading from the database ended, in Unix seconds; 0 while it runs.";
    db_init_in_progress: IntGauge &[], "1 while rows are loaded from the database, else 0.";
    current_tasks: IntGauge &[], "Internal tasks that are under way.";
    total_tasks: IntCounter &[], "Internal tasks started.";
    current_loggers: IntGauge &[], "Configured event loggers.";
    total_loggers_events_received: IntCounter &[], "Events offered to all event loggers.";
    total_loggers_events_commited: IntCounter &[], "Events that event loggers have delivered.";
    total_loggers_events_discarded_due_to_overflow: IntCounter &[], "Events that event loggers dropped because a queue was full.";
    event_logger_total_events_received: IntCounterVec EVENT_LOGGER, "Events offered to the event logger.";
    event_logger_total_events_commited: IntCounterVec EVENT_LOGGER, "Events that the event logger has delivered.";
    event_logger_total_events_filtered_out_by_id: IntCounterVec EVENT_LOGGER, "Events that the event logger leaves out by its filter of event ids.";
    event_logger_total_events_discarded_due_to_overflow: IntCounterVec EVENT_LOGGER, "Events that the event logger dropped because its queue was full.";
    event_logger_current_queue_size: IntGaugeVec EVENT_LOGGER, "Events that wait in the event logger's queue.";
    agent_logged_in_count: IntGauge &[], "Agents logged in.";
    agent_media_count: IntGaugeVec MEDIA, "Logged-in agents with this media type.";
    agent_media_ready_count: IntGaugeVec MEDIA, "Logged-in agents who are ready for this media type.";
    agent_media_handling_count: IntGaugeVec MEDIA, "Interactions of this media type that agents are handling.";
    queue_media_waiting_processing: IntGaugeVec QUEUE_MEDIA, "Interactions in the queue that wait to be routed or handled.";
    queue_media_in_processing: IntGaugeVec QUEUE_MEDIA, "Interactions of the queue in routing or at agents.";
    queue_media_in_router: IntGaugeVec QUEUE_MEDIA, "Interactions of the queue in routing.";
    queue_media_on_agent: IntGaugeVec QUEUE_MEDIA, "Interactions of the queue at agents.";
    queue_media_current_length: IntGaugeVec QUEUE_MEDIA, "Interactions of the queue that have never reached an agent.";
}
