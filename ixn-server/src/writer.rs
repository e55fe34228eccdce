//! Carrying the gate's commits to the database and their outcomes back.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ixn_engine::commit::{CommitBatch, CommitIdentity, CommitNumber};
use ixn_engine::gate::{Outcome, RETRY_DELAY};
use ixn_store::{CommitError, StoreError, Writer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::driver::Message;
use crate::metrics::Metrics;
use crate::outage::{Asking, Outages};
use crate::tasks::Tasks;

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
    /// Either: the database is not the one any more that it was.
    Lost(String),
}

/// Starts the writer; jobs go in, outcomes come to the driver.
pub(crate) fn start(
    writer: Box<dyn Writer>,
    driver: mpsc::Sender<Message>,
    metrics: Metrics,
    outages: Outages,
    tasks: &Tasks,
) -> UnboundedSender<Job> {
    let (jobs, receiver) = unbounded_channel();
    tasks.spawn(run(writer, receiver, driver, metrics, outages));
    jobs
}

async fn run(
    mut writer: Box<dyn Writer>,
    mut jobs: UnboundedReceiver<Job>,
    driver: mpsc::Sender<Message>,
    metrics: Metrics,
    outages: Outages,
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
                done(result, &batch, &outages)
            }
            Job::LookUp(number) => look_up(&mut *writer, number, &metrics, &outages).await,
        };
        if driver.send(Message::Written(done)).is_err() {
            return;
        }
    }
}

fn count(metrics: &Metrics, result: &Result<(), CommitError>, took: Duration) {
    match result {
        Ok(()) => {
            metrics.own.commit_duration.observe(took.as_secs_f64());
            metrics.round_trips.note(took);
        }
        Err(CommitError::Deadlock(_)) => metrics.health_info.total_database_deadlocks.inc(),
        Err(_) => {}
    }
}

fn done(result: Result<(), CommitError>, batch: &CommitBatch, outages: &Outages) -> Done {
    match &result {
        Err(error @ (CommitError::Unknown(_) | CommitError::Unavailable(_) | CommitError::Deadlock(_))) => {
            outages.failed(Asking::Commit, error);
        }
        _ => outages.worked(Asking::Commit),
    }
    Done::Commit(match result {
        Ok(()) => Outcome::Durable,
        Err(CommitError::Unknown(error)) => {
            tracing::debug!(commit = batch.number.0, error, "outcome of a commit unknown, looking it up");
            Outcome::Unknown
        }
        Err(CommitError::Unavailable(_) | CommitError::Deadlock(_)) => Outcome::NotApplied,
        Err(CommitError::Fenced(error)) => {
            tracing::error!(commit = batch.number.0, error, "fenced: another server owns the database");
            Outcome::Fenced
        }
        Err(CommitError::Lost(error)) => return Done::Lost(error),
        Err(CommitError::Refused(error)) => Outcome::Refused(error),
    })
}

/// Asks until the database answers: without the answer nothing may go on.
async fn look_up(
    writer: &mut dyn Writer,
    number: CommitNumber,
    metrics: &Metrics,
    outages: &Outages,
) -> Done {
    loop {
        metrics.health_info.total_database_requests.inc();
        match writer.look_up(number).await {
            // Whether it works again, the next commit shows.
            Ok(found) => return Done::LookedUp(found),
            Err(StoreError::Lost(error)) => return Done::Lost(error),
            Err(error) => {
                outages.failed(Asking::Commit, &error);
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}
