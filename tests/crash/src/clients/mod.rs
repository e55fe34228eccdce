//! The clients: real ones, at full speed, that write down what they do.

mod agent;
mod floor;
mod submitter;
mod subscriber;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ixn_client::ClientType;
use tokio::task::JoinSet;

pub use floor::Floor;
pub use subscriber::{Hearing, audit};

/// How long the first connections may take.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How many clients there are.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Connections that submit.
    pub submitters: usize,
    /// Submits in flight on each of them.
    pub in_flight: usize,
    /// Agents.
    pub agents: u16,
    /// Proxy connections that they share.
    pub proxies: usize,
}

/// All clients of a run. They end with this value.
#[derive(Debug)]
pub struct Clients {
    /// What reporting told.
    pub hearing: Hearing,
    _tasks: JoinSet<()>,
}

impl Clients {
    /// Starts them; submitters wait for the floor's limit.
    ///
    /// # Errors
    /// Reporting does not start.
    pub async fn start(floor: &Arc<Floor>, sizes: Sizes, seed: u64) -> anyhow::Result<Self> {
        let hearing = Hearing::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(subscriber::run(Arc::clone(floor), hearing.clone()));
        let started = async {
            while !hearing.heard().started {
                if let Some(failure) = floor.failure() {
                    bail!("{failure}");
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Ok(())
        };
        tokio::time::timeout(START_LIMIT, started).await.context("reporting does not start")??;
        for index in 0..sizes.proxies {
            let floor = Arc::clone(floor);
            tasks.spawn(async move {
                let name = format!("proxy-{index}");
                let Some(proxy) = floor.connect(&name, ClientType::Proxy).await else { return };
                let mut agents = JoinSet::new();
                for number in
                    (1..=sizes.agents).filter(|number| usize::from(*number) % sizes.proxies == index)
                {
                    agents.spawn(agent::run(Arc::clone(&floor), proxy.clone(), number, seed));
                }
                while agents.join_next().await.is_some() {}
            });
        }
        for index in 0..sizes.submitters {
            tasks.spawn(submitter::run(Arc::clone(floor), index, sizes.in_flight));
        }
        Ok(Self { hearing, _tasks: tasks })
    }
}
