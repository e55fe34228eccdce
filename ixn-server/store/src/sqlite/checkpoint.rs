//! Moves the write-ahead log into the database on a thread of its own, so that no commit does it.
//!
//! A *passive* checkpoint copies beside running commits, but the log starts over only when nothing is left to copy, which
//! never happens under load. So when the log is long, the passive one is followed by a *restart* between two commits:
//! little is left to copy then. The file keeps its length and is written over, because a commit that makes a file longer
//! waits for the file system's journal too.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use rusqlite::Connection;

use super::connection::{BUSY_TIMEOUT, open_reader, store_error};
use crate::StoreError;
use crate::connections::{Open, OpenConnections};

/// A passive checkpoint each time the log has grown by so many pages of 4 KiB.
const PASSIVE_EVERY_PAGES: u32 = 2048;
/// A restart when it has so many.
const RESTART_FROM_PAGES: u32 = 4096;

thread_local! {
    /// The pages in the log after the newest commit of this thread.
    static LOG_PAGES: Cell<u32> = const { Cell::new(0) };
}

/// The writer's side. Dropping it ends the thread.
pub(super) struct Checkpointer {
    wake: SyncSender<()>,
    shared: Arc<Shared>,
}

struct Shared {
    /// The pages in the log that call for the next passive checkpoint.
    next_at_pages: AtomicU32,
    restart_wanted: AtomicBool,
}

impl Checkpointer {
    pub(super) fn start(database: &Path, open: &OpenConnections) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            next_at_pages: AtomicU32::new(PASSIVE_EVERY_PAGES),
            restart_wanted: AtomicBool::new(false),
        });
        let (wake, woken) = sync_channel(1);
        let (path, open, for_thread) = (database.to_owned(), open.clone(), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("sqlite-checkpoint".to_owned())
            .spawn(move || run(&path, &open, &for_thread, &woken))?;
        Ok(Self { wake, shared })
    }

    /// To be called on the writer's thread between two transactions.
    pub(super) fn between_commits(&self, connection: &Connection) {
        if self.shared.restart_wanted.swap(false, Ordering::Relaxed)
            && let Err(error) = self.restart(connection)
        {
            tracing::warn!(%error, "the write-ahead log was not restarted, it is tried again later");
        }
        if LOG_PAGES.get() >= self.shared.next_at_pages.load(Ordering::Relaxed) {
            // A full channel means that the thread is about to look anyway.
            let _ = self.wake.try_send(());
        }
    }

    fn restart(&self, connection: &Connection) -> rusqlite::Result<()> {
        // A slow reader is not waited for: next time will do.
        connection.busy_timeout(Duration::ZERO)?;
        let answer = checkpoint(connection, "PRAGMA wal_checkpoint(RESTART)");
        connection.busy_timeout(BUSY_TIMEOUT)?;
        if !answer?.busy {
            LOG_PAGES.set(0);
            self.shared.next_at_pages.store(PASSIVE_EVERY_PAGES, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Makes the connection note the log's length after each of its commits.
pub(super) fn watch_log(connection: &Connection) {
    connection.wal_hook(Some(|_, pages| {
        LOG_PAGES.set(u32::try_from(pages).unwrap_or(0));
        Ok(())
    }));
}

fn run(database: &Path, open: &OpenConnections, shared: &Shared, woken: &Receiver<()>) {
    let mut connection = None;
    let mut failing = Failing::default();
    while woken.recv().is_ok() {
        match passive(database, open, &mut connection) {
            Ok(pages) => {
                if failing.works() {
                    tracing::info!("checkpoints work again");
                }
                shared.next_at_pages.store(pages.saturating_add(PASSIVE_EVERY_PAGES), Ordering::Relaxed);
                if pages >= RESTART_FROM_PAGES {
                    shared.restart_wanted.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                connection = None;
                if failing.fails() {
                    tracing::warn!(%error, "checkpoints fail, so the write-ahead log grows; tried again with every commit");
                } else {
                    tracing::debug!(%error, "a checkpoint failed again");
                }
            }
        }
    }
}

/// Whether something fails, told once.
#[derive(Default)]
struct Failing(bool);

impl Failing {
    /// It failed. Whether it did not before.
    fn fails(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }

    /// It worked. Whether it failed before.
    fn works(&mut self) -> bool {
        std::mem::take(&mut self.0)
    }
}

/// The pages in the log.
fn passive(
    database: &Path,
    open: &OpenConnections,
    connection: &mut Option<Open<Connection>>,
) -> Result<u32, StoreError> {
    let connection = match connection {
        Some(connection) => connection,
        None => {
            let new = open.open(open_reader(database)?);
            new.execute_batch("PRAGMA query_only = OFF").map_err(store_error)?;
            connection.insert(new)
        }
    };
    Ok(checkpoint(connection, "PRAGMA wal_checkpoint(PASSIVE)").map_err(store_error)?.log_pages)
}

struct Checkpoint {
    busy: bool,
    log_pages: u32,
}

fn checkpoint(connection: &Connection, sql: &str) -> rusqlite::Result<Checkpoint> {
    connection.query_row(sql, [], |row| Ok(Checkpoint { busy: row.get(0)?, log_pages: row.get(1)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_lasts_is_told_when_it_begins_and_when_it_ends() {
        let mut failing = Failing::default();
        assert!(!failing.works());
        assert_eq!([failing.fails(), failing.fails(), failing.fails()], [true, false, false]);
        assert_eq!([failing.works(), failing.works(), failing.fails()], [true, false, true]);
    }
}
