//! Text → tokens, one at a time.

use crate::error::{ConditionErrorKind as Kind, Mistake, quoted};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// `[name]`, without its brackets.
    Name(String),
    /// `'text'`, without its quotes.
    Text(String),
    /// The sign is a token of its own; a literal may be one more than the greatest integer, for a minus before it.
    Integer(u64),
    Symbol(&'static str),
    End,
}

/// The longer ones first.
const SYMBOLS: [&str; 15] = ["<>", "!=", "<=", ">=", "(", ")", ",", "=", "<", ">", "+", "-", "*", "/", ";"];

/// What other dialects and habits bring along: (the beginning, what to say).
const FOREIGN: [(&str, &str); 11] = [
    ("--", "comments are not supported (write a space between two minus signs)"),
    ("/*", "comments are not supported"),
    ("||", "texts cannot be joined: '||' is native SQL"),
    ("::", "casts are native SQL, which is not supported"),
    ("==", "'==' is not an operator; write ="),
    ("&&", "'&&' is not an operator; write AND"),
    ("\"", "double quotes have no meaning; write 'text' or [property name]"),
    ("`", "backquotes have no meaning; write [property name]"),
    ("?", "parameters are not supported"),
    ("$", "parameters are not supported; a name with other characters is written [name]"),
    ("%", "'%' is not an operator"),
];

pub(crate) struct Lexer<'a> {
    text: &'a str,
    offset_bytes: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset_bytes: 0 }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.offset_bytes..).unwrap_or_default()
    }

    /// The next token and where it begins.
    pub(crate) fn next(&mut self) -> Result<(Token<'a>, usize), Box<Mistake>> {
        let rest = self.rest();
        self.offset_bytes += rest.len() - rest.trim_start().len();
        let start = self.offset_bytes;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok((Token::End, start)) };
        if let Some((_, message)) = FOREIGN.iter().find(|(beginning, _)| rest.starts_with(beginning)) {
            return Err(Mistake::new(Kind::NativeSql, start, *message));
        }
        let token = match first {
            '\'' => Token::Text(self.delimited('\'', "text has no closing quote '")?),
            '[' => Token::Name(self.delimited(']', "name has no closing bracket ]")?),
            _ if first.is_ascii_digit() => self.integer()?,
            _ if is_word_start(first) => {
                let end = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
                self.offset_bytes += end;
                Token::Word(rest.get(..end).unwrap_or_default())
            }
            _ => {
                let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) else {
                    let message = format!(
                        "unexpected character {}; a name with such characters is written [name]",
                        quoted(first.encode_utf8(&mut [0; 4]))
                    );
                    return Err(Mistake::new(Kind::Syntax, start, message));
                };
                self.offset_bytes += symbol.len();
                Token::Symbol(symbol)
            }
        };
        Ok((token, start))
    }

    /// What stands between the delimiter here and the next `closing` one that is not doubled.
    fn delimited(&mut self, closing: char, unclosed: &str) -> Result<String, Box<Mistake>> {
        let start = self.offset_bytes;
        let mut content = String::new();
        let mut chars = self.rest().char_indices().skip(1).peekable();
        while let Some((position, c)) = chars.next() {
            if c == '\0' {
                let message = "a text or a name cannot hold a NUL character";
                return Err(Mistake::new(Kind::Syntax, start + position, message));
            }
            if c == closing && chars.next_if(|(_, next)| *next == closing).is_none() {
                self.offset_bytes = start + position + c.len_utf8();
                return Ok(content);
            }
            content.push(c);
        }
        Err(Mistake::new(Kind::Syntax, start, format!("this {unclosed}")))
    }

    fn integer(&mut self) -> Result<Token<'a>, Box<Mistake>> {
        let rest = self.rest();
        let end = rest.find(|c| !is_word_part(c) && c != '.').unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        let start = self.offset_bytes;
        self.offset_bytes += end;
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            let message =
                format!("{} is not a whole number; only whole numbers are supported", quoted(digits));
            return Err(Mistake::new(Kind::Number, start, message));
        }
        match digits.parse::<u64>() {
            Ok(value) if value <= i64::MIN.unsigned_abs() => Ok(Token::Integer(value)),
            _ => Err(out_of_range(start)),
        }
    }
}

pub(crate) fn out_of_range(offset_bytes: usize) -> Box<Mistake> {
    let message = format!("this number is too big; integers go from {} to {}", i64::MIN, i64::MAX);
    Mistake::new(Kind::Number, offset_bytes, message)
}

fn is_word_start(c: char) -> bool {
    c == '_' || c.is_alphabetic()
}

fn is_word_part(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Whether a name can be written without brackets (keywords aside).
pub(crate) fn is_word(name: &str) -> bool {
    name.starts_with(is_word_start) && name.chars().all(is_word_part)
}

impl Token<'_> {
    /// For "found …" in messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Word(word) => quoted(word),
            Self::Name(name) => format!("the name {}", quoted(name)),
            Self::Text(text) => format!("the text {}", quoted(text)),
            Self::Integer(value) => format!("the number {value}"),
            Self::Symbol(symbol) => quoted(symbol),
            Self::End => "the end".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        loop {
            match lexer.next().map_err(|mistake| format!("{}: {}", mistake.offset_bytes, mistake.message))? {
                (Token::End, _) => return Ok(tokens),
                (token, _) => tokens.push(token),
            }
        }
    }

    #[test]
    fn splits_text() {
        assert_eq!(
            tokens("a<=-5\u{a0}and[x ]]y]<>'it''s'").unwrap(),
            [
                Token::Word("a"),
                Token::Symbol("<="),
                Token::Symbol("-"),
                Token::Integer(5),
                Token::Word("and"),
                Token::Name("x ]y".into()),
                Token::Symbol("<>"),
                Token::Text("it's".into()),
            ]
        );
        assert_eq!(tokens("''").unwrap(), [Token::Text(String::new())]);
    }

    #[test]
    fn names_what_it_cannot_read() {
        for (text, wanted) in [
            ("a 'b", "2: this text has no closing quote '"),
            ("[b", "0: this name has no closing bracket ]"),
            ("1.5", "0: '1.5' is not a whole number; only whole numbers are supported"),
            ("9223372036854775809", "0: this number is too big"),
            ("a.b", "1: unexpected character '.'; a name with such characters is written [name]"),
            ("a||b", "1: texts cannot be joined"),
            ("a -- b", "2: comments are not supported"),
            ("a = \"b\"", "4: double quotes have no meaning"),
            ("'a\0'", "2: a text or a name cannot hold a NUL"),
        ] {
            let error = tokens(text).unwrap_err();
            assert!(error.starts_with(wanted), "{text}: {error}");
        }
    }
}
