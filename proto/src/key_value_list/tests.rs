//! Our codec against a plain derived twin of the same shape, and against bytes that are no list.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};
use prost::{Message, encoding::encode_varint};

use super::*;

/// `ixn.v1.KeyValueList` as prost would generate it.
#[derive(Clone, PartialEq, prost::Message)]
struct TwinList {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<TwinEntry>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct TwinEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(oneof = "TwinValue", tags = "2, 3, 4, 5")]
    value: Option<TwinValue>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum TwinValue {
    #[prost(string, tag = "2")]
    Text(String),
    #[prost(sint64, tag = "3")]
    Integer(i64),
    #[prost(bytes = "vec", tag = "4")]
    Binary(Vec<u8>),
    #[prost(message, tag = "5")]
    List(TwinList),
}

/// The twin of a list that our walker reads.
fn twin_of(list: ListView<'_>) -> Result<TwinList, KeyValueError> {
    let entries = list.entries().map(|entry| {
        let entry = entry?;
        let value = match entry.value {
            Value::None => None,
            Value::Text(text) => Some(TwinValue::Text(text.to_owned())),
            Value::Integer(integer) => Some(TwinValue::Integer(integer)),
            Value::Binary(binary) => Some(TwinValue::Binary(binary.to_vec())),
            Value::List(list) => Some(TwinValue::List(twin_of(list)?)),
        };
        Ok(TwinEntry { key: entry.key.to_owned(), value })
    });
    Ok(TwinList { entries: entries.collect::<Result<_, _>>()? })
}

/// The list that our builder makes of a twin.
fn built_from(twin: &TwinList) -> KeyValueList {
    let mut list = KeyValueList::new();
    for TwinEntry { key, value } in &twin.entries {
        match value {
            None => list.push(key, Value::None),
            Some(TwinValue::Text(text)) => list.push_text(key, text),
            Some(TwinValue::Integer(integer)) => list.push_integer(key, *integer),
            Some(TwinValue::Binary(binary)) => list.push_binary(key, binary),
            Some(TwinValue::List(nested)) => list.push_list(key, &built_from(nested)),
        };
    }
    list
}

/// Keys from few letters, so that they repeat.
fn keys() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-c]", 1 => "[^\\x00]{0,12}"]
}

fn twins() -> impl Strategy<Value = TwinList> {
    let leaf = prop_oneof![
        any::<String>().prop_map(TwinValue::Text),
        any::<i64>().prop_map(TwinValue::Integer),
        vec(any::<u8>(), 0..20).prop_map(TwinValue::Binary),
    ];
    let value = leaf.prop_recursive(4, 40, 6, |value| {
        vec((keys(), value), 0..6).prop_map(|entries| TwinValue::List(twin_list(entries)))
    });
    vec((keys(), value), 0..8).prop_map(twin_list)
}

fn twin_list(entries: Vec<(String, TwinValue)>) -> TwinList {
    TwinList {
        entries: entries.into_iter().map(|(key, value)| TwinEntry { key, value: Some(value) }).collect(),
    }
}

/// What `apply_change` should do, on vectors.
fn model_change(base: &TwinList, added: &TwinList, changed: &TwinList, deleted: &TwinList) -> TwinList {
    let names = |list: &TwinList, key: &str| list.entries.iter().any(|entry| entry.key == key);
    let mut entries = Vec::new();
    for entry in base.entries.iter().filter(|entry| !names(deleted, &entry.key)) {
        if !names(changed, &entry.key) {
            entries.push(entry.clone());
        } else if !entries.iter().any(|placed: &TwinEntry| placed.key == entry.key) {
            entries.extend(changed.entries.iter().filter(|change| change.key == entry.key).cloned());
        }
    }
    let placed = TwinList { entries: entries.clone() };
    entries.extend(changed.entries.iter().filter(|entry| !names(&placed, &entry.key)).cloned());
    entries.extend(added.entries.iter().cloned());
    TwinList { entries }
}

fn count(twin: &TwinList) -> usize {
    let nested = twin.entries.iter().map(|entry| match &entry.value {
        Some(TwinValue::List(list)) => count(list),
        _ => 0,
    });
    twin.entries.len() + nested.sum::<usize>()
}

/// A list nested `levels` deep.
fn nested(levels: usize) -> KeyValueList {
    // Written from the outside in: the lengths of the inner levels are known by arithmetic.
    let mut sizes = vec![0_usize];
    for _ in 1..levels {
        let inner = sizes[sizes.len() - 1];
        let list = 1 + prost::length_delimiter_len(inner) + inner;
        sizes.push(1 + prost::length_delimiter_len(list) + list);
    }
    let mut out = BytesMut::new();
    for inner in sizes.iter().rev().skip(1) {
        let list = 1 + prost::length_delimiter_len(*inner) + inner;
        out.extend_from_slice(&[0x0a]);
        encode_varint(list as u64, &mut out);
        out.extend_from_slice(&[0x2a]);
        encode_varint(*inner as u64, &mut out);
    }
    KeyValueList::from_encoded(out.freeze())
}

