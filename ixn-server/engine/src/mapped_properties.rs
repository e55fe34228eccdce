//! User data that has a place in the hot row: Priority, ServiceObjective, the interaction's own handling timeout, and the
//! custom properties that configuration maps. They stay in the user data too.

use std::collections::{BTreeMap, BTreeSet};

use ixn_proto::key_value_list::Value;
use ixn_proto::{ErrorCode, KeyValueList};

use crate::engine::Engine;
use crate::extra::CustomValue;
use crate::names::Names;
use crate::requests::Refusal;
use crate::requests::validation::MAX_TEXT_BYTES;
use crate::vocabulary::CustomPropertyId;

/// The type of a mapped custom property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomType {
    /// A string of at most 256 bytes; longer ones are cut for conditions (whole in the user data).
    Text,
    /// A number, or a string of digits.
    Integer,
    /// Unix seconds.
    Timestamp,
}

/// What user data says about the hot row. The first entry of a key counts, also when its value does not fit.
#[derive(Debug, Default)]
pub(crate) struct Mapped {
    pub(crate) priority: Option<i32>,
    pub(crate) service_objective: Option<i32>,
    pub(crate) handling_timeout_minutes: Option<u16>,
    pub(crate) custom: Vec<(CustomPropertyId, CustomValue)>,
}

impl Engine {
    /// Reads what is mapped.
    pub(crate) fn mapped_properties(&self, user_data: &KeyValueList) -> Result<Mapped, Refusal> {
        read(user_data, &self.vocabulary.custom_properties, &self.setup.custom_properties)
    }
}

fn read(
    user_data: &KeyValueList,
    names: &Names<CustomPropertyId>,
    types: &BTreeMap<CustomPropertyId, CustomType>,
) -> Result<Mapped, Refusal> {
    let mut mapped = Mapped::default();
    let mut seen = BTreeSet::new();
    for entry in user_data.entries() {
        let entry = entry.map_err(|error| Refusal::new(ErrorCode::InvalidUserData, error.to_string()))?;
        let property = match entry.key {
            "Priority" | "ServiceObjective" | "handling-timeout" => None,
            key => match names.find(key).and_then(|id| Some((id, *types.get(&id)?))) {
                None => continue,
                property => property,
            },
        };
        if !seen.insert(entry.key) {
            continue;
        }
        match entry.key {
            "Priority" => mapped.priority = number(entry.value),
            "ServiceObjective" => mapped.service_objective = number(entry.value),
            "handling-timeout" => {
                let minutes: Option<u16> = number(entry.value).filter(|minutes| (1..=1440).contains(minutes));
                if minutes.is_none() {
                    let text = "user data 'handling-timeout' must be a number of minutes from 1 to 1440";
                    return Err(Refusal::new(ErrorCode::InvalidValue, text));
                }
                mapped.handling_timeout_minutes = minutes;
            }
            _ => {
                let value = property.and_then(|(id, kind)| Some((id, custom(kind, entry.value)?)));
                mapped.custom.extend(value);
            }
        }
    }
    mapped.custom.sort_by_key(|(id, _)| *id);
    Ok(mapped)
}

fn number<T: TryFrom<i64>>(value: Value<'_>) -> Option<T> {
    let number = match value {
        Value::Integer(number) => number,
        Value::Text(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    T::try_from(number).ok()
}

/// A value that does not fit the type is as if it were not there: conditions see NULL.
fn custom(kind: CustomType, value: Value<'_>) -> Option<CustomValue> {
    match (kind, value) {
        (CustomType::Text, Value::Text(text)) => {
            let end = (0..=MAX_TEXT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end))?;
            Some(CustomValue::Text(text[..end].into()))
        }
        (CustomType::Text, Value::Integer(number)) => Some(CustomValue::Text(number.to_string().into())),
        (CustomType::Integer, value) => number(value).map(CustomValue::Integer),
        (CustomType::Timestamp, value) => number(value).map(CustomValue::Timestamp),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Id;

    fn mapped(user_data: &KeyValueList) -> Result<Mapped, Refusal> {
        let mut names = Names::new(10);
        let mut types = BTreeMap::new();
        types.insert(names.intern("Subject").unwrap(), CustomType::Text);
        types.insert(names.intern("Size").unwrap(), CustomType::Integer);
        read(user_data, &names, &types)
    }

    #[test]
    fn mapped_keys_are_taken_out_by_type_and_the_first_of_a_key_counts() {
        let mut data = KeyValueList::new();
        data.push_text("Subject", "first").push_text("Subject", "second").push_text("Size", "12");
        data.push_integer("Priority", 7).push_text("other", "x");
        let mapped = mapped(&data).unwrap();
        assert_eq!(mapped.priority, Some(7));
        let subject = CustomPropertyId::from_index(0);
        let size = CustomPropertyId::from_index(1);
        assert_eq!(
            mapped.custom,
            [(subject, CustomValue::Text("first".into())), (size, CustomValue::Integer(12))]
        );
    }

    #[test]
    fn a_first_entry_that_does_not_fit_is_not_made_up_for_by_a_later_one() {
        let mut data = KeyValueList::new();
        data.push_text("Size", "large").push_text("Size", "12");
        data.push_text("Priority", "high").push_integer("Priority", 7);
        data.push_integer("ServiceObjective", i64::MAX).push_integer("ServiceObjective", 60);
        let mapped = mapped(&data).unwrap();
        assert_eq!((mapped.priority, mapped.service_objective, mapped.custom), (None, None, Vec::new()));
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut data = KeyValueList::new();
        data.push_text("Subject", &"é".repeat(200));
        let Some((_, CustomValue::Text(text))) = mapped(&data).unwrap().custom.pop() else { panic!() };
        assert_eq!(text.len(), 256);
    }

    #[test]
    fn a_handling_timeout_out_of_range_is_refused() {
        let mut data = KeyValueList::new();
        data.push_text("handling-timeout", "2000");
        assert_eq!(mapped(&data).unwrap_err().code, ErrorCode::InvalidValue);
    }
}
