//! Becoming the server of a database: open it, wait for whoever holds it, take it over, and bring the engine to where it
//! stood.

use std::sync::Arc;
use std::time::Duration;

use ixn_configuration::Configuration;
use ixn_engine::Engine;
use ixn_engine::commit::IdempotencyRow;
use ixn_engine::compile::Compiler;
use ixn_engine::idempotency::{MAX_KEYS, OTHER_RETENTION};
use ixn_engine::restore::RestoreError;
use ixn_engine::sessions::AnnouncedLimits;
use ixn_engine::vocabulary::Vocabulary;
use ixn_store::{Database, DatabaseInfo, OpenOptions, StoreError, Writer};
use ixn_telemetry::{Condition, ServerMetrics};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::configuration::Retired;
use crate::metrics::run_mode;
use crate::server::StartError;
use crate::settings::Options;

/// How often a database that is away is tried again.
const TRY_EVERY: Duration = Duration::from_secs(1);

/// Opens the database and waits until no other server holds it; `started` says what is waited for.
pub(crate) async fn open(options: &Options, started: &Condition) -> Result<Arc<dyn Database>, StartError> {
    std::fs::create_dir_all(&options.data_dir).map_err(|source| StartError::DataDirectory {
        path: options.data_dir.display().to_string(),
        source,
    })?;
    let open = OpenOptions { allow_unsafe_durability: options.allow_unsafe_durability, holder: holder() };
    let shown = shown_database(options);
    let mut told = false;
    let database = loop {
        match ixn_store::open(&options.database(), &open).await {
            Ok(database) => break database,
            Err(StoreError::Unavailable(error)) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(error, "the database {shown} is not available; waiting for it");
                }
                started.fail(format!("the database {shown} is not available, it is waited for: {error}"));
                tokio::time::sleep(TRY_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    };
    database
        .lock(&|holder| {
            // An option that gives this server a database of its own.
            started.fail(format!("another server holds the database, its end is waited for: {holder}"));
            let other = if options.database_url.is_some() { "database-url" } else { "data-dir" };
            tracing::warn!(
                holder,
                database = shown,
                "another server holds the database {shown}: {holder}; waiting for it to end (--{other} chooses another)"
            );
        })
        .await?;
    Ok(database)
}

/// What a server is made of.
pub(crate) struct Loaded {
    pub(crate) info: DatabaseInfo,
    pub(crate) engine: Engine,
    pub(crate) writer: Box<dyn Writer>,
}

/// Takes the database over and brings the engine to where it stood. A database that goes away meanwhile is waited for, and
/// all begins anew.
pub(crate) async fn load(
    options: &Options,
    configuration: &Configuration,
    database: &dyn Database,
    metrics: &ServerMetrics,
    started: &Condition,
) -> Result<Loaded, StartError> {
    let mut told = false;
    loop {
        started.fail("rows are being loaded");
        match load_once(options, configuration, database, metrics).await {
            Err(StartError::Store(StoreError::Unavailable(error))) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(
                        error,
                        "the database went away while it was being taken over; waiting for it"
                    );
                }
                started.fail(format!("the database went away, it is waited for: {error}"));
                tokio::time::sleep(TRY_EVERY).await;
            }
            loaded => return loaded,
        }
    }
}

async fn load_once(
    options: &Options,
    configuration: &Configuration,
    database: &dyn Database,
    metrics: &ServerMetrics,
) -> Result<Loaded, StartError> {
    let began = std::time::Instant::now();
    let now = clock::now();
    metrics.db_init_start_time.set((now.0 / 1000) as i64);
    metrics.db_init_in_progress.set(1);
    let (taken_over, writer) = database.take_over(now.0).await?;
    metrics.switch_to_primary_time.set((clock::now().0 / 1000) as i64);
    metrics.run_mode.set(run_mode::PRIMARY);
    let vocabulary = Vocabulary::new(i64::from(options.tenant_dbid), taken_over.id_prefix.clone());
    let compiled = Compiler::new(&vocabulary).compile(configuration)?;
    let mut engine = Engine::new(compiled, vocabulary, &taken_over, now);
    engine.announce(AnnouncedLimits {
        message_bytes: options.max_message.as_usize() as u64,
        requests_in_flight: options.client_requests_in_flight,
    });
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
    idempotency_keys(database, engine.now().0 / 1000, MAX_KEYS, &mut |key| engine.restore_idempotency(key))
        .await?;
    engine.recover();
    Retired::of(&engine).tell(&Retired::default());
    metrics.db_init_end_time.set((clock::now().0 / 1000) as i64);
    metrics.db_init_in_progress.set(0);
    tracing::info!(
        epoch = taken_over.epoch.0,
        interactions,
        agents = agents.len(),
        seconds = began.elapsed().as_secs_f64(),
        "database taken over"
    );
    Ok(Loaded { info: database.info().await?, engine, writer })
}

