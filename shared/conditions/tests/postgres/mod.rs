//! A database on a real PostgreSQL: on the server that `IXN_TEST_POSTGRES_URL` names (a superuser's URL), else on one
//! that the test starts for itself.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

const URL_VARIABLE: &str = "IXN_TEST_POSTGRES_URL";
/// PostgreSQL refuses to run as root.
const SERVER_USER: &str = "ixn-tests";
const START_DEADLINE: Duration = Duration::from_secs(60);

/// A new database, dropped by [`TestDatabase::drop_database`].
pub(crate) struct TestDatabase {
    pub(crate) connection: PgConnection,
    name: String,
    server: PgConnectOptions,
    /// Stopped when it goes out of scope.
    _own_server: Option<OwnServer>,
}

impl TestDatabase {
    pub(crate) async fn create() -> Self {
        let (server, own_server) = match std::env::var(URL_VARIABLE) {
            Ok(url) => (url.parse().expect("the URL of a PostgreSQL server"), None),
            Err(_) => {
                let own = OwnServer::start().await;
                (own.options.clone(), Some(own))
            }
        };
        let name = format!("ixn_conditions_{}", std::process::id());
        let mut connection = PgConnection::connect_with(&server).await.expect("PostgreSQL answers");
        let create = format!("create database {name} template template0 encoding 'UTF8' locale 'C'");
        connection.execute(AssertSqlSafe(create)).await.expect("the user may create databases");
        let connection = PgConnection::connect_with(&server.clone().database(&name))
            .await
            .expect("the new database answers");
        Self { connection, name, server, _own_server: own_server }
    }

    pub(crate) async fn drop_database(self) {
        self.connection.close().await.expect("the connection closes");
        let mut connection = PgConnection::connect_with(&self.server).await.expect("PostgreSQL answers");
        let drop = format!("drop database {}", self.name);
        connection.execute(AssertSqlSafe(drop)).await.expect("the database can be dropped");
    }
}

struct OwnServer {
    process: Child,
    options: PgConnectOptions,
    _directory: tempfile::TempDir,
}

impl OwnServer {
    async fn start() -> Self {
        let programs = programs().unwrap_or_else(|| {
            panic!("no PostgreSQL under /usr/lib/postgresql: install it, or set {URL_VARIABLE} to a superuser's URL")
        });
        let directory = tempfile::Builder::new().prefix("ixn-conditions.").tempdir().expect("a directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("a data directory");
        if is_root() {
            ensure_server_user();
            let open = std::fs::Permissions::from_mode(0o711);
            std::fs::set_permissions(directory.path(), open).expect("permissions can be set");
            run(Command::new("chown").arg(format!("{SERVER_USER}:")).arg(&data));
        }
        run(unprivileged(&programs.join("initdb")).arg("-D").arg(&data).args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-N",
        ]));
        let port = free_port();
        let log = std::fs::File::create(directory.path().join("log")).expect("a log file");
        let process = unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres can be started");
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(port)
            .username("postgres")
            .database("postgres")
            .ssl_mode(sqlx::postgres::PgSslMode::Disable);
        let mut server = Self { process, options, _directory: directory };
        server.wait_until_ready().await;
        server
    }

    async fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let last = match PgConnection::connect_with(&self.options).await {
                Ok(_) => return,
                Err(error) => error,
            };
            let ended = self.process.try_wait().expect("the process can be asked");
            let log = || std::fs::read_to_string(self._directory.path().join("log")).unwrap_or_default();
            assert!(ended.is_none(), "PostgreSQL ended: {ended:?}\n{}", log());
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {last}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // The fast shutdown; killed outright, the server would leave its children and shared memory behind.
        let asked = Command::new("kill").args(["-INT", &self.process.id().to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// The directory of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let numbered = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let programs = version.path().join("bin");
        programs.join("postgres").exists().then_some((number, programs))
    });
    numbered.max().map(|(_, programs)| programs)
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

fn server_user_exists() -> bool {
    Command::new("id").arg(SERVER_USER).output().is_ok_and(|output| output.status.success())
}

fn ensure_server_user() {
    if server_user_exists() {
        return;
    }
    let created = Command::new("useradd")
        .args(["--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SERVER_USER])
        .output();
    // Another test may have been faster.
    assert!(server_user_exists(), "cannot create the user {SERVER_USER}: {created:?}");
}

/// The program as the server's user when this is root, from a directory that this user may read.
fn unprivileged(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={SERVER_USER}"), format!("--regid={SERVER_USER}")])
            .arg("--clear-groups")
            .arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
