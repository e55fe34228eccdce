//! An mbox → its e-mails, one after the other and never more than one in memory.
//!
//! A line `From …` at the beginning of the file, or after an empty line, begins an e-mail; the empty line belongs to
//! neither. `>From …` in an e-mail stands for `From …`, `>>From …` for `>From …`.

use std::io::{self, BufRead, Read as _};
use std::ops::ControlFlow;

/// How much of a line is read at once, bytes.
const PIECE_BYTES: u64 = 64 * 1024;

/// An e-mail as far as it was read.
#[derive(Debug, Default)]
struct Email {
    bytes: Vec<u8>,
    /// How many bytes it has, also when they are too many to be kept.
    size: u64,
}

impl Email {
    fn push(&mut self, piece: &[u8], most_bytes: u64) {
        self.size += piece.len() as u64;
        if self.size > most_bytes {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(piece);
        }
    }

    fn finish(self, most_bytes: u64) -> io::Result<Vec<u8>> {
        check_size(self.size, most_bytes).map(|()| self.bytes)
    }
}

/// Hands every e-mail to `each`, until that breaks; an error in place of one that is larger than `most_bytes`. What
/// cannot be read is the last.
pub(super) fn divide(
    mut reader: impl BufRead,
    most_bytes: u64,
    each: &mut dyn FnMut(io::Result<Vec<u8>>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut email: Option<Email> = None;
    let mut piece = Vec::new();
    // An empty line, until it is known whether it divides.
    let mut empty_line = Vec::new();
    let (mut begins_line, mut may_begin_email, mut in_from_line) = (true, true, false);
    loop {
        piece.clear();
        match reader.by_ref().take(PIECE_BYTES).read_until(b'\n', &mut piece) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return each(Err(error)),
        }
        let is_line_start = std::mem::replace(&mut begins_line, piece.ends_with(b"\n"));
        if is_line_start && may_begin_email && piece.starts_with(b"From ") {
            if let Some(whole) = email.replace(Email::default()) {
                each(whole.finish(most_bytes))?;
            }
            empty_line.clear();
            (may_begin_email, in_from_line) = (false, true);
            continue;
        }
        in_from_line &= !is_line_start;
        if in_from_line {
            continue;
        }
        may_begin_email = is_line_start && matches!(piece.as_slice(), b"\n" | b"\r\n");
        let Some(email) = &mut email else { continue };
        email.push(&empty_line, most_bytes);
        empty_line.clear();
        if may_begin_email {
            empty_line.extend_from_slice(&piece);
        } else {
            email.push(if is_line_start { unquoted(&piece) } else { &piece }, most_bytes);
        }
    }
    match email {
        Some(whole) => each(whole.finish(most_bytes)),
        None => ControlFlow::Continue(()),
    }
}

fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    let is_quoted = quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "));
    line.get(usize::from(is_quoted)..).unwrap_or_default()
}

/// That an e-mail is not too large to be held in memory whole.
///
/// # Errors
/// It is.
pub(super) fn check_size(bytes: u64, most_bytes: u64) -> io::Result<()> {
    if bytes > most_bytes {
        let reason = format!("it has {bytes} bytes, more than {most_bytes}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divided(mbox: &str, most_bytes: u64) -> Vec<Result<String, String>> {
        let mut emails = Vec::new();
        let _ = divide(mbox.as_bytes(), most_bytes, &mut |email| {
            let email = email.map(|bytes| String::from_utf8(bytes).unwrap());
            emails.push(email.map_err(|error| error.to_string()));
            ControlFlow::Continue(())
        });
        emails
    }

    fn emails(mbox: &str) -> Vec<String> {
        divided(mbox, 1 << 20).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn the_empty_line_between_two_belongs_to_neither() {
        let mbox = "From a Tue\nSubject: one\n\nx\n\nFrom b Tue\nSubject: two\n\ny\n";
        let expected = ["Subject: one\n\nx\n", "Subject: two\n\ny\n"];
        assert_eq!(emails(mbox), expected);
        assert_eq!(emails(&format!("{mbox}\n")), expected, "the last one with its empty line");
        assert_eq!(emails(&format!("{mbox}\nFrom c Tue\nz\n"))[..2], expected, "another one behind it");
        assert_eq!(emails(&mbox.replace('\n', "\r\n")), expected.map(|email| email.replace('\n', "\r\n")));
    }

    #[test]
    fn only_from_after_an_empty_line_begins_one() {
        let body = "Subject: one\n\nFromage\n\n\nhe wrote\nFrom here on it goes on";
        assert_eq!(emails(&format!("no mbox yet\n\nFrom a Tue\n{body}")), [body]);
        assert_eq!(emails("From a\n\n>From x\n>>From y\n> From z\n"), ["\nFrom x\n>From y\n> From z\n"]);
        assert_eq!(emails(""), [""; 0]);
    }

    #[test]
    fn one_that_is_too_large_is_an_error_in_its_place() {
        let long_line = "x".repeat(200_000);
        let mbox = format!("From a{long_line}\none\n\nFrom b\n{long_line}\n\nFrom c\nthree\n");
        let error = "it has 200001 bytes, more than 100000".to_owned();
        assert_eq!(divided(&mbox, 100_000), [Ok("one\n".to_owned()), Err(error), Ok("three\n".to_owned())]);
    }
}
