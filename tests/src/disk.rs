//! A file system of the test's own, which can be full and can lose its power.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use tempfile::TempDir;

/// How long a file system may be busy after its users have ended.
const BUSY_LIMIT: Duration = Duration::from_secs(20);

/// An ext4 file system in a file, mounted by loop: takes root. It is unmounted with this value.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
}

impl Disk {
    /// Makes and mounts an empty one.
    ///
    /// # Errors
    /// A sentence: why this machine does not let us have one.
    pub fn mount(size_bytes: u64) -> Result<Self, String> {
        for program in ["mkfs.ext4", "mount", "umount", "fallocate", "xfs_io"] {
            if crate::process::find_program(Path::new(program)).is_none() {
                return Err(format!(
                    "{program} is not there: install the packages e2fsprogs, xfsprogs, util-linux"
                ));
            }
        }
        let folder = tempfile::Builder::new().prefix("ixn-disk.").tempdir().map_err(|e| e.to_string())?;
        let disk = Self { folder };
        let image = fs::File::create(disk.image()).map_err(|error| error.to_string())?;
        image.set_len(size_bytes).map_err(|error| error.to_string())?;
        fs::create_dir(disk.path()).map_err(|error| error.to_string())?;
        // No blocks are set aside for root: full is full for everybody.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(disk.image()))?;
        disk.mount_again()?;
        // A server may run as another user.
        run(Command::new("chmod").arg("711").arg(disk.folder.path()))?;
        run(Command::new("chmod").arg("1777").arg(disk.path()))?;
        Ok(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Makes what was written so far survive a power cut.
    ///
    /// # Errors
    /// A sentence.
    pub fn sync(&self) -> Result<(), String> {
        run(Command::new("sync").arg("--file-system").arg(self.path()))
    }

    /// Takes all room that is left.
    ///
    /// # Errors
    /// A sentence.
    pub fn fill(&self) -> Result<(), String> {
        // In pieces: what cannot be given whole is given in part.
        let mut taken: u64 = 0;
        for piece in [64 << 20, 1 << 20, 4 << 10] {
            let take = |from: u64| {
                let (offset, length) = (from.to_string(), piece.to_string());
                run(Command::new("fallocate").args(["-o", &offset, "-l", &length]).arg(self.ballast()))
            };
            while take(taken).is_ok() {
                taken += piece;
            }
        }
        Ok(())
    }

    /// Gives back what [`Disk::fill`] took.
    ///
    /// # Errors
    /// A sentence.
    pub fn free(&self) -> Result<(), String> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    /// The power goes: what was not synced is lost, and nothing can be read or written any more. End the programs
    /// that use it, then [`Disk::power_on`].
    ///
    /// # Errors
    /// A sentence.
    pub fn cut_power(&self) -> Result<(), String> {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()))
    }

    /// The power is back: the journal is replayed.
    ///
    /// # Errors
    /// A sentence: a program still uses it.
    pub fn power_on(&self) -> Result<(), String> {
        self.unmount()?;
        self.mount_again()
    }

    fn mount_again(&self) -> Result<(), String> {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()))
    }

    fn unmount(&self) -> Result<(), String> {
        let give_up = Instant::now() + BUSY_LIMIT;
        loop {
            match run(Command::new("umount").arg(self.path())) {
                Err(_) if Instant::now() < give_up => thread::sleep(Duration::from_millis(20)),
                other => return other,
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A panic in here would hide the test's own.
        if let Err(error) = self.unmount() {
            eprintln!("{} stays mounted: {error}", self.path().display());
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_disk_can_be_full_and_loses_what_was_not_synced_when_its_power_is_cut() {
        let disk = match Disk::mount(64 << 20) {
            Ok(disk) => disk,
            Err(reason) => return crate::skipped("a disk that is full and loses its power", &reason),
        };
        let write = |name: &str| -> io::Result<fs::File> {
            let mut file = fs::File::create(disk.path().join(name))?;
            file.write_all(&[1; 100_000])?;
            Ok(file)
        };
        disk.fill().unwrap();
        write("too-much").expect_err("it is full");
        disk.free().unwrap();
        write("synced").unwrap().sync_all().unwrap();
        disk.sync().unwrap();
        write("not-synced").unwrap();
        disk.cut_power().unwrap();
        write("afterwards").expect_err("the power is off");
        disk.power_on().unwrap();
        let length = |name: &str| fs::metadata(disk.path().join(name)).map_or(0, |file| file.len());
        assert_eq!((length("synced"), length("not-synced")), (100_000, 0));
    }
}
