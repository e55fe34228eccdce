//! The gRPC server on the protocol's port.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ixn_proto::GetServerResponse;
use ixn_proto::encoded::interaction_server_server::InteractionServerServer;
use ixn_proto::inspection_server::InspectionServer;
use ixn_store::DatabaseInfo;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::InterceptorLayer;

use super::sockets::{SocketInfo, SocketLimits, sockets};
use super::{Describe, InspectionService, SessionService};
use crate::clock;
use crate::driver::DriverCounters;
use crate::intake::Intake;
use crate::metrics::{Metrics, resident_bytes};
use crate::tasks::Tasks;

/// Bounds of what carries the protocol.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransportLimits {
    /// Sockets.
    pub(crate) sockets: SocketLimits,
    /// How often a silent client is asked whether it is there, and how long it has to answer.
    pub(crate) keepalive: Duration,
    /// The largest message that a client may send.
    pub(crate) message_bytes: usize,
}

/// Serves the protocol until `stopped`.
pub(crate) fn serve(
    listener: TcpListener,
    sessions: SessionService,
    inspection: InspectionService,
    limits: TransportLimits,
    stopped: CancellationToken,
    tasks: &Tasks,
) -> tokio::task::JoinHandle<()> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(ixn_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1();
    tasks.spawn(async move {
        let reflection = match reflection {
            Ok(reflection) => Some(reflection),
            Err(error) => {
                tracing::error!(%error, "server reflection is not available");
                None
            }
        };
        reporter.set_serving::<InteractionServerServer<SessionService>>().await;
        let incoming = sockets(listener, limits.sockets, stopped.clone());
        let served = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(limits.keepalive))
            .http2_keepalive_timeout(Some(limits.keepalive))
            .initial_stream_window_size(Some(4 << 20))
            .initial_connection_window_size(Some(16 << 20))
            .layer(InterceptorLayer::new(|call: tonic::Request<()>| {
                if let Some(socket) = call.extensions().get::<SocketInfo>() {
                    socket.call_begins();
                }
                Ok(call)
            }))
            .add_service(
                InteractionServerServer::new(sessions).max_decoding_message_size(limits.message_bytes),
            )
            .add_service(InspectionServer::new(inspection))
            .add_service(health)
            .add_optional_service(reflection)
            .serve_with_incoming_shutdown(incoming, stopped.cancelled())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the protocol is no longer served");
        }
    })
}

/// What the shell knows of the server beyond the engine.
pub(crate) fn describe(
    info: &DatabaseInfo,
    counters: Arc<DriverCounters>,
    intake: Intake,
    metrics: Metrics,
) -> Describe {
    let kind = info.kind.to_owned();
    let is_synced = info.is_synced;
    let started_at = (clock::now().0 / 1000) as i64;
    Arc::new(move |response: &mut GetServerResponse| {
        response.database_kind.clone_from(&kind);
        response.started_at = started_at;
        response.switch_to_primary_time = metrics.health_info.switch_to_primary_time.get();
        response.total_requests_received = intake.requests_received.load(Ordering::Relaxed);
        response.total_database_requests = metrics.health_info.total_database_requests.get();
        let is_waiting = counters.has_batch_waiting(Instant::now()) || intake.is_refusing();
        response.current_database_requests = u64::from(is_waiting);
        response.database_fsync = Some(is_synced);
        let round_trip = metrics.round_trips.median().unwrap_or_default();
        response.database_round_trip_microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        response.resident_memory_bytes = resident_bytes().unwrap_or_default();
        response.current_request_queue_size = intake.waiting();
        response.commit_number = counters.durable_commit().0;
        let refused = intake.refused() + intake.over_limit();
        response.total_requests_handled = counters.requests_handled.load(Ordering::Relaxed) + refused;
    })
}
