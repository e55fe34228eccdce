//! Values that must not be seen.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::builder::{TypedValueParser, ValueParserFactory};

/// A password or token. Printing it, in any format, shows `***`.
///
/// As an option it is the *path* of a file that holds it (its long name ends in `-file`); the
/// variable without `_FILE` holds the secret itself. One line break at the end of the file is cut off.
#[derive(Clone)]
pub struct Secret(String);

/// Why a secret cannot be read. The text never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read, or is not UTF-8.
    #[error("cannot read the secret from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is nothing in the file.
    #[error("the secret in {} is empty, write it there", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl Secret {
    /// Keeps `value` from being printed.
    #[must_use]
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// Reads a secret from a file, without the line break at its end.
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8, or is empty.
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SecretError::Read { path: path.to_owned(), source })?;
        let secret = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
        if secret.is_empty() {
            return Err(SecretError::Empty { path: path.to_owned() });
        }
        Ok(Self(secret.to_owned()))
    }

    /// The secret itself. Give it to the one call that needs it, and keep it out of logs and errors.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl ValueParserFactory for Secret {
    type Parser = SecretFileParser;
    fn value_parser() -> SecretFileParser {
        SecretFileParser
    }
}

/// Reads the path that an option names. Public only because clap asks for it.
#[doc(hidden)]
#[derive(Clone)]
pub struct SecretFileParser;

impl TypedValueParser for SecretFileParser {
    type Value = Secret;

    fn parse_ref(
        &self,
        command: &clap::Command,
        option: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<Secret, clap::Error> {
        let from_text = |path: &str| Secret::read(Path::new(path));
        TypedValueParser::parse_ref(&from_text, command, option, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_prints_itself() {
        let secret = Secret::new("open sesame".into());
        assert_eq!(format!("{secret} {secret:?} {:#?}", Some(&secret)), "*** *** Some(\n    ***,\n)");
        assert_eq!(secret.expose(), "open sesame");
    }

    #[test]
    fn is_read_without_the_last_line_break() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        for (content, secret) in [("a b", "a b"), ("a\n", "a"), ("a\r\n", "a"), (" a\n\n", " a\n")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(Secret::read(&path).unwrap().expose(), secret, "{content:?}");
        }
        std::fs::write(&path, "\n").unwrap();
        let empty = Secret::read(&path).unwrap_err().to_string();
        assert!(empty.ends_with("password is empty, write it there"), "{empty}");
    }
}