proptest! {
    #[test]
    fn what_a_generated_encoder_wrote_is_read(twin in twins()) {
        let bytes = twin.encode_to_vec();
        let list = KeyValueList::decode(&bytes[..]).unwrap();
        prop_assert_eq!(&twin_of(list.view()).unwrap(), &twin);
        let (entries, bytes_long) = (count(&twin), bytes.len());
        let limits = Limits { entries, bytes: bytes_long, ..Limits::default() };
        prop_assert_eq!(list.check(&limits), Ok(()));
        if let Some(entries) = entries.checked_sub(1) {
            let refused = list.check(&Limits { entries, ..limits });
            prop_assert_eq!(refused, Err(KeyValueError::TooManyEntries { limit: entries }));
        }
        prop_assert_eq!(list.encode_to_vec(), bytes);
    }

    #[test]
    fn what_our_builder_wrote_is_read_by_a_generated_decoder(twin in twins()) {
        let list = built_from(&twin);
        prop_assert_eq!(&TwinList::decode(list.as_bytes().clone()).unwrap(), &twin);
        prop_assert_eq!(list.as_bytes(), &twin.encode_to_vec());
        let entries = list.entries().map(|entry| entry.map(|entry| (entry.key, entry.value)));
        let again = KeyValueList::from_entries(entries.collect::<Result<Vec<_>, _>>().unwrap());
        prop_assert_eq!(again, list);
    }

    #[test]
    fn a_change_does_what_the_model_does(base in twins(), added in twins(), changed in twins(), deleted in twins()) {
        let [base_list, added_list, changed_list, deleted_list] = [&base, &added, &changed, &deleted].map(built_from);
        let after = base_list.apply_change(&added_list, &changed_list, &deleted_list).unwrap();
        prop_assert_eq!(twin_of(after.view()).unwrap(), model_change(&base, &added, &changed, &deleted));
    }

    #[test]
    fn any_bytes_end_in_a_value_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let list = KeyValueList::from_encoded(Bytes::from(bytes.clone()));
        let checked = list.check_keys(&Limits::default());
        let shown = format!("{list:?}");
        prop_assert!(!shown.is_empty());
        let _ = (list.get("a"), list.get_text("a"), list.get_integer("a"));
        let _ = (list.apply_change(&list, &list, &list), KeyValueList::decode(&bytes[..]));
        if checked.is_ok() {
            let twin = TwinList::decode(&bytes[..]).unwrap();
            prop_assert_eq!(twin_of(list.view()).unwrap(), twin);
        }
    }

    #[test]
    fn a_list_with_one_wrong_byte_ends_in_a_value_or_an_error(twin in twins(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = twin.encode_to_vec();
        prop_assume!(!bytes.is_empty());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let list = KeyValueList::from_encoded(Bytes::from(bytes.clone()));
        let _ = (format!("{list:?}"), list.apply_change(&list, &list, &list), KeyValueList::decode(&bytes[..]));
        if list.check_keys(&Limits::default()).is_ok() {
            prop_assert_eq!(twin_of(list.view()).unwrap(), TwinList::decode(&bytes[..]).unwrap());
        }
    }
}

