//! A run, from the first connection to the last confirmation.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use indicatif::ProgressBar;
use ixn_client::{Client, ClientOptions, LogicalClient, LogicalOptions};
use ixn_proto::ClientType;
use tokio::task::JoinSet;

use super::agent::Agent;
use super::backlog;
use super::ending::{Outstanding, confirmed, nothing_follows};
use super::ledger::Ledger;
use super::names::{Run, agent_id};
use super::pace::{Pace, Rate};
use super::quantiles::Quantiles;
use super::reporter;
use super::result::Found;
use super::shared::Shared;
use super::submitter::Submitter;
use super::tool::processor_time;
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::inspector::Inspector;

/// How long one request may take. Longer than any restart: [`Plan::patience`] decides when a run is given up.
const REQUEST_DEADLINE: Duration = Duration::from_secs(3_600);
/// How many agents register and log in at the same time.
const LOGGING_IN: usize = 64;
/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How many lifecycles.
    pub lifecycles: usize,
    /// How fast they begin.
    pub rate: Rate,
    /// How many are under way at most, in a closed loop.
    pub under_way: u64,
    /// How many agents.
    pub agents: u32,
    /// Over how many connections.
    pub connections: u32,
    /// How many interactions wait beside them.
    pub queued: u64,
    /// How long nothing may happen, with lifecycles under way, before the run is given up.
    pub patience: Duration,
}

/// Runs the plan. The sentence, if any, tells why it ended before all was confirmed.
///
/// # Errors
/// The server is unavailable at the beginning, or does not have the configuration for a load. What happens later is
/// counted.
pub(crate) async fn run(
    common: &Common,
    plan: Plan,
    bar: &ProgressBar,
) -> Result<(Found, Option<String>), Failure> {
    let inspector = Inspector::connect(common).await?;
    inspector.server().await?;
    if plan.queued > 0 {
        backlog::fill(common, plan.queued, bar).await?;
    }
    bar.set_length(plan.lifecycles as u64);

    let name = uuid::Uuid::new_v4().as_u64_pair().0 >> 24;
    let pace = Pace::new(plan.rate, plan.lifecycles, plan.under_way);
    let shared = Arc::new(Shared::new(Run::new(name), pace, Ledger::new(plan.lifecycles)));
    let reporting = connect(common, "reporting", ClientType::ReportingEngine).await?;
    let heard = reporter::subscribe(common, &reporting, &shared).await?;
    let mut proxies = Vec::new();
    for number in 1..=plan.connections {
        proxies.push(connect(common, &format!("load-{number}"), ClientType::Proxy).await?);
    }
    let mut agents = start_agents(common, &shared, plan.agents, &proxies).await?;
    let mut submitters = JoinSet::new();
    for (first, proxy) in proxies.iter().enumerate() {
        let name = format!("load-{}/submit", first + 1);
        let client = logical(common, proxy, &name, ClientType::MediaServer).await?;
        let (step, lifecycles) = (proxies.len(), plan.lifecycles);
        submitters.spawn(Submitter { client, shared: Arc::clone(&shared), first, step, lifecycles }.run());
    }

    let processor_before = processor_time();
    shared.pace.begin();
    let unfinished = tokio::select! {
        stalled = confirmed(&shared, plan.patience, bar) => stalled,
        Some(left) = agents.join_next() => Some(match left {
            Ok(Err(reason)) => reason,
            _ => "an agent's connection ended for good".to_owned(),
        }),
        _ = tokio::signal::ctrl_c() => Some("interrupted".to_owned()),
    };
    let tool_processor = processor_time().zip(processor_before).map(|(now, then)| now.saturating_sub(then));
    if unfinished.is_none() {
        nothing_follows(async || Outstanding::of(&inspector).await, &heard, plan.patience).await;
    }
    let server = inspector.server().await.ok();
    bar.finish_and_clear();
    submitters.shutdown().await;
    agents.shutdown().await;
    for client in proxies.iter().chain([&reporting]) {
        client.close().await;
    }

    let mut ledger = shared.ledger();
    let time = Duration::from_micros(ledger.last_end().saturating_sub(shared.pace.begun()));
    let found = Found {
        counts: ledger.counts(),
        faults: ledger.faults(),
        first_error: ledger.error().map(str::to_owned),
        time,
        to_ack: Quantiles::of(ledger.to_ack()),
        to_invite: Quantiles::of(ledger.to_invite()),
        late: Quantiles::of(ledger.take_late()),
        tool_processor,
        server,
    };
    Ok((found, unfinished))
}

/// A client of the load.
///
/// # Errors
/// The server is unavailable, or refuses it.
pub(super) async fn connect(common: &Common, name: &str, client_type: ClientType) -> Result<Client, Failure> {
    let options = ClientOptions {
        request_deadline: REQUEST_DEADLINE,
        ..ClientOptions::new(&common.server, format!("{}/{name}", common.client_name), client_type)
    };
    connection::connect_with(common, options).await
}

async fn logical(
    common: &Common,
    proxy: &Client,
    name: &str,
    client_type: ClientType,
) -> Result<LogicalClient, Failure> {
    let options = LogicalOptions::new(format!("{}/{name}", common.client_name), client_type);
    proxy.logical(options).await.map_err(|error| connection::failure(common, error))
}

/// Logs all agents in, divided between the connections, and lets them work.
async fn start_agents(
    common: &Common,
    shared: &Arc<Shared>,
    agents: u32,
    proxies: &[Client],
) -> Result<JoinSet<Result<(), String>>, Failure> {
    let logins = (1..=agents).zip(proxies.iter().cycle()).map(|(number, proxy)| async move {
        let client = logical(common, proxy, &agent_id(number), ClientType::AgentApplication).await?;
        let mut agent = Agent { number, client, shared: Arc::clone(shared), requests: 0 };
        agent.log_in().await.map_err(Failure::Refused)?;
        Ok::<_, Failure>(agent)
    });
    let mut logins = futures::stream::iter(logins).buffer_unordered(LOGGING_IN);
    let mut working = JoinSet::new();
    while let Some(agent) = logins.try_next().await? {
        working.spawn(agent.work());
    }
    Ok(working)
}
