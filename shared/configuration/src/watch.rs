//! The configuration file of a running server: read again when it changes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

use crate::{Configuration, Problems};

/// What reading the file gave: the configuration now in force, or why it stays the one of before.
pub type Reading = Result<Arc<Configuration>, Problems>;

/// A new content counts when it is the same after this long: a file is written in several steps.
const SETTLE: Duration = Duration::from_millis(300);

/// How often a content that keeps changing is waited for.
const MAX_SETTLES: usize = 10;

/// The file is looked at this often anyway: some file systems tell of no changes.
const POLL: Duration = Duration::from_secs(10);

/// A configuration file that is read again whenever it changes.
///
/// A file with problems changes nothing: the configuration of before stays in force, and the problems
/// are told once. Watching ends when this is dropped.
#[derive(Debug)]
pub struct ConfigurationFile {
    current: watch::Receiver<Arc<Configuration>>,
    readings: watch::Receiver<Arc<Reading>>,
    task: JoinHandle<()>,
    /// Kept for its thread; nothing when the folder cannot be watched.
    _watcher: Option<RecommendedWatcher>,
}

impl ConfigurationFile {
    /// Reads the file and begins to watch it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// All problems of the file: there is no configuration of before to stay with.
    pub async fn open(path: impl Into<PathBuf>) -> Result<ConfigurationFile, Problems> {
        let path = path.into();
        // Watching begins before the first look, so that no change can fall between the two.
        let changed = Arc::new(Notify::new());
        let watcher = watch_folder(&path, Arc::clone(&changed));
        let first = Look::at(path.clone()).await;
        let configuration = Arc::new(first.parse(&path)?);
        let (current_sender, current) = watch::channel(Arc::clone(&configuration));
        let (reading_sender, readings) = watch::channel(Arc::new(Ok(configuration)));
        let follower = Follower {
            path,
            seen: first.state(),
            changed,
            current: current_sender,
            readings: reading_sender,
        };
        Ok(ConfigurationFile { current, readings, task: tokio::spawn(follower.follow()), _watcher: watcher })
    }

    /// The configuration in force: the last one without problems.
    #[must_use]
    pub fn current(&self) -> Arc<Configuration> {
        Arc::clone(&self.current.borrow())
    }

    /// The outcome of the last reading, and of every one after it. A file that is written again is read again, also when
    /// its content is the same.
    #[must_use]
    pub fn readings(&self) -> watch::Receiver<Arc<Reading>> {
        self.readings.clone()
    }
}

impl Drop for ConfigurationFile {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches the folder, not the file: editors and mounted config maps replace the file by another one.
fn watch_folder(path: &Path, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().map(OsStr::to_owned);
    let on_event = move |event: notify::Result<notify::Event>| {
        if event.map_or(true, |event| may_concern(&event, name.as_deref())) {
            changed.notify_one();
        }
    };
    let watched = notify::recommended_watcher(on_event).and_then(|mut watcher| {
        watcher.watch(folder, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    });
    watched
        .inspect_err(|error| {
            tracing::warn!(
                folder = %folder.display(),
                %error,
                poll_seconds = POLL.as_secs(),
                "cannot watch the folder of the configuration file; looking at the file at intervals only"
            );
        })
        .ok()
}

/// Whether something may have happened to the file: to itself, or to the hidden link (`..data`) that a mounted config map
/// switches over. Whatever else lies in the folder, a busy database for instance, is not looked at.
fn may_concern(event: &notify::Event, name: Option<&OsStr>) -> bool {
    // Reading the file is an event too.
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    let concerns = |path: &PathBuf| {
        let of = path.file_name();
        of == name || of.is_some_and(|of| of.as_encoded_bytes().starts_with(b".."))
    };
    event.paths.is_empty() || event.paths.iter().any(concerns)
}

/// The file as it is now: its bytes, or why they cannot be read, and when it was written.
struct Look {
    bytes: Result<Vec<u8>, String>,
    written_at: Option<SystemTime>,
}

/// What tells one look from another: a digest of the content, and when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    digest: Vec<u8>,
    written_at: Option<SystemTime>,
}

impl Look {
    async fn at(path: PathBuf) -> Look {
        // Before the content: what is written in between counts as another look.
        let written_at = tokio::fs::metadata(&path).await.and_then(|metadata| metadata.modified()).ok();
        Look { bytes: tokio::fs::read(path).await.map_err(|error| error.to_string()), written_at }
    }

