//! Finding the workspace's own binaries.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The binaries that this process has found or built.
static FOUND: LazyLock<Mutex<HashMap<String, PathBuf>>> = LazyLock::new(Mutex::default);

/// The path of a binary of this workspace, for example `binary("ixn-server")`. Package and binary share the name.
///
/// `tests/run` has built them all and names their folder in `IXN_TEST_BINARIES`. Without that variable the binary
/// is brought up to date by `cargo build`, once per process, in the folder and profile of the running test, so that
/// no test ever runs against an old binary.
///
/// # Panics
/// When the binary is not there or does not build.
pub fn binary(name: &str) -> PathBuf {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = found.get(name) {
        return path.clone();
    }
    let path = match env::var_os("IXN_TEST_BINARIES") {
        Some(folder) => {
            let path = PathBuf::from(folder).join(name);
            assert!(
                path.is_file(),
                "{} is not there: build it, or unset IXN_TEST_BINARIES to have it built",
                path.display()
            );
            path
        }
        None => build(name),
    };
    found.insert(name.to_owned(), path.clone());
    path
}

fn build(name: &str) -> PathBuf {
    let test = env::current_exe().expect("the path of the running test");
    let folder = profile_folder(&test);
    let target = folder.parent().expect("a profile's folder lies in the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    // Test processes run side by side: the first builds, the others wait and then find nothing to do.
    let lock = File::create(target.join(".ixn-tests-build.lock")).expect("a lock file in the target folder");
    lock.lock().expect("the lock on the target folder");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", name, "--bin", name, "--profile", profile])
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{name} does not build ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    folder.join(name)
}

/// Cargo puts tests into `<target>/<profile>/deps`, binaries one level up.
fn profile_folder(test: &Path) -> &Path {
    let folder = test.parent().expect("a test lies in a folder");
    if folder.ends_with("deps") { folder.parent().expect("deps lies in a folder") } else { folder }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_lie_beside_the_folder_of_the_tests() {
        assert_eq!(profile_folder(Path::new("/t/debug/deps/a-1")), Path::new("/t/debug"));
        assert_eq!(profile_folder(Path::new("/t/release/a")), Path::new("/t/release"));
    }
}
