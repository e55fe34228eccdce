//! User data on its way through: a cache bounded in bytes, what must be read from the database, and who waits for it.
//!
//! Data that is not yet durable is pinned: what the database does not have cannot be read back from it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ixn_proto::KeyValueList;

use crate::commit::{CommitNumber, InteractionKey};

/// How much user data the engine keeps at hand.
pub const DEFAULT_CACHE_BYTES: usize = 32 << 20;
/// What an entry costs beside its data.
const ENTRY_BYTES: usize = 128;

/// What the database has under an interaction's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Its user data.
    Found(Bytes),
    /// Nothing: there is no user data.
    Absent,
    /// A row that is damaged or of a newer format.
    Unreadable,
}

/// There is user data, and nobody can read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

#[derive(Debug)]
struct Entry {
    data: KeyValueList,
    used: u64,
    /// The newest commit that carries it, until that is durable.
    pinned_by: Option<CommitNumber>,
}

/// The cache, and what is being read. `W` is whatever waits for contents.
#[derive(Debug)]
pub struct Contents<W> {
    entries: BTreeMap<InteractionKey, Entry>,
    by_use: BTreeMap<u64, InteractionKey>,
    pinned: BTreeSet<(CommitNumber, InteractionKey)>,
    uses: u64,
    bytes: usize,
    limit_bytes: usize,
    waiting: BTreeMap<InteractionKey, Vec<W>>,
    to_load: Vec<InteractionKey>,
    /// What was read in vain, while those who waited for it are served. Not longer: the row may be restored, so whoever
    /// comes later reads it again.
    unreadable: Option<InteractionKey>,
}

