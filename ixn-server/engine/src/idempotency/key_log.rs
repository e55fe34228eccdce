//! Remembered keys in the order in which they came, and where each stands: about 56 bytes a key, and no step that moves
//! many of them.
//!
//! All keys of one log are kept for the same time, so they go in the order in which they came. Entries lie in pages, the
//! index is cut into shards by the keys' own bits: neither ever grows as a whole.

use std::collections::VecDeque;

use hashbrown::HashTable;

use crate::commit::InteractionKey;

/// Entries of one page.
const PAGE: usize = 1024;
/// Shards of the index; a power of two.
const SHARDS: usize = 1024;

/// A remembered answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// That of a submit whose id the server gave: the id says it all.
    Submitted(InteractionKey),
    /// Any other, encoded.
    Encoded(Box<[u8]>),
}

impl Answer {
    /// What it takes beside its entry.
    fn bytes(&self) -> usize {
        match self {
            Self::Submitted(_) => 0,
            Self::Encoded(encoded) => encoded.len(),
        }
    }
}

/// A remembered key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The low and the high half of the key's hash.
    key_hash: [u64; 2],
    pub(super) body_hash: u64,
    pub(super) answer: Answer,
    /// Unix seconds.
    pub(super) expires_at_seconds: u32,
}

impl Entry {
    pub(super) fn new(key_hash: u128, body_hash: u64, expires_at_seconds: u64, answer: Answer) -> Self {
        Self {
            key_hash: halves(key_hash),
            body_hash,
            answer,
            expires_at_seconds: u32::try_from(expires_at_seconds).unwrap_or(u32::MAX),
        }
    }
}

fn halves(hash: u128) -> [u64; 2] {
    [hash as u64, (hash >> 64) as u64]
}

/// The keys that are kept for one length of time.
#[derive(Debug)]
pub(super) struct KeyLog {
    pages: VecDeque<Vec<Entry>>,
    /// The position of the first entry of the first page.
    begins_at: u64,
    /// The position of the oldest entry.
    oldest: u64,
    /// Positions, cut to 32 bits: there are never so many entries at once.
    shards: Vec<HashTable<u32>>,
    /// Keys, without entries that a newer one of the same key has replaced.
    keys: usize,
    /// What the answers of all entries take beside them.
    answer_bytes: usize,
}

impl Default for KeyLog {
    fn default() -> Self {
        let mut shards = Vec::new();
        shards.resize_with(SHARDS, HashTable::new);
        Self { pages: VecDeque::new(), begins_at: 0, oldest: 0, shards, keys: 0, answer_bytes: 0 }
    }
}

fn shard_of(key_hash: [u64; 2]) -> usize {
    key_hash[1] as usize % SHARDS
}

/// The entry at a position, if it is there.
fn at(pages: &VecDeque<Vec<Entry>>, begins_at: u64, position: u32) -> Option<&Entry> {
    let offset = position.wrapping_sub(begins_at as u32) as usize;
    pages.get(offset / PAGE)?.get(offset % PAGE)
}

impl KeyLog {
    /// Finds the newest entry of a key.
    pub(super) fn get(&self, key_hash: u128) -> Option<&Entry> {
        let key_hash = halves(key_hash);
        let entry = |position: &u32| at(&self.pages, self.begins_at, *position);
        let found = self
            .shards
            .get(shard_of(key_hash))?
            .find(key_hash[0], |position| entry(position).is_some_and(|entry| entry.key_hash == key_hash));
        entry(found?)
    }

    /// Adds an entry; one of the same key from before counts no more.
    pub(super) fn push(&mut self, entry: Entry) {
        let key_hash = entry.key_hash;
        self.answer_bytes += entry.answer.bytes();
        if self.pages.back().is_none_or(|page| page.len() == PAGE) {
            self.pages.push_back(Vec::with_capacity(PAGE));
        }
        let Some(page) = self.pages.back_mut() else { return };
        page.push(entry);
        let position = (self.added() - 1) as u32;
        let (pages, begins_at) = (&self.pages, self.begins_at);
        let Some(shard) = self.shards.get_mut(shard_of(key_hash)) else { return };
        let is_same =
            |position: &u32| at(pages, begins_at, *position).is_some_and(|entry| entry.key_hash == key_hash);
        match shard.find_mut(key_hash[0], is_same) {
            Some(known) => *known = position,
            None => {
                let hash_of =
                    |position: &u32| at(pages, begins_at, *position).map_or(0, |entry| entry.key_hash[0]);
                shard.insert_unique(key_hash[0], position, hash_of);
                self.keys += 1;
            }
        }
    }

    /// The oldest entry.
    pub(super) fn first(&self) -> Option<&Entry> {
        at(&self.pages, self.begins_at, self.oldest as u32)
    }

    /// Takes the oldest entry out; answers when its key would have expired, in Unix seconds.
    pub(super) fn pop_first(&mut self) -> Option<u64> {
        let entry = self.first()?;
        let (key_hash, expires_at) = (entry.key_hash, u64::from(entry.expires_at_seconds));
        self.answer_bytes -= entry.answer.bytes();
        let position = self.oldest as u32;
        if let Some(shard) = self.shards.get_mut(shard_of(key_hash))
            && let Ok(known) = shard.find_entry(key_hash[0], |known| *known == position)
        {
            known.remove();
            self.keys -= 1;
            // What a wave of keys took is given back in small pieces too.
            if shard.is_empty() {
                *shard = HashTable::new();
            }
        }
        self.oldest += 1;
        if self.oldest - self.begins_at == PAGE as u64 {
            self.pages.pop_front();
            self.begins_at = self.oldest;
        }
        Some(expires_at)
    }

    /// Entries that were ever added.
    pub(super) fn added(&self) -> u64 {
        let entries = self.pages.back().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len());
        self.begins_at + entries as u64
    }

    /// Entries that have gone again, the oldest.
    pub(super) fn gone(&self) -> u64 {
        self.oldest
    }

    /// How many bytes the answers take.
    pub(super) fn answer_bytes(&self) -> usize {
        self.answer_bytes
    }

    /// How many keys are remembered.
    pub(super) fn len(&self) -> usize {
        self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: u128, expires_at: u64) -> Entry {
        Entry::new(key, 0, expires_at, Answer::Submitted(InteractionKey(expires_at)))
    }

    #[test]
    fn keys_are_found_from_the_time_they_come_until_they_go() {
        let mut log = KeyLog::default();
        // Hashes that differ in one half only.
        let key = |n: u64| if n.is_multiple_of(2) { u128::from(n) } else { u128::from(n) << 64 };
        for n in 1..=5000 {
            log.push(entry(key(n), n));
        }
        assert_eq!(log.len(), 5000);
        for n in 1..=3000 {
            assert_eq!(log.pop_first(), Some(n));
        }
        for n in 1..=5000 {
            assert_eq!(
                log.get(key(n)).map(|found| u64::from(found.expires_at_seconds)),
                (n > 3000).then_some(n)
            );
        }
        while log.pop_first().is_some() {}
        assert_eq!((log.len(), log.pages.len()), (0, 1));
        log.push(entry(1, 9));
        assert!(log.get(1).is_some());
    }

    #[test]
    fn a_key_that_comes_again_is_kept_once_and_outlives_its_first_entry() {
        let mut log = KeyLog::default();
        log.push(entry(1, 10));
        log.push(entry(1, 20));
        assert_eq!(log.len(), 1);
        log.pop_first();
        assert_eq!(log.get(1).map(|found| found.expires_at_seconds), Some(20));
        log.pop_first();
        assert!(log.get(1).is_none());
    }

    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 48);
    }
}
