//! Where e-mail lies: files, folders of files, Maildir folders and mbox files.
//!
//! - A folder with `new` and `cur` in it is a Maildir: every file in these two is one e-mail, and its other
//!   folders are Maildirs or folders in turn.
//! - Any other folder is searched to its depth, in the order of names. Taken are `*.eml`, `*.mbox` and `*.mbx`, and
//!   files without an extension, or with a number for one, that begin like an e-mail or an mbox (so MH folders and
//!   Unix mail files work). Hidden entries and links to folders are left alone.
//! - A file that was named is taken in any case. One that begins with `From ` is an mbox, unless it is an `.eml`.

use std::fs::{self, File};
use std::io::{self, BufReader, Read as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::mbox::{self, check_size};

/// A larger e-mail is skipped: it would be held in memory whole. 256 MiB.
const LARGEST_EMAIL_BYTES: u64 = 256 * 1024 * 1024;
/// How much of a file is looked at to see what it is, bytes.
const SNIFFED_BYTES: u64 = 512;
/// The longest name of a header field, characters: a line has 78.
const LONGEST_FIELD_NAME: usize = 77;

/// A file with e-mail in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// The file is one e-mail.
    Single(PathBuf),
    /// The file has any number of e-mails.
    Mbox(PathBuf),
}

/// One e-mail as it lies there.
#[derive(Debug)]
pub(crate) struct Raw {
    /// Where it was found: the file, with `#` and a number for the e-mails of an mbox, from 1.
    pub label: String,
    /// Its bytes, or why they cannot be read.
    pub bytes: io::Result<Vec<u8>>,
}

/// That `path` is a file or a folder. A pipe is neither: to see what it is would take its beginning away.
///
/// # Errors
/// It is not, or cannot be looked at.
pub(crate) fn check(path: &Path) -> io::Result<fs::Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() || metadata.is_file() {
        return Ok(metadata);
    }
    let reason = "it is neither a file nor a folder: save what it brings in a file first";
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}

/// Finds the e-mail under `path`: a file or a folder. `report` is told what cannot be looked into.
///
/// # Errors
/// `path` itself cannot be looked at.
pub(crate) fn find(path: &Path, report: &mut dyn FnMut(&Path, &io::Error)) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    if check(path)?.is_dir() {
        fs::read_dir(path)?;
        search(path, &mut found, report);
    } else {
        let mbox = !has_extension(path, &["eml"]) && Start::of(path)? == Start::Mbox;
        found.push(if mbox { Source::Mbox(path.to_owned()) } else { Source::Single(path.to_owned()) });
    }
    Ok(found)
}

fn search(folder: &Path, found: &mut Vec<Source>, report: &mut dyn FnMut(&Path, &io::Error)) {
    let mut entries = match entries(folder) {
        Ok(entries) => entries,
        Err(error) => return report(folder, &error),
    };
    entries.sort();
    let is_maildir = ["new", "cur"].iter().all(|name| folder.join(name).is_dir());
    for (path, is_folder) in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_maildir && is_folder && (name == "new" || name == "cur") {
            take_all(&path, found, report);
        } else if is_maildir && (name == "tmp" || !is_folder) {
            // Half-written e-mail, and the mail programs' own files.
        } else if is_folder && (is_maildir || !name.starts_with('.')) {
            search(&path, found, report);
        } else if !is_folder && !name.starts_with('.') {
            match kind(&path) {
                Ok(source) => found.extend(source),
                Err(error) => report(&path, &error),
            }
        }
    }
}

fn take_all(folder: &Path, found: &mut Vec<Source>, report: &mut dyn FnMut(&Path, &io::Error)) {
    match entries(folder) {
        Ok(mut entries) => {
            entries.sort();
            let is_email = |path: &PathBuf| {
                !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
            };
            let files = entries.into_iter().filter(|(_, is_folder)| !is_folder).map(|(path, _)| path);
            found.extend(files.filter(is_email).map(Source::Single));
        }
        Err(error) => report(folder, &error),
    }
}