#[test]
fn order_and_repeated_keys_are_kept() {
    let mut list = KeyValueList::new();
    list.push_text("b", "1").push_integer("a", -2).push_text("b", "3").push_binary("c", &[0, 255]);
    assert_eq!(format!("{list:?}"), r#"{"b": "1", "a": -2, "b": "3", "c": <2 bytes>}"#);
    assert_eq!(list.get_text("b"), Some("1"));
    assert_eq!(list.get_integer("a"), Some(-2));
    assert_eq!(list.get_text("a"), None);
    assert_eq!(list.get("d"), None);
}

#[test]
fn a_push_leaves_clones_alone() {
    let mut list = KeyValueList::from_entries([("a", Value::Integer(1))]);
    let before = list.clone();
    list.push_integer("b", 2);
    assert_eq!(format!("{before:?} {list:?}"), r#"{"a": 1} {"a": 1, "b": 2}"#);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let limits = Limits { depth: 3, entries: 4, bytes: 40 };
    assert_eq!(nested(3).check(&limits), Ok(()));
    assert_eq!(nested(4).check(&limits), Err(KeyValueError::TooDeep { limit: 3 }));

    let entries = |number| KeyValueList::from_entries((0..number).map(|_| ("k", Value::Integer(0))));
    assert_eq!(entries(4).check(&limits), Ok(()));
    assert_eq!(entries(5).check(&limits), Err(KeyValueError::TooManyEntries { limit: 4 }));

    let text = |length: usize| KeyValueList::from_entries([("k", Value::Text(&"x".repeat(length)))]);
    assert_eq!(text(33).check(&limits), Ok(()));
    assert_eq!(text(34).check(&limits), Err(KeyValueError::TooLarge { bytes: 41, limit: 40 }));
    assert_eq!(KeyValueList::new().check(&limits), Ok(()));
}

#[test]
fn a_list_far_deeper_than_any_recursion_limit_passes_through_and_is_refused_by_check() {
    let deep = nested(100_000);
    let request =
        crate::RequestChangeProperties { added_properties: Some(deep.clone()), ..Default::default() };
    let bytes = request.encode_to_vec();
    assert!(TwinList::decode(deep.as_bytes().clone()).is_err(), "the twin should reach its recursion limit");
    let decoded = crate::RequestChangeProperties::decode(&bytes[..]).unwrap();
    assert_eq!(decoded.added_properties.as_ref(), Some(&deep));
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    assert_eq!(deep.check(&limits), Err(KeyValueError::TooDeep { limit: 16 }));
    assert!(format!("{deep:?}").contains("{…}"));
    let unlimited = Limits { depth: usize::MAX, entries: usize::MAX, bytes: usize::MAX };
    assert_eq!(deep.check(&unlimited), Ok(()));
}

#[test]
fn what_cannot_be_kept_is_named() {
    let check = |bytes: &'static [u8]| {
        KeyValueList::from_encoded(Bytes::from_static(bytes)).check(&Limits::default())
    };
    assert_eq!(check(b"\x0a\x05\x0a\x01\x00\x18\x02"), Err(KeyValueError::NulInKey { key: "\0".to_owned() }));
    assert_eq!(check(b"\x0a\x03\x0a\x01k"), Err(KeyValueError::NoValue { key: "k".to_owned() }));
    assert_eq!(check(b"\x0a\x05\x0a\x01\xff\x18\x02"), Err(KeyValueError::NotUtf8 { what: "key" }));
    assert_eq!(check(b"\x0a\x06\x0a\x01k\x12\x01\xff"), Err(KeyValueError::NotUtf8 { what: "text" }));
    assert_eq!(check(b"\x0a\x07\x0a\x01k\x18\x02\x18\x02"), Err(KeyValueError::SeveralValues));
    assert_eq!(check(b"\x0a\x09\x0a"), Err(KeyValueError::Malformed { at: 0, within: 3 }));
    // A field that is read and is none of a list, or of an entry.
    assert_eq!(check(b"\x0a\x02\x12\x00\x08\x01"), Err(KeyValueError::Malformed { at: 4, within: 6 }));
    assert_eq!(check(b"\x0a\x04\x0a\x00\x10\x01"), Err(KeyValueError::Malformed { at: 2, within: 4 }));
    let long = KeyValueList::from_entries([("k".repeat(1_000_000).as_str(), Value::None)]);
    assert!(
        long.check(&Limits::default()).unwrap_err().to_string().len() < 200,
        "a long key is repeated whole"
    );
    let keys_alone = KeyValueList::from_entries([("k", Value::None)]);
    assert_eq!(keys_alone.check_keys(&Limits::default()), Ok(()));
}

#[test]
fn unknown_fields_are_skipped_and_wrong_ones_refused() {
    // Field 9 (varint 1), then an entry k = 1 that has a field 9 too.
    let bytes = b"\x48\x01\x0a\x07\x0a\x01k\x18\x02\x48\x01";
    let list = KeyValueList::decode(&bytes[..]).unwrap();
    assert_eq!(list.as_bytes(), &bytes[2..]);
    assert_eq!(list.get_integer("k"), Some(1));
    assert_eq!(KeyValueList::from_encoded(Bytes::from_static(bytes)).get_integer("k"), Some(1));

    assert!(KeyValueList::decode(&b"\x08\x01"[..]).is_err(), "field 1 is not a varint");
    assert!(KeyValueList::decode(&b"\x0a\x05\x0a"[..]).is_err(), "the entry is cut off");
}

#[test]
fn a_field_that_comes_in_two_parts_is_joined() {
    // extension = {a: 1}, extension = {b: 2}: parts of one message field are merged.
    let bytes = b"\x1a\x07\x0a\x05\x0a\x01a\x18\x02\x1a\x07\x0a\x05\x0a\x01b\x18\x04";
    let envelope = crate::ClientEnvelope::decode(&bytes[..]).unwrap();
    assert_eq!(format!("{:?}", envelope.extension), r#"Some({"a": 1, "b": 2})"#);
}
