//! What comes to the driver, and what it carries things out with.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use ixn_engine::Input;
use ixn_engine::commit::InteractionKey;
use ixn_engine::figures::Figures;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_engine::sessions::ConnectionId;
use ixn_proto::ClientEnvelope;
use ixn_telemetry::Beat;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tonic::Status;

use super::{DriverCounters, Link};
use crate::feed::Feed;
use crate::intake::{Intake, Permit, Waiting};
use crate::metrics::OwnMetrics;
use crate::tasks::Tasks;
use crate::writer::{Done, Job};

/// What comes to the driver.
#[derive(Debug)]
pub(crate) enum Message {
    /// A connection was opened.
    Connected(ConnectionId, Link, Waiting),
    /// Requests of one stream message, with the room that they take.
    Requests {
        connection: ConnectionId,
        envelopes: Vec<ClientEnvelope>,
        permit: Option<Permit>,
        arrived: Instant,
        waiting: Waiting,
    },
    /// A connection is gone.
    /// A status: that with which its stream ends, when not normally.
    Disconnected(ConnectionId, Option<Status>, Waiting),
    /// Any other input of the engine.
    Input(Input),
    /// The writer has finished a job.
    Written(Done),
    /// A look, answered when all that it may show is durable.
    Inspect(InspectionRequest, Look),
    /// A look for the metrics, answered within a few turns, durable or not.
    Figures(oneshot::Sender<DriverFigures>),
    /// Nothing has been committed for a while: show that this server still owns the database.
    Heartbeat,
    /// End all connections, finish what was applied, leave.
    Shutdown,
    /// Leave at once: what is not durable by now stays without an answer.
    GiveUp,
}

/// Who looks, and the place that this takes among those whose answers may wait.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) answer: oneshot::Sender<InspectionResponse>,
    pub(crate) _place: OwnedSemaphorePermit,
}

/// Why the driver ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to.
    Shutdown,
    /// Another server has taken over the database.
    Fenced,
    /// A defect: the database refused a batch, or a part of this server is gone.
    Defect,
    /// The database has lost what was acknowledged, or is not there any more.
    Lost,
}

/// What the metrics show of the driver and its engine.
#[derive(Debug)]
pub(crate) struct DriverFigures {
    pub(crate) engine: Figures,
    /// What waits to be sent to clients.
    pub(crate) outbound_waiting_bytes: usize,
}

/// What the driver carries things out with.
pub(crate) struct Surroundings {
    /// To the driver itself.
    pub(crate) driver: mpsc::Sender<Message>,
    pub(crate) tasks: Tasks,
    pub(crate) jobs: UnboundedSender<Job>,
    pub(crate) loads: UnboundedSender<Vec<InteractionKey>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) intake: Intake,
    pub(crate) counters: Arc<DriverCounters>,
    pub(crate) metrics: OwnMetrics,
    /// Beat while the thread turns.
    pub(crate) alive: [Beat; 2],
    /// Where a refused batch is kept.
    pub(crate) dump_directory: std::path::PathBuf,
}
