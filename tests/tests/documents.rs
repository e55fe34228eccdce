//! The manual says what the server does: its tables of requests, errors and event sequences are generated from a running
//! server and from the protocol, and must be up to date. `IXN_REWRITE_DOCS=1` writes them anew.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

mod sequences;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ixn_client::{Client, ClientError, ClientType, ErrorCode, IdempotencyKey, RequestOptions};
use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientEnvelope, FILE_DESCRIPTOR_SET, error_code};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::FileDescriptorSet;

/// Who may register, and how the page calls them.
const CLIENT_TYPES: [(ClientType, &str); 5] = [
    (ClientType::AgentApplication, "agent application"),
    (ClientType::MediaServer, "media server"),
    (ClientType::Proxy, "proxy"),
    (ClientType::RoutingEngine, "routing engine"),
    (ClientType::ReportingEngine, "reporting engine"),
];

#[tokio::test]
async fn the_page_of_the_protocol_says_who_may_send_what_and_what_is_not_implemented() {
    let server = IxnServer::start(&[]).await;
    let requests = requests_of_the_protocol();
    assert!(requests.len() > 50, "found {} requests", requests.len());

    let mut rows = vec![String::new(); requests.len()];
    let mut not_implemented: BTreeSet<&str> = requests.iter().map(|(name, _)| name.as_str()).collect();
    for (client_type, client_name) in CLIENT_TYPES {
        let client = server.client(client_name, client_type).await;
        for (row, (name, request)) in rows.iter_mut().zip(&requests) {
            let answer = answer_to(&client, name, request.clone()).await;
            let is_permitted = answer != Some(ErrorCode::NotPermitted);
            assert_eq!(is_permitted, may_send(client_type, name), "{name} of a {client_name}: {answer:?}");
            row.push_str(match answer {
                Some(ErrorCode::NotPermitted) => " – |",
                Some(ErrorCode::NotImplemented) => " not yet |",
                _ => " yes |",
            });
            if !matches!(answer, Some(ErrorCode::NotPermitted | ErrorCode::NotImplemented)) {
                not_implemented.remove(name.as_str());
            }
        }
    }

    let mut table = String::from("| request |");
    CLIENT_TYPES.iter().for_each(|(_, name)| write!(table, " {name} |").unwrap());
    table.push_str("\n| --- | --- | --- | --- | --- | --- |\n");
    for ((name, _), row) in requests.iter().zip(&rows) {
        writeln!(table, "| `{name}` |{row}").unwrap();
    }
    let missing: String = requests
        .iter()
        .filter(|(name, _)| not_implemented.contains(name.as_str()))
        .map(|(name, _)| format!("- `{name}`\n"))
        .collect();
    check("protocol.md", &[("requests", table), ("not implemented", missing)].map(owned));
}

/// Who may not send what. The page is written anew by a command; this is not. What is in no group, everybody may send.
const NOT_PERMITTED: [(&[ClientType], &[&str]); 5] = [
    // Work on interactions.
    (
        &[ClientType::ReportingEngine],
        &[
            "RequestSubmit",
            "RequestStopProcessing",
            "RequestPull",
            "RequestPlaceInQueue",
            "RequestChangeProperties",
            "RequestHold",
            "RequestResume",
            "RequestPlaceInWorkbin",
            "RequestLockInteraction",
            "RequestUnlockInteraction",
            "RequestMoveInteractions",
            "RequestCustomReporting",
        ],
    ),
    // What agents do.
    (
        &[ClientType::MediaServer, ClientType::RoutingEngine, ClientType::ReportingEngine],
        &[
            "RequestAccept",
            "RequestAgentLogin",
            "RequestAgentLogout",
            "RequestAgentAvailable",
            "RequestAgentNotAvailable",
            "RequestAddMedia",
            "RequestRemoveMedia",
            "RequestNotReadyForMedia",
            "RequestCancelNotReadyForMedia",
            "RequestChangeMediaStateReason",
            "RequestChangeAgentStateReason",
            "RequestDoNotDisturbOn",
            "RequestDoNotDisturbOff",
            "RequestReject",
            "RequestTransfer",
            "RequestConference",
            "RequestIntrude",
            "RequestLeaveInteraction",
        ],
    ),
    // Reporting.
    (
        &[
            ClientType::AgentApplication,
            ClientType::MediaServer,
            ClientType::Proxy,
            ClientType::RoutingEngine,
        ],
        &[
            "EventCurrentAgentStatus",
            "RequestStartPlaceAgentStateReporting",
            "RequestStartPlaceAgentStateReportingAll",
            "RequestStopPlaceAgentStateReporting",
            "RequestStopPlaceAgentStateReportingAll",
        ],
    ),
    // Instructions of routers.
    (
        &[
            ClientType::AgentApplication,
            ClientType::MediaServer,
            ClientType::Proxy,
            ClientType::ReportingEngine,
        ],
        &["RequestRouteCall"],
    ),
    // External services.
    (
        &[ClientType::AgentApplication, ClientType::Proxy, ClientType::ReportingEngine],
        &["Request3rdServer", "Event3rdServerResponse", "Event3rdServerFault"],
    ),
];

