//! Where a test's database is.

use std::sync::Arc;

use ixn_store::{Database, OpenOptions, StoreError};

/// A database of the test's own that does not exist for anybody else, and that goes with this value.
#[allow(async_fn_in_trait, reason = "for this crate alone, and never sent to another thread")]
pub(crate) trait Place {
    /// An empty one.
    async fn create() -> Self;

    /// Its address.
    fn url(&self) -> String;

    /// An address of the same kind where nothing answers.
    fn url_of_nothing(&self) -> String;

    /// Runs SQL behind the store's back.
    async fn execute(&self, sql: &str);

    /// Makes every write fail from now on, for those that open it from now on.
    async fn make_read_only(&self);

    /// Makes the schema look newer.
    async fn make_schema_newer(&self);

    /// Columns that only this database's log has, and their values.
    fn own_log_columns(&self) -> (&'static str, &'static str);

    /// Opens it.
    async fn open(&self) -> Arc<dyn Database> {
        self.open_as("conformance").await
    }

    /// Opens it under a name.
    async fn open_as(&self, holder: &str) -> Arc<dyn Database> {
        self.try_open(holder).await.unwrap()
    }

    /// Tries to open it.
    async fn try_open(&self, holder: &str) -> Result<Arc<dyn Database>, StoreError> {
        let options = OpenOptions { holder: holder.to_owned(), ..OpenOptions::default() };
        ixn_store::open(&self.url(), &options).await
    }

    /// Lets the log grow by commits of one event each, quicker than committing them.
    async fn grow_log(&self, commits: u64) {
        let (columns, values) = self.own_log_columns();
        self.execute(&format!(
            "WITH RECURSIVE step(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM step WHERE i < {commits}),
                  head AS (SELECT * FROM commit_log ORDER BY seq DESC LIMIT 1)
             INSERT INTO commit_log (seq, epoch, hash, first_event, last_event, counters, changed_ids, events,
                                     events_bytes, format, at{columns})
             SELECT head.seq + i, epoch, 0, last_event + i, last_event + i, counters, changed_ids, events,
                    events_bytes, format, at{values}
             FROM head, step"
        ))
        .await;
    }
}
