//! ixn-server as a child process: where it is, what its probes and metrics say, and clients of it.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ixn_client::{Client, ClientOptions, ClientType};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Server, ServerCommand, free_port};
use crate::scrape::Scrape;
use crate::stream::Stream;
use crate::{binary, wait};

/// Long enough for a busy machine, short enough to notice.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A server to start: on ports of its own, over SQLite in a folder of its own, with the sample configuration.
#[derive(Debug)]
pub struct IxnServerCommand {
    command: ServerCommand,
    listen: SocketAddr,
    health: SocketAddr,
    data: PathBuf,
    folder: TempDir,
}

impl IxnServerCommand {
    /// Over this database; none: the embedded one.
    pub fn database(mut self, url: Option<&str>) -> Self {
        if let Some(url) = url {
            self.command = self.command.env("IXN_DATABASE_URL", url);
        }
        self
    }

    /// With this configuration file's text.
    pub fn configuration(mut self, text: &str) -> Self {
        let file = configuration_file(self.folder.path());
        fs::write(&file, text).expect("the configuration file");
        self.command = self.command.arg("--config").arg(file);
        self
    }

    /// With this data directory.
    pub fn data(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.data);
        self
    }

    /// With these flags.
    pub fn args(mut self, flags: &[&str]) -> Self {
        self.command = self.command.args(flags);
        self
    }

    /// With this variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command = self.command.env(name, value);
        self
    }

    /// Nobody reads what it prints; see [`ServerCommand::unread`].
    pub fn unread(mut self) -> Self {
        self.command = self.command.unread();
        self
    }

    /// Starts it and waits for nothing: it may be one that cannot serve yet, or at all.
    pub fn spawn(self) -> IxnServer {
        let Self { command, listen, health, data, folder } = self;
        let process = command.arg("--data-dir").arg(&data).start();
        IxnServer { process, address: listen, health, data, folder }
    }

    /// Starts it and waits until it serves.
    pub async fn start(self) -> IxnServer {
        let mut server = self.spawn();
        server.is_ready().await;
        server
    }
}

/// A running ixn-server. It keeps its ports when it is started again, so that clients find it.
#[derive(Debug)]
pub struct IxnServer {
    /// Its process.
    pub process: Server,
    /// Where it serves the protocol.
    pub address: SocketAddr,
    health: SocketAddr,
    data: PathBuf,
    folder: TempDir,
}

impl IxnServer {
    /// Describes one to start: this workspace's.
    pub fn command() -> IxnServerCommand {
        Self::command_of(&binary("ixn-server"))
    }

    /// Describes one to start: this program.
    pub fn command_of(program: &Path) -> IxnServerCommand {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let address = || SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let (listen, health) = (address(), address());
        let command = Server::command(program).args([
            "--listen",
            &listen.to_string(),
            "--health-listen",
            &health.to_string(),
        ]);
        IxnServerCommand { command, listen, health, data: folder.path().join("data"), folder }
    }

    /// Starts an embedded one with the sample configuration and these flags, and waits until it serves.
    pub async fn start(flags: &[&str]) -> Self {
        Self::command().args(flags).start().await
    }

    /// Waits until it serves.
    pub async fn is_ready(&mut self) {
        self.process.wait_for_line("is ready", LIMIT).await;
    }

    /// kill -9, and a new start over the same data.
    pub async fn kill_and_start_again(&mut self) {
        self.process.kill();
        self.process.restart();
        self.is_ready().await;
    }

    /// Its address, for clients.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Replaces the configuration file in one step, as editors do.
    pub fn configure(&self, text: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).expect("a draft of the configuration");
        fs::rename(&draft, configuration_file(self.folder.path())).expect("the configuration file");
    }

    /// A client of it that comes back when the connection is lost.
    ///
    /// # Panics
    /// When it is not taken.
    pub async fn client(&self, name: &str, client_type: ClientType) -> Client {
        let options = ClientOptions::new(self.url(), name, client_type);
        Client::connect(options).await.unwrap_or_else(|error| panic!("{name} does not get in: {error}"))
    }

    /// A new stream on a connection of its own, without a library in between.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn stream(&self) -> Stream {
        Stream::open(self.address).await.unwrap()
    }

    /// The status and the body at a path of the health port.
    ///
    /// # Errors
    /// Nobody listens there.
    pub async fn get(&self, path: &str) -> io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(self.health).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: ixn\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_owned()))
    }

    /// Waits until a probe answers this status; returns its body.
    ///
    /// # Panics
    /// When the time is up.
    pub async fn answers(&self, probe: &str, expected: u16) -> String {
        wait::until(LIMIT, &format!("{probe} to answer {expected}"), async || match self.get(probe).await {
            Ok((status, body)) if status == expected => Ok(body),
            other => Err(format!("{other:?}")),
        })
        .await
    }

    /// What `/metrics` answers.
    ///
    /// # Panics
    /// When it does not.
    pub async fn scrape(&self) -> Scrape {
        match self.get("/metrics").await {
            Ok((200, text)) => Scrape(text),
            other => panic!("/metrics: {other:?}"),
        }
    }

    /// The value of a series; see [`Scrape::value`].
    ///
    /// # Panics
    /// When there is none.
    pub async fn metric(&self, series: &str) -> f64 {
        let scrape = self.scrape().await;
        scrape.value(series).unwrap_or_else(|| panic!("no {series} in:\n{}", scrape.0))
    }

    /// Scrapes until these series have these values; `None`: there is no such series.
    ///
    /// # Panics
    /// When the time is up.
    pub async fn shows(&self, expected: &[(&str, Option<f64>)]) {
        wait::until(LIMIT, "the metrics to tell", async || {
            let scrape = self.scrape().await;
            let other = expected.iter().find(|(series, value)| scrape.value(series) != *value);
            other.map_or(Ok(()), |(series, expected)| {
                Err(format!("{series} {:?} instead of {expected:?}", scrape.value(series)))
            })
        })
        .await;
    }
}

fn configuration_file(folder: &Path) -> PathBuf {
    folder.join("configuration.yaml")
}
