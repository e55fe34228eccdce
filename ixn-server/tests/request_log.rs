//! At level debug the way of a request can be read from the log by its numbers.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use std::time::Duration;

use ixn_client::{Client, ClientOptions, ClientType, RequestSubmit};
use ixn_tests::process::Server;

const LIMIT: Duration = Duration::from_secs(60);

/// The value of a field in a line of JSON, as it is written.
fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let value = line.split_once(&format!("\"{name}\":")).unwrap_or_else(|| panic!("no {name} in {line}")).1;
    value.split([',', '}']).next().unwrap().trim_matches('"')
}

#[tokio::test]
async fn a_request_is_read_from_its_arrival_to_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::command(env!("CARGO_BIN_EXE_ixn-server"))
        .args(["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"])
        .args(["--data-dir", folder.path().to_str().unwrap()])
        .args(["--log-level", "info,ixn_server::requests=debug", "--log-format", "json"])
        .start();
    let line = server.wait_for_line("protocol  ", LIMIT).await;
    let url = format!("http://{}", line.split("http://").nth(1).unwrap().split([' ', '/']).next().unwrap());
    let options = ClientOptions::new(&url, "mail server", ClientType::MediaServer);
    let client = Client::connect(options).await.unwrap();
    let submit = |queue: &str| RequestSubmit {
        queue: queue.into(),
        media_type: "email".into(),
        ..RequestSubmit::default()
    };
    client.submit(submit("inbox")).await.unwrap();
    client.submit(submit("no such queue")).await.unwrap_err();

    // The last line.
    server.wait_for_line("\"error\":\"UNKNOWN_QUEUE\"", LIMIT).await;
    let log = server.log();
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let mut taken = lines("\"request taken\"");
    taken.retain(|line| field(line, "request") == "RequestSubmit");
    let [first, second] = taken[..] else { panic!("{log}") };
    for (taken, event) in [(first, "EventAck"), (second, "EventError")] {
        assert_eq!(field(taken, "client"), "mail server");
        let of_it = ["connection", "proxy_client_id", "reference_id"]
            .map(|name| format!("\"{name}\":{}", field(taken, name)))
            .join(",");
        let of_it = lines(&of_it);
        let [taken_again, carried_out, answered] = of_it[..] else { panic!("{of_it:#?}\n{log}") };
        assert_eq!(taken_again, taken);
        assert!(field(carried_out, "commit").parse::<u64>().unwrap() > 0);
        assert_eq!(field(answered, "event"), event);
        assert!(field(answered, "microseconds").parse::<u64>().unwrap() > 0);
    }
}
