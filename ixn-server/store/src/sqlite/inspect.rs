//! A look at a database file that changes nothing.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::connection::{BUSY_TIMEOUT, Durability, at, schema_version, store_error};
use super::{blocking, info};
use crate::{Inspection, StoreError};

/// As [`crate::inspect`].
pub(crate) async fn inspect(path: &str) -> Result<Inspection, StoreError> {
    let path = PathBuf::from(path);
    blocking(move || {
        let version = if path.exists() { version_of(&path)? } else { check_room(&path).map(|()| 0)? };
        Ok(Inspection {
            info: info(Durability::of_a_writer()),
            schema_version: u32::try_from(version).unwrap_or_default(),
        })
    })
    .await
}

fn version_of(path: &Path) -> Result<usize, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    // Without a log beside it nobody uses the file, and nothing needs to be laid beside it to read it.
    let immutable = if beside(path, "-wal").exists() { "0" } else { "1" };
    let uri = format!("file:{}?mode=ro&immutable={immutable}", escaped(path));
    let connection = Connection::open_with_flags(uri, flags).map_err(|error| at(path, error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(store_error)?;
    // The first access tells whether it is a database at all.
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(|error| at(path, error))?;
    schema_version(&connection)
}

/// Whether a file can be made here, as far as that can be seen without making one.
fn check_room(path: &Path) -> Result<(), StoreError> {
    let folders = path.ancestors().skip(1);
    let is_here = |folder: &&Path| folder.as_os_str().is_empty() || folder.exists();
    let folder = folders.into_iter().find(is_here).filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let unavailable = |reason: &str| StoreError::Unavailable(format!("{}: {reason}", folder.display()));
    let metadata = std::fs::metadata(folder).map_err(|error| unavailable(&error.to_string()))?;
    if !metadata.is_dir() {
        return Err(unavailable("not a folder, so the database cannot be made in it"));
    }
    if metadata.permissions().readonly() {
        return Err(unavailable("nobody may write here, so the database cannot be made"));
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The path inside an URI.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}
