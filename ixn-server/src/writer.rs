//! Carrying the gate's commits to the database and their outcomes back.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ixn_engine::commit::{CommitBatch, CommitIdentity, CommitNumber};
use ixn_engine::gate::{Outcome, RETRY_DELAY};
use ixn_store::{CommitError, Writer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::driver::Message;
use crate::metrics::Metrics;

/// What PostgreSQL's error says of a transaction that was given up because of a deadlock.
const DEADLOCK: &str = "SQLSTATE 40P01";

/// A job for the writer; at most one is under way.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write a batch, after a pause.
    Commit(Arc<CommitBatch>, Duration),
    /// Look a number up.
    LookUp(CommitNumber),
}

/// What came of a job.
#[derive(Debug)]
pub(crate) enum Done {
    /// A commit.
    Commit(Outcome),
    /// A look-up.
    LookedUp(Option<CommitIdentity>),
}

/// Starts the writer; jobs go in, outcomes come to the driver.
pub(crate) fn start(
    writer: Box<dyn Writer>,
    driver: mpsc::Sender<Message>,
    metrics: Metrics,
) -> UnboundedSender<Job> {
    let (jobs, receiver) = unbounded_channel();
    tokio::spawn(run(writer, receiver, driver, metrics));
    jobs
}

async fn run(
    mut writer: Box<dyn Writer>,
    mut jobs: UnboundedReceiver<Job>,
    driver: mpsc::Sender<Message>,
    metrics: Metrics,
) {
    while let Some(job) = jobs.recv().await {
        let done = match job {
            Job::Commit(batch, pause) => {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                metrics.health_info.total_database_requests.inc();
                let began = Instant::now();
                let result = writer.commit(&batch).await;
                count(&metrics, &result, began.elapsed());
                Done::Commit(outcome(result, &batch))
            }
            Job::LookUp(number) => Done::LookedUp(look_up(&mut *writer, number, &metrics).await),
        };
        if driver.send(Message::Written(done)).is_err() {
            return;
        }
    }
}

fn count(metrics: &Metrics, result: &Result<(), CommitError>, took: Duration) {
    metrics.health_info.current_database_connections.set(i64::from(result.is_ok()));
    match result {
        Ok(()) => metrics.own.commit_duration.observe(took.as_secs_f64()),
        Err(CommitError::Unavailable(error)) if error.contains(DEADLOCK) => {
            metrics.health_info.total_database_deadlocks.inc();
        }
        Err(_) => {}
    }
}

fn outcome(result: Result<(), CommitError>, batch: &CommitBatch) -> Outcome {
    match result {
        Ok(()) => Outcome::Durable,
        Err(CommitError::Unknown(error)) => {
            tracing::warn!(commit = batch.number.0, error, "outcome of a commit unknown, looking it up");
            Outcome::Unknown
        }
        Err(CommitError::Unavailable(error)) => {
            tracing::warn!(commit = batch.number.0, error, "database not available, trying again");
            Outcome::NotApplied
        }
        Err(CommitError::Fenced(error)) => {
            tracing::error!(commit = batch.number.0, error, "fenced: another server owns the database");
            Outcome::Fenced
        }
        Err(CommitError::Refused(error)) => Outcome::Refused(error),
    }
}

/// Asks until the database answers: without the answer nothing may go on.
async fn look_up(writer: &mut dyn Writer, number: CommitNumber, metrics: &Metrics) -> Option<CommitIdentity> {
    loop {
        metrics.health_info.total_database_requests.inc();
        match writer.look_up(number).await {
            Ok(found) => return found,
            Err(error) => {
                tracing::warn!(commit = number.0, %error, "a commit cannot be looked up, trying again");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}
