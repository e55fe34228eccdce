//! The program as a process, and what it wrote.

// Each test file uses its part.
#![allow(dead_code)]

use std::io::Write as _;
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

/// Far more than any of these commands takes.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub fn command(server: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ixnctl"));
    command.args(["--server", server]).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub async fn ixnctl(server: &str, arguments: &[&str]) -> Output {
    timeout(DEADLINE, command(server, arguments).output()).await.expect("it ends in time").unwrap()
}

/// Standard output as one JSON object a line: every line must be one.
pub fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    let object = |line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(object).inspect(|object| assert!(object.is_object(), "{object}")).collect()
}

pub fn code(output: &Output) -> i32 {
    let code = output.status.code().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stderr));
    code
}

pub fn path(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// Standard error.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn count(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}

/// A file of so many lines to submit.
pub fn lines_of_e_mail(number: usize) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for _ in 0..number {
        writeln!(file, "{{\"media_type\":\"email\"}}").unwrap();
    }
    file
}

/// Waits for a condition, up to the deadline.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let waited = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, waited).await.unwrap_or_else(|_| panic!("{what} did not come"));
}
