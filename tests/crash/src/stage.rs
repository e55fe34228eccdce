//! The server under test, its database, and the networks between them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{anyhow, bail};
use ixn_tests::disk::Disk;
use ixn_tests::ixn_server::{IxnServer, IxnServerCommand};
use ixn_tests::postgres::Postgres;
use ixn_tests::tcp_proxy::TcpProxy;
use sqlx::Executor as _;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::configuration;

/// How long a server may take until it serves.
pub const READY_LIMIT: Duration = Duration::from_secs(120);
/// The exit code of a server that another has taken the database from.
pub const FENCED: i32 = 75;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// The embedded one.
    Sqlite,
    /// A PostgreSQL server of the run's own.
    Postgres,
}

/// Everything but the clients. It all ends with this value.
#[derive(Debug)]
pub struct Stage {
    /// The server that serves.
    pub server: IxnServer,
    /// Where clients connect: it leads to the server that serves.
    pub front: TcpProxy,
    /// The database server, with the network that leads to it.
    pub postgres: Option<(Postgres, TcpProxy)>,
    /// The file system that the database's files lie in, where it is one of our own.
    pub disk: Option<Disk>,
    binary: PathBuf,
    /// How many agents there are.
    pub agents: u16,
    flags: &'static [&'static str],
    data: PathBuf,
    // Declared last: what lies in it is used until then.
    _folder: TempDir,
}

impl Stage {
    /// Starts it all. The database's files lie on `disk`, else in a temporary folder. Without `fsync`, PostgreSQL loses
    /// what was acknowledged when the power is cut.
    ///
    /// # Errors
    /// The server does not start.
    pub async fn start(
        binary: PathBuf,
        kind: DatabaseKind,
        agents: u16,
        disk: Option<Disk>,
        without_fsync: bool,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ixn-crash.").tempdir()?;
        // The database server runs as another user.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        fs::set_permissions(folder.path(), readable)?;
        let files = disk.as_ref().map_or_else(|| folder.path().to_owned(), Disk::path);
        let mut data = folder.path().join("data");
        let postgres = match kind {
            DatabaseKind::Sqlite => {
                data = files.join("data");
                None
            }
            DatabaseKind::Postgres => {
                let place = files.join("postgres");
                fs::create_dir(&place)?;
                let settings: &[&str] = if without_fsync { &["fsync = off"] } else { &[] };
                let postgres = Postgres::start_in(&place, settings).await;
                let create =
                    "create database crash template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'";
                postgres.connect().await.execute(create).await?;
                let network = TcpProxy::start(([127, 0, 0, 1], postgres.port()).into()).await;
                Some((postgres, network))
            }
        };
        // Leads nowhere until the server says where it is.
        let front = TcpProxy::start(([127, 0, 0, 1], 9).into()).await;
        let url = postgres.as_ref().map(|(_, network)| database_url(network));
        let flags: &[&str] = if without_fsync { &["--allow-unsafe-durability=true"] } else { &[] };
        let server = command(&binary, agents, &data, url).args(flags).spawn();
        let mut stage = Self { server, front, postgres, disk, agents, binary, flags, data, _folder: folder };
        stage.until_ready().await?;
        // An empty database is made without syncing; what comes from here on is the servers' own business.
        if let Some(disk) = &stage.disk {
            disk.sync().map_err(anyhow::Error::msg)?;
        }
        Ok(stage)
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// Starts a second server over the same database.
    pub fn second(&self) -> IxnServer {
        let url = self.postgres.as_ref().map(|(_, network)| database_url(network));
        command(&self.binary, self.agents, &self.data, url).args(self.flags).spawn()
    }

    /// Starts the server again, and waits until it serves.
    ///
    /// # Errors
    /// It does not.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.server.process.restart();
        self.until_ready().await
    }

    /// Waits until the server serves, and leads clients to it.
    ///
    /// # Errors
    /// It ends, or the time is up.
    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        ready(&mut self.server).await?;
        self.front.lead_to(self.server.address);
        Ok(())
    }

    /// PostgreSQL and the network to it.
    ///
    /// # Errors
    /// This run has none.
    pub fn postgres(&mut self) -> anyhow::Result<&mut (Postgres, TcpProxy)> {
        self.postgres.as_mut().ok_or_else(|| anyhow!("this fault takes PostgreSQL"))
    }

    /// Its own file system.
    ///
    /// # Errors
    /// This run has none.
    pub fn disk(&self) -> anyhow::Result<&Disk> {
        self.disk.as_ref().ok_or_else(|| anyhow!("this fault takes a file system of its own"))
    }

    /// Keeps the logs of all programs in a folder.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn keep_logs(&mut self, folder: &Path) -> anyhow::Result<()> {
        fs::write(folder.join("server.log"), self.server.process.whole_log())?;
        if let Some((postgres, _)) = &mut self.postgres {
            fs::write(folder.join("postgres.log"), postgres.server().whole_log())?;
        }
        Ok(())
    }
}

/// Waits until a server serves.
///
/// # Errors
/// It ends, or the time is up.
pub async fn ready(server: &mut IxnServer) -> anyhow::Result<()> {
    let give_up = Instant::now() + READY_LIMIT;
    loop {
        // The status first: a program that has ended has written all it will.
        let status = server.process.exit_status();
        let log = server.process.log();
        if log.contains("is ready") {
            return Ok(());
        }
        if let Some(status) = status {
            bail!("the server ended before it served ({status}), with the log\n{}", tail(&log));
        }
        if Instant::now() > give_up {
            bail!("the server does not serve after {READY_LIMIT:?}, with the log\n{}", tail(&log));
        }
        sleep(Duration::from_millis(10)).await;
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn database_url(network: &TcpProxy) -> String {
    format!("postgres://postgres@{}/crash?sslmode=disable", network.address())
}

fn command(binary: &Path, agents: u16, data: &Path, database_url: Option<String>) -> IxnServerCommand {
    let command = IxnServer::command_of(binary).configuration(&configuration::usual(agents)).data(data);
    command.database(database_url.as_deref())
}