fn may_send(client_type: ClientType, request: &str) -> bool {
    !NOT_PERMITTED.iter().any(|(types, requests)| types.contains(&client_type) && requests.contains(&request))
}

/// The error code of an answer; none when the request was carried out.
async fn answer_to(client: &Client, name: &str, request: Request) -> Option<ErrorCode> {
    let options = RequestOptions {
        idempotency_key: IdempotencyKey::Off,
        deadline: Some(LIMIT),
        ..RequestOptions::default()
    };
    match client.request_with(request, options).await {
        Ok(_) => None,
        Err(error @ ClientError::Refused { .. }) => {
            Some(error.code().unwrap_or_else(|| panic!("{name}: an unknown code: {error}")))
        }
        Err(error) => panic!("{name} has no answer: {error}"),
    }
}

/// Every request that the protocol has, empty; the one that ends the registration last.
fn requests_of_the_protocol() -> Vec<(String, Request)> {
    let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let messages = descriptors.file.iter().flat_map(|file| &file.message_type);
    let envelope = messages.into_iter().find(|message| message.name() == "ClientEnvelope").unwrap();
    let in_oneof = envelope.field.iter().filter(|field| field.oneof_index.is_some());
    let mut requests: Vec<(String, Request)> = in_oneof
        .map(|field| {
            let mut bytes = Vec::new();
            encode_key(field.number() as u32, WireType::LengthDelimited, &mut bytes);
            encode_varint(0, &mut bytes);
            let request = ClientEnvelope::decode(&bytes[..]).unwrap().request.unwrap();
            (field.type_name().rsplit('.').next().unwrap().to_owned(), request)
        })
        .collect();
    requests.sort_by_key(|(_, request)| matches!(request, Request::RequestUnregisterClient(_)));
    requests
}

#[test]
fn the_page_of_errors_lists_every_code_and_says_which_are_not_sent_yet() {
    let sources = sources(&root().join("ixn-server"));
    let mut table =
        String::from("| number | name | what happened | what to do |\n| --- | --- | --- | --- |\n");
    let mut not_sent = String::new();
    let codes: Vec<ErrorCode> = (1..1000).filter_map(|number| ErrorCode::try_from(number).ok()).collect();
    assert!(codes.len() > 40, "found {} codes", codes.len());
    for code in codes {
        let (name, number) = (error_code::name(code), code as i32);
        let (happened, to_do) = (error_code::what_happened(code), error_code::what_to_do(code));
        writeln!(table, "| {number} | `{name}` | {happened} | {to_do} |").unwrap();
        let in_code = format!("ErrorCode::{code:?}");
        let is_sent = sources.iter().any(|source| {
            let mut rest = source.split(&in_code).skip(1);
            rest.any(|after| !after.starts_with(|next: char| next.is_ascii_alphanumeric()))
        });
        if !is_sent {
            writeln!(not_sent, "- `{name}`").unwrap();
        }
    }
    check("errors.md", &[("codes", table), ("not sent yet", not_sent)].map(owned));
}

/// The text of all source files below a folder, without tests.
fn sources(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn the_page_of_events_shows_the_sequences_that_the_server_emits() {
    check("events.md", &sequences::play().await);
}

#[test]
fn every_link_leads_to_a_file_and_to_a_heading_in_it() {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/decisions"] {
        let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
        pages.extend(entries.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(pages.len() > 15, "found {pages:?}");
    let mut wrong = Vec::new();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let is_there = match anchor {
                "" => target.exists(),
                _ => fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)),
            };
            if !is_there {
                wrong.push(format!("{} links to {link}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What can stand behind `#` in a link to this page: its headings, as the sites that show Markdown write them.
fn anchors(page: &str) -> BTreeSet<String> {
    let headings =
        page.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let letters =
                heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            letters.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn owned((part, text): (&str, String)) -> (String, String) {
    (part.to_owned(), text)
}

/// Compares the generated parts of a page with what they must be, or writes them. A part stands between
/// `<!-- generated: NAME -->` and `<!-- end -->`.
fn check(page: &str, parts: &[(String, String)]) {
    let path = root().join("docs").join(page);
    let before = fs::read_to_string(&path).unwrap();
    let mut after = before.clone();
    for (part, text) in parts {
        let start = format!("<!-- generated: {part} -->\n");
        let begin = after.find(&start).unwrap_or_else(|| panic!("{page} has no part {part:?}")) + start.len();
        let end = begin + after[begin..].find("<!-- end -->").unwrap();
        after.replace_range(begin..end, text);
    }
    let wanted: BTreeMap<_, _> = parts.iter().map(|(part, text)| (part, text)).collect();
    let generated = before.matches("<!-- generated: ").count();
    assert_eq!(generated, wanted.len(), "{page} has a generated part that nobody generates");
    if std::env::var_os("IXN_REWRITE_DOCS").is_some_and(|value| value == "1") {
        fs::write(&path, after).unwrap();
        return;
    }
    let differing = before.lines().zip(after.lines()).find(|(old, new)| old != new);
    assert!(
        before == after,
        "docs/{page} is out of date; run the test with IXN_REWRITE_DOCS=1. First difference: {differing:?}"
    );
}
