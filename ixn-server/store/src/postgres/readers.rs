//! A few connections for readers, made when they are needed.
//!
//! A connection that did not answer is closed at once, and its place is free: nobody waits for it a second time.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use sqlx::PgConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::session::{CONNECT_TIME, Purpose, READ_TIME, Sessions, in_time, within};
use crate::StoreError;
use crate::connections::Open;

/// Connections of readers.
const READERS: usize = 4;

pub(super) struct Readers {
    sessions: Sessions,
    /// A permit for each connection that is in use.
    places: Semaphore,
    idle: std::sync::Mutex<Vec<Open<PgConnection>>>,
}

/// A reader's connection. It is closed when it is dropped; see [`Reader::give_back`].
pub(super) struct Reader<'a> {
    readers: &'a Readers,
    connection: Open<PgConnection>,
    _place: SemaphorePermit<'a>,
}

impl Readers {
    pub(super) fn new(sessions: Sessions) -> Self {
        Self { sessions, places: Semaphore::new(READERS), idle: std::sync::Mutex::default() }
    }

    /// Waits for a connection. It has answered just now.
    pub(super) async fn take(&self) -> Result<Reader<'_>, StoreError> {
        let place = async {
            self.places.acquire().await.map_err(|_| StoreError::Unavailable("it is closed".to_owned()))
        };
        let place = in_time(READ_TIME, "waiting for a reader's connection", place).await?;
        let connection = match self.answering().await {
            Some(connection) => connection,
            None => self.sessions.connect(Purpose::Read).await?,
        };
        Ok(Reader { readers: self, connection, _place: place })
    }

    /// An idle connection that still answers. Where one does not, the others will not either: all are closed.
    async fn answering(&self) -> Option<Open<PgConnection>> {
        let mut connection = self.idle().pop()?;
        let ping = sqlx::raw_sql("").execute(&mut *connection);
        if within(CONNECT_TIME, "asking whether a connection lives", ping).await.is_ok() {
            return Some(connection);
        }
        self.idle().clear();
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Open<PgConnection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader<'_> {
    /// Keeps the connection for the next reader: it has answered all that it was asked.
    pub(super) fn give_back(self) {
        self.readers.idle().push(self.connection);
    }
}

impl Deref for Reader<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reader<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
