//! A database for tests of single parts: it has user data, keys and a log, and what a test does not set up is never answered.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use ixn_engine::commit::{AgentName, CommitNumber, EventNumber, IdempotencyRow, InteractionKey, TakenOver};
use ixn_store::{Database, DatabaseInfo, LogRecord, StoreError, Upkeep, Waiting, Writer};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// The database.
#[derive(Debug, Default)]
pub(crate) struct FakeDatabase {
    /// User data; none: the row is damaged.
    contents: BTreeMap<InteractionKey, Option<Bytes>>,
    log: Vec<LogRecord>,
    /// The record of the log that cannot be read.
    damaged: Option<CommitNumber>,
    /// Idempotency keys, as they were written.
    keys: Vec<IdempotencyRow>,
    /// How many rows each query for user data asked for.
    queries: Mutex<Vec<usize>>,
    asked: Notify,
}

impl FakeDatabase {
    pub(crate) fn with_contents(rows: impl IntoIterator<Item = (u64, Option<&'static str>)>) -> Self {
        let rows = rows.into_iter();
        let contents = rows.map(|(key, data)| (InteractionKey(key), data.map(Bytes::from))).collect();
        Self { contents, ..Self::default() }
    }

    pub(crate) fn with_log(log: Vec<LogRecord>) -> Self {
        Self { log, ..Self::default() }
    }

    pub(crate) fn with_damaged_log(log: Vec<LogRecord>, damaged: CommitNumber) -> Self {
        Self { log, damaged: Some(damaged), ..Self::default() }
    }

    pub(crate) fn with_keys(keys: Vec<IdempotencyRow>) -> Self {
        Self { keys, ..Self::default() }
    }

    pub(crate) fn queries(&self) -> Vec<usize> {
        self.queries.lock().clone()
    }

    /// Waits until something was asked that is never answered.
    pub(crate) async fn was_asked(&self) {
        self.asked.notified().await;
    }

    async fn never<T>(&self) -> T {
        self.asked.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Database for FakeDatabase {
    async fn info(&self) -> Result<DatabaseInfo, StoreError> {
        self.never().await
    }

    fn open_connections(&self) -> usize {
        0
    }

    async fn lock(&self, _waiting: Waiting<'_>) -> Result<(), StoreError> {
        self.never().await
    }

    async fn take_over(&self, _at_milliseconds: u64) -> Result<(TakenOver, Box<dyn Writer>), StoreError> {
        self.never().await
    }

    async fn load_interactions(
        &self,
        _page: &mut (dyn FnMut(Vec<(InteractionKey, Bytes)>) + Send),
    ) -> Result<(), StoreError> {
        self.never().await
    }

    async fn load_agents(&self) -> Result<Vec<(AgentName, Bytes)>, StoreError> {
        self.never().await
    }

    async fn load_idempotency(
        &self,
        now_seconds: u64,
        most: usize,
        page: &mut (dyn FnMut(Vec<IdempotencyRow>) + Send),
    ) -> Result<(), StoreError> {
        let live = self.keys.iter().filter(|key| key.expires_at_seconds > now_seconds);
        let (mut rest, wanted) = (live.clone(), live.count());
        rest.by_ref().take(wanted.saturating_sub(most)).for_each(drop);
        for key in rest {
            page(vec![key.clone()]);
        }
        Ok(())
    }

    async fn contents(&self, keys: &[InteractionKey]) -> Result<Vec<(InteractionKey, Bytes)>, StoreError> {
        self.queries.lock().push(keys.len());
        let found = keys.iter().filter_map(|key| Some((*key, self.contents.get(key)?.clone())));
        let rows = found.map(|(key, data)| Some((key, data?))).collect::<Option<_>>();
        rows.ok_or_else(|| StoreError::Damaged("contents".to_owned()))
    }

    async fn log_after(&self, after: CommitNumber, _max_bytes: usize) -> Result<Vec<LogRecord>, StoreError> {
        if self.damaged.is_some_and(|damaged| damaged > after) {
            return Err(StoreError::Damaged("commit_log 2".to_owned()));
        }
        Ok(self.log.iter().filter(|record| record.number > after).cloned().collect())
    }

    async fn commit_before(&self, event: EventNumber) -> Result<Option<CommitNumber>, StoreError> {
        let before = self.log.iter().rev().find(|record| record.last_event <= event);
        Ok(Some(before.map(|record| record.number).unwrap_or_default()))
    }

    async fn log_extent(&self) -> Result<(CommitNumber, u64), StoreError> {
        self.never().await
    }

    async fn maintain(&self, _upkeep: &Upkeep) -> Result<(), StoreError> {
        self.never().await
    }
}
