//! Reading user data for the engine, beside the commits.

use std::collections::HashMap;
use std::sync::{Arc, mpsc};

use bytes::Bytes;
use ixn_engine::Input;
use ixn_engine::commit::InteractionKey;
use ixn_engine::contents::Loaded;
use ixn_engine::gate::RETRY_DELAY;
use ixn_store::{Database, StoreError};
use prometheus::IntCounter;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::driver::Message;
use crate::outage::{Asking, Outages};
use crate::tasks::Tasks;

/// How many rows one query reads at most, each of which may have all the user data that is allowed. What it brings goes to
/// the driver before more is read.
const BATCH_ROWS: usize = 64;

/// Starts the loader; keys go in, contents come to the driver. It asks again until the database answers; `requests` counts
/// how often it asked.
pub(crate) fn start(
    database: Arc<dyn Database>,
    driver: mpsc::Sender<Message>,
    requests: IntCounter,
    outages: Outages,
    tasks: &Tasks,
) -> UnboundedSender<Vec<InteractionKey>> {
    let (sender, receiver) = unbounded_channel();
    tasks.spawn(run(Loader { database, requests, outages }, receiver, driver));
    sender
}

async fn run(
    loader: Loader,
    mut receiver: UnboundedReceiver<Vec<InteractionKey>>,
    driver: mpsc::Sender<Message>,
) {
    while let Some(mut keys) = receiver.recv().await {
        while keys.len() < BATCH_ROWS {
            match receiver.try_recv() {
                Ok(more) => keys.extend(more),
                Err(_) => break,
            }
        }
        for keys in keys.chunks(BATCH_ROWS) {
            let loaded = loader.load(keys).await;
            if driver.send(Message::Input(Input::ContentsLoaded(loaded))).is_err() {
                return;
            }
        }
    }
}

struct Loader {
    database: Arc<dyn Database>,
    requests: IntCounter,
    outages: Outages,
}

impl Loader {
    /// What the database has under these keys. A row that cannot be read is told, and its neighbours are read without it:
    /// whoever waits for them must not wait for it.
    async fn load(&self, keys: &[InteractionKey]) -> Vec<(InteractionKey, Loaded)> {
        let mut found = HashMap::new();
        match self.read(keys).await {
            Ok(rows) => found.extend(as_found(rows)),
            Err(_) => {
                for key in keys {
                    match self.read(&[*key]).await {
                        Ok(rows) => found.extend(as_found(rows)),
                        Err(error) => {
                            found.insert(*key, Loaded::Unreadable);
                            tracing::error!(
                                interaction = key.0,
                                %error,
                                "an interaction's user data cannot be read; it goes on without, and the row stays as it is"
                            );
                        }
                    }
                }
            }
        }
        keys.iter().map(|key| (*key, found.remove(key).unwrap_or(Loaded::Absent))).collect()
    }

    /// Asks until there is an answer.
    ///
    /// # Errors
    /// One of the rows will never be readable.
    async fn read(&self, keys: &[InteractionKey]) -> Result<Vec<(InteractionKey, Bytes)>, StoreError> {
        loop {
            self.requests.inc();
            match self.database.contents(keys).await {
                Ok(rows) => {
                    self.outages.worked(Asking::UserData);
                    return Ok(rows);
                }
                Err(error @ (StoreError::Damaged(_) | StoreError::Newer(_))) => {
                    self.outages.worked(Asking::UserData);
                    return Err(error);
                }
                Err(error) => {
                    self.outages.failed(Asking::UserData, &error);
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }
}

fn as_found(rows: Vec<(InteractionKey, Bytes)>) -> impl Iterator<Item = (InteractionKey, Loaded)> {
    rows.into_iter().map(|(key, data)| (key, Loaded::Found(data)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_database::FakeDatabase;

    /// What the driver gets of these keys, in portions, and how many rows each query asked for.
    async fn load(
        database: FakeDatabase,
        keys: impl Iterator<Item = u64>,
    ) -> (Vec<Vec<(u64, Loaded)>>, Vec<usize>) {
        let database = Arc::new(database);
        let (driver, messages) = mpsc::channel();
        let requests = IntCounter::new("requests", "Requests.").unwrap();
        let loader = Loader { database: database.clone(), requests, outages: Outages::default() };
        let (sender, receiver) = unbounded_channel();
        sender.send(keys.map(InteractionKey).collect()).unwrap();
        drop(sender);
        run(loader, receiver, driver).await;
        let portions = messages.try_iter().map(|message| match message {
            Message::Input(Input::ContentsLoaded(loaded)) => {
                loaded.into_iter().map(|(key, data)| (key.0, data)).collect()
            }
            other => panic!("{other:?}"),
        });
        (portions.collect(), database.queries())
    }

    #[tokio::test]
    async fn many_rows_come_in_portions() {
        let database = FakeDatabase::with_contents((0..150).map(|key| (key, Some("data"))));
        let (portions, queries) = load(database, 0..150).await;
        assert_eq!(queries, [64, 64, 22]);
        assert_eq!(portions.iter().map(Vec::len).collect::<Vec<_>>(), [64, 64, 22]);
        let data = Loaded::Found(Bytes::from_static(b"data"));
        assert!(portions.concat().into_iter().eq((0..150).map(|key| (key, data.clone()))));
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_told_from_none_and_its_neighbours_are_read() {
        let database = FakeDatabase::with_contents([(1, Some("a")), (2, None), (3, Some("c"))]);
        let (portions, queries) = load(database, 1..=4).await;
        assert_eq!(queries, [4, 1, 1, 1, 1]);
        let found = |data| Loaded::Found(Bytes::from_static(data));
        assert_eq!(
            portions,
            [[(1, found(b"a")), (2, Loaded::Unreadable), (3, found(b"c")), (4, Loaded::Absent)]]
        );
    }
}
