//! What only some rows have, in one allocation: client-chosen and foreign ids, suggested queues, mapped custom properties.
//!
//! A million rows keep these for days; they are read one at a time. So they are kept packed: a sequence of fields, each a
//! byte that names it, a length, and its bytes. Memory only: rows are stored as [`InteractionRow`](crate::row).

use bytes::Bytes;
use ixn_proto::KeyValueList;
use prost::encoding::{decode_varint, encode_varint};

use crate::names::Id;
use crate::vocabulary::CustomPropertyId;

/// A mapped custom property's value.
#[derive(Clone, Debug, PartialEq)]
pub enum CustomValue {
    /// A number.
    Integer(i64),
    /// A string.
    Text(Box<str>),
    /// Unix seconds.
    Timestamp(i64),
}

/// A mapped custom property's value, where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CustomRef<'a> {
    /// A number.
    Integer(i64),
    /// A string.
    Text(&'a str),
    /// Unix seconds.
    Timestamp(i64),
}

/// The properties, loose.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// The id, when the client chose it.
    pub chosen_id: Option<Box<str>>,
    /// ExternalId.
    pub external_id: Option<Box<str>>,
    /// ParentId.
    pub parent_id: Option<Box<str>>,
    /// Queues suggested to the agent.
    pub in_queues: KeyValueList,
    /// Queues suggested for children.
    pub out_queues: KeyValueList,
    /// Mapped custom properties, ascending by id.
    pub custom: Vec<(CustomPropertyId, CustomValue)>,
}

/// The properties, packed. A row that has none of them has no allocation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PackedExtra(Option<Box<[u8]>>);

const CHOSEN_ID: u8 = 1;
const EXTERNAL_ID: u8 = 2;
const PARENT_ID: u8 = 3;
const IN_QUEUES: u8 = 4;
const OUT_QUEUES: u8 = 5;
/// Custom properties: the id and the value follow inside.
const CUSTOM_INTEGER: u8 = 6;
const CUSTOM_TEXT: u8 = 7;
const CUSTOM_TIMESTAMP: u8 = 8;

impl Extra {
    /// Packs them.
    pub fn pack(&self) -> PackedExtra {
        let mut packed = Vec::new();
        let mut put = |field: u8, bytes: &[u8]| {
            packed.push(field);
            encode_varint(bytes.len() as u64, &mut packed);
            packed.extend_from_slice(bytes);
        };
        for (field, text) in
            [(CHOSEN_ID, &self.chosen_id), (EXTERNAL_ID, &self.external_id), (PARENT_ID, &self.parent_id)]
        {
            if let Some(text) = text {
                put(field, text.as_bytes());
            }
        }
        for (field, list) in [(IN_QUEUES, &self.in_queues), (OUT_QUEUES, &self.out_queues)] {
            if !list.is_empty() {
                put(field, list.as_bytes());
            }
        }
        for (id, value) in &self.custom {
            let mut inside = Vec::with_capacity(16);
            encode_varint(id.index() as u64, &mut inside);
            let field = match value {
                CustomValue::Integer(number) => {
                    inside.extend_from_slice(&number.to_le_bytes());
                    CUSTOM_INTEGER
                }
                CustomValue::Timestamp(seconds) => {
                    inside.extend_from_slice(&seconds.to_le_bytes());
                    CUSTOM_TIMESTAMP
                }
                CustomValue::Text(text) => {
                    inside.extend_from_slice(text.as_bytes());
                    CUSTOM_TEXT
                }
            };
            put(field, &inside);
        }
        PackedExtra((!packed.is_empty()).then(|| packed.into()))
    }
}

