//! The writer's thread, which owns the one connection that writes, and its handle.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use async_trait::async_trait;
use ixn_engine::commit::{CommitBatch, CommitIdentity, CommitNumber, TakenOver};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::Checkpointer;
use super::commit::{self, Outcome};
use super::connection::{migrate, open_writer};
use crate::{CommitError, StoreError, Writer};

type Reply<T> = oneshot::Sender<T>;

enum Command {
    TakeOver(u64, Reply<Result<TakenOver, StoreError>>),
    Commit(Box<CommitBatch>, Reply<Result<(), CommitError>>),
    LookUp(u64, Reply<Result<Option<CommitIdentity>, StoreError>>),
    Trim { below: u64, now_seconds: u64, reply: Reply<Result<bool, StoreError>> },
}

/// Sends commands to the thread; dropping the last clone of its `Arc` ends the thread.
pub(super) struct Handle {
    commands: Sender<Command>,
}

impl Handle {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let (commands, received) = channel();
        let path = path.to_owned();
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(path, &received))
            .map_err(|error| StoreError::Unavailable(format!("no thread for the writer: {error}")))?;
        Ok(Self { commands })
    }

    /// `None`: the thread has ended.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).ok()?;
        answer.await.ok()
    }

    pub(super) async fn take_over(&self, at_milliseconds: u64) -> Result<TakenOver, StoreError> {
        self.ask(|reply| Command::TakeOver(at_milliseconds, reply)).await.unwrap_or_else(|| Err(ended()))
    }

    /// Deletes one slice; `true`: there may be more.
    pub(super) async fn trim(&self, below: u64, now_seconds: u64) -> Result<bool, StoreError> {
        self.ask(|reply| Command::Trim { below, now_seconds, reply }).await.unwrap_or_else(|| Err(ended()))
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the writer's thread has ended".to_owned())
}

/// The single writer.
pub(super) struct SqliteWriter(pub(super) Arc<Handle>);

#[async_trait]
impl Writer for SqliteWriter {
    async fn commit(&mut self, batch: &CommitBatch) -> Result<(), CommitError> {
        let batch = Box::new(batch.clone());
        let answer = self.0.ask(|reply| Command::Commit(batch, reply)).await;
        answer.unwrap_or_else(|| Err(CommitError::Unknown("the writer's thread has ended".to_owned())))
    }

    async fn look_up(&mut self, number: CommitNumber) -> Result<Option<CommitIdentity>, StoreError> {
        self.0.ask(|reply| Command::LookUp(number.0, reply)).await.unwrap_or_else(|| Err(ended()))
    }
}

fn run(path: PathBuf, received: &Receiver<Command>) {
    let checkpointer = match Checkpointer::start(&path) {
        Ok(checkpointer) => checkpointer,
        Err(error) => {
            tracing::error!(%error, "no thread for checkpoints");
            return;
        }
    };
    let mut thread = Thread { path, connection: None };
    // A dropped receiver means that nobody waits any more: not an error.
    while let Ok(command) = received.recv() {
        match command {
            Command::TakeOver(at_milliseconds, reply) => drop(reply.send(thread.take_over(at_milliseconds))),
            Command::Commit(batch, reply) => drop(reply.send(thread.commit(&batch))),
            Command::LookUp(number, reply) => drop(reply.send(thread.look_up(number))),
            Command::Trim { below, now_seconds, reply } => drop(reply.send(thread.trim(below, now_seconds))),
        }
        if let Some(connection) = &thread.connection {
            checkpointer.between_commits(connection);
        }
    }
}

struct Thread {
    path: PathBuf,
    /// `None` after an error that leaves its state in doubt.
    connection: Option<Connection>,
}

impl Thread {
    fn take_over(&mut self, at_milliseconds: u64) -> Result<TakenOver, StoreError> {
        let mut connection = open_writer(&self.path)?;
        migrate(&mut connection)?;
        let taken = commit::take_over(&mut connection, at_milliseconds)?;
        self.connection = Some(connection);
        Ok(taken)
    }

    fn commit(&mut self, batch: &CommitBatch) -> Result<(), CommitError> {
        // Taken out, and put back only when its state is known.
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path).map_err(|error| CommitError::Unavailable(error.to_string()))?,
        };
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            return Err(CommitError::Unavailable(error.to_string()));
        }
        let outcome = commit::write(&connection, batch);
        if let Ok(Outcome::Written) = outcome {
            return match connection.execute_batch("COMMIT") {
                Ok(()) => {
                    self.connection = Some(connection);
                    Ok(())
                }
                Err(error) => Err(CommitError::Unknown(error.to_string())),
            };
        }
        // Nothing of it stays: rolled back here, or by closing the connection.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.connection = Some(connection);
        }
        outcome.map(|_| ())
    }

    fn look_up(&mut self, number: u64) -> Result<Option<CommitIdentity>, StoreError> {
        self.connection = None;
        let connection = open_writer(&self.path)?;
        let found = commit::look_up(&connection, number)?;
        self.connection = Some(connection);
        Ok(found)
    }

    fn trim(&mut self, below: u64, now_seconds: u64) -> Result<bool, StoreError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => open_writer(&self.path)?,
        };
        let more = commit::trim(&mut connection, below, now_seconds)?;
        self.connection = Some(connection);
        Ok(more)
    }
}
