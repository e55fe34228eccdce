//! A PostgreSQL server as a child process.

use super::SharedPostgres;
use crate::process::{Server, find_program, free_port, send};
use crate::wait;
use sqlx::{Connection, PgConnection};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// PostgreSQL refuses to run as root. This account owns nothing and cannot log in.
const USER: &str = "ixn-tests";

/// Time for a start, a recovery or an orderly stop: much more than it takes, for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A PostgreSQL server of the test's own, on a free port of loopback, with its data in a temporary folder.
///
/// It is a direct child of the test process, so after a kill it can be started again at once. It ends with this value.
/// Settings are the server's defaults, `fsync` on, locale C.UTF-8.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    port: u16,
    data: PathBuf,
    // Declared last: the server ends before its data goes.
    _folder: Option<TempDir>,
}

impl Postgres {
    /// Starts a new, empty server.
    ///
    /// # Panics
    /// When PostgreSQL is not installed (says what to install) or does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a new, empty server with lines of its own in `postgresql.conf`, such as `"fsync = off"`.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub async fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("ixn-postgres.").tempdir().expect("a temporary folder");
        let mut postgres = Self::start_in(folder.path(), settings).await;
        postgres._folder = Some(folder);
        postgres
    }

    /// Starts a new, empty server with its data in this folder, which is the caller's to remove afterwards.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub async fn start_in(folder: &Path, settings: &[&str]) -> Self {
        let programs = installation().unwrap_or_else(|| {
            panic!(
                "no PostgreSQL server found: install the package postgresql, or set {} to a server",
                super::ADDRESS_VARIABLE
            )
        });
        let data = folder.join("data");
        let as_root = running_as_root();
        if as_root {
            ensure_user();
            must_succeed(Command::new("chown").arg(format!("{USER}:")).arg(folder));
        }
        let mut initdb = as_user(as_root, &programs.join("initdb"));
        initdb.arg("-D").arg(&data);
        // -N: what a fresh folder holds needs no fsync; the server itself runs with fsync on.
        must_succeed(initdb.args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]));
        let port = free_port();
        let mut lines = vec![
            format!("port = {port}"),
            "listen_addresses = '127.0.0.1'".to_owned(),
            "unix_socket_directories = ''".to_owned(),
            "max_connections = 200".to_owned(),
        ];
        lines.extend(settings.iter().map(|line| (*line).to_owned()));
        let file = data.join("postgresql.conf");
        let defaults = fs::read_to_string(&file).expect("the postgresql.conf that initdb wrote");
        fs::write(&file, format!("{defaults}\n{}\n", lines.join("\n")))
            .expect("postgresql.conf can be written");

        let mut command = Server::command(programs.join("postgres")).arg("-D").arg(&data);
        if as_root {
            command = command.as_user(USER);
        }
        let mut postgres = Self { server: command.start(), port, data, _folder: None };
        postgres.wait_until_it_answers().await;
        postgres
    }

    /// The server that tests share: the one at `IXN_TEST_POSTGRES_URL`, else one that this process starts when first
    /// asked for and stops when nobody uses it. Use it through [`super::TestDatabase`]; a test that kills or
    /// reconfigures a server starts its own.
    ///
    /// # Panics
    /// As [`Postgres::start`].
    pub async fn shared() -> Arc<SharedPostgres> {
        SharedPostgres::get().await
    }

    /// The address of the superuser's database, `postgres://postgres@127.0.0.1:port/postgres`.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new connection as superuser.
    ///
    /// # Panics
    /// When the server does not take it.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("a connection to PostgreSQL")
    }

    /// Kills the server and all its processes with SIGKILL: a crash. Its connections end; what was committed is there
    /// after [`Postgres::restart`].
    pub async fn kill(&mut self) {
        // The process of a connection outlives the server until it next waits for something, and answers meanwhile. So
        // all are killed; the server is halted first, so that it makes no new ones.
        self.server.signal("STOP");
        let pid = self.server.pid();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children: Vec<u32> = children.split_whitespace().filter_map(|child| child.parse().ok()).collect();
        send("KILL", &children);
        self.server.kill();
        wait::until(LIMIT, "PostgreSQL's processes to end", async || {
            let running: Vec<_> = children.iter().filter(|child| is_running(**child)).collect();
            if running.is_empty() { Ok(()) } else { Err(format!("{running:?} still run")) }
        })
        .await;
    }

    /// Stops the server in order: connections are ended, data is written out.
    pub async fn stop(&mut self) {
        self.server.signal("INT");
        self.server.wait_for_exit(LIMIT).await;
    }

    /// Stops the server at once (`immediate`): nothing is written out, the next start recovers as after a crash.
    pub async fn stop_immediately(&mut self) {
        self.server.signal("QUIT");
        self.server.wait_for_exit(LIMIT).await;
    }

    /// Forgets the mark of a running server: after a power cut nobody is left to remove it, and its process id may be
    /// another's by now.
    ///
    /// # Errors
    /// When the data cannot be reached.
    pub fn forget_running(&self) -> std::io::Result<()> {
        match fs::remove_file(self.data.join("postmaster.pid")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Starts the server again on the same port with the same data, and waits until it answers. Kills it first when it
    /// still runs.
    pub async fn restart(&mut self) {
        self.server.restart();
        self.wait_until_it_answers().await;
    }

    /// The process, to send signals to or to read the log of.
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    async fn wait_until_it_answers(&mut self) {
        let url = self.url();
        wait::until(LIMIT, "PostgreSQL to answer", async || {
            if let Some(status) = self.server.exit_status() {
                let log = self.server.log();
                // The processes that a killed server leaves behind take a moment to notice; until then the memory
                // and the socket that they share look taken.
                if ["still in use", "Address already in use", "postmaster.pid"]
                    .iter()
                    .any(|t| log.contains(t))
                {
                    self.server.restart();
                    return Err(format!("it ended ({status}) with the log\n{log}"));
                }
                panic!("PostgreSQL ended ({status}) with the log\n{log}");
            }
            let mut connection = PgConnection::connect(&url).await.map_err(|error| error.to_string())?;
            sqlx::query("select 1").execute(&mut connection).await.map_err(|error| error.to_string())
        })
        .await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate stop ends the server's own children too; they would go on using the folder for a moment.
        self.server.signal("QUIT");
        let give_up = Instant::now() + Duration::from_secs(5);
        while self.server.exit_status().is_none() && Instant::now() < give_up {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The folder with the server's programs: Debian's newest version, else wherever `PATH` leads.
fn installation() -> Option<PathBuf> {
    let version = |folder: &Path| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = debian
        .filter(|folder| folder.join("bin/initdb").is_file())
        .max_by_key(|folder| version(folder))
        .map(|folder| folder.join("bin"));
    newest.or_else(|| Some(find_program(Path::new("initdb"))?.parent()?.to_owned()))
}

fn running_as_root() -> bool {
    Command::new("id").arg("-u").output().expect("id runs").stdout == b"0\n"
}

fn user_exists() -> bool {
    let mut id = Command::new("id");
    id.arg(USER).stdout(Stdio::null()).stderr(Stdio::null());
    id.status().expect("id runs").success()
}

fn ensure_user() {
    if user_exists() {
        return;
    }
    let output = Command::new("useradd")
        .args(["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", USER])
        .output()
        .expect("useradd runs");
    // Another test may have made it meanwhile.
    assert!(user_exists(), "user {USER}: {}", String::from_utf8_lossy(&output.stderr));
}

fn as_user(other: bool, program: &Path) -> Command {
    if !other {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program).current_dir("/");
    command
}

fn must_succeed(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {errors}", output.status);
}

/// Whether a process is more than an entry that nobody has collected yet.
fn is_running(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state …`
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn count(postgres: &Postgres) -> i64 {
        let mut connection = postgres.connect().await;
        sqlx::query_scalar("select count(*) from t").fetch_one(&mut connection).await.unwrap()
    }

    #[tokio::test]
    async fn what_was_committed_survives_kill_9_and_a_stop() {
        let mut postgres = Postgres::start().await;
        let mut connection = postgres.connect().await;
        sqlx::query("create table t as select generate_series(1, 1000)")
            .execute(&mut connection)
            .await
            .unwrap();
        postgres.kill().await;
        sqlx::query("select 1").execute(&mut connection).await.expect_err("the server is gone");
        PgConnection::connect(&postgres.url()).await.expect_err("nobody listens");
        postgres.restart().await;
        assert_eq!(count(&postgres).await, 1000);
        postgres.stop().await;
        PgConnection::connect(&postgres.url()).await.expect_err("nobody listens");
        postgres.restart().await;
        assert_eq!(count(&postgres).await, 1000);
    }

    #[tokio::test]
    async fn settings_are_the_defaults_unless_given() {
        let setting = async |postgres: &Postgres, name: &str| -> String {
            let sql = format!("show {name}");
            let mut connection = postgres.connect().await;
            sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
        };
        let plain = Postgres::start().await;
        let given = Postgres::start_with(&["fsync = off"]).await;
        assert_eq!(setting(&plain, "fsync").await, "on");
        assert_eq!(setting(&given, "fsync").await, "off");
        assert_ne!(plain.port(), given.port());
    }
}
