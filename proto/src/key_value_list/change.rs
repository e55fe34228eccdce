//! The change that RequestChangeProperties asks for.

use std::collections::{BTreeMap, BTreeSet};

use bytes::BytesMut;

use super::{KeyValueError, KeyValueList, build::put_entry};

impl KeyValueList {
    /// The list after a change, applied in the order *deleted*, *changed*, *added*; entries that are not named keep
    /// their bytes and their order.
    ///
    /// - `deleted`: all entries with these keys go; the values are not read.
    /// - `changed`: the first entry with such a key gives its place to the changed entries of that key, further ones
    ///   go; without one they are appended.
    /// - `added`: appended as they are, also when the key exists.
    ///
    /// # Errors
    /// One of the four lists is malformed.
    pub fn apply_change(&self, added: &Self, changed: &Self, deleted: &Self) -> Result<Self, KeyValueError> {
        let deleted = deleted.entries().map(|entry| Ok(entry?.key)).collect::<Result<BTreeSet<_>, _>>()?;
        let mut replacements = BTreeMap::<&str, Vec<&[u8]>>::new();
        for entry in changed.entries() {
            let entry = entry?;
            replacements.entry(entry.key).or_default().push(entry.encoded);
        }
        let mut placed = BTreeSet::new();
        let mut out =
            BytesMut::with_capacity(self.encoded.len() + changed.encoded.len() + added.encoded.len());
        for entry in self.entries() {
            let entry = entry?;
            if deleted.contains(entry.key) {
                continue;
            }
            match replacements.get(entry.key) {
                None => put_entry(entry.encoded, &mut out),
                Some(entries) if placed.insert(entry.key) => {
                    entries.iter().for_each(|replacement| put_entry(replacement, &mut out));
                }
                Some(_) => {}
            }
        }
        for entry in changed.entries() {
            let entry = entry?;
            if !placed.contains(entry.key) {
                put_entry(entry.encoded, &mut out);
            }
        }
        for entry in added.entries() {
            put_entry(entry?.encoded, &mut out);
        }
        Ok(Self::from_encoded(out.freeze()))
    }
}
