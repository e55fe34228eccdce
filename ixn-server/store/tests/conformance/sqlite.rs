//! SQLite: its place, and what only it can show.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use ixn_engine::commit::CommitNumber;
use ixn_store::{CommitError, StoreError, Upkeep};
use ixn_tests::wait;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::batches::{interactions, noise, row, take_over};
use crate::place::Place;

pub(crate) struct SqlitePlace {
    folder: TempDir,
}

impl SqlitePlace {
    fn file(&self) -> PathBuf {
        // The store makes the folder.
        self.folder.path().join("data").join("ixn.db")
    }
}

impl Place for SqlitePlace {
    async fn create() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.file().display())
    }

    fn url_of_nothing(&self) -> String {
        let file = self.folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        format!("sqlite://{}/ixn.db", file.display())
    }

    async fn execute(&self, sql: &str) {
        let connection = Connection::open(self.file()).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    async fn make_read_only(&self) {
        // All of it into the file itself, and nobody left who holds it.
        let file = self.file();
        wait::until(Duration::from_secs(10), "the last connection to close", async || {
            let connection = Connection::open(&file).unwrap();
            connection
                .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))
                .and_then(|mode| connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(mode)))
                .map_err(|error| error.to_string())
                .and_then(|mode| if mode == "delete" { Ok(()) } else { Err(mode) })
        })
        .await;
        // The file format's write version: one that SQLite does not know makes a file read-only, for root too.
        std::fs::OpenOptions::new().write(true).open(&file).unwrap().write_all_at(&[3], 18).unwrap();
    }

    async fn make_schema_newer(&self) {
        self.execute("PRAGMA user_version = 99").await;
    }

    fn own_log_columns(&self) -> (&'static str, &'static str) {
        (", log_bytes", ", log_bytes + 100 * i")
    }
}

#[tokio::test]
async fn after_an_error_of_commit_the_outcome_is_looked_up() {
    let place = SqlitePlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    // A constraint that SQLite checks at COMMIT alone.
    place
        .execute(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             CREATE TRIGGER orphan AFTER INSERT ON agents BEGIN INSERT INTO child VALUES (1); END;",
        )
        .await;
    let batch = batches.next(|batch| {
        batch.hot = vec![row(1, b"x")];
        batch.agents = vec![("a".to_owned(), Bytes::from_static(b"row"))];
    });
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Unknown(_)), "{error:?}");
    assert_eq!(writer.look_up(batch.number).await.unwrap(), None);
    assert_eq!(interactions(&*database).await, []);
    place.execute("DROP TRIGGER orphan").await;
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
    assert!(writer.look_up(batch.number).await.unwrap().is_some());
}

#[tokio::test]
async fn the_write_ahead_log_stays_bounded() {
    let place = SqlitePlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let log = place.file().with_extension("db-wal");
    let mut longest = 0;
    let value = noise(2 << 20);
    for key in 1..=60 {
        let batch = batches.next(|batch| batch.cold = vec![row(key, &value)]);
        writer.commit(&batch).await.unwrap();
        longest = longest.max(std::fs::metadata(&log).unwrap().len());
    }
    assert!(longest < 90 << 20, "{longest} bytes of {}", 120 << 20);
    assert_eq!(database.contents(&[row(50, b"").0]).await.unwrap()[0].1.len(), 2 << 20);
}

