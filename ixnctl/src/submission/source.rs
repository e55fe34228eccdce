//! Where submissions come from: JSON lines, or e-mail on disk. One item for each, usable or not.

use std::fmt;
use std::io::BufRead;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::{Submission, read_line};
use crate::email::{message, sources};

/// One line or one e-mail.
#[derive(Debug)]
pub(crate) struct Item {
    /// Where it stands.
    pub place: Place,
    /// What is to be submitted, or why nothing is.
    pub submission: Result<Submission, Skip>,
}

/// Where an item stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The number of a line, from 1.
    Line(u64),
    /// A file, with `#` and a number for the e-mails of an mbox.
    File(String),
}

/// Why an item is skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// The reason, for people.
    pub reason: String,
    /// True when the command then fails: what was asked for cannot be done. False for an e-mail that is broken: that
    /// is in the nature of e-mail.
    pub fails: bool,
}

/// Who takes the items.
pub(crate) type Each<'a> = &'a mut dyn FnMut(Item) -> ControlFlow<()>;

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(formatter, "line {number}"),
            Self::File(label) => formatter.write_str(label),
        }
    }
}

impl Place {
    /// Its name and value in a JSON object.
    pub(crate) fn field(&self) -> (&'static str, Value) {
        match self {
            Self::Line(number) => ("line", json!(number)),
            Self::File(label) => ("file", json!(label)),
        }
    }
}

/// JSON lines.
pub(crate) struct Lines<R> {
    /// What is read.
    pub reader: R,
    /// The queue of lines that name none.
    pub queue: String,
}

impl<R: BufRead> Lines<R> {
    /// Hands every line to `each`, empty ones left out. `known` counts them.
    pub(crate) fn read(mut self, known: &AtomicU64, each: Each<'_>) -> ControlFlow<()> {
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            let place = Place::Line(number);
            match self.reader.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) if line.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(_) => {
                    known.fetch_add(1, Ordering::Relaxed);
                    each(Item { place, submission: self.submission(&line).map_err(failing) })?;
                }
                Err(error) => {
                    known.fetch_add(1, Ordering::Relaxed);
                    return each(Item {
                        place,
                        submission: Err(failing(format!("cannot be read: {error}"))),
                    });
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn submission(&self, line: &[u8]) -> Result<Submission, String> {
        let line = std::str::from_utf8(line)
            .map_err(|error| format!("it is not UTF-8 after {} bytes", error.valid_up_to()))?;
        read_line(line, &self.queue)
    }
}

/// E-mail on disk.
pub(crate) struct Emails {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// The queue that all goes to.
    pub queue: String,
}

impl Emails {
    /// Hands every e-mail to `each`. `known` counts the files at first, and the e-mails of an mbox as they are read.
    pub(crate) fn read(self, known: &AtomicU64, each: Each<'_>) -> ControlFlow<()> {
        let mut found = Vec::new();
        for path in &self.paths {
            let mut problems = Vec::new();
            let mut report = |path: &std::path::Path, error: &std::io::Error| {
                problems.push((path.display().to_string(), error.to_string()));
            };
            let is_empty = match sources::find(path, &mut report) {
                Ok(sources) => {
                    found.extend_from_slice(&sources);
                    sources.is_empty()
                }
                Err(error) => {
                    report(path, &error);
                    false
                }
            };
            if is_empty && problems.is_empty() {
                known.fetch_add(1, Ordering::Relaxed);
                each(nothing_found(path.display().to_string()))?;
            }
            for (label, problem) in problems {
                known.fetch_add(1, Ordering::Relaxed);
                each(Item { place: Place::File(label), submission: Err(failing(problem)) })?;
            }
        }
        known.fetch_add(found.len() as u64, Ordering::Relaxed);
        for source in found {
            let mut emails = 0;
            let file = source.path().display().to_string();
            source.read(&mut |raw| {
                emails += 1;
                if emails > 1 {
                    known.fetch_add(1, Ordering::Relaxed);
                }
                each(Item { place: Place::File(raw.label), submission: self.submission(raw.bytes) })
            })?;
            if emails == 0 {
                each(nothing_found(file))?;
            }
        }
        ControlFlow::Continue(())
    }