/// The keys that the engine remembers, of each kind the oldest first: of submits `most`, and one more, by which the engine
/// knows that older ones are forgotten; of other requests those among the newest twice as many of all. Submits' keys, which
/// live far longer, are read by themselves: others, of which there may be many more, must not push them out.
async fn idempotency_keys(
    database: &dyn Database,
    now_seconds: u64,
    most: usize,
    restore: &mut (dyn FnMut(&IdempotencyRow) + Send),
) -> Result<(), StoreError> {
    let others_expire_by = now_seconds + OTHER_RETENTION.as_secs();
    let mut others = |keys: Vec<IdempotencyRow>| {
        keys.iter().filter(|key| key.expires_at_seconds <= others_expire_by).for_each(&mut *restore);
    };
    database.load_idempotency(now_seconds, 2 * most, &mut others).await?;
    let mut submits = |keys: Vec<IdempotencyRow>| keys.iter().for_each(&mut *restore);
    database.load_idempotency(others_expire_by, most + 1, &mut submits).await
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

/// How this process is called to others who want the database.
pub(crate) fn holder() -> String {
    format!("ixn-server {}:{}", gethostname::gethostname().to_string_lossy(), std::process::id())
}

/// The database, as the welcome names it.
pub(crate) fn shown_database(options: &Options) -> String {
    match &options.database_url {
        Some(url) => without_secrets(url).to_owned(),
        None => options.data_dir.join("ixn.db").display().to_string(),
    }
}

/// An address without user, password and parameters, in which there may be a password too, with any character.
fn without_secrets(url: &str) -> &str {
    let address = url.split(['?', '#']).next().unwrap_or_default();
    address.rsplit_once('@').map_or(address, |(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_database::FakeDatabase;

    #[test]
    fn no_address_shows_a_password() {
        for (url, shown) in [
            ("postgres://h/db", "postgres://h/db"),
            ("postgres://u:p@h:5432/db", "h:5432/db"),
            ("postgres://u:p@q@h/db?sslmode=require", "h/db"),
            ("postgres://h/db?user=u&password=a@b", "postgres://h/db"),
            ("postgres://u@h/db?password=a@b", "h/db"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }

    #[tokio::test]
    async fn many_short_lived_keys_push_no_submits_key_out() {
        let key = |number: u64, lives_for: u64| IdempotencyRow {
            key_hash: u128::from(number),
            body_hash: number,
            expires_at_seconds: 1000 + lives_for,
            answer: bytes::Bytes::new(),
        };
        // As they were written: submits, then very many others, then a submit.
        let submits = [key(1, 80_000), key(2, 80_001), key(3, 80_002), key(4, 86_400)];
        let mut rows = submits[..3].to_vec();
        rows.extend((10..30).map(|number| key(number, 600)));
        rows.push(submits[3].clone());
        let database = FakeDatabase::with_keys(rows);
        let mut loaded = Vec::new();
        idempotency_keys(&database, 1000, 2, &mut |key| loaded.push(key.clone())).await.unwrap();
        let (long, short): (Vec<_>, Vec<_>) = loaded.into_iter().partition(|key| key.key_hash < 10);
        assert_eq!(long, submits[1..], "one more than there may be: older ones are forgotten");
        assert_eq!(short.iter().map(|key| key.body_hash).collect::<Vec<_>>(), [27, 28, 29]);
    }
}
