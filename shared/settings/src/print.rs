//! The settings in force, for people.

use std::fmt;

use crate::origin::Origin;

/// One option with the value in force.
#[derive(Debug, Clone)]
pub struct EffectiveSetting {
    /// The option's name, without dashes in front.
    pub name: String,
    /// The value as text, one for each element of a list. Secrets and passwords inside addresses are `***`.
    pub values: Vec<String>,
    /// Whether the option takes several values.
    pub list: bool,
    /// Where the value came from.
    pub origin: Origin,
}

/// Every option of a service with the value in force, in the order of `--help`. Prints as a settings file
/// with the origins as comments.
#[derive(Debug, Clone)]
pub struct EffectiveSettings(pub(crate) Vec<EffectiveSetting>);

impl EffectiveSettings {
    /// The options in the order of `--help`.
    pub fn iter(&self) -> impl Iterator<Item = &EffectiveSetting> {
        self.0.iter()
    }
}

impl fmt::Display for EffectiveSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|setting| writeln!(f, "{setting}"))
    }
}

impl fmt::Display for EffectiveSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        let values = self.values.iter().map(|value| yaml_text(value)).collect::<Vec<_>>().join(", ");
        match &self.origin {
            Origin::NotSet => write!(f, "# {name}: not set"),
            origin if self.list => write!(f, "{name}: [{values}]  # {origin}"),
            origin => write!(f, "{name}: {values}  # {origin}"),
        }
    }
}

/// Plain where YAML reads it back as the same text, else double-quoted.
fn yaml_text(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./_:-+".contains(c);
    let safe_ends = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/') && !text.ends_with(':');
    if safe_ends && text.chars().all(plain) && text != "null" { text.to_owned() } else { format!("{text:?}") }
}

/// Hides the password of an address (`scheme://name:password@host`, `password=…`). Rather too much than too little: a
/// password that should have been percent-encoded and was not is hidden too.
pub(crate) fn without_passwords(text: &str) -> String {
    const HIDDEN: &str = "***";
    let mut shown = text.to_owned();
    if let Some(start) = shown.find("://").map(|at| at + 3)
        && let Some(at) = shown[start..].rfind('@')
        && let Some(colon) = shown[start..start + at].find(':')
    {
        shown.replace_range(start + colon + 1..start + at, HIDDEN);
    }
    let key = "password=";
    let mut from = 0;
    while let Some(start) = shown[from..].find(key).map(|at| from + at + key.len()) {
        let end = shown[start..].find(['&', ' ']).map_or(shown.len(), |at| start + at);
        shown.replace_range(start..end, HIDDEN);
        from = start + HIDDEN.len();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_hidden() {
        for (address, shown) in [
            ("postgres://ixn:pa:ss@db:5432/ixn", "postgres://ixn:***@db:5432/ixn"),
            ("postgres://ixn:a@b@db/ixn", "postgres://ixn:***@db/ixn"),
            ("postgres://ixn@db:5432/ixn", "postgres://ixn@db:5432/ixn"),
            ("postgres://ixn:pa/ss@db/ixn", "postgres://ixn:***@db/ixn"),
            ("postgres://ixn:pa#ss@db/ixn", "postgres://ixn:***@db/ixn"),
            ("postgres://ixn:pa?ss@db/ixn?ssl=1", "postgres://ixn:***@db/ixn?ssl=1"),
            ("postgres://db/ixn?password=x&user=y", "postgres://db/ixn?password=***&user=y"),
            ("postgres://db/?password=x#y&sslpassword=z", "postgres://db/?password=***&sslpassword=***"),
            ("host=db password=x user=y", "host=db password=*** user=y"),
            ("http://localhost:8500/a:b", "http://localhost:8500/a:b"),
        ] {
            assert_eq!(without_passwords(address), shown);
        }
    }

    #[test]
    fn quotes_what_yaml_would_read_otherwise() {
        for (text, written) in [
            ("30s", "30s"),
            ("0.0.0.0:7120", "0.0.0.0:7120"),
            ("a: b", "\"a: b\""),
            ("", "\"\""),
            ("*", "\"*\""),
        ] {
            assert_eq!(yaml_text(text), written);
        }
    }
}
