//! PostgreSQL: its place, and what only it can show while all is well.

use std::time::Duration;

use bytes::Bytes;
use ixn_engine::commit::{CommitNumber, IdempotencyRow, InteractionKey};
use ixn_store::{CommitError, OpenOptions, StoreError, Upkeep};
use ixn_tests::postgres::{Postgres, TestDatabase};
use ixn_tests::wait;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;

use crate::batches::{Batches, contents, interactions, row, take_over, trimming};
use crate::place::Place;

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct PostgresPlace {
    pub(crate) database: TestDatabase,
}

impl PostgresPlace {
    pub(crate) async fn connect(&self) -> PgConnection {
        self.database.connect().await
    }

    pub(crate) async fn tables(&self, like: &str) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relname LIKE $1 ORDER BY oid",
        )
        .bind(like)
        .fetch_all(&mut self.connect().await)
        .await
        .unwrap()
    }

    pub(crate) async fn alter_database(&self, what: &str) {
        self.execute(&format!("ALTER DATABASE {} {what}", self.database.name())).await;
    }

    pub(crate) async fn end_sessions(&self, of: &str) {
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND {of}"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut self.connect().await).await.unwrap();
    }
}

impl Place for PostgresPlace {
    async fn create() -> Self {
        Self { database: TestDatabase::create().await }
    }

    fn url(&self) -> String {
        self.database.url().to_owned()
    }

    fn url_of_nothing(&self) -> String {
        // Bound and closed again: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        format!("postgres://nobody@127.0.0.1:{port}/nothing")
    }

    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.connect().await).await.unwrap();
    }

    async fn make_read_only(&self) {
        self.alter_database("SET default_transaction_read_only = on").await;
    }

    async fn make_schema_newer(&self) {
        self.execute(
            "INSERT INTO ixn_migrations (version, description, success, checksum, execution_time)
             VALUES (99, 'of the future', true, '', 0)",
        )
        .await;
    }

    fn own_log_columns(&self) -> (&'static str, &'static str) {
        ("", "")
    }
}

