//! Putting the server together: database, engine, sessions, health; and taking it apart again.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ixn_configuration::{Configuration, ConfigurationFile, Problems};
use ixn_engine::commit::CommitNumber;
use ixn_engine::compile::{CompileError, compile};
use ixn_engine::restore::RestoreError;
use ixn_engine::vocabulary::Vocabulary;
use ixn_engine::{Engine, Input};
use ixn_proto::GetServerResponse;
use ixn_proto::encoded::interaction_server_server::InteractionServerServer;
use ixn_proto::inspection_server::InspectionServer;
use ixn_store::{Database, DatabaseInfo, OpenOptions, StoreError};
use ixn_telemetry::{Condition, Health, Probe, ServerMetrics};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;

use crate::clock;
use crate::driver::{Driver, DriverCounters, Ended, Message, Surroundings};
use crate::feed::Feed;
use crate::intake::Intake;
use crate::loader;
use crate::maintenance::{self, Retention};
use crate::metrics::{self, Metrics};
use crate::protocol::{InspectionService, Limits, SessionService};
use crate::settings::Options;
use crate::welcome::Welcome;
use crate::writer;

/// The engine counts as alive while it has turned within this time.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// The server counts as ready while a commit has succeeded within this time.
const COMMITTED_WITHIN: Duration = Duration::from_secs(10);

/// The values of the metric `run_mode`.
const PRIMARY: i64 = 0;
const BACKUP: i64 = 1;
const EXIT: i64 = 2;

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
    #[error("cannot listen on {address}: {source}; use another address or end what has it")]
    Listen {
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
}

impl Exit {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Shutdown => 0,
            Self::Defect => 70,
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
    tasks: Vec<tokio::task::JoinHandle<()>>,
    primary: Condition,
    metrics: ServerMetrics,
    shutdown_timeout: Duration,
}