/// The files and folders in a folder; links to folders and what is neither are left out.
fn entries(folder: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let is_file = kind.is_file() || (kind.is_symlink() && entry.path().is_file());
        if kind.is_dir() || is_file {
            entries.push((entry.path(), kind.is_dir()));
        }
    }
    Ok(entries)
}

/// What a file in a plain folder is; `None` = no e-mail.
fn kind(path: &Path) -> io::Result<Option<Source>> {
    if has_extension(path, &["eml"]) {
        return Ok(Some(Source::Single(path.to_owned())));
    }
    if has_extension(path, &["mbox", "mbx"]) {
        return Ok(Some(Source::Mbox(path.to_owned())));
    }
    let extension = path.extension().unwrap_or_default().as_encoded_bytes();
    if !extension.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    Ok(match Start::of(path)? {
        Start::Mbox => Some(Source::Mbox(path.to_owned())),
        Start::Header => Some(Source::Single(path.to_owned())),
        Start::Other => None,
    })
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension()
        .is_some_and(|have| extensions.iter().any(|extension| have.eq_ignore_ascii_case(extension)))
}

/// How a file begins.
#[derive(Debug, PartialEq, Eq)]
enum Start {
    /// Like an mbox: `From sender date`.
    Mbox,
    /// Like an e-mail: a header field.
    Header,
    /// Otherwise.
    Other,
}

impl Start {
    fn of(path: &Path) -> io::Result<Self> {
        let mut start = Vec::new();
        File::open(path)?.take(SNIFFED_BYTES).read_to_end(&mut start)?;
        Ok(Self::of_bytes(&start))
    }

    fn of_bytes(start: &[u8]) -> Self {
        if start.starts_with(b"From ") {
            return Self::Mbox;
        }
        let name = start.split(|byte| *byte == b':').next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() <= LONGEST_FIELD_NAME
            && name.len() < start.len()
            && name.iter().all(u8::is_ascii_graphic);
        if is_name { Self::Header } else { Self::Other }
    }
}

impl Source {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Source::Single(path) | Source::Mbox(path) => path,
        }
    }

    /// Hands every e-mail of the source to `each`, until that breaks.
    pub(crate) fn read(&self, each: &mut dyn FnMut(Raw) -> ControlFlow<()>) -> ControlFlow<()> {
        match self {
            Source::Single(path) => each(Raw { label: path.display().to_string(), bytes: read_file(path) }),
            Source::Mbox(path) => read_mbox(path, each),
        }
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    check_size(file.metadata()?.len(), LARGEST_EMAIL_BYTES)?;
    let mut bytes = Vec::new();
    // It may have grown since it was measured.
    file.take(LARGEST_EMAIL_BYTES + 1).read_to_end(&mut bytes)?;
    check_size(bytes.len() as u64, LARGEST_EMAIL_BYTES)?;
    Ok(bytes)
}

