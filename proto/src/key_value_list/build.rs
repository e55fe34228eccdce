//! Writing a list.

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{encode_varint, encoded_len_varint};

use super::{KeyValueList, Value, walk::ENTRIES_KEY};

const KEY_KEY: u8 = 0x0a;
const TEXT_KEY: u8 = 0x12;
const INTEGER_KEY: u8 = 0x18;
const BINARY_KEY: u8 = 0x22;
const LIST_KEY: u8 = 0x2a;

impl KeyValueList {
    /// A list of these entries, in this order. [`Value::None`] writes the key alone.
    pub fn from_entries<'a>(entries: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Self {
        let mut encoded = BytesMut::new();
        for (key, value) in entries {
            put_pair(key, value, &mut encoded);
        }
        Self::from_encoded(encoded.freeze())
    }

    /// Appends a text.
    pub fn push_text(&mut self, key: &str, text: &str) -> &mut Self {
        self.push(key, Value::Text(text))
    }

    /// Appends an integer.
    pub fn push_integer(&mut self, key: &str, integer: i64) -> &mut Self {
        self.push(key, Value::Integer(integer))
    }

    /// Appends bytes.
    pub fn push_binary(&mut self, key: &str, binary: &[u8]) -> &mut Self {
        self.push(key, Value::Binary(binary))
    }

    /// Appends a nested list.
    pub fn push_list(&mut self, key: &str, list: &Self) -> &mut Self {
        self.push(key, Value::List(list.view()))
    }

    /// Appends any value. [`Value::None`] appends the key alone.
    pub fn push(&mut self, key: &str, value: Value<'_>) -> &mut Self {
        let mut encoded = self.take_mut();
        put_pair(key, value, &mut encoded);
        self.encoded = encoded.freeze();
        self
    }

    /// The bytes to append to: its own when nobody shares them, else a copy.
    pub(super) fn take_mut(&mut self) -> BytesMut {
        std::mem::replace(&mut self.encoded, Bytes::new())
            .try_into_mut()
            .unwrap_or_else(|shared| BytesMut::from(&shared[..]))
    }
}

/// Appends one encoded entry, framed.
pub(super) fn put_entry(entry: &[u8], out: &mut BytesMut) {
    out.put_u8(ENTRIES_KEY);
    encode_varint(entry.len() as u64, out);
    out.put_slice(entry);
}

fn put_pair(key: &str, value: Value<'_>, out: &mut BytesMut) {
    // Generated encoders leave an empty key out; doing the same keeps equal lists equal in bytes.
    let key_length = if key.is_empty() { 0 } else { field_length(key.len()) };
    let length = key_length + value_length(value);
    out.put_u8(ENTRIES_KEY);
    encode_varint(length as u64, out);
    if !key.is_empty() {
        put_field(KEY_KEY, key.as_bytes(), out);
    }
    match value {
        Value::None => {}
        Value::Text(text) => put_field(TEXT_KEY, text.as_bytes(), out),
        Value::Integer(integer) => {
            out.put_u8(INTEGER_KEY);
            encode_varint(zigzag(integer), out);
        }
        Value::Binary(binary) => put_field(BINARY_KEY, binary, out),
        Value::List(list) => put_field(LIST_KEY, list.encoded(), out),
    }
}

fn put_field(key: u8, content: &[u8], out: &mut BytesMut) {
    out.put_u8(key);
    encode_varint(content.len() as u64, out);
    out.put_slice(content);
}

const fn field_length(content: usize) -> usize {
    1 + encoded_len_varint(content as u64) + content
}

const fn value_length(value: Value<'_>) -> usize {
    match value {
        Value::None => 0,
        Value::Text(text) => field_length(text.len()),
        Value::Integer(integer) => 1 + encoded_len_varint(zigzag(integer)),
        Value::Binary(binary) => field_length(binary.len()),
        Value::List(list) => field_length(list.encoded().len()),
    }
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}