impl Server {
    /// Starts: ports first, then the database, then the engine, then sessions.
    pub async fn start(options: &Options, stop: &CancellationToken) -> Result<Self, StartError> {
        let listener = listen(options.listen).await?;
        let health_listener = listen(options.health_listen).await?;
        let listen = address(&listener, options.listen)?;
        let health_address = address(&health_listener, options.health_listen)?;
        let configuration = read_configuration(options).await?;
        let current = configuration.current();

        let health = Health::default();
        let started = health.condition(Probe::Startup, "interactions", "rows are being loaded");
        let primary = health.condition(Probe::Ready, "primary", "not yet the server of this database");
        let alive = health.beat(Probe::Live, "engine", ALIVE_WITHIN);
        let counters = Arc::<DriverCounters>::default();
        let intake = Intake::new(options.waiting_limit.as_usize());
        let metrics = Metrics::new()?;
        metrics.health_info.config_server_connected.set(1);
        metrics.health_info.run_mode.set(BACKUP);
        let latest = metrics::Latest::default();
        let sources = metrics::Sources {
            driver: Arc::clone(&counters),
            intake: intake.clone(),
            latest: latest.clone(),
        };
        let registry = metrics.register(&options.tenant_sid, sources)?;
        let stopped = CancellationToken::new();
        let mut tasks = vec![spawn_health(health_listener, registry, health.clone(), stopped.clone())];

        // While it starts the engine has no thread; starting is what keeps it alive.
        let starting = keep_alive(alive.clone());
        let database = tokio::select! {
            () = stop.cancelled() => return Err(StartError::Stopped),
            database = open(options) => database?,
        };
        let info = database.info().await?;
        let (engine, writer) = load(options, &current, &*database, &metrics.health_info).await?;
        drop(starting);
        started.ok();
        primary.ok();

        let (driver, messages) = mpsc::channel();
        let durable = CommitNumber(engine.next_commit().0 - 1);
        let feed = Feed::new(Arc::clone(&database), driver.clone(), durable);
        let around = Surroundings {
            jobs: writer::start(writer, driver.clone(), metrics.clone()),
            loads: loader::start(
                Arc::clone(&database),
                driver.clone(),
                metrics.health_info.total_database_requests.clone(),
            ),
            feed: Arc::clone(&feed),
            intake: intake.clone(),
            counters: Arc::clone(&counters),
            metrics: metrics.own.clone(),
            alive,
            committed: health.beat(Probe::Ready, "commits", COMMITTED_WITHIN),
            dump_directory: options.data_dir.clone(),
        };
        let ended = spawn_driver(Driver::new(engine, messages, around))?;

        let draining = CancellationToken::new();
        let limits = Limits {
            handshake: options.handshake_timeout.into(),
            outbound: ixn_sessions::Limits {
                client_bytes: options.client_queue_limit.as_usize(),
                connection_bytes: options.connection_queue_limit.as_usize(),
                ..ixn_sessions::Limits::default()
            },
            connections: options.max_connections,
        };
        let sessions = SessionService::new(driver.clone(), intake, limits, draining.clone());
        let inspection = InspectionService::new(driver.clone(), describe(&info, Arc::clone(&counters)));
        tasks.push(serve(listener, sessions, inspection, options.max_message.as_usize(), stopped.clone()));
        let retention = Retention {
            age: options.log_retention.into(),
            bytes: options.log_retention_size.as_usize() as u64,
        };
        let log_bytes = metrics.own.log_bytes.clone();
        tasks.push(tokio::spawn(maintenance::run(
            database,
            Arc::clone(&counters),
            retention,
            log_bytes,
            stopped.clone(),
        )));
        tasks.push(tokio::spawn(maintenance::heartbeats(driver.clone(), counters, stopped.clone())));
        tasks.push(tokio::spawn(metrics::follow(driver.clone(), feed, latest, stopped.clone())));
        tasks.push(tokio::spawn(follow_configuration(configuration, driver.clone(), stopped.clone())));

        Welcome {
            listen,
            health: health_address,
            database: &format!("{} {} ({})", info.kind, info.version, shown_database(options)),
            configuration: &shown_configuration(options),
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
            tasks,
            primary,
            metrics: metrics.health_info,
            shutdown_timeout,
        })
    }

    /// Runs until `stop` is cancelled or the server must end, then leaves: no new connections, what was applied is
    /// answered, then everything ends within the shutdown timeout.
    pub async fn run(mut self, stop: CancellationToken) -> Exit {
        let ended = tokio::select! {
            ended = &mut self.ended => ended,
            () = stop.cancelled() => {
                tracing::info!("shutting down");
                self.metrics.run_mode.set(EXIT);
                self.primary.fail("the server is shutting down");
                self.draining.cancel();
                let _ = self.driver.send(Message::Shutdown);
                match tokio::time::timeout(self.shutdown_timeout, &mut self.ended).await {
                    Ok(ended) => ended,
                    Err(_) => {
                        tracing::warn!("the last commit did not end within the shutdown timeout");
                        Ok(Ended::Shutdown)
                    }
                }
            }
        };
        self.stopped.cancel();
        for task in self.tasks {
            // A transport that does not end by itself ends with the process.
            let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
        }
        match ended {
            Ok(Ended::Shutdown) => Exit::Shutdown,
            Ok(Ended::Fenced) => Exit::Fenced,
            Ok(Ended::Refused) | Err(_) => Exit::Defect,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

fn address(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|source| StartError::Listen { address: asked, source })
}

/// The configuration in force, and where changes come from.
enum ConfigurationSource {
    Sample(Arc<Configuration>),
    File(ConfigurationFile),
}

impl ConfigurationSource {
    fn current(&self) -> Arc<Configuration> {
        match self {
            Self::Sample(configuration) => Arc::clone(configuration),
            Self::File(file) => file.current(),
        }
    }
}

async fn read_configuration(options: &Options) -> Result<ConfigurationSource, StartError> {
    Ok(match &options.config {
        Some(path) => ConfigurationSource::File(ConfigurationFile::open(path).await?),
        None => ConfigurationSource::Sample(Arc::new(Configuration::sample()?)),
    })
}

/// Tells the engine of every change; a broken file changes nothing and is logged.
async fn follow_configuration(
    source: ConfigurationSource,
    driver: mpsc::Sender<Message>,
    stopped: CancellationToken,
) {
    let ConfigurationSource::File(file) = source else { return };
    let mut readings = file.readings();
    loop {
        tokio::select! {
            () = stopped.cancelled() => return,
            changed = readings.changed() => if changed.is_err() { return },
        }
        let reading = Arc::clone(&readings.borrow_and_update());
        match &*reading {
            Ok(configuration) => {
                tracing::info!("the configuration file has changed and comes into force");
                let configured = Input::Configured(Arc::clone(configuration));
                if driver.send(Message::Input(configured)).is_err() {
                    return;
                }
            }
            Err(problems) => {
                tracing::error!(%problems, "the configuration file cannot be used; the old one stays")
            }
        }
    }
}

async fn open(options: &Options) -> Result<Arc<dyn Database>, StartError> {
    std::fs::create_dir_all(&options.data_dir).map_err(|source| StartError::DataDirectory {
        path: options.data_dir.display().to_string(),
        source,
    })?;
    let holder =
        format!("ixn-server {}:{}", gethostname::gethostname().to_string_lossy(), std::process::id());
    let open = OpenOptions { allow_unsafe_durability: options.allow_unsafe_durability, holder };
    let mut told = false;
    let database = loop {
        match ixn_store::open(&options.database(), &open).await {
            Ok(database) => break database,
            Err(StoreError::Unavailable(error)) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error, "the database is not available; waiting for it");
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    database
        .lock(&|holder| tracing::warn!(holder, "another server holds the database; waiting for it to end"))
        .await?;
    Ok(database)
}

/// Takes the database over and brings the engine to where it stood.
async fn load(
    options: &Options,
    configuration: &Configuration,
    database: &dyn Database,
    metrics: &ServerMetrics,
) -> Result<(Engine, Box<dyn ixn_store::Writer>), StartError> {
    let began = std::time::Instant::now();
    let now = clock::now();
    metrics.db_init_start_time.set((now.0 / 1000) as i64);
    metrics.db_init_in_progress.set(1);
    let (taken_over, writer) = database.take_over(now.0).await?;
    metrics.switch_to_primary_time.set((clock::now().0 / 1000) as i64);
    metrics.run_mode.set(PRIMARY);
    let mut vocabulary = Vocabulary::new(i64::from(options.tenant_dbid), taken_over.id_prefix.clone());
    let setup = compile(configuration, &mut vocabulary)?;
    let mut engine = Engine::new(setup, vocabulary, &taken_over, now);
    let mut restored: Result<usize, RestoreError> = Ok(0);
    database
        .load_interactions(&mut |page| {
            for (key, row) in page {
                if let Ok(count) = &mut restored {
                    match engine.restore_interaction(key, &row) {
                        Ok(()) => *count += 1,
                        Err(error) => restored = Err(error),
                    }
                }
            }
        })
        .await?;
    let interactions = restored?;
    let agents = database.load_agents().await?;
    for (agent, row) in &agents {
        engine.restore_agent(agent, row)?;
    }
    for row in database.load_idempotency(now.0 / 1000).await? {
        engine.restore_idempotency(row);
    }
    engine.recover();
    metrics.db_init_end_time.set((clock::now().0 / 1000) as i64);
    metrics.db_init_in_progress.set(0);
    tracing::info!(
        epoch = taken_over.epoch.0,
        interactions,
        agents = agents.len(),
        seconds = began.elapsed().as_secs_f64(),
        "database taken over"
    );
    Ok((engine, writer))
}

/// Beats until dropped.
fn keep_alive(beat: ixn_telemetry::Beat) -> tokio_util::sync::DropGuard {
    let token = CancellationToken::new();
    let ended = token.clone();
    tokio::spawn(async move {
        while !ended.is_cancelled() {
            beat.touch();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    token.drop_guard()
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
    listener: TcpListener,
    registry: prometheus::Registry,
    health: Health,
    stopped: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = ixn_telemetry::serve(listener, registry, health, stopped).await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    })
}

fn serve(
    listener: TcpListener,
    sessions: SessionService,
    inspection: InspectionService,
    max_message_bytes: usize,
    stopped: CancellationToken,
) -> tokio::task::JoinHandle<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(ixn_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    tokio::spawn(async move {
        let reflection = match reflection {
            Ok(reflection) => Some(reflection),
            Err(error) => {
                tracing::error!(%error, "server reflection is not available");
                None
            }
        };
        reporter.set_serving::<InteractionServerServer<SessionService>>().await;
        // Without it an answer of two writes waits for the client's delayed acknowledgement: 40 ms.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(Duration::from_secs(20)))
            .http2_keepalive_timeout(Some(Duration::from_secs(20)))
            .initial_stream_window_size(Some(4 << 20))
            .initial_connection_window_size(Some(16 << 20))
            .add_service(InteractionServerServer::new(sessions).max_decoding_message_size(max_message_bytes))
            .add_service(InspectionServer::new(inspection))
            .add_service(health)
            .add_optional_service(reflection)
            .serve_with_incoming_shutdown(incoming, stopped.cancelled())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the protocol is no longer served");
        }
    })
}

fn describe(info: &DatabaseInfo, counters: Arc<DriverCounters>) -> crate::protocol::Describe {
    let kind = info.kind.to_owned();
    let started_at = (clock::now().0 / 1000) as i64;
    Arc::new(move |response: &mut GetServerResponse| {
        use std::sync::atomic::Ordering::Relaxed;
        response.database_kind.clone_from(&kind);
        response.started_at = started_at;
        response.switch_to_primary_time = started_at;
        response.commit_number = counters.durable_commit.load(Relaxed);
        response.total_requests_handled = counters.requests_handled.load(Relaxed);
    })
}

fn shown_database(options: &Options) -> String {
    match &options.database_url {
        // Without user and password.
        Some(url) => url.rsplit('@').next().unwrap_or_default().to_owned(),
        None => options.data_dir.join("ixn.db").display().to_string(),
    }
}

fn shown_configuration(options: &Options) -> String {
    match &options.config {
        Some(path) => path.display().to_string(),
        None => {
            "built-in sample; copy it with `ixn-server sample-config >config.yaml` and pass --config".into()
        }
    }
}
