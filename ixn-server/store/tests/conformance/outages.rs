//! PostgreSQL that is killed, ends sessions, freezes, or waits for a standby.

use std::sync::Arc;
use std::time::Duration;

use ixn_engine::commit::{CommitIdentity, CommitNumber, InteractionKey};
use ixn_store::{CommitError, OpenOptions, StoreError};
use ixn_tests::postgres::Postgres;
use ixn_tests::tcp_proxy::TcpProxy;
use ixn_tests::wait;
use sqlx::{AssertSqlSafe, Connection};
use tokio::time::timeout;

use crate::batches::{interactions, row, take_over, trimming};
use crate::place::Place;
use crate::postgres::PostgresPlace;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_the_middle_loses_nothing() {
    let mut server = Postgres::start().await;
    let url = server.url();
    let database = ixn_store::open(&url, &OpenOptions::default()).await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    let mut key = 0;
    let mut expected = Vec::new();
    for _ in 0..3 {
        // Commits run until one meets the kill.
        let (committed, mut stopped) = tokio::sync::watch::channel(0);
        let running = tokio::spawn(async move {
            loop {
                key += 1;
                let batch = batches.next(|batch| batch.hot = vec![row(key, b"x")]);
                match writer.commit(&batch).await {
                    Ok(()) => {
                        expected.push(row(key, b"x"));
                        committed.send_replace(key);
                    }
                    Err(error) => return (writer, batches, batch, error, expected, key),
                }
            }
        });
        let from = *stopped.borrow();
        timeout(LIMIT, stopped.wait_for(|key| *key >= from + 20)).await.unwrap().unwrap();
        server.kill().await;
        let (mut old_writer, old_batches, batch, error, so_far, last) =
            timeout(LIMIT, running).await.unwrap().unwrap();
        assert!(matches!(error, CommitError::Unknown(_) | CommitError::Unavailable(_)), "{error:?}");

        // Still away.
        let error = old_writer.commit(&batch).await.unwrap_err();
        assert!(matches!(error, CommitError::Unavailable(_)), "{error:?}");
        let error = old_writer.look_up(batch.number).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");

        server.restart().await;
        let found = old_writer.look_up(batch.number).await.unwrap();
        let identity = CommitIdentity { epoch: batch.epoch, hash: batch.hash };
        assert!(found.is_none() || found == Some(identity), "{found:?}");
        let there = interactions(&*database).await;
        assert_eq!(
            there.last().is_some_and(|(last, _)| *last == InteractionKey(key_of(&batch))),
            found.is_some()
        );
        old_writer.commit(&batch).await.unwrap();
        (writer, batches, expected, key) = (old_writer, old_batches, so_far, last);
        expected.push(row(key, b"x"));
        assert_eq!(interactions(&*database).await, expected);
    }
    assert_eq!(database.log_after(CommitNumber(0), usize::MAX).await.unwrap().len() as u64, key + 1);
}

fn key_of(batch: &ixn_engine::commit::CommitBatch) -> u64 {
    batch.hot[0].0.0
}

#[tokio::test]
async fn a_session_ended_under_a_commit_is_looked_up() {
    let place = PostgresPlace::create().await;
    let database = place.open_as("victim").await;
    let (mut batches, mut writer) = take_over(&*database).await;
    writer.commit(&batches.next(|_| {})).await.unwrap();
    place.end_sessions("application_name = 'victim'").await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(writer.look_up(batch.number).await.unwrap(), None);
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
}

#[tokio::test]
async fn looking_up_ends_a_commit_that_still_runs() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let mut blocker = place.connect().await;
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE interactions IN EXCLUSIVE MODE").execute(&mut *transaction).await.unwrap();

    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    // Given up while the statement waits for the lock.
    assert!(timeout(Duration::from_millis(500), writer.commit(&batch)).await.is_err());
    assert_eq!(writer.look_up(batch.number).await.unwrap(), None);
    transaction.rollback().await.unwrap();
    // Had the old statement gone on, it would be there now.
    assert_eq!(interactions(&*database).await, []);
    assert_eq!(writer.look_up(batch.number).await.unwrap(), None);
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
}

#[tokio::test]
async fn a_database_that_becomes_read_only_is_unavailable_until_it_is_not() {
    let place = PostgresPlace::create().await;
    let database = place.open_as("writer").await;
    let (mut batches, mut writer) = take_over(&*database).await;
    writer.commit(&batches.next(|_| {})).await.unwrap();
    // As a standby that lags is: the part of the log that the next commit belongs to is not there yet.
    let rename = |from, to| format!("ALTER TABLE {from} RENAME TO {to}");
    place.execute(&rename("commit_log_0_16384", "not_there_yet")).await;
    place.make_read_only().await;
    place.end_sessions("application_name = 'writer'").await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    let error = writer.look_up(batch.number).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("read-only")), "{error:?}");
    for _ in 0..2 {
        let error = writer.commit(&batch).await.unwrap_err();
        assert!(matches!(&error, CommitError::Unavailable(text) if text.contains("read-only")), "{error:?}");
    }
    let mut admin = place.connect().await;
    sqlx::raw_sql("SET default_transaction_read_only = off").execute(&mut admin).await.unwrap();
    let back = rename("not_there_yet", "commit_log_0_16384");
    sqlx::raw_sql(AssertSqlSafe(back)).execute(&mut admin).await.unwrap();
    let reset = format!("ALTER DATABASE {} RESET default_transaction_read_only", place.database.name());
    sqlx::raw_sql(AssertSqlSafe(reset)).execute(&mut admin).await.unwrap();
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
}

