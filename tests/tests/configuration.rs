//! What an operator is told about settings and configuration: by `check-config`, at the start, and when the file changes.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use ixn_client::{ClientType, RequestSubmit};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::postgres::TestDatabase;
use ixn_tests::{binary, wait};

const CONFIGURATION: &str = "
media-types: [{name: email}]
queues: [{name: inbox}, {name: archive}]
views: [{name: all, queue: inbox}]
";

/// Runs ixn-server to its end: exit code, standard output, standard error.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary("ixn-server"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("IXN_")) {
        command.env_remove(name);
    }
    let output = command.args(arguments).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn check_config_tells_every_mistake_in_one_pass_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, configuration) = (folder.path().join("settings.yaml"), folder.path().join("config.yaml"));
    let data = folder.path().join("data");
    std::fs::write(&settings, "log-retenton: 1h\ntenant: {sid: \"\"}\n").unwrap();
    std::fs::write(&configuration, "queues: [{nam: inbox}]\nviews: [{name: v, queue: inbx, strategy: s}]\n")
        .unwrap();
    let (code, output, errors) = run(
        &[
            "check-config",
            "--settings",
            text(&settings),
            "--config",
            text(&configuration),
            "--data-dir",
            text(&data),
            "--listen",
            "localhost:7301",
        ],
        &[("IXN_MAX_MESSAGE", "0"), ("IXN_MAX_CONECTIONS", "7"), ("IXN_SERVER_SERVICE_HOST", "10.0.0.1")],
    );
    let errors = errors.replace(&format!("{}/", text(folder.path())), "");
    let beginnings = [
        "warning: the variable IXN_MAX_CONECTIONS sets nothing; did you mean IXN_MAX_CONNECTIONS?",
        "settings.yaml:1:1: log-retenton: there is no such setting; did you mean 'log-retention'?",
        "--listen: \"localhost:7301\" is not accepted: write an IP address",
        "settings.yaml:2:15: tenant-sid: \"\" is not accepted",
        "variable IXN_MAX_MESSAGE: max-message: \"0\" is not accepted: write 64KiB or more",
        "config.yaml:1:11: queue no. 1: there is no field 'nam' here; did you mean 'name'?",
        "config.yaml:2:26: view 'v': there is no queue 'inbx'; did you mean 'inbox'?",
        "config.yaml:2:42: view 'v': there is no strategy 's'",
    ];
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), beginnings.len(), "{errors}");
    for (line, beginning) in lines.iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line:?} is not {beginning:?}");
    }
    assert_eq!(code, Some(64));
    assert!(output.starts_with("database sqlite ") && output.contains("nothing in it yet"), "{output}");
    assert!(!data.exists());
}

#[tokio::test]
async fn check_config_looks_at_the_database_also_beside_a_server() {
    let database = TestDatabase::create().await;
    let check = || run(&["check-config", "--database-url", database.url()], &[]);
    let (code, output, errors) = check();
    assert_eq!((code, &*errors), (Some(0), ""), "{output}");
    assert!(output.contains("database postgresql ") && output.contains("fsync=on"), "{output}");
    assert!(output.contains("nothing in it yet"), "{output}");

    let server = IxnServer::command().database(Some(database.url())).env("IXN_DATABASE_UR", "x");
    let mut server = server.start().await;
    let told = "the variable IXN_DATABASE_UR sets nothing; did you mean IXN_DATABASE_URL?";
    server.process.wait_for_line(told, LIMIT).await;
    let (code, output, _) = check();
    assert_eq!(code, Some(0));
    assert!(output.contains("schema version 1"), "{output}");
    assert!(server.process.exit_status().is_none(), "a look takes nothing over");
}

#[test]
fn a_database_that_cannot_be_reached_is_told_without_its_password() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://ixn:sesame@{nobody}/ixn?sslmode=disable");
    let (code, output, errors) = run(&["check-config", "--database-url", &url], &[]);
    assert_eq!((code, &*output), (Some(69), "settings and configuration can be used\n"), "{errors}");
    assert!(
        errors.starts_with(&format!("database {nobody}/ixn: the database is not available: ")),
        "{errors}"
    );
    assert!(!errors.contains("sesame"), "{errors}");
    let (code, _, _) = run(&["check-config", "--database-url", &url, "--log-level", "bogus"], &[]);
    assert_eq!(code, Some(64), "mistakes come first");
}

#[test]
fn mistakes_are_told_before_a_port_is_bound_or_a_file_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (data, configuration) = (folder.path().join("data"), folder.path().join("config.yaml"));
    std::fs::write(&configuration, "queues: [{nam: inbox}]\n").unwrap();
    let serve = |more: &[&str]| {
        let arguments = ["--listen", "127.0.0.1:0", "--health-listen", &address, "--data-dir", text(&data)];
        run(&[&arguments[..], more].concat(), &[])
    };
    let (code, _, errors) = serve(&["--log-retention", "0", "--database-url", "mysql://x"]);
    assert_eq!((code, errors.lines().count()), (Some(64), 2), "{errors}");
    let (code, _, errors) = serve(&["--config", text(&configuration)]);
    assert_eq!(code, Some(64), "{errors}");
    assert!(errors.contains("did you mean 'name'?"), "{errors}");
    let (code, _, errors) = serve(&[]);
    assert_eq!(code, Some(69), "{errors}");
    assert!(errors.contains(&address) && errors.contains("--health-listen"), "{errors}");
    assert!(!data.exists());
}

#[tokio::test]
async fn a_file_that_changes_is_told_about_truly() {
    let mut server = IxnServer::command().configuration(CONFIGURATION).start().await;
    let valid = |value| [("configuration_valid", Some(value))];
    server.shows(&valid(1.0)).await;
    let media = server.client("mail server", ClientType::MediaServer).await;
    for _ in 0..3 {
        let interaction = RequestSubmit {
            queue: "archive".into(),
            media_type: "email".into(),
            interaction_type: "Inbound".into(),
            ..Default::default()
        };
        media.submit(interaction).await.unwrap();
    }

    let changed = "has changed and comes into force";
    server.configure(&format!("# the same, with a comment\n{CONFIGURATION}"));
    server.process.wait_for_line("written again; nothing in it has changed", LIMIT).await;
    assert!(!server.process.log().contains(changed), "{}", server.process.log());

    server.configure("queues: [{nam: inbox}]\nviews: [{name: all, queue: nowhere}]\n");
    let line =
        server.process.wait_for_line("the configuration file cannot be used; the old one stays", LIMIT).await;
    assert!(line.contains("did you mean 'name'?") && line.contains("there is no queue 'nowhere'"), "{line}");
    server.shows(&valid(0.0)).await;

    server.configure(&CONFIGURATION.replace(", {name: archive}", ""));
    server.process.wait_for_line(changed, LIMIT).await;
    let line = server.process.wait_for_line("the queue 'archive' is no longer configured", LIMIT).await;
    assert!(line.contains("WARN") && line.contains("interactions in it: 3"), "{line}");
    server.shows(&valid(1.0)).await;

    server.configure(CONFIGURATION);
    let times = async |text: &str, times: usize, server: &IxnServer| {
        wait::until(LIMIT, &format!("{text:?} {times} times"), async || {
            let found = server.process.log().matches(text).count();
            if found == times { Ok(()) } else { Err(found) }
        })
        .await;
    };
    times(changed, 2, &server).await;
    times("is no longer configured", 1, &server).await;
}