impl<W> Contents<W> {
    /// An empty cache of this size.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            by_use: BTreeMap::new(),
            pinned: BTreeSet::new(),
            uses: 0,
            bytes: 0,
            limit_bytes,
            waiting: BTreeMap::new(),
            to_load: Vec::new(),
            unreadable: None,
        }
    }

    /// Changes the size of the cache.
    pub fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
        self.evict(0);
    }

    /// The data, when it is at hand; the error when it has just been read in vain.
    pub fn get(&mut self, key: InteractionKey) -> Option<Result<&KeyValueList, Unreadable>> {
        self.uses += 1;
        let Some(entry) = self.entries.get_mut(&key) else {
            return (self.unreadable == Some(key)).then_some(Err(Unreadable));
        };
        if entry.pinned_by.is_none() {
            self.by_use.remove(&entry.used);
            self.by_use.insert(self.uses, key);
        }
        entry.used = self.uses;
        Some(Ok(&entry.data))
    }

    /// Puts data that the batch `pinned_by` carries.
    pub fn put_new(&mut self, key: InteractionKey, data: KeyValueList, pinned_by: CommitNumber) {
        self.put(key, data, Some(pinned_by));
    }

    fn put(&mut self, key: InteractionKey, data: KeyValueList, pinned_by: Option<CommitNumber>) {
        self.forget(key);
        // Room first: the newest entry itself stays, also when all others are pinned.
        self.evict(data.as_bytes().len() + ENTRY_BYTES);
        self.uses += 1;
        self.bytes += data.as_bytes().len() + ENTRY_BYTES;
        match pinned_by {
            Some(commit) => {
                self.pinned.insert((commit, key));
            }
            None => {
                self.by_use.insert(self.uses, key);
            }
        }
        self.entries.insert(key, Entry { data, used: self.uses, pinned_by });
    }

    /// Forgets an interaction that has ended.
    pub fn forget(&mut self, key: InteractionKey) {
        if let Some(entry) = self.entries.remove(&key) {
            self.bytes -= entry.data.as_bytes().len() + ENTRY_BYTES;
            self.by_use.remove(&entry.used);
            if let Some(commit) = entry.pinned_by {
                self.pinned.remove(&(commit, key));
            }
        }
    }

    /// Everything up to this commit is in the database and may be evicted.
    pub fn durable(&mut self, commit: CommitNumber) {
        while let Some(&(pinned_by, key)) = self.pinned.first() {
            if pinned_by > commit {
                break;
            }
            self.pinned.pop_first();
            if let Some(entry) = self.entries.get_mut(&key) {
                entry.pinned_by = None;
                self.by_use.insert(entry.used, key);
            }
        }
        self.evict(0);
    }

    /// Makes room for so many bytes more.
    fn evict(&mut self, room: usize) {
        while self.bytes + room > self.limit_bytes {
            let Some((_, key)) = self.by_use.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&key) {
                self.bytes -= entry.data.as_bytes().len() + ENTRY_BYTES;
            }
        }
    }

    /// Lets `waiter` wait for data that is not at hand, and asks for it when nobody has yet.
    pub fn wait(&mut self, key: InteractionKey, waiter: W) {
        let waiting = self.waiting.entry(key).or_default();
        if waiting.is_empty() {
            self.to_load.push(key);
        }
        waiting.push(waiter);
    }

    /// Who waits for this interaction's data, in order.
    pub fn waiting_for(&self, key: InteractionKey) -> &[W] {
        self.waiting.get(&key).map_or(&[], Vec::as_slice)
    }

    /// What must be read now.
    pub fn take_loads(&mut self) -> Vec<InteractionKey> {
        std::mem::take(&mut self.to_load)
    }

    /// Data has come from the database, or is no longer wanted; answers who waited for it. They are to be served, and
    /// then [`Self::served`] said. Data that changed meanwhile is not overwritten.
    pub fn loaded(&mut self, key: InteractionKey, loaded: Option<Loaded>) -> Vec<W> {
        let data = match loaded {
            Some(Loaded::Found(bytes)) => Some(KeyValueList::from_encoded(bytes)),
            Some(Loaded::Absent) => Some(KeyValueList::new()),
            Some(Loaded::Unreadable) => {
                self.unreadable = Some(key);
                None
            }
            None => None,
        };
        if let Some(data) = data.filter(|_| !self.entries.contains_key(&key)) {
            self.put(key, data, None);
        }
        self.waiting.remove(&key).unwrap_or_default()
    }

    /// Those who waited for what was loaded last have got it.
    pub fn served(&mut self) {
        self.unreadable = None;
    }

    /// Whether the bookkeeping is right: the cache is within its size unless what is not yet durable fills it, and only
    /// the batch that gathers and the one before it pin anything.
    pub(crate) fn check(&self, gathering: CommitNumber) -> Result<(), String> {
        if let Some(key) = self.unreadable {
            return Err(format!("{key} still counts as unreadable after those who waited for it"));
        }
        let bytes: usize = self.entries.values().map(|entry| entry.data.as_bytes().len() + ENTRY_BYTES).sum();
        if bytes != self.bytes {
            return Err(format!("the cache counts {} bytes and has {bytes}", self.bytes));
        }
        if bytes > self.limit_bytes && self.by_use.len() > 1 {
            return Err(format!(
                "the cache has {bytes} bytes and keeps {} that it need not",
                self.by_use.len()
            ));
        }
        let pinned = self.entries.values().filter(|entry| entry.pinned_by.is_some()).count();
        if pinned != self.pinned.len() || self.entries.len() != pinned + self.by_use.len() {
            return Err(format!(
                "{} entries, {pinned} of them pinned, {} free",
                self.entries.len(),
                self.by_use.len()
            ));
        }
        match self.pinned.iter().find(|(commit, _)| commit.0 + 1 < gathering.0 || *commit > gathering) {
            Some((commit, key)) => Err(format!("{key} is pinned by commit {commit} at commit {gathering}")),
            None => Ok(()),
        }
    }

    /// Bytes in the cache.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(bytes: usize) -> KeyValueList {
        let mut list = KeyValueList::new();
        list.push_text("k", &"x".repeat(bytes));
        list
    }

    #[test]
    fn what_is_not_durable_is_never_evicted() {
        let mut contents = Contents::<()>::new(1000);
        for key in 1..=5 {
            contents.put_new(InteractionKey(key), data(400), CommitNumber(key));
        }
        assert!((1..=5).all(|key| contents.get(InteractionKey(key)).is_some()));
        contents.durable(CommitNumber(3));
        assert!(contents.get(InteractionKey(1)).is_none(), "the oldest durable entry goes first");
        assert!(contents.get(InteractionKey(4)).is_some() && contents.get(InteractionKey(5)).is_some());
        contents.durable(CommitNumber(5));
        assert!(contents.bytes() <= 1000, "{} bytes", contents.bytes());
    }

    #[test]
    fn one_load_serves_all_who_wait() {
        let mut contents = Contents::new(1000);
        contents.wait(InteractionKey(1), "a");
        contents.wait(InteractionKey(1), "b");
        assert_eq!(contents.take_loads(), [InteractionKey(1)]);
        let found = Loaded::Found(data(1).as_bytes().clone());
        assert_eq!(contents.loaded(InteractionKey(1), Some(found)), ["a", "b"]);
        assert!(contents.take_loads().is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_known_to_those_who_wait_and_read_again_for_others() {
        let mut contents = Contents::new(1000);
        contents.wait(InteractionKey(1), "a");
        contents.take_loads();
        assert_eq!(contents.loaded(InteractionKey(1), Some(Loaded::Unreadable)), ["a"]);
        assert_eq!(contents.get(InteractionKey(1)), Some(Err(Unreadable)));
        contents.served();
        assert_eq!(contents.get(InteractionKey(1)), None);
        contents.wait(InteractionKey(1), "b");
        assert_eq!(contents.take_loads(), [InteractionKey(1)]);
    }
}
