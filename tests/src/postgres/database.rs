//! The shared server, and a database per test.

use super::{ADDRESS_VARIABLE, Postgres};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use std::env;
use std::sync::{Arc, Weak};
use std::thread;
use tokio::runtime;
use tokio::sync::Mutex;

/// The server that tests share; see [`Postgres::shared`].
#[derive(Debug)]
pub struct SharedPostgres {
    url: String,
    /// Present when no address was given: the server ends with the last user.
    _own: Option<Postgres>,
}

impl SharedPostgres {
    pub(super) async fn get() -> Arc<Self> {
        static SHARED: Mutex<Weak<SharedPostgres>> = Mutex::const_new(Weak::new());
        let mut shared = SHARED.lock().await;
        if let Some(running) = shared.upgrade() {
            return running;
        }
        let started = Arc::new(match env::var(ADDRESS_VARIABLE) {
            Ok(url) => Self { url, _own: None },
            Err(_) => {
                let own = Postgres::start().await;
                Self { url: own.url(), _own: Some(own) }
            }
        });
        *shared = Arc::downgrade(&started);
        started
    }

    /// The address, with a user that may create databases.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A new, empty database on the shared server, dropped with this value. UTF-8, locale C.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    url: String,
    server: Arc<SharedPostgres>,
}

impl TestDatabase {
    /// Creates a database with a name of its own.
    ///
    /// # Panics
    /// When there is no server, or it does not let the user create databases.
    pub async fn create() -> Self {
        let server = Postgres::shared().await;
        let name = format!("ixn_test_{}_{:08x}", std::process::id(), fastrand::u32(..));
        // template0: nobody can be connected to it, so that tests can create databases at the same time.
        execute(
            server.url(),
            format!("create database {name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'"),
        )
        .await
        .unwrap_or_else(|error| panic!("the server of {ADDRESS_VARIABLE} creates no database: {error}"));
        let url = with_database(server.url(), &name);
        Self { name, url, server }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database's address, as the shared server's user.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A new connection to the database.
    ///
    /// # Panics
    /// When the server does not take it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a connection to the test's database")
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let url = self.server.url().to_owned();
        // `force` ends the connections that a test leaves open.
        let sql = format!("drop database if exists {} with (force)", self.name);
        // Drop is not async, and the test's own runtime may be on its way down: a thread with a runtime of its own.
        let dropped = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(sqlx::Error::Io).and_then(|runtime| runtime.block_on(execute(&url, sql)))
        })
        .join();
        // A panic in here would hide the test's own.
        if !matches!(dropped, Ok(Ok(()))) {
            eprintln!("database {} was not dropped: {dropped:?}", self.name);
        }
    }
}

async fn execute(url: &str, sql: String) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await
}

/// The same address with another database; parameters after `?` stay.
fn with_database(url: &str, name: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (url, String::new()),
    };
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..].find('/').map_or(address.len(), |at| authority + at);
    format!("{}/{name}{parameters}", &address[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_takes_another_database() {
        let cases = [
            ("postgres://u@h:1/db", "postgres://u@h:1/new"),
            ("postgres://u:p@h:1", "postgres://u:p@h:1/new"),
            ("postgresql://u@h/db?sslmode=disable", "postgresql://u@h/new?sslmode=disable"),
        ];
        for (given, expected) in cases {
            assert_eq!(with_database(given, "new"), expected);
        }
    }

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own_until_it_ends() {
        let exists = async |server: &SharedPostgres, name: &str| -> bool {
            let mut connection = PgConnection::connect(server.url()).await.unwrap();
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        };
        let server = Postgres::shared().await;
        let (one, two) = tokio::join!(TestDatabase::create(), TestDatabase::create());
        assert_ne!(one.name(), two.name());
        let mut left_open = one.connect().await;
        sqlx::query("create table t()").execute(&mut left_open).await.unwrap();
        sqlx::query("select from t")
            .execute(&mut two.connect().await)
            .await
            .expect_err("the table of another");
        let name = one.name().to_owned();
        assert!(exists(&server, &name).await);
        drop(one);
        assert!(!exists(&server, &name).await);
    }
}
