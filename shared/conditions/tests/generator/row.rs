//! Rows of random values.

use ixn_conditions::{Properties, PropertyRef, Schema, Value, ValueType};

use super::{Generator, PROPERTIES, TEXTS, reference};

/// One value for each of `PROPERTIES`.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) values: Vec<(PropertyRef, Value<'static>)>,
}

impl Properties for Row {
    fn get(&self, property: PropertyRef) -> Value<'_> {
        self.values.iter().find(|(other, _)| *other == property).map_or(Value::Null, |(_, value)| *value)
    }
}

impl Generator {
    pub(crate) fn row(&mut self, schema: &Schema) -> Row {
        let values = PROPERTIES.iter().enumerate().map(|(index, (_, _, value_type))| {
            let value = match value_type {
                _ if self.rng.u8(..6) == 0 => Value::Null,
                ValueType::Integer => Value::Integer(self.integer()),
                ValueType::Text => Value::Text(self.pick(&TEXTS)),
                ValueType::Timestamp => Value::Timestamp(self.seconds()),
            };
            (reference(schema, index), value)
        });
        Row { values: values.collect() }
    }
}