#[tokio::test]
async fn what_the_server_refuses_is_refused() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let mut batch = batches.next(|batch| batch.agents = vec![("nul\0".to_owned(), Bytes::new())]);
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(&error, CommitError::Refused(text) if text.contains("22021")), "{error:?}");
    batch.agents.clear();
    batch.hot = vec![row(1, b"a"), row(1, b"b")];
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(&error, CommitError::Refused(text) if text.contains("21000")), "{error:?}");
    batch.hot.truncate(1);
    writer.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn a_deadlock_is_told_apart_and_sent_again() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    place
        .execute(
            "CREATE FUNCTION deadlock() RETURNS trigger LANGUAGE plpgsql
             AS $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$;
             CREATE TRIGGER deadlock BEFORE INSERT ON interactions FOR EACH ROW EXECUTE FUNCTION deadlock()",
        )
        .await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Deadlock(_)), "{error:?}");
    place.execute("DROP TRIGGER deadlock ON interactions").await;
    writer.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn a_server_that_may_lose_commits_is_refused_unless_allowed() {
    let server = Postgres::start_with(&["fsync = off", "full_page_writes = off"]).await;
    let options = OpenOptions::default();
    for error in [
        ixn_store::open(&server.url(), &options).await.unwrap_err(),
        ixn_store::inspect(&server.url(), &options).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, StoreError::Unsafe(text) if text.contains("fsync, full_page_writes")),
            "{error:?}"
        );
    }
    let allowed = OpenOptions { allow_unsafe_durability: true, ..OpenOptions::default() };
    let database = ixn_store::open(&server.url(), &allowed).await.unwrap();
    let info = database.info().await.unwrap();
    assert!(info.durability.contains("fsync=off") && !info.is_synced, "{info:?}");
    take_over(&*database).await;

    let place = PostgresPlace::create().await;
    let waiting = place.open().await;
    place.alter_database("SET synchronous_commit = off").await;
    for error in [place.try_open("x").await.unwrap_err(), waiting.take_over(0).await.unwrap_err()] {
        assert!(
            matches!(&error, StoreError::Unsafe(text) if text.contains("synchronous_commit")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_address_is_told() {
    let url = "postgres://host:notaport/db";
    let options = OpenOptions::default();
    for error in [
        ixn_store::open(url, &options).await.unwrap_err(),
        ixn_store::inspect(url, &options).await.unwrap_err(),
        ixn_store::check_address(url).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::Address(_)), "{error:?}");
    }
    ixn_store::check_address("postgres://ixn@host/db?sslmode=require").unwrap();
}

#[tokio::test]
async fn a_commit_that_runs_ahead_of_maintenance_makes_room() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    writer.commit(&batches.next(|_| {})).await.unwrap();
    let last = place.tables("commit_log\\_%").await.pop().unwrap();
    let upper: u64 = last.rsplit('_').next().unwrap().parse().unwrap();
    let missing = upper - 1 - 2;
    place.grow_log(missing).await;
    batches.skip(missing);
    for key in 1..=3 {
        writer.commit(&batches.next(|batch| batch.hot = vec![row(key, b"x")])).await.unwrap();
    }
    assert_eq!(interactions(&*database).await.len(), 3);
    assert_eq!(database.log_after(CommitNumber(upper), 1000).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_long_snapshot_delays_trimming_but_neither_commits_nor_room() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    place.grow_log(36_000).await;
    batches.skip(36_000);

    // As pg_dump does: a snapshot, and every table locked against changes.
    let mut dump = place.connect().await;
    let mut snapshot = dump.begin().await.unwrap();
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY; SELECT count(*) FROM commit_log; SELECT count(*) FROM idempotency; SELECT count(*) FROM interactions")
        .execute(&mut *snapshot)
        .await
        .unwrap();
    for table in place.tables("commit_log%").await {
        sqlx::raw_sql(AssertSqlSafe(format!("LOCK TABLE {table} IN ACCESS SHARE MODE")))
            .execute(&mut *snapshot)
            .await
            .unwrap();
    }

    // A detach that the snapshot holds up: commits go on beside it. Were they queued behind it they would wait for the
    // snapshot's end, which is below.
    let mut detaching = place.connect().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut detaching).await.unwrap();
    let detach = tokio::spawn(async move {
        let sql = "ALTER TABLE commit_log DETACH PARTITION commit_log_0_16384 CONCURRENTLY";
        sqlx::raw_sql(sql).execute(&mut detaching).await
    });
    wait::until(LIMIT, "the detach to wait for the snapshot", async || {
        let waits = "SELECT coalesce(wait_event_type, '') FROM pg_stat_activity WHERE pid = $1";
        let on: String =
            sqlx::query_scalar(waits).bind(pid).fetch_one(&mut place.connect().await).await.unwrap();
        if on == "Lock" { Ok(()) } else { Err(on) }
    })
    .await;
    for _ in 0..20 {
        timeout(LIMIT, writer.commit(&batches.next(|_| {}))).await.unwrap().unwrap();
    }
    assert!(!detach.is_finished());
    place.execute(&format!("SELECT pg_cancel_backend({pid})")).await;
    detach.await.unwrap().unwrap_err();

    // The detach stays begun. Room is made all the same, and nothing is dropped.
    let ahead = CommitNumber(90_000);
    timeout(LIMIT, database.maintain(&trimming(ahead, CommitNumber(34_000)))).await.unwrap().unwrap();
    let upper = format!("commit_log_%_{}", (ahead.0 + 32_768) / 16_384 * 16_384 + 16_384);
    assert_eq!(place.tables(&upper).await.len(), 1, "{upper}");
    assert_eq!(place.tables("commit_log_0_16384").await.len(), 1);
    // The dump reads on.
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM commit_log").fetch_one(&mut *snapshot).await.unwrap();
    assert_eq!(count, 36_001);
    let newest = batches.next(|_| {});
    writer.commit(&newest).await.unwrap();
    snapshot.rollback().await.unwrap();

    database.maintain(&trimming(newest.number, CommitNumber(34_000))).await.unwrap();
    assert_eq!(place.tables("commit_log_0_16384").await.len(), 0);
    assert_eq!(database.log_extent().await.unwrap().0, CommitNumber(32_768));
}

