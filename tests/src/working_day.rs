//! A server, its agents and its reporting, as processes: what a user starts on the first day.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::process::Server;
use crate::{binary, wait};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for a busy machine, short enough to notice.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An ixn-server over a database of its own.
#[derive(Debug)]
pub struct WorkingDay {
    /// The server's process.
    pub server: Server,
    /// Where it serves the protocol.
    pub url: String,
    _folder: TempDir,
}

impl WorkingDay {
    /// Starts a server; without a database address it is the embedded one.
    pub async fn begin(database_url: Option<&str>) -> Self {
        Self::begin_with(database_url, None).await
    }

    /// Starts a server with this configuration file's text instead of the sample.
    pub async fn begin_with(database_url: Option<&str>, configuration: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // The same port over restarts, so that clients find the server again.
        let port = free_port();
        let mut command = Server::command(binary("ixn-server"))
            .args(["--listen", &format!("127.0.0.1:{port}"), "--health-listen", "127.0.0.1:0"])
            .args(["--data-dir", folder.path().to_str().unwrap()]);
        if let Some(url) = database_url {
            command = command.env("IXN_DATABASE_URL", url);
        }
        if let Some(text) = configuration {
            let file = folder.path().join("configuration.yaml");
            fs::write(&file, text).unwrap();
            command = command.arg("--config").arg(file);
        }
        let server = command.start();
        let mut day = Self { server, url: format!("http://127.0.0.1:{port}"), _folder: folder };
        day.is_ready().await;
        day
    }

    async fn is_ready(&mut self) {
        self.server.wait_for_line("is ready", LIMIT).await;
    }

    /// kill -9, and a new start over the same data.
    pub async fn kill_and_start_again(&mut self) {
        self.server.kill();
        self.server.restart();
        self.is_ready().await;
    }

    /// ixnctl in the background; its output is its log.
    pub fn ixnctl(&self, arguments: &[&str]) -> Server {
        Server::command(binary("ixnctl")).args(["--server", &self.url, "--json"]).args(arguments).start()
    }

    /// `ixnctl watch`, once it hears everything that follows.
    pub async fn watch(&self) -> Server {
        let mut watch = self.ixnctl(&["watch"]);
        watch.wait_for_line("event_reporting_state_end", LIMIT).await;
        watch
    }

    /// The counters of all queues together: waiting, in router, on agent.
    pub fn open_interactions(&self) -> u64 {
        let output = Command::new(binary("ixnctl"))
            .args(["--server", &self.url, "--json", "queues"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let queues: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let media = queues.iter().flat_map(|queue| queue["media"].as_array().cloned().unwrap_or_default());
        media.map(|media| number(&media["waiting_processing"]) + number(&media["in_processing"])).sum()
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a program has ended, and answers the last line that it printed as JSON.
pub async fn last_line(program: &mut Server) -> Value {
    let status = program.wait_for_exit(LIMIT).await;
    let log = program.log();
    let line =
        log.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON in:\n{log}"));
    assert!(status.success(), "{status}: {log}");
    serde_json::from_str(line).unwrap()
}

/// One interaction as reporting saw it.
#[derive(Debug, Default)]
pub struct Story {
    /// How often its submit was reported.
    pub submitted: usize,
    /// How often its end was reported.
    pub stopped: usize,
    /// Its subject.
    pub subject: Option<String>,
    /// Its sender.
    pub from: String,
    /// Whether it had an attachment.
    pub has_attachment: bool,
    /// The strategies that routed it.
    pub strategies: Vec<String>,
    /// The agents who had it.
    pub agents: Vec<String>,
}

/// Reads what `ixnctl watch` has printed; checks that event numbers have no gap.
pub fn stories(watch: &Server) -> BTreeMap<String, Story> {
    let mut stories = BTreeMap::<String, Story>::new();
    let mut last = 0;
    for line in watch.log().lines().filter(|line| line.starts_with('{')) {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let event_number = number(&event["event_number"]);
        let kind = event["event"].as_str().unwrap_or_default().to_owned();
        if event_number == 0 || kind == "event_reporting_state_end" {
            continue;
        }
        assert_eq!(event_number, last + 1, "event numbers have no gap");
        last = event_number;
        let body = &event[&kind];
        let Some(id) = body["interaction"]["interaction_id"].as_str() else { continue };
        let story = stories.entry(id.to_owned()).or_default();
        match kind.as_str() {
            "event_interaction_submitted" => {
                story.submitted += 1;
                let data = &body["interaction"]["custom_properties"];
                story.subject = data["Subject"].as_str().map(str::to_owned);
                story.from = data["FromAddress"].as_str().unwrap_or_default().to_owned();
                story.has_attachment = number(&data["_ContainsAttachment"]) == 1;
            }
            "event_party_added" => {
                let party = &body["party"];
                for (name, list) in [("strategy_id", &mut story.strategies), ("agent_id", &mut story.agents)]
                {
                    let name = party[name].as_str().unwrap_or_default();
                    if !name.is_empty() {
                        list.push(name.to_owned());
                    }
                }
            }
            "event_processing_stopped" => story.stopped += 1,
            _ => {}
        }
    }
    stories
}

/// Waits until reporting has seen this many interactions end.
pub async fn all_stopped(watch: &Server, expected: usize) -> BTreeMap<String, Story> {
    wait::until(LIMIT, "every stop is reported", async || {
        let stories = stories(watch);
        let stopped: usize = stories.values().map(|story| story.stopped).sum();
        if stopped >= expected { Ok(stories) } else { Err(format!("{stopped} of {expected}")) }
    })
    .await
}

/// The e-mails that the MIME library ships with its source, from cargo's own folder.
pub fn real_emails() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "mail-parser").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("resources")
}
