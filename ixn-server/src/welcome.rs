//! What a user sees first: where the server is, where data lies, and what to try.

use std::io::{self, Write};
use std::net::SocketAddr;

/// What the welcome tells.
pub(crate) struct Welcome<'a> {
    pub(crate) listen: SocketAddr,
    pub(crate) health: SocketAddr,
    pub(crate) database: &'a str,
    pub(crate) configuration: &'a str,
}

impl Welcome<'_> {
    /// Prints it to standard output.
    pub(crate) fn print(&self) {
        // A reader who has gone is no reason to end.
        let _ = writeln!(io::stdout(), "{}", self.text());
    }

    fn text(&self) -> String {
        let Self { listen, health, database, configuration } = self;
        format!(
            "ixn-server {version} is ready
  protocol       http://{listen}   (gRPC)
  health         http://{health}/health/ready   metrics: http://{health}/metrics
  database       {database}
  configuration  {configuration}

Try, in another terminal:
  cargo run --release -p ixnctl -- watch                           every step of every interaction
  cargo run --release -p ixnctl -- submit --eml FOLDER             e-mails from files, folders, mbox
  cargo run --release -p ixnctl -- agent --auto --until-empty      agents who accept and finish them

Ctrl-C ends it. What was acknowledged is kept.",
            version = env!("CARGO_PKG_VERSION")
        )
    }
}
