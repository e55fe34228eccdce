//! Every mistake of a condition or an order, where its parser stops at the first.

use ixn_conditions::{ConditionError, ConditionErrorKind, Schema, ValueType};

use crate::TextProblem;

/// Nobody mends more than this at once.
const MOST_MISTAKES: usize = 20;

/// What is known of the properties that conditions and orders may name.
pub(super) struct Conditions {
    /// The properties whose types are known.
    pub(super) schema: Schema,
    /// Custom properties whose types could not be read.
    pub(super) of_any_type: Vec<String>,
    /// Whether the custom properties could be read, so that a name that is not among them is a mistake.
    pub(super) names_are_known: bool,
}

impl Conditions {
    /// The mistakes of a text: the first, and as long as each is an unknown property, what comes after it.
    pub(super) fn mistakes<T>(
        &self,
        text: &str,
        parse: fn(&str, &Schema) -> Result<T, ConditionError>,
    ) -> Vec<TextProblem> {
        let mut of_any_type = self.of_any_type.clone();
        of_any_type.retain(|name| text.contains(name.as_str()));
        let mut found = Vec::new();
        while found.len() < MOST_MISTAKES {
            let Some(error) = self.least_error(&of_any_type, |schema| parse(text, schema).err()) else {
                break;
            };
            let ConditionError { kind, offset_bytes, message, .. } = error;
            let is_unknown = kind == ConditionErrorKind::UnknownProperty;
            let unknown = if is_unknown { name_at(text, offset_bytes) } else { None };
            if unknown.as_ref().is_some_and(|name| of_any_type.contains(name)) {
                // Told already; it is a name that no property can have.
                break;
            }
            if unknown.is_none() || self.names_are_known {
                found.push(TextProblem { offset_bytes, message });
            }
            match unknown {
                Some(name) => of_any_type.push(name),
                None => break,
            }
        }
        found
    }

    /// The error of the types with which the text can be read furthest; none when there are types that fit.
    fn least_error(
        &self,
        of_any_type: &[String],
        parse: impl Fn(&Schema) -> Option<ConditionError>,
    ) -> Option<ConditionError> {
        let with_types = |types: &[ValueType]| {
            let mut schema = self.schema.clone();
            for (name, value_type) in of_any_type.iter().zip(types) {
                // A name that cannot be added is a mistake of its own.
                let _ = schema.add_custom(name, *value_type);
            }
            parse(&schema)
        };
        let mut types = vec![ValueType::Text; of_any_type.len()];
        let mut least = with_types(&types)?;
        // A parser stops at the first mistake, so each property on the way finds its type one after the other.
        let mut is_better = true;
        while std::mem::take(&mut is_better) {
            for index in 0..types.len() {
                for value_type in [ValueType::Integer, ValueType::Timestamp, ValueType::Text] {
                    let mut others = types.clone();
                    others[index] = value_type;
                    let error = with_types(&others)?;
                    if error.offset_bytes > least.offset_bytes {
                        (types, least, is_better) = (others, error, true);
                    }
                }
            }
        }
        Some(least)
    }
}

/// The name of the property that begins at this byte, `Subject` or `[Order no.]`.
fn name_at(text: &str, offset_bytes: usize) -> Option<String> {
    let rest = text.get(offset_bytes..)?;
    let name = match rest.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next()?,
        None => rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?,
    };
    (!name.is_empty()).then(|| name.to_owned())
}
