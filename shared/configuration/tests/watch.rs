//! The file of a running server: changed, broken, mended, replaced.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its own functions too")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ixn_configuration::{ConfigurationFile, Reading};
use tokio::sync::watch::Receiver;

/// Far longer than a change ever takes to be seen, the poll included.
const DEADLINE: Duration = Duration::from_secs(60);

fn with_queue(name: &str) -> String {
    format!("queues:\n  - name: {name}\n")
}

/// Waits for a reading for which the condition holds.
async fn wait_for(
    readings: &mut Receiver<Arc<Reading>>,
    what: &str,
    holds: impl Fn(&Reading) -> bool,
) -> Arc<Reading> {
    let waited = tokio::time::timeout(DEADLINE, readings.wait_for(|reading| holds(reading))).await;
    match waited.map(|reading| Arc::clone(&reading.unwrap())) {
        Ok(reading) => reading,
        Err(_) => panic!("waited {DEADLINE:?} for {what}; last seen: {:?}", readings.borrow()),
    }
}

fn is_queue(name: &str) -> impl Fn(&Reading) -> bool {
    move |reading| reading.as_ref().is_ok_and(|configuration| configuration.queues[0].name == name)
}

#[tokio::test]
async fn follows_changes_and_keeps_the_good_one_while_the_file_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ixn.yaml");
    std::fs::write(&path, with_queue("first")).unwrap();
    let file = ConfigurationFile::open(&path).await.unwrap();
    let mut readings = file.readings();
    assert_eq!(file.current().queues[0].name, "first");

    std::fs::write(&path, with_queue("changed")).unwrap();
    wait_for(&mut readings, "the changed file", is_queue("changed")).await;
    assert_eq!(file.current().queues[0].name, "changed");

    std::fs::write(&path, "queues:\n  - nam: broken\n    name: x\n  - {}\n").unwrap();
    let broken = wait_for(&mut readings, "the broken file", Result::is_err).await;
    let problems = broken.as_ref().as_ref().unwrap_err();
    assert_eq!(problems.as_slice().len(), 2, "{problems}");
    assert_eq!(file.current().queues[0].name, "changed", "a broken file changes nothing");

    std::fs::write(&path, with_queue("changed")).unwrap();
    wait_for(&mut readings, "the mended file", is_queue("changed")).await;

    let other = folder.path().join(".ixn.yaml.new");
    std::fs::write(&other, with_queue("replaced")).unwrap();
    std::fs::rename(&other, &path).unwrap();
    wait_for(&mut readings, "the replaced file", is_queue("replaced")).await;

    std::fs::remove_file(&path).unwrap();
    wait_for(&mut readings, "the missing file", Result::is_err).await;
    assert_eq!(file.current().queues[0].name, "replaced");
}

#[tokio::test]
async fn a_file_that_is_written_again_is_a_new_reading_of_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ixn.yaml");
    std::fs::write(&path, with_queue("first")).unwrap();
    let file = ConfigurationFile::open(&path).await.unwrap();
    let mut readings = file.readings();
    let first = file.current();
    // Later than the clock of any file system can fail to tell.
    let later = std::fs::metadata(&path).unwrap().modified().unwrap() + Duration::from_secs(5);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    let changed = tokio::time::timeout(DEADLINE, readings.changed()).await;
    assert!(changed.is_ok(), "waited {DEADLINE:?} for a reading");
    assert!(Arc::ptr_eq(readings.borrow().as_ref().as_ref().unwrap(), &first));
    assert!(Arc::ptr_eq(&file.current(), &first));
}

/// A mounted config map: the file is a link into `..data`, itself a link that is swapped.
#[cfg(unix)]
#[tokio::test]
async fn follows_a_mounted_config_map() {
    use std::os::unix::fs::symlink;

    fn version(folder: &Path, name: &str, queue: &str) {
        std::fs::create_dir(folder.join(name)).unwrap();
        std::fs::write(folder.join(name).join("ixn.yaml"), with_queue(queue)).unwrap();
        symlink(name, folder.join("..data_tmp")).unwrap();
        std::fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    }

    let folder = tempfile::tempdir().unwrap();
    version(folder.path(), "..1", "first");
    symlink("..data/ixn.yaml", folder.path().join("ixn.yaml")).unwrap();
    let file = ConfigurationFile::open(folder.path().join("ixn.yaml")).await.unwrap();
    assert_eq!(file.current().queues[0].name, "first");

    version(folder.path(), "..2", "second");
    wait_for(&mut file.readings(), "the second version", is_queue("second")).await;
    assert_eq!(file.current().queues[0].name, "second");
}

#[tokio::test]
async fn a_broken_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ixn.yaml");
    std::fs::write(&path, "queues: 1\nviews: 1\n").unwrap();
    let problems = ConfigurationFile::open(&path).await.unwrap_err();
    assert_eq!(problems.as_slice().len(), 2, "{problems}");
}
