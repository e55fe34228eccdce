//! A process's reporting subscribers: each is a cursor over the commit log.

use std::collections::BTreeMap;
use std::mem::take;

use bytes::BytesMut;
use ixn_engine::commit::{CommitNumber, EventNumber};
use ixn_engine::cursor::{CommitEvents, Cursor};
use ixn_engine::sessions::ClientRef;
use ixn_engine::{Input, Subscription};
use ixn_proto::encoded::append_proxy_client_id;
use ixn_sessions::PushError;

use crate::database::Database;
use crate::defects::Defect;
use crate::process::Process;

/// A cursor rests while so much waits for its client.
const AHEAD_BYTES: usize = 10_000;

struct Follower {
    cursor: Cursor,
    filter: Subscription,
}

/// All subscribers of a process.
pub struct Followers {
    cursors: BTreeMap<ClientRef, Follower>,
    /// They may read the log up to here.
    published: CommitNumber,
    draining: Vec<ClientRef>,
}

impl Followers {
    pub fn new(published: CommitNumber) -> Self {
        Self { cursors: BTreeMap::new(), published, draining: Vec::new() }
    }

    pub fn publish(&mut self, durable: CommitNumber) {
        self.published = self.published.max(durable);
    }

    pub fn subscribe(&mut self, client: ClientRef, after_event: u64, filter: Subscription) {
        let cursor = Cursor::after(EventNumber(after_event));
        self.cursors.insert(client, Follower { cursor, filter });
    }

    pub fn change(&mut self, client: ClientRef, filter: Subscription) {
        if let Some(follower) = self.cursors.get_mut(&client) {
            follower.filter = filter;
        }
    }

    pub fn unsubscribe(&mut self, client: ClientRef) {
        self.cursors.remove(&client);
    }

    pub fn when_drained(&mut self, client: ClientRef) {
        self.draining.push(client);
    }
}

impl Process {
    /// Each subscriber gets the events of up to so many commits more. Answers whether any got some.
    pub fn serve_subscribers(&mut self, database: &Database, now: u64, commits: usize) -> bool {
        let mut any = false;
        for client in self.followers.cursors.keys().copied().collect::<Vec<_>>() {
            for _ in 0..commits {
                if !self.serve(database, now, client) {
                    break;
                }
                any = true;
            }
        }
        any
    }

    fn serve(&mut self, database: &Database, now: u64, client: ClientRef) -> bool {
        let Some(link) = self.links.get(&client.connection).cloned() else { return false };
        let Some(follower) = self.followers.cursors.get_mut(&client) else { return false };
        if link.waiting_for_client_bytes(client.proxy_client_id) > AHEAD_BYTES {
            return false;
        }
        if self.defect == Some(Defect::CursorStops) && follower.cursor.served().0 > 30 {
            return false;
        }
        let record = match database.record_behind(follower.cursor.served(), self.followers.published) {
            Ok(Some(record)) => record,
            Ok(None) => return false,
            Err(oldest_held) => {
                let asked = follower.cursor.served().0;
                let with_interactions = follower.filter.with_interactions;
                self.followers.cursors.remove(&client);
                let gap =
                    Input::ReportingGap { client, asked, oldest_held: oldest_held.0, with_interactions };
                self.step(database, now, gap);
                return true;
            }
        };
        let mut events = CommitEvents::new(record.first_event, record.events.clone());
        while let Some(envelope) = follower.cursor.next(&mut events, &follower.filter) {
            let times = if self.defect == Some(Defect::EventsComeTwice) { 2 } else { 1 };
            for _ in 0..times {
                let mut addressed = BytesMut::from(&envelope[..]);
                append_proxy_client_id(&mut addressed, client.proxy_client_id);
                match link.push(client.proxy_client_id, addressed.freeze()) {
                    Ok(()) => {}
                    Err(PushError::Closed | PushError::Dropped) => return false,
                    Err(PushError::Overflow(_)) => {
                        self.followers.cursors.remove(&client);
                        self.step(database, now, Input::ClientOverflowed(client));
                        return true;
                    }
                }
            }
        }
        true
    }

    /// Tells the engine which clients have read what was sent to them. Answers whether any has.
    pub fn tell_drained(&mut self, database: &Database, now: u64) -> bool {
        let mut any = false;
        for client in take(&mut self.followers.draining) {
            match self.links.get(&client.connection) {
                Some(link) if link.waiting_for_client_bytes(client.proxy_client_id) > AHEAD_BYTES => {
                    self.followers.draining.push(client);
                }
                Some(_) => {
                    any = true;
                    self.step(database, now, Input::Drained(client));
                }
                None => {}
            }
        }
        any
    }
}
