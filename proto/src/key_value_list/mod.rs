//! Key-value lists: ordered, keys may repeat, values are text, integer, bytes or a nested list.
//!
//! [`KeyValueList`] holds the encoded bytes of the message `ixn.v1.KeyValueList` and implements [`prost::Message`]
//! by copying its entries without looking into them. So decoding a request costs nothing per value, never recurses,
//! and accepts whatever the bytes are; [`KeyValueList::check`] then says whether they may be kept.
//!
//! ```text
//! list  = { 0x0a length entry }                field 1, repeated; other fields are dropped when decoded
//! entry = 0x0a length key  value               field 1: UTF-8; absent = empty
//! value = 0x12 length text                     field 2: UTF-8
//!       | 0x18 varint                          field 3: zigzag
//!       | 0x22 length bytes                    field 4
//!       | 0x2a length list                     field 5
//! ```

mod build;
mod change;
mod check;
mod message;
mod walk;

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

pub use check::Limits;
pub use walk::{Entries, Entry, ListView, Value};

/// A key-value list, encoded. Cloning is cheap. Two lists are equal when their bytes are.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct KeyValueList {
    encoded: Bytes,
}

/// Why a key-value list cannot be read or kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    /// The bytes are not an encoded list.
    #[error("the key-value list is malformed at byte {at} of {within}: encode it as ixn.v1.KeyValueList")]
    Malformed {
        /// The offset of the element that cannot be read, bytes.
        at: usize,
        /// The size of the list or entry that holds it, bytes.
        within: usize,
    },
    /// A key or text is not UTF-8.
    #[error("the {what} of a key-value entry is not UTF-8: send other bytes as binary")]
    NotUtf8 {
        /// `key` or `text`.
        what: &'static str,
    },
    /// A key holds the byte 0.
    #[error("the key {key:?} holds a NUL byte: remove it")]
    NulInKey {
        /// The key, a long one cut.
        key: String,
    },
    /// An entry has no value, or one of a kind that this version does not know.
    #[error("the key {key:?} has no value of a known kind: set text, integer, binary or list")]
    NoValue {
        /// The key, a long one cut.
        key: String,
    },
    /// An entry has more than one value or key.
    #[error("a key-value entry has more than one key or value: send one entry for each")]
    SeveralValues,
    /// The list is nested too deeply.
    #[error("the key-value list is nested deeper than {limit} levels: flatten it")]
    TooDeep {
        /// The highest number of levels.
        limit: usize,
    },
    /// The list has too many entries.
    #[error("the key-value list has more than {limit} entries in all: send fewer")]
    TooManyEntries {
        /// The highest number of entries, nested ones counted.
        limit: usize,
    },
    /// The list is too large.
    #[error("the key-value list has {bytes} bytes, more than {limit}: send less")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The highest size.
        limit: usize,
    },
}

impl KeyValueList {
    /// An empty list.
    pub const fn new() -> Self {
        Self { encoded: Bytes::new() }
    }

    /// A list of bytes that were encoded before, here or by any protobuf library. They are not looked at:
    /// bytes from outside need [`check`](Self::check).
    pub const fn from_encoded(encoded: Bytes) -> Self {
        Self { encoded }
    }

    /// The encoded bytes.
    pub const fn as_bytes(&self) -> &Bytes {
        &self.encoded
    }

    /// True when it has no entries.
    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    /// The list as a view, which nested lists are too.
    pub fn view(&self) -> ListView<'_> {
        ListView::new(&self.encoded)
    }

    /// The entries in order. After the first error the iterator ends. Nested lists are not entered.
    pub fn entries(&self) -> Entries<'_> {
        self.view().entries()
    }

    /// The value of the first entry with this key; `None` also when the list is malformed before it.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        self.view().get(key)
    }

    /// The text of the first entry with this key; `None` also when its value is not text.
    pub fn get_text(&self, key: &str) -> Option<&str> {
        self.view().get_text(key)
    }

    /// The integer of the first entry with this key; `None` also when its value is not an integer.
    pub fn get_integer(&self, key: &str) -> Option<i64> {
        self.view().get_integer(key)
    }
}

/// Shows the contents, for tests and debuggers; user data does not belong into logs.
impl fmt::Debug for KeyValueList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(formatter)
    }
}
