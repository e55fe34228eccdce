//! The log of a real process.
#![allow(clippy::unwrap_used)]

use ixn_telemetry::{LogFilter, LogFormat, LogOptions};

/// Runs this test again as a process of its own: a log belongs to a whole process.
#[test]
fn every_line_of_a_process_is_json_even_a_panic() {
    const CHILD: &str = "IXN_TELEMETRY_TEST_LOG";
    if std::env::var_os(CHILD).is_some() {
        let options = LogOptions { log_format: LogFormat::Auto, log_level: LogFilter::default() };
        options.init().unwrap();
        assert!(options.init().is_err(), "a second log");
        tracing::info!(port = 7120, "listening");
        std::thread::spawn(|| panic!("engine\nstopped")).join().unwrap_err();
        std::process::exit(0)
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "every_line_of_a_process_is_json_even_a_panic", "--nocapture"]);
    let output = command.env(CHILD, "1").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!((&lines[0]["message"], &lines[0]["port"]), (&"listening".into(), &7120.into()));
    assert_eq!(
        (&lines[1]["level"], &lines[1]["message"]),
        (&"ERROR".into(), &"panic: engine\nstopped".into())
    );
    assert!(lines[1]["place"].as_str().is_some_and(|place| place.contains("logs.rs:")), "{text}");
}
