//! The log of a real process.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is what the process is to tell")]

use ixn_telemetry::{LogFormat, LogOptions};

const CHILD: &str = "IXN_TELEMETRY_TEST_LOG";

/// Runs a test again as a process of its own, since a log belongs to a whole process; what it wrote to standard error.
fn run_again(test: &str, log_level: &str) -> String {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    let output = command.env(CHILD, log_level).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    text
}

/// In that process: logs, panics, and ends.
fn log_and_panic() {
    let Ok(log_level) = std::env::var(CHILD) else { return };
    let options = LogOptions { log_format: LogFormat::Auto, log_level: log_level.parse().unwrap() };
    options.init().unwrap();
    assert!(options.init().is_err(), "a second log");
    tracing::info!(port = 7120, "listening");
    std::thread::spawn(|| panic!("engine\nstopped")).join().unwrap_err();
    std::process::exit(0)
}

#[test]
fn every_line_of_a_process_is_json_even_a_panic() {
    log_and_panic();
    let text = run_again("every_line_of_a_process_is_json_even_a_panic", "info");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((&lines[0]["message"], &lines[0]["port"]), (&"listening".into(), &7120.into()));
    assert_eq!(
        (&lines[1]["level"], &lines[1]["message"]),
        (&"ERROR".into(), &"panic: engine\nstopped".into())
    );
    assert!(lines[1]["place"].as_str().is_some_and(|place| place.contains("logs.rs:")), "{text}");
}

#[test]
fn a_panic_is_told_also_where_the_filter_silences_the_log() {
    log_and_panic();
    for log_level in ["off", "ixn_server=debug"] {
        let text = run_again("a_panic_is_told_also_where_the_filter_silences_the_log", log_level);
        assert!(text.contains("engine\nstopped") && text.contains("logs.rs:"), "{log_level}: {text}");
    }
}
