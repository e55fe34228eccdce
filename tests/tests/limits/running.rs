//! A server with limits of the test's own.

use std::net::SocketAddr;
use std::time::Duration;

use ixn_tests::binary;
use ixn_tests::process::Server;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::stream::Stream;

/// Long enough for a busy machine, short enough to notice.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The server, and where it is.
pub struct Running {
    pub server: Server,
    pub address: SocketAddr,
    health: SocketAddr,
    _folder: TempDir,
}

impl Running {
    /// Over SQLite, with these options.
    pub async fn start(options: &[&str]) -> Self {
        Self::start_over(None, options).await
    }

    /// Over this database, with these options.
    pub async fn start_over(database_url: Option<&str>, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Server::command(binary("ixn-server"))
            .args(["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"])
            .args(["--data-dir", folder.path().to_str().unwrap()])
            .args(options);
        if let Some(url) = database_url {
            command = command.env("IXN_DATABASE_URL", url);
        }
        let mut server = command.start();
        let address = address(&server.wait_for_line("protocol  ", LIMIT).await);
        let health = self::address(&server.wait_for_line("health  ", LIMIT).await);
        Self { server, address, health, _folder: folder }
    }

    /// A new stream on a connection of its own.
    pub async fn stream(&self) -> Stream {
        Stream::open(self.address).await.unwrap()
    }

    /// The value of a metric without further labels than the tenant's.
    pub async fn metric(&self, name: &str) -> f64 {
        let mut connection = TcpStream::connect(self.health).await.unwrap();
        connection
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: ixn\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let line = answer.lines().find(|line| line.split(['{', ' ']).next() == Some(name));
        let value = line.and_then(|line| line.rsplit(' ').next()).and_then(|value| value.parse().ok());
        value.unwrap_or_else(|| panic!("no {name} in:\n{answer}"))
    }
}

fn address(line: &str) -> SocketAddr {
    line.split("http://").nth(1).unwrap().split(['/', ' ']).next().unwrap().parse().unwrap()
}
