//! What is wrong with a condition or an order, and where.

/// The kind of a mistake, stable for programs; the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConditionErrorKind {
    /// Something else was expected here.
    Syntax,
    /// No property has this name.
    UnknownProperty,
    /// No function has this name, or its arguments are wrong.
    UnknownFunction,
    /// SQL of the database, which this language does not have.
    NativeSql,
    /// The types do not go together.
    Type,
    /// A number outside 64 bits, or not a whole one.
    Number,
    /// A date or time that does not exist or is written differently.
    Timestamp,
    /// A `LIKE` pattern or its escape character.
    Pattern,
    /// The text goes on after the end.
    TrailingText,
    /// Nested deeper than [`NESTING_LIMIT`](crate::NESTING_LIMIT).
    TooDeep,
    /// Longer than [`TEXT_LENGTH_LIMIT_BYTES`](crate::TEXT_LENGTH_LIMIT_BYTES).
    TooLong,
}

/// A mistake in a condition or an order. Its text names the place, the thing and what is possible instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConditionError {
    /// What kind of mistake.
    pub kind: ConditionErrorKind,
    /// Where it begins: bytes from the start of the text.
    pub offset_bytes: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in the line, in code points, from 1.
    pub column: usize,
    /// What is wrong, without the place.
    pub message: String,
}

/// A mistake before its line and column are known.
#[derive(Debug)]
pub(crate) struct Mistake {
    pub(crate) kind: ConditionErrorKind,
    pub(crate) offset_bytes: usize,
    pub(crate) message: String,
}

impl Mistake {
    pub(crate) fn new(
        kind: ConditionErrorKind,
        offset_bytes: usize,
        message: impl Into<String>,
    ) -> Box<Self> {
        Box::new(Self { kind, offset_bytes, message: message.into() })
    }

    /// Finds line and column in the text that was parsed.
    pub(crate) fn locate(self, text: &str) -> ConditionError {
        let before = text.get(..self.offset_bytes).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ConditionError {
            kind: self.kind,
            offset_bytes: self.offset_bytes,
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).map_or(0, |line| line.chars().count()) + 1,
            message: self.message,
        }
    }
}

/// A piece of the text for a message: in quotes, cut when long, control characters made visible.
pub(crate) fn quoted(piece: &str) -> String {
    const LONGEST_CHARS: usize = 40;
    let mut shown: String = piece.chars().take(LONGEST_CHARS).flat_map(visible).collect();
    if piece.chars().nth(LONGEST_CHARS).is_some() {
        shown.push('…');
    }
    format!("'{shown}'")
}

fn visible(c: char) -> impl Iterator<Item = char> {
    let control = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    control.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_code_points_and_lines() {
        let text = "ä = 1\nAND é = x";
        let offset = text.find('x').unwrap();
        let error = Mistake::new(ConditionErrorKind::Syntax, offset, "wrong").locate(text);
        assert_eq!((error.line, error.column), (2, 9));
        assert_eq!(error.to_string(), "line 2, column 9: wrong");
    }

    #[test]
    fn quotes_are_short_and_visible() {
        assert_eq!(quoted("a\u{0}b"), "'a\\u{0}b'");
        assert_eq!(quoted(&"x".repeat(50)), format!("'{}…'", "x".repeat(40)));
    }
}
