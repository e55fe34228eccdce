//! The ledger: what clients sent and what the server acknowledged, written down as it happens.
//!
//! It is a file of fixed-size records that only grows, and the sum of them in memory, about 48 bytes an interaction. An
//! operation is written down before it is sent and again when its answer is there, so the ledger never claims less than
//! what may have happened, nor more than what was acknowledged.

mod book;
mod record;

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

pub use book::{Book, Contradiction, Entry, NO_QUEUE, Possible};
pub use record::{Id, Operation, Phase, RECORD_BYTES, Record};

/// A ledger that is being written.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: BufWriter<File>,
    book: Book,
}

impl Ledger {
    /// Begins an empty one.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn begin(path: &Path) -> io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        Ok(Self { path: path.to_owned(), file, book: Book::default() })
    }

    /// Writes a record down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        self.file.write_all(&record.encode())?;
        self.book.apply(record);
        Ok(())
    }

    /// What the records add up to.
    pub fn book(&self) -> &Book {
        &self.book
    }

    /// All records about these interactions, from the file.
    ///
    /// # Errors
    /// The file cannot be written or read.
    pub fn about(&mut self, numbers: &HashSet<u32>) -> io::Result<Vec<Record>> {
        self.file.flush()?;
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.path)?);
        let mut bytes = [0; RECORD_BYTES];
        let mut found = Vec::new();
        while file.read_exact(&mut bytes).is_ok() {
            if let Some(record) = Record::decode(&bytes).filter(|record| numbers.contains(&record.number)) {
                found.push(record);
            }
        }
        Ok(found)
    }
}
