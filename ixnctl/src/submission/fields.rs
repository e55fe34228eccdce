//! The fields of a JSON object by their names in the protocol, or in the vendor's spelling.

use ixn_suggestion::nearest;

use super::json::Json;

/// The fields of one object that have not been taken yet.
pub(super) struct Fields {
    /// What stands before a name in messages: nothing, or `workbin.`.
    prefix: String,
    left: Vec<(&'static str, String, Json)>,
}

impl Fields {
    /// Checks the names of `object`, which `known` lists; one that is `null` counts as not given.
    ///
    /// # Errors
    /// A sentence: a name is unknown or stands twice.
    pub(super) fn new(
        prefix: &str,
        object: Vec<(String, Json)>,
        known: &'static [&'static str],
    ) -> Result<Self, String> {
        let mut left: Vec<(&'static str, String, Json)> = Vec::with_capacity(object.len());
        for (written, value) in object {
            let meant = protocol_name(&written);
            let Some(name) = known.iter().copied().find(|name| *name == meant) else {
                let help = match nearest(&meant, known.iter().copied()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => format!("there are {}", known.join(", ")),
                };
                return Err(format!("there is no field \"{prefix}{written}\": {help}"));
            };
            if let Some((_, before, _)) = left.iter().find(|(other, _, _)| *other == name) {
                return Err(if *before == written {
                    format!("the field \"{prefix}{written}\" stands twice")
                } else {
                    format!("the fields \"{prefix}{before}\" and \"{prefix}{written}\" are the same one")
                });
            }
            left.push((name, written, value));
        }
        left.retain(|(_, _, value)| *value != Json::Null);
        Ok(Self { prefix: prefix.to_owned(), left })
    }

    /// Takes a field as it is, with its full name for messages.
    pub(super) fn value(&mut self, name: &str) -> Option<(String, Json)> {
        let index = self.left.iter().position(|(known, _, _)| *known == name)?;
        let (_, written, value) = self.left.swap_remove(index);
        Some((format!("{}{written}", self.prefix), value))
    }

    /// Takes a text; `None` = not given.
    ///
    /// # Errors
    /// A sentence: it is something else.
    pub(super) fn optional_text(&mut self, name: &str) -> Result<Option<String>, String> {
        match self.value(name) {
            None => Ok(None),
            Some((_, Json::Text(text))) => Ok(Some(text)),
            Some((name, value)) => Err(wrong(&name, &value, "a text")),
        }
    }

    /// Takes a text; empty = not given.
    ///
    /// # Errors
    /// As [`Fields::optional_text`].
    pub(super) fn text(&mut self, name: &str) -> Result<String, String> {
        self.optional_text(name).map(Option::unwrap_or_default)
    }

    /// Takes a whole number of 32 bits.
    ///
    /// # Errors
    /// A sentence: it is something else, or too large.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<i32>, String> {
        let Some((name, value)) = self.value(name) else { return Ok(None) };
        let number = if let Json::Integer(integer) = value { i32::try_from(integer).ok() } else { None };
        let allowed = format!("a whole number from {} to {}", i32::MIN, i32::MAX);
        number.map(Some).ok_or_else(|| wrong(&name, &value, &allowed))
    }

    /// Takes `true` or `false`; not given is false.
    ///
    /// # Errors
    /// A sentence: it is something else.
    pub(super) fn truth(&mut self, name: &str) -> Result<bool, String> {
        match self.value(name) {
            None => Ok(false),
            Some((_, Json::Truth(truth))) => Ok(truth),
            Some((name, value)) => Err(wrong(&name, &value, "true or false")),
        }
    }

    /// Takes an object, whose fields `known` lists; `example` shows one.
    ///
    /// # Errors
    /// A sentence: it is something else, or its names are wrong.
    pub(super) fn object(
        &mut self,
        name: &str,
        known: &'static [&'static str],
        example: &str,
    ) -> Result<Option<Fields>, String> {
        match self.value(name) {
            None => Ok(None),
            Some((name, Json::Object(object))) => Fields::new(&format!("{name}."), object, known).map(Some),
            Some((name, value)) => Err(wrong(&name, &value, &format!("an object such as {example}"))),
        }
    }
}

/// What is said about a value that cannot be used.
pub(super) fn wrong(name: &str, value: &Json, allowed: &str) -> String {
    format!("the field \"{name}\" is {value}: give {allowed}")
}

/// `MediaType` and `media_type` are the same name.
fn protocol_name(written: &str) -> String {
    if !written.starts_with(|first: char| first.is_ascii_uppercase()) {
        return match written {
            "parent_id" => "parent_interaction_id".to_owned(),
            _ => written.to_owned(),
        };
    }
    let mut name = String::new();
    for character in written.chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    if name == "parent_id" { "parent_interaction_id".to_owned() } else { name }
}
