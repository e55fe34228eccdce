//! Many agents over one Proxy connection, who work by themselves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};
use ixn_client::{Client, LogicalOptions};
use ixn_proto::ClientType;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::emptiness::{left, served_queues};
use super::roster::Roster;
pub(crate) use super::worker::Plan;
use super::worker::{Tally, Worker};
use crate::arguments::Common;
use crate::connection::{self, Inspector};
use crate::exit::Failure;

/// How often the queues are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How many logical clients register at the same time.
const REGISTERING: usize = 64;

/// When a crew ends by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct UntilEmpty {
    /// The queues that must be empty; none = all that strategies are fed from.
    pub queues: Vec<String>,
    /// How long to wait for that at most.
    pub timeout: Option<Duration>,
}

/// What a crew did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Acknowledged accepts.
    pub accepted: u64,
    /// Acknowledged ends of work.
    pub finished: u64,
}

/// Why a crew ended.
enum End {
    Empty,
    Interrupted,
    TimedOut(u64),
    Failed(Failure),
}

/// Lets the agents of the roster work: until all is empty when asked for, else until interrupted. What they did is
/// told also when they end for another reason.
///
/// # Errors
/// The server cannot be reached, or a logical client is refused: nothing was done then.
pub(crate) async fn work(
    common: &Common,
    roster: &Roster,
    plan: Plan,
    until_empty: Option<UntilEmpty>,
) -> Result<(Work, Result<(), Failure>), Failure> {
    let client = connection::connect(common, ClientType::Proxy).await?;
    let tally = Arc::new(Tally::default());
    let (end, ending) = watch::channel(false);
    let mut workers = hire(common, &client, roster, &Arc::new(plan), &tally, &ending).await?;
    let bar = spinner(common);
    let ended = tokio::select! {
        ended = look(common, &tally, roster, until_empty, &bar) => ended,
        Some(left) = workers.join_next() => left_early(common, left),
        _ = tokio::signal::ctrl_c() => End::Interrupted,
    };
    // Nobody listens any more when all have left.
    let _ = end.send(true);
    while workers.join_next().await.is_some() {}
    bar.finish_and_clear();
    client.close().await;
    let work = Work {
        accepted: tally.accepted.load(Ordering::Relaxed),
        finished: tally.finished.load(Ordering::Relaxed),
    };
    Ok((
        work,
        match ended {
            End::Empty | End::Interrupted => Ok(()),
            End::TimedOut(left) => Err(Failure::TimedOut(format!(
                "the time is over with {left} interactions left in the queues"
            ))),
            End::Failed(failure) => Err(failure),
        },
    ))
}

async fn hire(
    common: &Common,
    client: &Client,
    roster: &Roster,
    plan: &Arc<Plan>,
    tally: &Arc<Tally>,
    end: &watch::Receiver<bool>,
) -> Result<JoinSet<Result<(), String>>, Failure> {
    let mut registrations = futures::stream::iter(&roster.agents)
        .map(|agent_id| async move {
            let name = format!("{}/{agent_id}", common.client_name);
            let logical = client.logical(LogicalOptions::new(name, ClientType::AgentApplication)).await;
            logical.map(|logical| (agent_id.clone(), logical))
        })
        .buffer_unordered(REGISTERING);
    let mut workers = JoinSet::new();
    while let Some((agent_id, client)) =
        registrations.try_next().await.map_err(|error| connection::failure(common, error))?
    {
        let (plan, tally, end) = (Arc::clone(plan), Arc::clone(tally), end.clone());
        workers.spawn(Worker { agent_id, client, plan, tally, end }.run());
    }
    Ok(workers)
}

/// Returns when all is empty, or the time is over; without a wish for that never.
async fn look(
    common: &Common,
    tally: &Tally,
    roster: &Roster,
    until_empty: Option<UntilEmpty>,
    bar: &ProgressBar,
) -> End {
    let inspector = match Inspector::new(common) {
        Ok(inspector) => inspector,
        Err(failure) => return End::Failed(failure),
    };
    let give_up =
        until_empty.as_ref().and_then(|until| until.timeout).map(|timeout| Instant::now() + timeout);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_left = 0;
    loop {
        looks.tick().await;
        bar.set_message(format!(
            "{} agents, {} accepted, {} finished",
            tally.logged_in.load(Ordering::Relaxed),
            tally.accepted.load(Ordering::Relaxed),
            tally.finished.load(Ordering::Relaxed)
        ));
        bar.tick();
        let Some(until) = &until_empty else { continue };
        // A server that is away is waited for: the agents do the same.
        if let Ok(left) = interactions_left(&inspector, &until.queues).await {
            let all_logged_in = tally.logged_in.load(Ordering::Relaxed) == roster.agents.len() as u64;
            if left == 0 && all_logged_in && tally.holding.load(Ordering::Relaxed) == 0 {
                return End::Empty;
            }
            last_left = left;
        }
        if give_up.is_some_and(|give_up| Instant::now() >= give_up) {
            return End::TimedOut(last_left);
        }
    }
}

async fn interactions_left(inspector: &Inspector, named: &[String]) -> Result<u64, Failure> {
    let views = if named.is_empty() { inspector.views().await? } else { Vec::new() };
    Ok(left(&served_queues(named, &views), &inspector.queues().await?))
}

/// An agent left although nobody told him to.
fn left_early(common: &Common, left: Result<Result<(), String>, tokio::task::JoinError>) -> End {
    End::Failed(match left {
        Ok(Ok(())) => Failure::Refused("an agent left".to_owned()),
        Ok(Err(reason)) => Failure::Refused(reason),
        Err(crash) => Failure::Refused(format!("{} failed: {crash}", common.client_name)),
    })
}

fn spinner(common: &Common) -> ProgressBar {
    let bar = common.output().progress(0);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}
