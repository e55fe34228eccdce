//! Reading user data for the engine, beside the commits.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use ixn_engine::Input;
use ixn_engine::commit::InteractionKey;
use ixn_engine::gate::RETRY_DELAY;
use ixn_store::Database;
use prometheus::IntCounter;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::driver::Message;
use crate::outage::{Asking, Outages};
use crate::tasks::Tasks;

/// How many rows one query reads.
const BATCH_ROWS: usize = 512;

/// Starts the loader; keys go in, contents come to the driver. It asks again until the database answers; `requests` counts
/// how often it asked.
pub(crate) fn start(
    database: Arc<dyn Database>,
    driver: mpsc::Sender<Message>,
    requests: IntCounter,
    outages: Outages,
    tasks: &Tasks,
) -> UnboundedSender<Vec<InteractionKey>> {
    let (sender, mut receiver) = unbounded_channel::<Vec<InteractionKey>>();
    tasks.spawn(async move {
        while let Some(mut keys) = receiver.recv().await {
            while keys.len() < BATCH_ROWS {
                match receiver.try_recv() {
                    Ok(more) => keys.extend(more),
                    Err(_) => break,
                }
            }
            let rows = loop {
                requests.inc();
                match database.contents(&keys).await {
                    Ok(rows) => {
                        outages.worked(Asking::UserData);
                        break rows;
                    }
                    Err(error) => {
                        outages.failed(Asking::UserData, &error);
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                }
            };
            let mut found: HashMap<_, _> = rows.into_iter().collect();
            let loaded = keys.into_iter().map(|key| (key, found.remove(&key))).collect();
            if driver.send(Message::Input(Input::ContentsLoaded(loaded))).is_err() {
                return;
            }
        }
    });
    sender
}
