//! User data as the reporting events tell it: every version that an interaction's has had. What the database holds and what
//! clients are given must be one of them.

use std::collections::BTreeMap;

use ixn_engine::commit::InteractionKey;
use ixn_proto::KeyValueList;
use ixn_proto::key_value_list::Value;

use crate::database::Database;

/// Keys and texts, in order.
pub type Entries = Vec<(String, String)>;

/// What a change names: added, changed, deleted.
pub type Change = [Entries; 3];

/// A list's entries; runs have texts only.
pub fn entries(list: Option<&KeyValueList>) -> Entries {
    let entries = list.into_iter().flat_map(KeyValueList::entries);
    entries
        .map(|entry| match entry.map(|entry| (entry.key.to_owned(), entry.value)) {
            Ok((key, Value::Text(text))) => (key, text.to_owned()),
            other => panic!("user data that nobody sent: {other:?}"),
        })
        .collect()
}

/// All versions, also of interactions that have ended.
#[derive(Default)]
pub struct UserData {
    /// By the number of the event that tells of it.
    versions: BTreeMap<String, Vec<(u64, Entries)>>,
    changes: BTreeMap<String, Vec<Change>>,
}

impl UserData {
    /// An interaction is submitted.
    pub fn begins(&mut self, number: u64, id: &str, list: Option<&KeyValueList>) {
        self.versions.insert(id.to_owned(), vec![(number, entries(list))]);
    }

    /// It is changed: what is deleted goes, what is changed takes the place of what was there, what is added comes behind it.
    pub fn changes(&mut self, number: u64, id: &str, change: Change) {
        let versions = self.versions.get_mut(id).unwrap_or_else(|| panic!("{id} was never submitted"));
        let mut data = versions.last().map(|(_, data)| data.clone()).unwrap_or_default();
        let [added, changed, deleted] = &change;
        data.retain(|(key, _)| deleted.iter().all(|(gone, _)| gone != key));
        for (key, text) in changed {
            match data.iter_mut().find(|(known, _)| known == key) {
                Some(entry) => entry.1.clone_from(text),
                None => data.push((key.clone(), text.clone())),
            }
        }
        data.extend(added.iter().cloned());
        versions.push((number, data));
        self.changes.entry(id.to_owned()).or_default().push(change);
    }

    /// The first version.
    pub fn submitted(&self, id: &str) -> Option<&Entries> {
        self.versions.get(id)?.first().map(|(_, data)| data)
    }

    /// Whether such a change was made.
    pub fn has_change(&self, id: &str, change: &Change) -> bool {
        self.changes.get(id).is_some_and(|changes| changes.contains(change))
    }

    /// Whether an interaction had this user data after the event `known`, or when that happened.
    pub fn was(&self, id: &str, shown: &Entries, known: u64) -> bool {
        let versions = self.versions.get(id).map(Vec::as_slice).unwrap_or_default();
        let until = versions.iter().skip(1).map(|(number, _)| *number).chain([u64::MAX]);
        versions.iter().zip(until).any(|((_, data), until)| data == shown && until > known)
    }

    /// The database holds the newest version of each interaction that is there, and nothing else.
    pub fn is_in(&self, database: &Database, there: impl Iterator<Item = (InteractionKey, String)>) {
        let mut count = 0;
        for (key, id) in there {
            count += 1;
            let list = database.cold.get(&key).cloned().map(KeyValueList::from_encoded);
            assert!(list.is_some(), "'user data is kept' does not hold: {id} has none");
            let newest = self.versions.get(&id).and_then(|versions| versions.last());
            assert_eq!(
                Some(&entries(list.as_ref())),
                newest.map(|(_, data)| data),
                "'user data is kept' does not hold: {id}: what is kept, what the events say"
            );
        }
        assert_eq!(database.cold.len(), count, "'user data is kept' does not hold: of what is gone too");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, &str)]) -> Entries {
        entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn each_version_counts_until_the_next_one() {
        let mut data = UserData::default();
        let mut submitted = KeyValueList::new();
        submitted.push_text("Subject", "one").push_text("Note", "a");
        data.begins(3, "X", Some(&submitted));
        let change = [list(&[("Note", "b")]), list(&[("Subject", "two")]), Vec::new()];
        data.changes(7, "X", change.clone());
        assert!(data.has_change("X", &change));
        let after = list(&[("Subject", "two"), ("Note", "a"), ("Note", "b")]);
        assert!(data.was("X", &after, 7));
        assert!(data.was("X", &entries(Some(&submitted)), 6));
        assert!(!data.was("X", &entries(Some(&submitted)), 7), "stale");
        data.changes(9, "X", [Vec::new(), Vec::new(), list(&[("Note", "")])]);
        assert!(data.was("X", &list(&[("Subject", "two")]), 9));
    }
}
