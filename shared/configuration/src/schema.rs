//! What the reader takes beyond what the types say, for the JSON Schema.

use serde_json::Value;

/// The section that is a mapping; all others are lists.
const OPTIONS: &str = "/$defs/Options";

/// A number stands for a text as it is written (`id: 0042`), and nothing for an empty list or mapping: one of which every
/// entry is commented out.
pub(crate) fn as_it_is_read(schema: &mut Value) {
    texts_may_be_numbers(schema);
    if let Some(options) = schema.pointer_mut(OPTIONS) {
        may_be(options, "null");
    }
}

fn texts_may_be_numbers(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            for (keyword, value) in keywords.iter_mut().filter(|(keyword, _)| *keyword != "default") {
                texts_may_be_numbers(value);
                let properties = value.as_object_mut().filter(|_| keyword == "properties");
                let containers = properties.into_iter().flat_map(|properties| properties.values_mut());
                for container in containers.filter(|value| is(value, "array") || is(value, "object")) {
                    may_be(container, "null");
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(texts_may_be_numbers),
        _ => {}
    }
    let has = |keyword: &str| schema.get(keyword).is_some();
    // What is one of some words, or has a form, is no number.
    if is(schema, "string") && !has("const") && !has("enum") && !has("pattern") {
        may_be(schema, "number");
    }
}

/// Whether a schema is for this type, among others.
fn is(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}

fn may_be(schema: &mut Value, name: &str) {
    let Some(types) = schema.get_mut("type") else { return };
    if !types.is_array() {
        *types = Value::Array(vec![types.take()]);
    }
    if let Value::Array(several) = types {
        several.push(name.into());
    }
}
