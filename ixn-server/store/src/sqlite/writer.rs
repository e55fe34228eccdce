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
use super::connection::{Durability, migrate, open_writer};
use super::place::FilesInPlace;
use crate::connections::{Open, OpenConnections};
use crate::{CommitError, StoreError, Upkeep, Writer};

type Reply<T> = oneshot::Sender<T>;

enum Command {
    TakeOver(u64, Reply<Result<TakenOver, StoreError>>),
    Commit(Box<CommitBatch>, Reply<Result<(), CommitError>>),
    LookUp(u64, Reply<Result<Option<CommitIdentity>, StoreError>>),
    Durability(Reply<Result<Durability, StoreError>>),
    Trim(Upkeep, Reply<Result<bool, StoreError>>),
}

/// Sends commands to the thread; dropping the last clone of its `Arc` ends the thread.
pub(super) struct Handle {
    commands: Sender<Command>,
}

impl Handle {
    pub(super) fn start(path: &Path, open: &OpenConnections) -> Result<Self, StoreError> {
        let (commands, received) = channel();
        let (path, open) = (path.to_owned(), open.clone());
        std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || run(path, open, &received))
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

    /// Of the connection that commits.
    pub(super) async fn durability(&self) -> Result<Durability, StoreError> {
        self.ask(Command::Durability).await.unwrap_or_else(|| Err(ended()))
    }

    /// Deletes one slice; `true`: there may be more.
    pub(super) async fn trim(&self, upkeep: Upkeep) -> Result<bool, StoreError> {
        self.ask(|reply| Command::Trim(upkeep, reply)).await.unwrap_or_else(|| Err(ended()))
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
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

fn run(path: PathBuf, open: OpenConnections, received: &Receiver<Command>) {
    let checkpointer = match Checkpointer::start(&path, &open) {
        Ok(checkpointer) => checkpointer,
        Err(error) => {
            tracing::error!(%error, "no thread for checkpoints");
            return;
        }
    };
    let mut thread = Thread { path, open, connection: None, files: None };
    // A dropped receiver means that nobody waits any more: not an error.
    while let Ok(command) = received.recv() {
        match command {
            Command::TakeOver(at_milliseconds, reply) => drop(reply.send(thread.take_over(at_milliseconds))),
            Command::Commit(batch, reply) => drop(reply.send(thread.commit(&batch))),
            Command::LookUp(number, reply) => drop(reply.send(thread.look_up(number))),
            Command::Durability(reply) => drop(reply.send(thread.durability())),
            Command::Trim(upkeep, reply) => drop(reply.send(thread.trim(&upkeep))),
        }
        if let Some(connection) = &thread.connection {
            checkpointer.between_commits(connection);
        }
    }
}

struct Thread {
    path: PathBuf,
    open: OpenConnections,
    /// `None` after an error that leaves its state in doubt.
    connection: Option<Open<Connection>>,
    /// `None` before the takeover.
    files: Option<FilesInPlace>,
}

impl Thread {
    fn connect(&mut self) -> Result<Open<Connection>, StoreError> {
        if let Some(files) = &self.files {
            // Before another file is made there.
            files.check_database().map_err(StoreError::Lost)?;
        }
        let connection = self.open.open(open_writer(&self.path)?);
        if let Some(files) = &mut self.files {
            files.look_at_log().map_err(|error| unavailable(&self.path, &error))?;
        }
        Ok(connection)
    }

    fn take_over(&mut self, at_milliseconds: u64) -> Result<TakenOver, StoreError> {
        let mut connection = self.connect()?;
        migrate(&mut connection)?;
        let taken = commit::take_over(&mut connection, at_milliseconds)?;
        self.files = Some(FilesInPlace::of(&self.path).map_err(|error| unavailable(&self.path, &error))?);
        self.connection = Some(connection);
        Ok(taken)
    }

    /// To be put back only when its state is known.
    fn take_connection(&mut self) -> Result<Open<Connection>, StoreError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.connect(),
        }
    }

    fn commit(&mut self, batch: &CommitBatch) -> Result<(), CommitError> {
        let connection = self.take_connection().map_err(|error| match error {
            StoreError::Lost(text) => CommitError::Lost(text),
            error => CommitError::Unavailable(error.to_string()),
        })?;
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            return Err(CommitError::Unavailable(error.to_string()));
        }
        let outcome = commit::write(&connection, batch);
        if let Ok(Outcome::Written) = outcome {
            return match connection.execute_batch("COMMIT") {
                Ok(()) => {
                    self.connection = Some(connection);
                    self.check_files()
                }
                Err(error) => Err(CommitError::Unknown(error.to_string())),
            };
        }
        // Nothing of it stays: rolled back here, or by closing the connection.
        if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
            self.connection = Some(connection);
        }
        outcome?;
        self.check_files()
    }

    /// Whether what was just written can be found again. It costs a microsecond beside a commit's milliseconds, and is asked
    /// behind it: what is acknowledged was in a file that could be found by its name.
    fn check_files(&self) -> Result<(), CommitError> {
        match &self.files {
            Some(files) => files.check().map_err(CommitError::Lost),
            None => Ok(()),
        }
    }

    fn look_up(&mut self, number: u64) -> Result<Option<CommitIdentity>, StoreError> {
        self.connection = None;
        let connection = self.connect()?;
        let found = commit::look_up(&connection, number)?;
        self.connection = Some(connection);
        Ok(found)
    }

    fn durability(&mut self) -> Result<Durability, StoreError> {
        let connection = self.take_connection()?;
        let durability = Durability::read(&connection)?;
        self.connection = Some(connection);
        Ok(durability)
    }

    fn trim(&mut self, upkeep: &Upkeep) -> Result<bool, StoreError> {
        let mut connection = self.take_connection()?;
        let more = commit::trim(&mut connection, upkeep)?;
        self.connection = Some(connection);
        Ok(more)
    }
}