    fn state(&self) -> State {
        let mut digest = Sha256::new();
        match &self.bytes {
            Ok(bytes) => {
                digest.update(b"content");
                digest.update(bytes);
            }
            Err(error) => digest.update(error.as_bytes()),
        }
        State { digest: digest.finalize().to_vec(), written_at: self.written_at }
    }

    fn parse(&self, path: &Path) -> Result<Configuration, Problems> {
        Configuration::parse_bytes(self.bytes.as_deref().map_err(Clone::clone), &path.display().to_string())
    }
}

/// Follows the file and publishes what it reads.
struct Follower {
    path: PathBuf,
    /// What the file was at the last reading.
    seen: State,
    changed: Arc<Notify>,
    current: watch::Sender<Arc<Configuration>>,
    readings: watch::Sender<Arc<Reading>>,
}

impl Follower {
    async fn follow(mut self) {
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.changed.notified() => {}
                _ = poll.tick() => {}
            }
            if let Some(look) = self.new_content().await {
                self.take_over(look).await;
            }
        }
    }

    /// The file, when it was written since the last reading and has settled.
    async fn new_content(&self) -> Option<Look> {
        let mut look = Look::at(self.path.clone()).await;
        for _ in 0..MAX_SETTLES {
            let state = look.state();
            if state == self.seen {
                return None;
            }
            sleep(SETTLE).await;
            look = Look::at(self.path.clone()).await;
            if look.state() == state {
                break;
            }
        }
        Some(look)
    }

    async fn take_over(&mut self, look: Look) {
        let before = std::mem::replace(&mut self.seen, look.state());
        if before.digest == self.seen.digest {
            let same = Arc::clone(&self.readings.borrow());
            self.readings.send_replace(same);
            return;
        }
        let path = self.path.clone();
        let parsed = tokio::task::spawn_blocking(move || look.parse(&path)).await;
        let Ok(parsed) = parsed else { return };
        let reading = parsed.map(Arc::new);
        if let Ok(configuration) = &reading {
            self.current.send_replace(Arc::clone(configuration));
        }
        self.readings.send_replace(Arc::new(reading));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_queue(name: &str) -> String {
        format!("queues:\n  - name: {name}\n")
    }

    /// A follower of a new file, which nothing tells of changes; and what it publishes.
    async fn follower(path: &Path) -> (Follower, watch::Receiver<Arc<Reading>>) {
        std::fs::write(path, with_queue("first")).unwrap();
        let first = Look::at(path.to_owned()).await;
        let configuration = Arc::new(first.parse(path).unwrap());
        let (current, _) = watch::channel(Arc::clone(&configuration));
        let (readings, published) = watch::channel(Arc::new(Ok(configuration)));
        let changed = Arc::new(Notify::new());
        let follower = Follower { path: path.to_owned(), seen: first.state(), changed, current, readings };
        (follower, published)
    }

    #[tokio::test(start_paused = true)]
    async fn a_folder_that_tells_of_no_changes_is_looked_at_at_intervals() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ixn.yaml");
        let (follower, mut published) = follower(&path).await;
        let begin = Instant::now();
        let following = tokio::spawn(follower.follow());
        std::fs::write(&path, with_queue("changed")).unwrap();
        tokio::time::timeout(3 * POLL, published.changed()).await.expect("a reading").unwrap();
        let elapsed = begin.elapsed();
        assert!(elapsed >= POLL && elapsed < POLL + 2 * SETTLE, "{elapsed:?}");
        assert_eq!(published.borrow().as_ref().as_ref().unwrap().queues[0].name, "changed");
        following.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_half_written_file_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ixn.yaml");
        let (follower, _published) = follower(&path).await;
        assert!(follower.new_content().await.is_none(), "nothing has been written");
        std::fs::write(&path, "queues:\n  - nam").unwrap();
        let write_the_rest = async {
            sleep(SETTLE / 2).await;
            std::fs::write(&path, with_queue("whole")).unwrap();
        };
        let (look, ()) = tokio::join!(follower.new_content(), write_the_rest);
        assert_eq!(look.unwrap().bytes.unwrap(), with_queue("whole").as_bytes());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_never_finished_is_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ixn.yaml");
        let (follower, _published) = follower(&path).await;
        let write = |number| std::fs::write(&path, with_queue(&format!("q{number}"))).unwrap();
        write(0);
        let write_on = async {
            for number in 1.. {
                sleep(SETTLE / 2).await;
                write(number);
            }
        };
        let begin = Instant::now();
        tokio::select! {
            look = follower.new_content() => assert!(look.is_some()),
            () = write_on => {}
        }
        assert!(begin.elapsed() <= SETTLE * (MAX_SETTLES as u32 + 1), "{:?}", begin.elapsed());
    }
}
