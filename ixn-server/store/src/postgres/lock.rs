//! The lock that says which server owns the database: a session-level advisory lock on a connection of its own.
//!
//! It keeps honest servers apart and lets a newcomer wait. The fence is the commit log: a server that loses this
//! connection goes on, and tries to get the lock back. After PostgreSQL was away the holder comes first: who waits lets it.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::session::{Backend, Purpose, Sessions, backend_of, end_backend, within};
use crate::connections::Open;
use crate::{StoreError, Waiting};

/// `IXN-SERV` in ASCII. Advisory locks are per database.
const KEY: i64 = 0x4958_4e2d_5345_5256;

/// How often a waiting server tries again.
const TRY_EVERY: Duration = Duration::from_millis(200);
/// How often the holder looks whether its connection lives.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How often a waiting server tries to reach a database that went away.
const CONNECT_EVERY: Duration = Duration::from_secs(1);
/// How long it then leaves the lock to who held it before: that one looks every second.
const HOLDER_FIRST: Duration = Duration::from_secs(5);

/// Keeps the lock until it is dropped.
pub(super) struct Lock {
    keeper: JoinHandle<()>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Its connection goes with it, and the lock with the connection.
        self.keeper.abort();
    }
}

/// Waits for the lock, naming the holder to `waiting`. A database that goes away meanwhile is waited for too, and the holder
/// is named again.
pub(super) async fn lock(sessions: &Sessions, waiting: Waiting<'_>) -> Result<Lock, StoreError> {
    let mut connection = sessions.connect(Purpose::Watch).await?;
    loop {
        match wait(&mut connection, waiting).await {
            Ok(own) => return Ok(Lock { keeper: tokio::spawn(keep(sessions.clone(), connection, own)) }),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(
                    error,
                    "the database went away while this server waited for it; connecting again"
                );
                connection = connect_again(sessions).await?;
                tracing::info!("the database is there again; waiting for the server that held it");
                sleep(HOLDER_FIRST).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn connect_again(sessions: &Sessions) -> Result<Open<PgConnection>, StoreError> {
    loop {
        sleep(CONNECT_EVERY).await;
        match sessions.connect(Purpose::Watch).await {
            Err(StoreError::Unavailable(_)) => {}
            connected => return connected,
        }
    }
}

/// The session that has it then is answered.
async fn wait(connection: &mut PgConnection, waiting: Waiting<'_>) -> Result<Backend, StoreError> {
    let mut named = None;
    while !try_lock(connection).await? {
        let holder = holder(connection).await?;
        if holder.is_some() && holder != named {
            waiting(holder.as_deref().unwrap_or_default());
            named = holder;
        }
        sleep(TRY_EVERY).await;
    }
    backend_of(connection).await
}

async fn try_lock(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let attempt = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(KEY);
    within(ANSWER_TIME, "asking for the lock", attempt.fetch_one(connection)).await
}

/// Who holds it: application name and address. `None`: nobody any more.
async fn holder(connection: &mut PgConnection) -> Result<Option<String>, StoreError> {
    let find = sqlx::query_scalar(
        "SELECT coalesce(nullif(activity.application_name, ''), 'process ' || activity.pid)
                || coalesce(' at ' || host(activity.client_addr), '')
         FROM pg_locks AS lock JOIN pg_stat_activity AS activity ON activity.pid = lock.pid
         WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 1
           AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND (lock.classid::bigint << 32) | lock.objid::bigint = $1
         LIMIT 1",
    )
    .bind(KEY);
    within(ANSWER_TIME, "asking for the lock's holder", find.fetch_optional(connection)).await
}

/// Keeps the lock, which the session `own` holds.
async fn keep(sessions: Sessions, first: Open<PgConnection>, mut own: Backend) {
    let mut held = Some(first);
    let mut told = false;
    loop {
        sleep(CHECK_EVERY).await;
        held = match held {
            Some(connection) => check(connection).await,
            None => regain(&sessions, &mut own, &mut told).await,
        };
    }
}

async fn check(mut connection: Open<PgConnection>) -> Option<Open<PgConnection>> {
    let ping = sqlx::raw_sql("SELECT 1").execute(&mut *connection);
    match within(ANSWER_TIME, "checking the lock", ping).await {
        Ok(_) => Some(connection),
        Err(error) => {
            // Most often the whole database is away; then the writer says so.
            tracing::debug!(%error, "the connection that holds the database's lock is lost; trying to get it back");
            None
        }
    }
}

/// Takes the lock again from `own`, whose connection is lost: that session may live on for a while, and it is nobody else's.
async fn regain(sessions: &Sessions, own: &mut Backend, told: &mut bool) -> Option<Open<PgConnection>> {
    let mut connection = sessions.connect(Purpose::Watch).await.ok()?;
    end_backend(&mut connection, own).await.ok()?;
    if try_lock(&mut connection).await.ok()? {
        *own = backend_of(&mut connection).await.ok()?;
        tracing::debug!("the database's lock is held again");
        *told = false;
        return Some(connection);
    }
    if !std::mem::replace(told, true) {
        let holder = holder(&mut connection).await.ok().flatten();
        tracing::warn!(holder, "the database's lock was lost, and somebody else has it now");
    }
    None
}

#[cfg(test)]
mod tests {
    use ixn_tests::postgres::TestDatabase;

    use super::*;
    use crate::OpenOptions;

    #[tokio::test]
    async fn a_lost_lock_is_taken_back_from_the_session_that_lives_on() {
        let database = TestDatabase::create().await;
        let sessions = Sessions::new(database.url(), &OpenOptions::default()).unwrap();
        let mut lost = sessions.connect(Purpose::Watch).await.unwrap();
        assert!(try_lock(&mut lost).await.unwrap());
        let before = backend_of(&mut lost).await.unwrap();
        let (mut own, mut told) = (before.clone(), false);
        let mut held = regain(&sessions, &mut own, &mut told).await.unwrap();
        assert!(!told && own != before);
        assert_eq!(backend_of(&mut held).await.unwrap(), own);
    }
}
