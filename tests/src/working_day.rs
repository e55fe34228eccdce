//! A server, its agents and its reporting, as processes: what a user starts on the first day.

use serde_json::Value;

use crate::binary;
use crate::ixn_server::{IxnServer, LIMIT};
use crate::process::Server;
use crate::reporting_log::number;

/// An ixn-server over a database of its own, and `ixnctl` beside it.
#[derive(Debug)]
pub struct WorkingDay {
    /// The server.
    pub server: IxnServer,
}

impl WorkingDay {
    /// Starts a server; without a database address it is the embedded one.
    pub async fn begin(database_url: Option<&str>) -> Self {
        Self { server: IxnServer::command().database(database_url).start().await }
    }

    /// Starts an embedded server with this configuration file's text instead of the sample.
    pub async fn begin_with(configuration: &str) -> Self {
        Self { server: IxnServer::command().configuration(configuration).start().await }
    }

    /// ixnctl in the background; its output is its log.
    pub fn ixnctl(&self, arguments: &[&str]) -> Server {
        let command = Server::command(binary("ixnctl")).args(["--server", &self.server.url(), "--json"]);
        command.args(arguments).start()
    }

    /// `ixnctl watch`, once it hears everything that follows.
    pub async fn watch(&self) -> Server {
        let mut watch = self.ixnctl(&["watch"]);
        watch.wait_for_line("event_reporting_state_end", LIMIT).await;
        watch
    }

    /// The counters of all queues together: waiting, in router, on agent.
    ///
    /// # Panics
    /// When ixnctl fails.
    pub async fn open_interactions(&self) -> u64 {
        let mut queues = self.ixnctl(&["queues"]);
        let status = queues.wait_for_exit(LIMIT).await;
        let log = queues.log();
        assert!(status.success(), "ixnctl queues: {status}: {log}");
        let queues: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!queues.is_empty(), "every configuration has a queue");
        let media = queues.iter().flat_map(|queue| queue["media"].as_array().cloned().unwrap_or_default());
        media.map(|media| number(&media["waiting_processing"]) + number(&media["in_processing"])).sum()
    }
}

/// Waits until a program has ended, and answers the last line that it printed as JSON.
///
/// # Panics
/// When it has failed, or printed none.
pub async fn last_line(program: &mut Server) -> Value {
    let status = program.wait_for_exit(LIMIT).await;
    let log = program.log();
    assert!(status.success(), "{status}: {log}");
    let line = log.lines().rfind(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_else(|| panic!("no JSON in:\n{log}"))).unwrap()
}
