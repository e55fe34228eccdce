//! Whether the files that were opened are still the ones at their paths. A deleted file takes everything and keeps nothing.

use std::fs::{Metadata, metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file, however it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl From<Metadata> for FileId {
    fn from(metadata: Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// The database and its write-ahead log, as they were when they were opened.
#[derive(Debug)]
pub(super) struct FilesInPlace {
    database: PathBuf,
    log: PathBuf,
    database_id: FileId,
    /// With the last connection it goes, and a new one is made.
    log_id: FileId,
}

impl FilesInPlace {
    /// Of a database that is open, and was written to.
    pub(super) fn of(database: &Path) -> std::io::Result<Self> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let (database_id, log_id) = (metadata(database)?.into(), metadata(&log)?.into());
        Ok(Self { database: database.to_owned(), log: log.into(), database_id, log_id })
    }

    /// To be called when the log may have been made anew, by a connection that is open.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn look_at_log(&mut self) -> std::io::Result<()> {
        self.log_id = metadata(&self.log)?.into();
        Ok(())
    }

    /// Whether the database is in its place; it need not be open.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn check_database(&self) -> Result<(), String> {
        check(&self.database, self.database_id)
    }

    /// Whether both are in their places, after a commit.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub(super) fn check(&self) -> Result<(), String> {
        self.check_database()?;
        check(&self.log, self.log_id)
    }
}

fn check(path: &Path, id: FileId) -> Result<(), String> {
    let happened = match metadata(path) {
        Ok(there) if FileId::from(there.clone()) == id => return Ok(()),
        Ok(_) => "replaced",
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            "deleted or moved"
        }
        // A folder that cannot be looked at says nothing about the file.
        Err(_) => return Ok(()),
    };
    Err(format!(
        "the file {} was {happened} while the server ran; what it held is only there if you have it elsewhere. Put the \
         database's files back, if you can, and start the server again; stop the server before you touch its files",
        path.display()
    ))
}
