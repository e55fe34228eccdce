//! Whether a list from outside may be kept.

use super::{Entry, KeyValueError, KeyValueList, Value};

/// How much of a key an error repeats: enough to find it, however long it is.
const SHOWN_CHARACTERS: usize = 64;

/// What a list may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The highest number of levels; a list without nested ones has 1.
    pub depth: usize,
    /// The highest number of entries, nested ones counted.
    pub entries: usize,
    /// The highest size of the encoded list, bytes.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 16, entries: 10_000, bytes: 1024 * 1024 }
    }
}

impl KeyValueList {
    /// Walks the whole list. It allocates no more than one small cursor per level.
    ///
    /// # Errors
    /// The first thing that is malformed or over a limit.
    pub fn check(&self, limits: &Limits) -> Result<(), KeyValueError> {
        self.walk(limits, |entry| match entry.value {
            Value::None => Err(KeyValueError::NoValue { key: shown(entry.key) }),
            _ => Ok(()),
        })
    }

    /// Like [`check`](Self::check), for lists whose keys alone count: entries may lack a value.
    ///
    /// # Errors
    /// The first thing that is malformed or over a limit.
    pub fn check_keys(&self, limits: &Limits) -> Result<(), KeyValueError> {
        self.walk(limits, |_| Ok(()))
    }

    fn walk(
        &self,
        limits: &Limits,
        check_value: impl Fn(&Entry<'_>) -> Result<(), KeyValueError>,
    ) -> Result<(), KeyValueError> {
        let bytes = self.encoded.len();
        if bytes > limits.bytes {
            return Err(KeyValueError::TooLarge { bytes, limit: limits.bytes });
        }
        let mut entries = 0_usize;
        let mut levels = vec![self.entries()];
        while let Some(level) = levels.last_mut() {
            let Some(entry) = level.next() else {
                levels.pop();
                continue;
            };
            let entry = entry?;
            entries += 1;
            if entries > limits.entries {
                return Err(KeyValueError::TooManyEntries { limit: limits.entries });
            }
            if entry.key.contains('\0') {
                return Err(KeyValueError::NulInKey { key: shown(entry.key) });
            }
            check_value(&entry)?;
            if let Value::List(list) = entry.value {
                if levels.len() >= limits.depth {
                    return Err(KeyValueError::TooDeep { limit: limits.depth });
                }
                levels.push(list.entries());
            }
        }
        Ok(())
    }
}

fn shown(key: &str) -> String {
    match key.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", key.get(..end).unwrap_or_default()),
        None => key.to_owned(),
    }
}