#[tokio::test]
async fn a_lost_lock_is_taken_again() {
    let place = PostgresPlace::create().await;
    let database = place.open_as("holder").await;
    database.lock(&|_| {}).await.unwrap();
    let holder = async || -> Option<i32> {
        sqlx::query_scalar("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
            .fetch_optional(&mut place.connect().await)
            .await
            .unwrap()
    };
    let first = holder().await.expect("a holder");
    place.end_sessions(&format!("pid = {first}")).await;
    wait::until(LIMIT, "another session with the lock", async || match holder().await {
        Some(pid) if pid != first => Ok(()),
        other => Err(format!("{other:?} instead of another than {first}")),
    })
    .await;
}

/// What is read hangs until its time is up, and longer: its connection is not waited for again.
#[tokio::test]
async fn readers_that_hang_take_no_place_from_others() {
    let place = PostgresPlace::create().await;
    let database = place.open_as("reader").await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let batch = batches.next(|batch| batch.agents = vec![("anna".to_owned(), "row".into())]);
    writer.commit(&batch).await.unwrap();
    let mut blocker = place.connect().await;
    let mut transaction = blocker.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE interactions").execute(&mut *transaction).await.unwrap();
    let hanging: Vec<_> = (0..4)
        .map(|_| {
            let database = Arc::clone(&database);
            tokio::spawn(async move { database.load_interactions(&mut |_| {}).await })
        })
        .collect();
    wait::until(LIMIT, "four readers to hang", async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'reader' AND wait_event_type = 'Lock'";
        match sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut place.connect().await).await.unwrap() {
            4 => Ok(()),
            other => Err(other),
        }
    })
    .await;
    tokio::time::pause();
    for reader in hanging {
        let error = reader.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    tokio::time::resume();
    assert_eq!(database.load_agents().await.unwrap(), batch.agents);
}

#[tokio::test]
async fn upkeep_is_not_held_up_by_a_network_that_swallows_all() {
    let server = Postgres::start().await;
    let proxy = TcpProxy::start(([127, 0, 0, 1], server.port()).into()).await;
    let url = server.url().replace(&server.port().to_string(), &proxy.address().port().to_string());
    let database = ixn_store::open(&url, &OpenOptions::default()).await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    let batch = batches.next(|_| {});
    writer.commit(&batch).await.unwrap();
    let maintain = async || database.maintain(&trimming(batch.number, CommitNumber(1))).await;
    maintain().await.unwrap();
    proxy.freeze(true);
    tokio::time::pause();
    let error = maintain().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    tokio::time::resume();
    proxy.freeze(false);
    maintain().await.unwrap();
}

/// PostgreSQL shows a commit whose wait for a standby was ended, although no standby has it.
#[tokio::test]
async fn what_no_synchronous_standby_has_is_not_told_as_committed() {
    let server = Postgres::start().await;
    let database = ixn_store::open(&server.url(), &OpenOptions::default()).await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    set_standby(&server, "nobody").await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    let committing = tokio::select! {
        answer = writer.commit(&batch) => panic!("{answer:?}"),
        session = waits_for_standby(&server, 0) => session,
    };
    // Given up; its session is ended by the look-up, and with it the wait.
    let mut looking = writer.look_up(batch.number);
    let looking_up = tokio::select! {
        found = &mut looking => panic!("{found:?}"),
        session = waits_for_standby(&server, committing) => session,
    };
    assert_eq!(interactions(&*database).await, batch.hot, "everybody sees it");
    tokio::time::pause();
    let error = looking.await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    tokio::time::resume();
    tokio::select! {
        answer = writer.commit(&batch) => panic!("{answer:?}"),
        _ = waits_for_standby(&server, looking_up) => {}
    }
    set_standby(&server, "").await;
    let identity = CommitIdentity { epoch: batch.epoch, hash: batch.hash };
    assert_eq!(writer.look_up(batch.number).await.unwrap(), Some(identity));
    writer.commit(&batch).await.unwrap();
}

/// Sets the standby that every commit waits for; none: the empty name.
async fn set_standby(server: &Postgres, name: &str) {
    let mut admin = server.connect().await;
    let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{name}'");
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut admin).await.unwrap();
    sqlx::raw_sql("SELECT pg_reload_conf()").execute(&mut admin).await.unwrap();
    wait::until(LIMIT, "the setting", async || {
        let show = sqlx::query_scalar("SHOW synchronous_standby_names");
        let set: String = show.fetch_one(&mut server.connect().await).await.unwrap();
        if set == name { Ok(()) } else { Err(set) }
    })
    .await;
}

/// Waits until another session than this one waits for a standby, and returns its process.
async fn waits_for_standby(server: &Postgres, other_than: i32) -> i32 {
    let mut admin = server.connect().await;
    wait::until(LIMIT, "a session that waits for a standby", async || {
        let select = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND pid <> $1";
        let waits = sqlx::query_scalar(select).bind(other_than).fetch_optional(&mut admin).await.unwrap();
        waits.ok_or("none")
    })
    .await
}
