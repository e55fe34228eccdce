//! The configuration file of a running server: read again when it changes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
            seen: first.digest(),
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

    /// The outcome of the last reading, and of every one after it. A file that is read with the same
    /// content as before is no new reading.
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

/// The file as it is now: its bytes, or why they cannot be read.
struct Look(Result<Vec<u8>, String>);

impl Look {
    async fn at(path: PathBuf) -> Look {
        Look(tokio::fs::read(path).await.map_err(|error| error.to_string()))
    }

    fn digest(&self) -> Vec<u8> {
        let mut digest = Sha256::new();
        match &self.0 {
            Ok(bytes) => {
                digest.update(b"content");
                digest.update(bytes);
            }
            Err(error) => digest.update(error.as_bytes()),
        }
        digest.finalize().to_vec()
    }

    fn parse(&self, path: &Path) -> Result<Configuration, Problems> {
        Configuration::parse_bytes(self.0.as_deref().map_err(Clone::clone), &path.display().to_string())
    }
}

/// Follows the file and publishes what it reads.
struct Follower {
    path: PathBuf,
    /// What the file was at the last reading.
    seen: Vec<u8>,
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

    /// The file, when it is another than before and has settled.
    async fn new_content(&self) -> Option<Look> {
        let mut look = Look::at(self.path.clone()).await;
        for _ in 0..MAX_SETTLES {
            let digest = look.digest();
            if digest == self.seen {
                return None;
            }
            sleep(SETTLE).await;
            look = Look::at(self.path.clone()).await;
            if look.digest() == digest {
                break;
            }
        }
        Some(look)
    }

    async fn take_over(&mut self, look: Look) {
        self.seen = look.digest();
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