#[tokio::test]
async fn expired_and_forgotten_keys_are_deleted() {
    let place = SqlitePlace::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let mut last = batches.next(|_| {});
    for expires_at_seconds in [10, 30, 20] {
        writer.commit(&last).await.unwrap();
        last = batches.next(|batch| {
            batch.idempotency.push(ixn_engine::commit::IdempotencyRow {
                key_hash: 1,
                body_hash: 2,
                expires_at_seconds,
                answer: Bytes::new(),
            });
        });
    }
    writer.commit(&last).await.unwrap();
    let keys = || {
        let sql = "SELECT count(*), coalesce(max(expires_at), 0) FROM idempotency";
        let count = Connection::open(place.file())
            .unwrap()
            .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
        count.unwrap()
    };
    let upkeep = Upkeep { newest: last.number, now_seconds: 20, ..Upkeep::default() };
    database.maintain(&upkeep).await.unwrap();
    assert_eq!(keys(), (1, 30));
    // The commit of the one that is left was the last but one.
    database.maintain(&Upkeep { keys_below: CommitNumber(last.number.0 - 1), ..upkeep }).await.unwrap();
    assert_eq!(keys(), (1, 30));
    database.maintain(&Upkeep { keys_below: last.number, ..upkeep }).await.unwrap();
    assert_eq!(keys(), (0, 0));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged() {
    let place = SqlitePlace::create().await;
    std::fs::create_dir_all(place.file().parent().unwrap()).unwrap();
    std::fs::write(place.file(), "no database ".repeat(1000)).unwrap();
    let error = place.try_open("x").await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn addresses() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.db").display().to_string();
    for url in [path.clone(), format!("sqlite:{path}"), format!("sqlite://{path}")] {
        let database = ixn_store::open(&url, &ixn_store::OpenOptions::default()).await.unwrap();
        take_over(&*database).await;
    }
    for url in ["", "sqlite://", ":memory:", "mysql://host/db", "sqlite::memory:"] {
        let error = ixn_store::open(url, &ixn_store::OpenOptions::default()).await.unwrap_err();
        assert!(matches!(error, StoreError::Address(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn a_look_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data #1").join("ixn.db").display().to_string();
    let look = async || ixn_store::inspect(&path, &ixn_store::OpenOptions::default()).await;
    let files = || std::fs::read_dir(folder.path().join("data #1")).map_or(0, Iterator::count);
    assert_eq!((look().await.unwrap().schema_version, folder.path().join("data #1").exists()), (0, false));
    let database = ixn_store::open(&path, &ixn_store::OpenOptions::default()).await.unwrap();
    drop(take_over(&*database).await);
    drop(database);
    wait::until(
        Duration::from_secs(10),
        "the file alone",
        async || {
            if files() == 1 { Ok(()) } else { Err(files()) }
        },
    )
    .await;
    assert_eq!((look().await.unwrap().schema_version, files()), (1, 1));
    std::fs::write(&path, "no database ".repeat(1000)).unwrap();
    let error = look().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_is_gone() {
    type Remove = fn(&Path);
    let gone: [(&str, Remove); 5] = [
        ("deleted", |file| std::fs::remove_file(file).unwrap()),
        ("deleted", |file| std::fs::remove_dir_all(file.parent().unwrap()).unwrap()),
        ("moved", |file| {
            std::fs::rename(file.parent().unwrap(), file.parent().unwrap().with_extension("old")).unwrap()
        }),
        ("replaced", |file| {
            let copy = file.with_extension("copy");
            std::fs::copy(file, &copy).unwrap();
            std::fs::rename(copy, file).unwrap();
        }),
        ("ixn.db-wal was deleted", |file| std::fs::remove_file(file.with_extension("db-wal")).unwrap()),
    ];
    // Right after the takeover, after a commit, and after the file has been opened anew.
    for ((what, remove), before) in gone.iter().flat_map(|gone| (0..3).map(move |before| (gone, before))) {
        let place = SqlitePlace::create().await;
        let database = place.open().await;
        let (mut batches, mut writer) = take_over(&*database).await;
        if before > 0 {
            writer.commit(&batches.next(|_| {})).await.unwrap();
        }
        if before > 1 {
            writer.look_up(CommitNumber(1)).await.unwrap();
        }
        remove(&place.file());
        let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
        for _ in 0..2 {
            let error = writer.commit(&batch).await.unwrap_err();
            assert!(matches!(&error, CommitError::Lost(text) if text.contains(what)), "{what}: {error:?}");
        }
        if !what.contains("wal") {
            let error = writer.look_up(batch.number).await.unwrap_err();
            assert!(matches!(&error, StoreError::Lost(text) if text.contains(what)), "{what}: {error:?}");
        }
        assert_eq!(place.file().exists(), *what == "replaced" || what.contains("wal"), "no new file is made");
    }
}

#[tokio::test]
async fn who_ended_cleanly_is_named_no_more() {
    let place = SqlitePlace::create().await;
    let database = place.open_as("ixn-server host:1").await;
    database.lock(&|_| {}).await.unwrap();
    let lock = place.file().with_extension("db.lock");
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "ixn-server host:1\n");
    drop(database);
    assert_eq!(std::fs::read_to_string(&lock).unwrap(), "");
}
