//! The HTTP side: three probes and the metrics.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, Probe};

/// How long answers that are under way may take after `shutdown`.
pub const DRAIN: Duration = Duration::from_secs(1);

/// Serves `/health/live`, `/health/ready`, `/health/startup` and `/metrics` until `shutdown`.
///
/// A probe answers 200 `{"status":"ok"}`, or 503 with the conditions that fail and why:
/// `{"status":"failing","failing":[{"condition":"primary","reason":"…"}]}`. `/metrics` answers in the Prometheus
/// text format 0.0.4. After `shutdown` nothing is accepted; answers under way get [`DRAIN`], and whoever merely
/// keeps a connection open does not hold up the return.
///
/// # Errors
/// The listener fails.
pub async fn serve(
    listener: TcpListener,
    registry: Registry,
    health: Health,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let server = axum::serve(listener, router(registry, health));
    let drained = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        ended = server.with_graceful_shutdown(shutdown.clone().cancelled_owned()) => ended,
        () = drained => Ok(()),
    }
}

fn router(registry: Registry, health: Health) -> Router {
    let probe = |probe| get(move |State(health): State<Arc<Health>>| async move { answer(&health, probe) });
    Router::new()
        .route("/health/live", probe(Probe::Live))
        .route("/health/ready", probe(Probe::Ready))
        .route("/health/startup", probe(Probe::Startup))
        .with_state(Arc::new(health))
        .route("/metrics", get(async move || exposition(&registry)))
}

fn answer(health: &Health, probe: Probe) -> Response {
    let failing = health.failing(probe);
    let (code, body) = if failing.is_empty() {
        (StatusCode::OK, serde_json::json!({ "status": "ok" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, serde_json::json!({ "status": "failing", "failing": failing }))
    };
    (code, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

fn exposition(registry: &Registry) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response()
        }
    }
}