#[tokio::test]
async fn expired_keys_go_with_their_partition() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let key = IdempotencyRow { key_hash: 1, body_hash: 2, expires_at_seconds: 100, answer: Bytes::new() };
    writer.commit(&batches.next(|batch| batch.idempotency = vec![key])).await.unwrap();
    let newest = CommitNumber(262_144);
    let first = async || place.tables("idempotency_0_262144").await.len();
    let maintain = async |newest, now_seconds| {
        database.maintain(&Upkeep { newest, now_seconds, ..Upkeep::default() }).await.unwrap();
    };
    maintain(newest, 99).await;
    assert_eq!(first().await, 1, "a key lives");
    maintain(CommitNumber(262_143), 100).await;
    assert_eq!(first().await, 1, "a commit may still come");
    maintain(newest, 100).await;
    assert_eq!(first().await, 0);
}

#[tokio::test]
async fn forgotten_keys_go_with_their_partition() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let key = IdempotencyRow { key_hash: 1, body_hash: 2, expires_at_seconds: 100, answer: Bytes::new() };
    writer.commit(&batches.next(|batch| batch.idempotency = vec![key])).await.unwrap();
    let first = async || place.tables("idempotency_0_262144").await.len();
    let maintain = async |newest, keys_below| {
        let (newest, keys_below) = (CommitNumber(newest), CommitNumber(keys_below));
        database.maintain(&Upkeep { newest, keys_below, ..Upkeep::default() }).await.unwrap();
    };
    maintain(300_000, 262_143).await;
    assert_eq!(first().await, 1, "its last commit's keys are needed");
    maintain(262_143, 300_000).await;
    assert_eq!(first().await, 1, "a commit may still come");
    maintain(300_000, 262_144).await;
    assert_eq!(first().await, 0);
}

#[tokio::test]
async fn a_log_with_parts_of_another_size_is_refused_by_name() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    drop(take_over(&*database).await);
    place.execute("ALTER TABLE commit_log_0_16384 RENAME TO commit_log_0_4096").await;
    let Err(StoreError::Refused(text)) = database.take_over(0).await.map(drop) else { panic!() };
    assert!(text.starts_with("commit_log_0_4096 has 4096 numbers, "), "{text}");
}

/// It would fail: it lists the tables, then locks what it has listed.
#[tokio::test]
async fn nothing_is_dropped_while_a_pg_dump_is_connected() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let _written = take_over(&*database).await;
    place.grow_log(36_000).await;
    let mut dump = place.connect().await;
    sqlx::raw_sql("SET application_name = 'pg_dump'").execute(&mut dump).await.unwrap();
    let upkeep = trimming(CommitNumber(36_001), CommitNumber(34_000));
    database.maintain(&upkeep).await.unwrap();
    assert_eq!(place.tables("commit_log_0_16384").await.len(), 1);
    dump.close().await.unwrap();
    wait::until(LIMIT, "the partition to go", async || {
        database.maintain(&upkeep).await.unwrap();
        let left = place.tables("commit_log_0_16384").await;
        if left.is_empty() { Ok(()) } else { Err(left.join(" ")) }
    })
    .await;
}

