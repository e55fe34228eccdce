//! Putting the server together: database, engine, sessions, health; and taking it apart again.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use ixn_configuration::Problems;
use ixn_engine::commit::CommitNumber;
use ixn_engine::compile::CompileError;
use ixn_engine::restore::RestoreError;
use ixn_store::StoreError;
use ixn_telemetry::{Condition, Health, Probe, ServerMetrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::configuration::{self, ConfigurationSource};
use crate::driver::{Driver, DriverCounters, Ended, Message, Surroundings};
use crate::feed::Feed;
use crate::intake::Intake;
use crate::loader;
use crate::maintenance::{self, Retention};
use crate::metrics::{self, Metrics};
use crate::outage::Outages;
use crate::protocol::{self, InspectionService, SessionService};
use crate::settings::Options;
use crate::takeover::{self, Loaded};
use crate::tasks::Tasks;
use crate::welcome::Welcome;
use crate::writer;

/// The engine counts as alive while it has turned within this time.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// The part of the shutdown timeout in which what was applied may become durable; the rest is for telling the clients.
const PATIENCE_PART: f64 = 0.75;
/// How long what serves may take to end, once there is nothing left to say.
const ENDING: Duration = Duration::from_secs(2);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration file has mistakes.
    #[error("the configuration cannot be used:\n{0}")]
    Configuration(#[from] Problems),
    /// It cannot be compiled.
    #[error("the configuration cannot be used: {0}")]
    Compile(#[from] CompileError),
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; end what has it (another ixn-server?), or choose another address with \
         --{option}"
    )]
    Listen {
        /// The option that says so.
        option: &'static str,
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data directory cannot be used.
    #[error("cannot use the data directory {path}: {source}")]
    DataDirectory {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row.
    #[error("the database holds damaged data: {0}")]
    Restore(#[from] RestoreError),
    /// Metrics.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The engine's thread.
    #[error("the engine's thread cannot be started: {0}")]
    Thread(std::io::Error),
    /// It was told to leave before it had begun.
    #[error("told to stop while starting")]
    Stopped,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to.
    Shutdown,
    /// Another server has taken over its database.
    Fenced,
    /// A defect; what is known lies in the data directory.
    Defect,
    /// The database has lost what was acknowledged, or is not there any more; the log says what to do.
    Lost,
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Shutdown => 0,
            Self::Defect | Self::Lost => 70,
            Self::Fenced => 75,
        }
    }
}

/// A running server.
pub struct Server {
    /// Where the protocol is served.
    pub listen: SocketAddr,
    /// Where health and metrics are served.
    pub health: SocketAddr,
    driver: mpsc::Sender<Message>,
    ended: tokio::sync::oneshot::Receiver<Ended>,
    draining: CancellationToken,
    stopped: CancellationToken,
    /// Serves the protocol: ends when every client has read what it was sent.
    serving: tokio::task::JoinHandle<()>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    primary: Condition,
    metrics: ServerMetrics,
    shutdown_timeout: Duration,
}

impl Server {
    /// Starts: health, then the database, then the engine, then sessions. The protocol's port is opened only when the
    /// database is ours: a server that waits refuses connections, and clients try the other one.
    pub async fn start(options: &Options, stop: &CancellationToken) -> Result<Self, StartError> {
        // Before any port is bound: a mistake changes nothing.
        let configuration = ConfigurationSource::read(options.config.as_deref()).await?;
        let current = configuration.in_force();
        let health_listener = listen("health-listen", options.health_listen).await?;
        let health_address = address("health-listen", &health_listener, options.health_listen)?;

        let health = Health::default();
        let started = health.condition(Probe::Startup, "interactions", "the database is being opened");
        let primary = health.condition(Probe::Ready, "primary", "not yet the server of this database");
        let alive = health.beat(Probe::Live, "engine", ALIVE_WITHIN);
        let counters = Arc::<DriverCounters>::default();
        let intake = Intake::new(options.waiting_limit.as_usize());
        let metrics = Metrics::new()?;
        metrics.health_info.config_server_connected.set(1);
        metrics.health_info.run_mode.set(metrics::run_mode::BACKUP);
        let latest = metrics::Latest::default();
        let spawner = Tasks::here();
        let sources = metrics::Sources {
            driver: Arc::clone(&counters),
            intake: intake.clone(),
            latest: latest.clone(),
            tasks: spawner.clone(),
        };
        let registry = metrics.register(&options.tenant_sid, sources)?;
        let stopped = CancellationToken::new();
        let mut tasks =
            vec![spawn_health(&spawner, health_listener, registry, health.clone(), stopped.clone())];

        // While it starts the engine has no thread; starting is what keeps it alive.
        let starting = takeover::keep_alive(alive.clone());
        let database = tokio::select! {
            () = stop.cancelled() => return Err(StartError::Stopped),
            database = takeover::open(options, &started) => database?,
        };
        let listener = listen("listen", options.listen).await?;
        let listen = address("listen", &listener, options.listen)?;
        let loading = takeover::load(options, &current, &*database, &metrics.health_info, &started);
        let Loaded { info, engine, writer } = tokio::select! {
            () = stop.cancelled() => return Err(StartError::Stopped),
            loaded = loading => loaded?,
        };
        let compiler = engine.compiler();
        drop(starting);
        started.ok();
        primary.ok();

        let refusing = intake.clone();
        health.watch(Probe::Ready, "commits", move || {
            refusing
                .is_refusing()
                .then(|| "the database does not answer, and requests are refused".to_owned())
        });

        let (driver, messages) = mpsc::channel();
        let durable = CommitNumber(engine.next_commit().0 - 1);
        let outages = Outages::default();
        let feed =
            Feed::new(Arc::clone(&database), driver.clone(), durable, outages.clone(), spawner.clone());
        let around = Surroundings {
            driver: driver.clone(),
            tasks: spawner.clone(),
            jobs: writer::start(writer, driver.clone(), metrics.clone(), outages.clone(), &spawner),
            loads: loader::start(
                Arc::clone(&database),
                driver.clone(),
                metrics.health_info.total_database_requests.clone(),
                outages.clone(),
                &spawner,
            ),
            feed: Arc::clone(&feed),
            intake: intake.clone(),
            counters: Arc::clone(&counters),
            metrics: metrics.own.clone(),
            alive: [alive, health.beat(Probe::Ready, "engine", ALIVE_WITHIN)],
            dump_directory: options.data_dir.clone(),
        };
        let ended = spawn_driver(Driver::new(engine, messages, around))?;

        let draining = CancellationToken::new();
        let sessions = SessionService::new(
            driver.clone(),
            intake.clone(),
            options.session_limits(),
            draining.clone(),
            spawner.clone(),
        );
        let inspection = InspectionService::new(
            driver.clone(),
            Arc::clone(&database),
            intake.clone(),
            protocol::describe(&info, Arc::clone(&counters), intake, metrics.clone()),
        );
        let limits = options.transport_limits();
        let serving = protocol::serve(listener, sessions, inspection, limits, stopped.clone(), &spawner);
        let retention = Retention {
            age: options.log_retention.into(),
            bytes: options.log_retention_size.as_usize() as u64,
        };
        let log_bytes = metrics.own.log_bytes.clone();
        tasks.push(spawner.spawn(maintenance::run(
            Arc::clone(&database),
            Arc::clone(&counters),
            retention,
            log_bytes,
            outages,
            stopped.clone(),
        )));
        tasks.push(spawner.spawn(maintenance::heartbeats(driver.clone(), counters, stopped.clone())));
        tasks.push(spawner.spawn(metrics::follow(driver.clone(), feed, database, latest, stopped.clone())));
        let valid = metrics.own.configuration_valid.clone();
        tasks.push(spawner.spawn(configuration.follow(compiler, driver.clone(), valid, stopped.clone())));

        Welcome {
            listen,
            health: health_address,
            database: &format!("{} {} ({})", info.kind, info.version, takeover::shown_database(options)),
            configuration: &configuration::shown(options.config.as_deref()),
        }
        .print();
        let shutdown_timeout = options.shutdown_timeout.into();
        Ok(Self {
            listen,
            health: health_address,
            driver,
            ended,
            draining,
            stopped,
            serving,
            tasks,
            primary,
            metrics: metrics.health_info,
            shutdown_timeout,
        })
    }

    /// Runs until `stop` is cancelled or the server must end, then leaves: no new connections, what was applied is
    /// answered, then everything ends within the shutdown timeout.
    pub async fn run(mut self, stop: CancellationToken) -> Exit {
        let mut patience = ENDING;
        let ended = tokio::select! {
            ended = &mut self.ended => {
                self.primary.fail("the server is ending; its log says why");
                ended
            }
            () = stop.cancelled() => {
                tracing::info!("shutting down");
                self.metrics.run_mode.set(metrics::run_mode::EXIT);
                self.primary.fail("the server is shutting down");
                self.draining.cancel();
                let began = Instant::now();
                let ended = self.leave().await;
                patience = ENDING.min(self.shutdown_timeout.saturating_sub(began.elapsed()));
                ended
            }
        };
        self.stopped.cancel();
        let others = futures::future::join_all(self.tasks);
        let _ = tokio::time::timeout(patience, async { tokio::join!(&mut self.serving, others) }).await;
        if !self.serving.is_finished() {
            // They end with the process. Their clients do not read to the end, or had no time to.
            tracing::warn!("some connections have not ended in time; they are cut");
        }
        match ended {
            Ok(Ended::Shutdown) => Exit::Shutdown,
            Ok(Ended::Fenced) => Exit::Fenced,
            Ok(Ended::Lost) => Exit::Lost,
            Ok(Ended::Defect) | Err(_) => Exit::Defect,
        }
    }
}

impl Server {
    /// Lets the engine finish. When the database does not let it, the clients are told all the same: what was applied and
    /// is not durable stays without an answer.
    async fn leave(&mut self) -> Result<Ended, tokio::sync::oneshot::error::RecvError> {
        let patience = self.shutdown_timeout.mul_f64(PATIENCE_PART);
        let _ = self.driver.send(Message::Shutdown);
        if let Ok(ended) = tokio::time::timeout(patience, &mut self.ended).await {
            return ended;
        }
        tracing::warn!("the last commit does not end; leaving without it");
        let _ = self.driver.send(Message::GiveUp);
        let rest = self.shutdown_timeout.saturating_sub(patience);
        tokio::time::timeout(rest, &mut self.ended).await.unwrap_or(Ok(Ended::Shutdown))
    }
}

async fn listen(option: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { option, address, source })
}

fn address(
    option: &'static str,
    listener: &TcpListener,
    asked: SocketAddr,
) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { option, address: asked, source })
}

fn spawn_driver(driver: Driver) -> Result<tokio::sync::oneshot::Receiver<Ended>, StartError> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("engine".into())
        .spawn(move || {
            // Nobody waits for the end of a server that was dropped.
            let _ = sender.send(driver.run());
        })
        .map_err(StartError::Thread)?;
    Ok(receiver)
}

fn spawn_health(
    spawner: &Tasks,
    listener: TcpListener,
    registry: prometheus::Registry,
    health: Health,
    stopped: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    spawner.spawn(async move {
        if let Err(error) = ixn_telemetry::serve(listener, registry, health, stopped).await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    })
}
