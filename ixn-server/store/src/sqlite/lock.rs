//! The lock beside the database: a file that one server holds, with its name in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{StoreError, Waiting};

/// How often a waiting server tries again.
const TRY_EVERY: Duration = Duration::from_millis(100);

/// Held until it is dropped, or the process ends however it ends.
pub(super) struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Who ended cleanly is named no more. It is the system that lets go of the lock, with the file.
        let _ = self.file.set_len(0);
    }
}

/// Waits for the lock, naming the holder to `waiting`.
pub(super) async fn lock(database: &Path, holder: &str, waiting: Waiting<'_>) -> Result<Lock, StoreError> {
    let path = lock_path(database);
    let unavailable = |error: std::io::Error| StoreError::Unavailable(format!("{}: {error}", path.display()));
    let mut named = None;
    loop {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(unavailable)?;
        match file.try_lock() {
            Ok(()) => {
                write_holder(&mut file, holder).map_err(unavailable)?;
                return Ok(Lock { file });
            }
            Err(TryLockError::WouldBlock) => {
                let mut other = String::new();
                // Unreadable or being written: it is named at the next try.
                let readable = file.read_to_string(&mut other).is_ok() && !other.is_empty();
                if readable && named.as_ref() != Some(&other) {
                    waiting(other.trim_end());
                    named = Some(other);
                }
            }
            Err(TryLockError::Error(error)) => return Err(unavailable(error)),
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
}

fn write_holder(file: &mut File, holder: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{holder}")
}

fn lock_path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}
