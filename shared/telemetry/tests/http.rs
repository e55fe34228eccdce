//! Probes and metrics over real HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ixn_telemetry::{DRAIN, Health, Probe, registry, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// No test waits longer for an answer.
const DEADLINE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(health: Health) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let registry = registry("0089", "1.2.3").unwrap();
        let running = tokio::spawn(serve(listener, registry, health, shutdown.clone()));
        Self { address, shutdown, running }
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    /// The code and the JSON of a probe.
    async fn probe(&self, path: &str) -> (u16, serde_json::Value) {
        let answer = self.get(path).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(head.to_lowercase().contains("content-type: application/json"), "{head}");
        (code, serde_json::from_str(body).unwrap())
    }
}

#[tokio::test]
async fn probes_answer_200_or_503_with_what_fails() {
    let health = Health::default();
    let primary = health.condition(Probe::Ready, "primary", "waiting for ixn-1");
    let commit = health.condition(Probe::Ready, "commit", "none yet");
    let rows = health.condition(Probe::Startup, "rows", "loading");
    let server = Server::start(health).await;
    let ok = serde_json::json!({ "status": "ok" });

    assert_eq!(server.probe("/health/live").await, (200, ok.clone()));
    let failing = serde_json::json!({ "status": "failing", "failing": [
        { "condition": "primary", "reason": "waiting for ixn-1" },
        { "condition": "commit", "reason": "none yet" },
    ] });
    assert_eq!(server.probe("/health/ready").await, (503, failing));
    assert_eq!(server.probe("/health/startup").await.0, 503);

    rows.ok();
    primary.ok();
    assert_eq!(server.probe("/health/startup").await, (200, ok.clone()));
    assert_eq!(server.probe("/health/ready").await.1["failing"].as_array().unwrap().len(), 1);
    commit.ok();
    assert_eq!(server.probe("/health/ready").await, (200, ok));
}

#[tokio::test]
async fn live_turns_false_when_the_beat_stops() {
    let seconds = Arc::new(AtomicU64::new(0));
    let reading = seconds.clone();
    let health = Health::with_clock(Arc::new(move || Duration::from_secs(reading.load(Ordering::Relaxed))));
    let beat = health.beat(Probe::Live, "engine", Duration::from_secs(10));
    let server = Server::start(health).await;
    assert_eq!(server.probe("/health/live").await.0, 200);
    seconds.store(60, Ordering::Relaxed);
    let (code, body) = server.probe("/health/live").await;
    assert_eq!((code, &body["failing"][0]["condition"]), (503, &"engine".into()));
    assert_eq!(body["failing"][0]["reason"], "no beat for 60 s, at most 10 s are allowed");
    beat.touch();
    assert_eq!(server.probe("/health/live").await.0, 200);
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let server = Server::start(Health::default()).await;
    let answer = server.get("/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nixn_build_info{version=\"1.2.3\",tenant=\"0089\"} 1\n"), "{answer}");
    assert!(server.get("/elsewhere").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn connections_that_stay_open_do_not_hold_up_shutdown() {
    let server = Server::start(Health::default()).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"GET /health/live HTTP/1.1\r\n").await.unwrap();
    // Connections are accepted in order: with this answer both others are known to the server.
    assert_eq!(server.probe("/health/live").await.0, 200);

    server.shutdown.cancel();
    let ended = tokio::time::timeout(DRAIN + DEADLINE, server.running).await;
    ended.expect("serve goes on after shutdown").unwrap().unwrap();
    TcpStream::connect(server.address).await.expect_err("connections are still accepted");
    drop((silent, half));
}
