//! The names that a condition or an order may use.

use std::collections::BTreeMap;

use crate::{Property, PropertyRef, ValueType};

/// Why a custom property cannot be added to a [`Schema`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The name is empty.
    #[error("a custom property needs a name")]
    Empty,
    /// The name is a system property's, which a condition would always mean.
    #[error("custom property '{name}' has a name of the system property {}; choose another key", property.name())]
    SystemProperty {
        /// The name as given.
        name: String,
        /// The system property that it hides behind.
        property: Property,
    },
    /// The name is there already.
    #[error("custom property '{0}' is defined twice; remove one")]
    Duplicate(String),
    /// A custom property is referred to by 16 bits.
    #[error("there are more than 65536 custom properties; map fewer keys")]
    TooMany,
}

/// The system properties, always there, and the custom properties that configuration maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    custom: Vec<(Box<str>, ValueType)>,
    by_name: BTreeMap<Box<str>, u16>,
}

impl Schema {
    /// The system properties alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a custom property. Its name is case-sensitive; it gets the next index: 0, 1, …
    ///
    /// # Errors
    /// The name is empty, taken, or a system property's; or there are too many.
    pub fn add_custom(&mut self, name: impl Into<String>, value_type: ValueType) -> Result<(), SchemaError> {
        let name = name.into();
        if name.is_empty() {
            return Err(SchemaError::Empty);
        }
        if let Some(property) = Property::from_name(&name) {
            return Err(SchemaError::SystemProperty { name, property });
        }
        if self.by_name.contains_key(name.as_str()) {
            return Err(SchemaError::Duplicate(name));
        }
        let index = u16::try_from(self.custom.len()).map_err(|_| SchemaError::TooMany)?;
        self.by_name.insert(name.as_str().into(), index);
        self.custom.push((name.into(), value_type));
        Ok(())
    }

    /// The property with this name: a system property in either spelling, upper or lower case, or a custom one exactly
    /// as it was added.
    pub fn find(&self, name: &str) -> Option<(PropertyRef, ValueType)> {
        if let Some(property) = Property::from_name(name) {
            return Some((PropertyRef::System(property), property.value_type()));
        }
        let index = *self.by_name.get(name)?;
        let (_, value_type) = self.custom.get(usize::from(index))?;
        Some((PropertyRef::Custom(index), *value_type))
    }

    /// The custom properties by index.
    pub fn custom(&self) -> impl Iterator<Item = (&str, ValueType)> {
        self.custom.iter().map(|(name, value_type)| (&**name, *value_type))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_names_are_case_sensitive_and_system_names_are_not() {
        let mut schema = Schema::new();
        schema.add_custom("lang", ValueType::Text).unwrap();
        schema.add_custom("Lang", ValueType::Integer).unwrap();
        assert_eq!(schema.find("lang"), Some((PropertyRef::Custom(0), ValueType::Text)));
        assert_eq!(schema.find("Lang"), Some((PropertyRef::Custom(1), ValueType::Integer)));
        assert_eq!(schema.find("LANG"), None);
        assert_eq!(schema.find("PRIORITY").map(|found| found.1), Some(ValueType::Integer));
        assert_eq!(schema.custom().count(), 2);
    }

    #[test]
    fn names_that_could_not_be_reached_are_refused() {
        let mut schema = Schema::new();
        let mut add = |name: &str| schema.add_custom(name, ValueType::Text);
        assert_eq!(add(""), Err(SchemaError::Empty));
        assert!(matches!(
            add("Type"),
            Err(SchemaError::SystemProperty { property: Property::InteractionType, .. })
        ));
        assert_eq!(add("lang"), Ok(()));
        assert_eq!(add("lang"), Err(SchemaError::Duplicate("lang".into())));
    }
}