fn read_mbox(path: &Path, each: &mut dyn FnMut(Raw) -> ControlFlow<()>) -> ControlFlow<()> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return each(Raw { label: path.display().to_string(), bytes: Err(error) }),
    };
    let mut emails = 0;
    mbox::divide(BufReader::new(file), LARGEST_EMAIL_BYTES, &mut |bytes| {
        emails += 1;
        each(Raw { label: format!("{}#{emails}", path.display()), bytes })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMAIL: &str = "From: a@example.com\n\nhello\n";

    fn write(root: &Path, name: &str, content: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn found(root: &Path) -> Vec<String> {
        let sources = find(root, &mut |path, error| panic!("{}: {error}", path.display())).unwrap();
        let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
        let shown = sources.iter().map(|source| match source {
            Source::Single(path) => name(path),
            Source::Mbox(path) => format!("mbox {}", name(path)),
        });
        shown.collect()
    }

    #[test]
    fn a_folder_is_searched_for_what_begins_or_is_named_like_email() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "b.eml", "not an e-mail, but named like one");
        write(root.path(), "a/deep/x.EML", EMAIL);
        write(root.path(), "old.mbox", "");
        write(root.path(), "mh/1", EMAIL);
        write(root.path(), "mh/2.", EMAIL);
        write(root.path(), "Sent", "From a@example.com Tue Nov 14 23:13:20 2023\nSubject: x\n\n");
        write(root.path(), "LICENSE", "Some licence text: long");
        write(root.path(), "data.json", "{\"From\": 1}");
        write(root.path(), ".hidden/c.eml", EMAIL);
        assert_eq!(
            found(root.path()),
            ["mbox Sent", "a/deep/x.EML", "b.eml", "mh/1", "mh/2.", "mbox old.mbox"]
        );
    }

    #[test]
    fn a_maildir_is_its_new_and_cur_and_its_folders() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "new/1.host", EMAIL);
        write(root.path(), "cur/2.host:2,S", EMAIL);
        write(root.path(), "cur/.lock", "x");
        write(root.path(), "tmp/3.host", EMAIL);
        write(root.path(), "dovecot.index", "x");
        write(root.path(), ".Sent/cur/4.host,S=1:2,S", EMAIL);
        fs::create_dir_all(root.path().join(".Sent/new")).unwrap();
        assert_eq!(found(root.path()), [".Sent/cur/4.host,S=1:2,S", "cur/2.host:2,S", "new/1.host"]);
    }

    #[test]
    fn a_named_file_is_taken_whatever_it_is() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "letter.txt", EMAIL);
        write(root.path(), "saved.eml", "From a@b.c Tue\nFrom: a@b.c\n\nFrom here on it is a body\n");
        write(root.path(), "inbox.txt", "From a@b.c Tue\nFrom: a@b.c\n\nx\n");
        let kind = |name: &str| find(&root.path().join(name), &mut |_, _| {}).unwrap().remove(0);
        assert_eq!(kind("letter.txt"), Source::Single(root.path().join("letter.txt")));
        assert_eq!(kind("saved.eml"), Source::Single(root.path().join("saved.eml")));
        assert_eq!(kind("inbox.txt"), Source::Mbox(root.path().join("inbox.txt")));
        assert!(find(&root.path().join("nothing"), &mut |_, _| {}).is_err());
        let device = find(Path::new("/dev/null"), &mut |_, _| {}).unwrap_err();
        assert!(device.to_string().contains("neither a file nor a folder"), "{device}");
    }

    #[test]
    fn an_mbox_is_divided_and_its_e_mails_are_numbered() {
        let root = tempfile::tempdir().unwrap();
        let mbox = "From a@b.c Tue Nov 14 23:13:20 2023\nSubject: one\n\n>From the body\n\n\
            From a@b.c Tue Nov 14 23:13:21 2023\nSubject: two\n\n";
        write(root.path(), "mbox", mbox);
        let path = root.path().join("mbox");
        let mut seen = Vec::new();
        let _ = Source::Mbox(path.clone()).read(&mut |raw| {
            seen.push((raw.label, String::from_utf8(raw.bytes.unwrap()).unwrap()));
            ControlFlow::Continue(())
        });
        assert_eq!(seen[0], (format!("{}#1", path.display()), "Subject: one\n\nFrom the body\n".to_owned()));
        assert_eq!(seen[1], (format!("{}#2", path.display()), "Subject: two\n".to_owned()));
        assert_eq!(seen.len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_nothing_else_stops() {
        let gone = Source::Single(PathBuf::from("/nonexistent/a.eml"));
        let mut problems = 0;
        let _ = gone.read(&mut |raw| {
            problems += u32::from(raw.bytes.is_err());
            ControlFlow::Continue(())
        });
        assert_eq!(problems, 1);
    }
}
