//! Becoming the server of a database: open it, wait for whoever holds it, take it over, and bring the engine to where it
//! stood.

use std::sync::Arc;
use std::time::Duration;

use ixn_configuration::Configuration;
use ixn_engine::Engine;
use ixn_engine::compile::compile;
use ixn_engine::idempotency::MAX_KEYS;
use ixn_engine::restore::RestoreError;
use ixn_engine::vocabulary::Vocabulary;
use ixn_store::{Database, OpenOptions, StoreError, Writer};
use ixn_telemetry::ServerMetrics;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::metrics::run_mode;
use crate::server::StartError;
use crate::settings::Options;

/// Opens the database and waits until no other server holds it.
pub(crate) async fn open(options: &Options) -> Result<Arc<dyn Database>, StartError> {
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
pub(crate) async fn load(
    options: &Options,
    configuration: &Configuration,
    database: &dyn Database,
    metrics: &ServerMetrics,
) -> Result<(Engine, Box<dyn Writer>), StartError> {
    let began = std::time::Instant::now();
    let now = clock::now();
    metrics.db_init_start_time.set((now.0 / 1000) as i64);
    metrics.db_init_in_progress.set(1);
    let (taken_over, writer) = database.take_over(now.0).await?;
    metrics.switch_to_primary_time.set((clock::now().0 / 1000) as i64);
    metrics.run_mode.set(run_mode::PRIMARY);
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
    for row in database.load_idempotency(now.0 / 1000, MAX_KEYS).await? {
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
pub(crate) fn keep_alive(beat: ixn_telemetry::Beat) -> tokio_util::sync::DropGuard {
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

/// The database, as the welcome names it.
pub(crate) fn shown_database(options: &Options) -> String {
    match &options.database_url {
        // Without user and password.
        Some(url) => url.rsplit('@').next().unwrap_or_default().to_owned(),
        None => options.data_dir.join("ixn.db").display().to_string(),
    }
}
