//! `LIKE` patterns, compiled once.

use std::fmt;

/// A compiled pattern: `%` any text, `_` any one character, everything else itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This text, as it is.
    Text(Box<str>),
    /// Any one character.
    One,
    /// Any number of characters, none included.
    Any,
}

impl Pattern {
    /// Compiles a pattern. `None`: it ends with the escape character, which leaves nothing to escape.
    pub(crate) fn compile(pattern: &str, escape: Option<char>) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        let mut text = String::new();
        let mut chars = pattern.chars();
        while let Some(c) = chars.next() {
            let wildcard = match c {
                // The escape character comes first: it may be a wildcard itself.
                _ if Some(c) == escape => {
                    text.push(chars.next()?);
                    continue;
                }
                '%' => Part::Any,
                '_' => Part::One,
                _ => {
                    text.push(c);
                    continue;
                }
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            if wildcard != Part::Any || parts.last() != Some(&Part::Any) {
                parts.push(wildcard);
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        Some(Self { parts: parts.into() })
    }

    /// Whether the whole text fits the pattern. Takes at most text length × pattern length steps and no memory.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut rest = text;
        let mut parts = &*self.parts;
        // After a failure only the last `%` needs to be tried further: (where it took up, the parts behind it).
        let mut retry: Option<(&str, &[Part])> = None;
        loop {
            let next = match parts.split_first() {
                Some((Part::Any, [])) => return true,
                Some((Part::Any, behind)) => {
                    retry = Some((rest, behind));
                    parts = behind;
                    continue;
                }
                Some((Part::One, behind)) => without_first_char(rest).map(|rest| (rest, behind)),
                Some((Part::Text(text), behind)) => rest.strip_prefix(&**text).map(|rest| (rest, behind)),
                None if rest.is_empty() => return true,
                None => None,
            };
            (rest, parts) = match (next, retry) {
                (Some(next), _) => next,
                (None, None) => return false,
                (None, Some((from, behind))) => {
                    let Some(from) = without_first_char(from) else { return false };
                    retry = Some((from, behind));
                    (from, behind)
                }
            };
        }
    }
}

fn without_first_char(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next().map(|_| chars.as_str())
}

/// The pattern with `\` as the escape character; quotes are not doubled.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::One => f.write_str("_")?,
                Part::Any => f.write_str("%")?,
                Part::Text(text) => {
                    for c in text.chars() {
                        if matches!(c, '%' | '_' | '\\') {
                            f.write_str("\\")?;
                        }
                        write!(f, "{c}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, pattern: &str) -> bool {
        Pattern::compile(pattern, Some('\\')).unwrap().matches(text)
    }

    #[test]
    fn matches_whole_texts() {
        for (text, pattern) in [
            ("", ""),
            ("", "%"),
            ("", "%%"),
            ("abc", "abc"),
            ("abc", "a%"),
            ("abc", "%c"),
            ("abc", "%b%"),
            ("abc", "___"),
            ("abc", "_%_"),
            ("aXbXc", "%X_"),
            ("aab", "%ab"),
            ("äöü", "_ö_"),
            ("100%", "100\\%"),
            ("a\\b", "a\\\\b"),
            ("ab", "\\a\\b"),
        ] {
            assert!(matches(text, pattern), "{text:?} like {pattern:?}");
        }
        for (text, pattern) in [
            ("a", ""),
            ("", "_"),
            ("abc", "ABC"),
            ("abc", "ab"),
            ("abc", "b%"),
            ("abc", "____"),
            ("1000", "100\\%"),
            ("aXb", "%X"),
        ] {
            assert!(!matches(text, pattern), "{text:?} not like {pattern:?}");
        }
    }

    #[test]
    fn other_escape_characters() {
        let matches = |text: &str, pattern: &str, escape| {
            Pattern::compile(pattern, escape).map(|pattern| pattern.matches(text))
        };
        assert_eq!(matches("10%", "10!%", Some('!')), Some(true));
        assert_eq!(matches("10\\x", "10\\%", Some('!')), Some(true));
        assert_eq!(matches("10\\x", "10\\%", None), Some(true));
        assert_eq!(matches("%", "%%", Some('%')), Some(true));
        assert_eq!(matches("x", "%%", Some('%')), Some(false));
        assert_eq!(matches("x", "x!", Some('!')), None);
    }

    #[test]
    fn hard_patterns_stay_quick() {
        let pattern = format!("{}b", "%a".repeat(200));
        assert!(!matches(&"a".repeat(20_000), &pattern));
    }
}