impl PackedExtra {
    fn fields(&self) -> Fields<'_> {
        Fields(self.0.as_deref().unwrap_or_default())
    }

    fn text(&self, wanted: u8) -> Option<&str> {
        let (_, bytes) = self.fields().find(|(field, _)| *field == wanted)?;
        std::str::from_utf8(bytes).ok()
    }

    fn list(&self, wanted: u8) -> KeyValueList {
        let found = self.fields().find(|(field, _)| *field == wanted);
        KeyValueList::from_encoded(found.map(|(_, bytes)| Bytes::copy_from_slice(bytes)).unwrap_or_default())
    }

    /// The id, when the client chose it.
    pub fn chosen_id(&self) -> Option<&str> {
        self.text(CHOSEN_ID)
    }

    /// ExternalId.
    pub fn external_id(&self) -> Option<&str> {
        self.text(EXTERNAL_ID)
    }

    /// ParentId.
    pub fn parent_id(&self) -> Option<&str> {
        self.text(PARENT_ID)
    }

    /// Queues suggested to the agent.
    pub fn in_queues(&self) -> KeyValueList {
        self.list(IN_QUEUES)
    }

    /// Queues suggested for children.
    pub fn out_queues(&self) -> KeyValueList {
        self.list(OUT_QUEUES)
    }

    /// Mapped custom properties, ascending by id.
    pub fn custom(&self) -> impl Iterator<Item = (CustomPropertyId, CustomRef<'_>)> {
        self.fields().filter_map(|(field, bytes)| custom(field, bytes))
    }

    /// Takes the properties out, changes them and packs them again.
    pub fn change(&mut self, change: impl FnOnce(&mut Extra)) {
        let mut extra = self.unpack();
        change(&mut extra);
        *self = extra.pack();
    }

    fn unpack(&self) -> Extra {
        Extra {
            chosen_id: self.chosen_id().map(Into::into),
            external_id: self.external_id().map(Into::into),
            parent_id: self.parent_id().map(Into::into),
            in_queues: self.in_queues(),
            out_queues: self.out_queues(),
            custom: self.custom().map(|(id, value)| (id, value.to_owned())).collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes of the allocation.
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |packed| packed.len())
    }
}

impl CustomRef<'_> {
    /// A copy that stands alone.
    pub fn to_owned(self) -> CustomValue {
        match self {
            Self::Integer(number) => CustomValue::Integer(number),
            Self::Text(text) => CustomValue::Text(text.into()),
            Self::Timestamp(seconds) => CustomValue::Timestamp(seconds),
        }
    }
}

fn custom(field: u8, mut bytes: &[u8]) -> Option<(CustomPropertyId, CustomRef<'_>)> {
    if !matches!(field, CUSTOM_INTEGER | CUSTOM_TEXT | CUSTOM_TIMESTAMP) {
        return None;
    }
    let id = CustomPropertyId::from_index(u32::try_from(decode_varint(&mut bytes).ok()?).ok()?);
    let value = match field {
        CUSTOM_TEXT => CustomRef::Text(std::str::from_utf8(bytes).ok()?),
        _ => {
            let number = i64::from_le_bytes(bytes.try_into().ok()?);
            if field == CUSTOM_INTEGER { CustomRef::Integer(number) } else { CustomRef::Timestamp(number) }
        }
    };
    Some((id, value))
}

/// The fields one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&field, mut rest) = self.0.split_first()?;
        let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
        let (bytes, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((field, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let mut queues = KeyValueList::new();
        queues.push_text("inbox", "").push_text("x", &"y".repeat(300));
        let id = CustomPropertyId::from_schema;
        let extra = Extra {
            chosen_id: Some("mine".into()),
            external_id: Some("é".repeat(200).into()),
            parent_id: None,
            in_queues: KeyValueList::new(),
            out_queues: queues,
            custom: vec![
                (id(0), CustomValue::Integer(-1)),
                (id(7), CustomValue::Text("".into())),
                (id(300), CustomValue::Text("a subject".into())),
                (id(301), CustomValue::Timestamp(i64::MAX)),
            ],
        };
        let mut packed = extra.pack();
        assert_eq!(packed.unpack(), extra);
        assert_eq!(packed.chosen_id(), Some("mine"));
        assert!(packed.custom().any(|found| found == (id(300), CustomRef::Text("a subject"))));
        packed.change(|extra| extra.chosen_id = None);
        assert_eq!(packed.unpack(), Extra { chosen_id: None, ..extra });
    }

    #[test]
    fn nothing_takes_nothing() {
        assert!(Extra::default().pack().is_empty());
        assert_eq!(size_of::<PackedExtra>(), 16);
    }
}
