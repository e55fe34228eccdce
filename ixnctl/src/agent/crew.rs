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
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::emptiness::{left, served_queues};
use super::refusals::Refusals;
use super::requests::Finish;
use super::roster::Roster;
pub(crate) use super::worker::Plan;
use super::worker::{Tally, Worker};
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::names;
use crate::output::Remarks;
use crate::troubles::{Teller, Waiting};

/// How often the queues are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// The time of a crew that is given none.
const FOREVER: Duration = Duration::from_secs(30 * 365 * 86_400);
/// Of how many agents who left it is told why.
const SHOWN_REASONS: usize = 5;
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
    /// What the server refused.
    pub refused: u64,
    /// Those of them that mean that work was not done: all but acceptances of offers that had gone.
    pub failed: u64,
    /// Requests that had no answer when the time for answers was over.
    pub unanswered: u64,
}

/// Why a crew ended.
enum End {
    Empty,
    Interrupted,
    /// How many interactions were left, when that is known.
    TimedOut(Option<u64>),
    /// Agents left although nobody told them to; why.
    Failed(Vec<String>),
    /// The queues cannot be looked at.
    Unusable(Failure),
}

/// Lets the agents of the roster work: until all is empty when asked for, else until interrupted. What they did is
/// told also when they end for another reason.
///
/// # Errors
/// The server cannot be reached, has no queue of a name that is given, or refuses a logical client: nothing was done
/// then.
pub(crate) async fn work(
    common: &Common,
    roster: &Roster,
    plan: Plan,
    until_empty: Option<UntilEmpty>,
) -> Result<(Work, Result<(), Failure>), Failure> {
    let client = connection::connect(common, ClientType::Proxy).await?;
    check_queues(common, &plan, until_empty.as_ref()).await?;
    let bar = spinner(common);
    let teller = Teller::new(common, &client, &bar);
    let (tally, refusals) = (Arc::new(Tally::default()), Arc::new(Refusals::default()));
    let (end, ending) = watch::channel(false);
    let crew = Crew {
        plan: Arc::new(plan),
        tally: Arc::clone(&tally),
        refusals: Arc::clone(&refusals),
        remarks: Remarks::new(common.output(), &bar),
        waiting: teller.waiting(),
        ending,
    };
    let mut workers = crew.hire(common, &client, roster).await?;
    let mut ended = tokio::select! {
        ended = look(common, &tally, roster, until_empty, &bar) => ended,
        Some(left) = workers.join_next() => End::Failed(vec![left_early(common, left)]),
        _ = tokio::signal::ctrl_c() => End::Interrupted,
    };
    // Nobody listens any more when all have left.
    let _ = end.send(true);
    while let Some(left) = workers.join_next().await {
        if let End::Failed(reasons) = &mut ended
            && !matches!(left, Ok(Ok(())))
        {
            reasons.push(left_early(common, left));
        }
    }
    teller.end().await;
    bar.finish_and_clear();
    for sum in refusals.sums() {
        crew.remarks.say(&sum);
    }
    client.close().await;
    let work = Work {
        accepted: tally.accepted.load(Ordering::Relaxed),
        finished: tally.finished.load(Ordering::Relaxed),
        refused: refusals.all(),
        failed: refusals.failures(),
        unanswered: tally.unanswered.load(Ordering::Relaxed),
    };
    Ok((
        work,
        match ended {
            End::Empty | End::Interrupted => Ok(()),
            End::TimedOut(Some(left)) => Err(Failure::TimedOut(format!(
                "the time is over with {left} interactions left in the queues"
            ))),
            End::TimedOut(None) => Err(Failure::TimedOut(
                "the time is over, and the server did not say what is left in the queues".to_owned(),
            )),
            End::Failed(reasons) => Err(failed(reasons)),
            End::Unusable(failure) => Err(failure),
        },
    ))
}

/// The queues that are named must be there: an empty one and a misspelt one look the same otherwise.
async fn check_queues(common: &Common, plan: &Plan, until_empty: Option<&UntilEmpty>) -> Result<(), Failure> {
    let mut named: Vec<&str> =
        until_empty.iter().flat_map(|until| &until.queues).map(String::as_str).collect();
    if let Finish::Place(queue) = &plan.finish {
        named.push(queue);
    }
    if named.is_empty() {
        return Ok(());
    }
    let queues = Inspector::connect(common).await?.queues().await?;
    let known: Vec<&str> = queues.iter().map(|queue| queue.queue_name.as_str()).collect();
    names::check("queue", named, &known)
}

/// What all agents of a crew share.
struct Crew {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    refusals: Arc<Refusals>,
    remarks: Remarks,
    waiting: Arc<Waiting>,
    ending: watch::Receiver<bool>,
}

impl Crew {
    async fn hire(
        &self,
        common: &Common,
        client: &Client,
        roster: &Roster,
    ) -> Result<JoinSet<Result<(), String>>, Failure> {
        let registrations = futures::stream::iter(&roster.agents)
            .map(|agent_id| async move {
                let name = format!("{}/{agent_id}", common.client_name);
                let logical = client.logical(LogicalOptions::new(name, ClientType::AgentApplication)).await;
                logical.map(|logical| (agent_id.clone(), logical))
            })
            .buffer_unordered(REGISTERING);
        let registered: Result<Vec<_>, _> = registrations.try_collect().await;
        // Nobody works before all are registered: when one is refused, nothing was done.
        let mut workers = JoinSet::new();
        for (agent_id, client) in registered.map_err(|error| connection::failure(common, error))? {
            let worker = Worker {
                agent_id,
                client,
                plan: Arc::clone(&self.plan),
                tally: Arc::clone(&self.tally),
                refusals: Arc::clone(&self.refusals),
                remarks: self.remarks.clone(),
                waiting: Arc::clone(&self.waiting),
                end: self.ending.clone(),
            };
            workers.spawn(worker.run());
        }
        Ok(workers)
    }
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
        Err(failure) => return End::Unusable(failure),
    };
    let give_up = Instant::now() + until_empty.as_ref().and_then(|until| until.timeout).unwrap_or(FOREVER);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_left = None;
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
        // A server that is away is waited for, as the agents do, but not beyond the time that is given.
        let left = timeout_at(give_up, interactions_left(&inspector, &until.queues)).await;
        if let Ok(Ok(left)) = left {
            let all_logged_in = tally.logged_in.load(Ordering::Relaxed) == roster.agents.len() as u64;
            if left == 0 && all_logged_in && tally.holding.load(Ordering::Relaxed) == 0 {
                return End::Empty;
            }
            last_left = Some(left);
        }
        if Instant::now() >= give_up {
            return End::TimedOut(last_left);
        }
    }
}

async fn interactions_left(inspector: &Inspector, named: &[String]) -> Result<u64, Failure> {
    let views = if named.is_empty() { inspector.views().await? } else { Vec::new() };
    Ok(left(&served_queues(named, &views), &inspector.queues().await?))
}

/// An agent left although nobody told him to.
fn left_early(common: &Common, left: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match left {
        Ok(Ok(())) => "an agent left".to_owned(),
        Ok(Err(reason)) => reason,
        Err(crash) => format!("{} failed: {crash}", common.client_name),
    }
}

/// All reasons, or the first of many.
fn failed(mut reasons: Vec<String>) -> Failure {
    let more = reasons.len().saturating_sub(SHOWN_REASONS);
    reasons.truncate(SHOWN_REASONS);
    let mut text = reasons.join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more agents"));
    }
    Failure::Refused(text)
}

fn spinner(common: &Common) -> ProgressBar {
    let bar = common.output().progress(0);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}
