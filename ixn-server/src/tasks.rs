//! The tasks that the server starts, counted for the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Starts tasks on one runtime; clones share the counts.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    runtime: Handle,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    started: AtomicU64,
    ended: AtomicU64,
}

/// Counts a task as ended, however it ends.
struct Running(Arc<Counts>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

impl Tasks {
    /// For tasks on the runtime that this is called in.
    pub(crate) fn here() -> Self {
        Self { runtime: Handle::current(), counts: Arc::default() }
    }

    /// Starts a task.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        let running = Running(Arc::clone(&self.counts));
        self.runtime.spawn(async move {
            let _running = running;
            task.await
        })
    }

    /// How many were started.
    pub(crate) fn started(&self) -> u64 {
        self.counts.started.load(Ordering::Relaxed)
    }

    /// How many have not ended.
    pub(crate) fn running(&self) -> u64 {
        // First what ended: what ends meanwhile counts as running, never as less than nothing.
        let ended = self.counts.ended.load(Ordering::Relaxed);
        self.started().saturating_sub(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_counts_as_running_until_it_ends_or_is_ended() {
        let tasks = Tasks::here();
        let ends = tasks.spawn(async { 7 });
        let waits = tasks.spawn(std::future::pending::<()>());
        assert_eq!((tasks.started(), tasks.running()), (2, 2));
        assert_eq!(ends.await.unwrap(), 7);
        assert_eq!((tasks.started(), tasks.running()), (2, 1));
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        assert_eq!((tasks.started(), tasks.running()), (2, 0));
    }
}