/// The plan of the commit's statement is made while the tables are empty, and perhaps once more when they have been analyzed.
#[tokio::test]
async fn neither_a_plan_for_empty_tables_nor_one_for_a_million_rows_scans_them() {
    let place = PostgresPlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    for key in 1..=10 {
        writer.commit(&lifecycle(&mut batches, key)).await.unwrap();
    }
    place
        .execute(
            "INSERT INTO interactions SELECT i, 'x' FROM generate_series(1000, 1000000) AS i;
             INSERT INTO contents SELECT i, '\\x00' FROM generate_series(1000, 1000000) AS i;
             INSERT INTO agents SELECT i, '' FROM generate_series(1000, 20000) AS i",
        )
        .await;
    let scans = async || -> i64 {
        let sql = "SELECT sum(seq_scan)::bigint FROM pg_stat_user_tables
             WHERE relname IN ('interactions', 'contents', 'agents')";
        sqlx::query_scalar(sql).fetch_one(&mut place.connect().await).await.unwrap()
    };
    let updated = async || -> i64 {
        let sql = "SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'interactions'";
        sqlx::query_scalar(sql).fetch_one(&mut place.connect().await).await.unwrap()
    };
    let before = scans().await;
    for key in 1001..=1050 {
        if key == 1026 {
            place.execute("ANALYZE").await;
        }
        writer.commit(&lifecycle(&mut batches, key)).await.unwrap();
    }
    // Ending the session writes its statistics out.
    drop(writer);
    wait::until(LIMIT, "the statistics of 50 updates", async || {
        let updated = updated().await;
        if updated >= 50 { Ok(()) } else { Err(updated) }
    })
    .await;
    assert_eq!(scans().await, before);
    // The commit before is looked up by its key, in its own partition.
    let sql = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'commit_log_0_16384'";
    let found: i64 = sqlx::query_scalar(sql).fetch_one(&mut place.connect().await).await.unwrap();
    assert!(found >= 60, "{found} look-ups for 60 commits");
    assert_eq!(contents(&*database, &[1049, 1050]).await, [row(1050, b"user data")]);
}

fn lifecycle(batches: &mut Batches, key: u64) -> ixn_engine::commit::CommitBatch {
    batches.next(|batch| {
        batch.hot = vec![row(key, b"changed")];
        batch.cold = vec![row(key, b"user data")];
        batch.deleted = vec![InteractionKey(key - 1)];
        batch.agents = vec![("anna".to_owned(), Bytes::from_static(b"ready"))];
        batch.deleted_agents = vec!["otto".to_owned()];
    })
}

/// Updates of hot rows stay on their page: no index is touched. On a server where nobody else's transactions keep old
/// versions in the pages.
#[tokio::test]
async fn updates_of_hot_rows_touch_no_index() {
    let server = Postgres::start_with(&["autovacuum = off"]).await;
    let database = ixn_store::open(&server.url(), &OpenOptions::default()).await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    for _ in 0..20 {
        let batch = batches.next(|batch| batch.hot = (1..=200).map(|key| row(key, &[7; 200])).collect());
        writer.commit(&batch).await.unwrap();
    }
    drop(writer);
    wait::until(LIMIT, "the statistics of 3800 updates", async || {
        let sql = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'interactions'";
        let (updated, hot): (i64, i64) =
            sqlx::query_as(sql).fetch_one(&mut server.connect().await).await.unwrap();
        if updated == 3800 && hot * 100 >= updated * 95 { Ok(()) } else { Err(format!("{hot} of {updated}")) }
    })
    .await;
}

#[tokio::test]
async fn a_user_who_lacks_a_privilege_is_told_what_to_grant() {
    let server = Postgres::start().await;
    let mut admin = server.connect().await;
    let prepare = "CREATE ROLE plain LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    sqlx::raw_sql(prepare).execute(&mut admin).await.unwrap();
    let url = server.url().replace("postgres@", "plain@");
    let database = ixn_store::open(&url, &OpenOptions::default()).await.unwrap();
    let error = database.take_over(0).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Refused(text) if text.contains("GRANT CREATE ON SCHEMA public")),
        "{error:?}"
    );
    sqlx::raw_sql("GRANT CREATE ON SCHEMA public TO plain").execute(&mut admin).await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    writer.commit(&batch).await.unwrap();
    assert!(writer.look_up(batch.number).await.unwrap().is_some());
    database.maintain(&trimming(batch.number, batch.number)).await.unwrap();
}

#[tokio::test]
async fn a_server_without_connections_left_says_so() {
    let server = Postgres::start().await;
    sqlx::raw_sql("CREATE ROLE one LOGIN CONNECTION LIMIT 1")
        .execute(&mut server.connect().await)
        .await
        .unwrap();
    let url = server.url().replace("postgres@", "one@");
    let _held = PgConnection::connect(&url).await.unwrap();
    let error = ixn_store::open(&url, &OpenOptions::default()).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(text) if text.contains("out of connections")),
        "{error:?}"
    );
}