    fn submission(&self, bytes: std::io::Result<Vec<u8>>) -> Result<Submission, Skip> {
        let bytes = bytes.map_err(|error| failing(format!("cannot be read: {error}")))?;
        message::read(&bytes, &self.queue).map_err(|broken| Skip { reason: broken.to_string(), fails: false })
    }
}

/// A folder or an mbox without e-mail: an empty mailbox is nothing wrong, but a wrong path looks the same.
fn nothing_found(label: String) -> Item {
    let skip = Skip { reason: "no e-mail was found there".to_owned(), fails: false };
    Item { place: Place::File(label), submission: Err(skip) }
}

fn failing(reason: String) -> Skip {
    Skip { reason, fails: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(read: impl FnOnce(&AtomicU64, Each<'_>) -> ControlFlow<()>) -> (Vec<Item>, u64) {
        let mut items = Vec::new();
        let known = AtomicU64::new(0);
        let _ = read(&known, &mut |item| {
            items.push(item);
            ControlFlow::Continue(())
        });
        (items, known.into_inner())
    }

    #[test]
    fn lines_keep_their_numbers_and_bad_ones_stop_nothing() {
        let text = "{\"media_type\":\"email\"}\n\n{\n\u{fffd}\n{\"media_type\":\"chat\",\"queue\":\"vip\"}";
        let lines = Lines { reader: text.as_bytes(), queue: "inbox".to_owned() };
        let (items, known) = items(|known, each| lines.read(known, each));
        let seen: Vec<(String, bool)> =
            items.iter().map(|item| (item.place.to_string(), item.submission.is_ok())).collect();
        let expected = [("line 1", true), ("line 3", false), ("line 4", false), ("line 5", true)];
        assert_eq!(seen, expected.map(|(place, usable)| (place.to_owned(), usable)));
        assert_eq!(known, 4);
        assert!(items.iter().filter_map(|item| item.submission.as_ref().err()).all(|skip| skip.fails));
    }

    #[test]
    fn a_broken_e_mail_is_skipped_and_a_missing_path_fails() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.eml"), "From: a@example.com\n\nhello").unwrap();
        std::fs::write(root.path().join("b.eml"), "no e-mail").unwrap();
        let missing = root.path().join("missing");
        let paths = vec![missing, root.path().to_owned()];
        let (items, known) = items(|known, each| Emails { paths, queue: "inbox".into() }.read(known, each));
        let fails: Vec<Option<bool>> =
            items.iter().map(|item| item.submission.as_ref().err().map(|skip| skip.fails)).collect();
        assert_eq!(fails, [Some(true), None, Some(false)]);
        assert_eq!(known, 3);
    }

    #[test]
    fn a_folder_or_an_mbox_without_e_mail_is_told_and_does_not_fail() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("notes.txt"), "no e-mail").unwrap();
        let mbox = root.path().join("empty.mbox");
        let paths = vec![root.path().to_owned()];
        let (empty, known) =
            items(|known, each| Emails { paths: paths.clone(), queue: "inbox".into() }.read(known, each));
        let told = |items: &[Item]| -> Vec<(String, Skip)> {
            items.iter().map(|item| (item.place.to_string(), item.submission.clone().unwrap_err())).collect()
        };
        let skip = Skip { reason: "no e-mail was found there".to_owned(), fails: false };
        assert_eq!(told(&empty), [(root.path().display().to_string(), skip.clone())]);
        assert_eq!(known, 1);
        std::fs::write(&mbox, "").unwrap();
        let (empty, known) = items(|known, each| Emails { paths, queue: "inbox".into() }.read(known, each));
        assert_eq!(told(&empty), [(mbox.display().to_string(), skip)]);
        assert_eq!(known, 1);
    }
}
