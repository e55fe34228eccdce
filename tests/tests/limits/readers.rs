//! Clients that read slowly, say nothing, or have gone without a word.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientType, ErrorCode, KeyValueList, RequestPublish, RequestStartPlaceAgentStateReportingAll,
    RequestSubmit, RequestSubscribe,
};
use ixn_tests::tcp_proxy::TcpProxy;
use ixn_tests::{binary, wait};
use tonic::Code;

use crate::running::{LIMIT, Running};
use crate::stream::{Stream, code, envelope, look, register};

fn key(key: &str, text: &str) -> Option<KeyValueList> {
    let mut list = KeyValueList::new();
    list.push_text(key, text);
    Some(list)
}

#[tokio::test]
async fn a_logical_client_that_reads_too_slowly_is_dropped_and_told_and_others_on_its_connection_go_on() {
    const PUBLICATIONS: u64 = 100;
    let running = Running::start(&["--client-queue-limit=256KiB"]).await;
    let mut slow = running.stream().await;
    slow.register(ClientType::Proxy).await;
    slow.send(vec![
        register(1, ClientType::AgentApplication, 2),
        register(2, ClientType::AgentApplication, 3),
    ])
    .await;
    let topics = RequestSubscribe { ps_topic_list: key("news", "") };
    slow.send(vec![envelope(1, Request::RequestSubscribe(topics), 4)]).await;
    slow.answer(4).await;

    // The connection is not read while a publisher fills it: first the network's buffers, then the client's queue.
    let mut publisher = running.stream().await;
    publisher.register(ClientType::MediaServer).await;
    let text = "x".repeat(60_000);
    for number in 0..PUBLICATIONS {
        let publish = RequestPublish { ps_topic: "news".into(), content: key("text", &text) };
        publisher.send(vec![envelope(0, Request::RequestPublish(publish), 100 + number)]).await;
        publisher.answer(100 + number).await;
    }

    slow.send(vec![look(2, 5), look(1, 6)]).await;
    let dropped = loop {
        let next = slow.next().await.unwrap();
        match next.event {
            Some(Event::EventPublished(_)) => assert_eq!(next.proxy_client_id, 1),
            Some(Event::EventClientDisconnected(dropped)) => {
                assert_eq!(next.proxy_client_id, 1);
                break dropped;
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(dropped.error_code, ErrorCode::LimitExceeded as i32, "{dropped:?}");
    assert_eq!(code(&slow.answer(5).await), None, "the other one goes on");
    assert_eq!(code(&slow.answer(6).await), Some(ErrorCode::UnknownProxyClient));
}

#[tokio::test]
async fn a_reporting_client_that_does_not_read_misses_nothing() {
    const INTERACTIONS: u64 = 100;
    // Much more than the network's buffers and the queue take.
    let running = Running::start(&["--client-queue-limit=256KiB"]).await;
    let mut reporting = running.stream().await;
    reporting.register(ClientType::ReportingEngine).await;
    let everything = RequestStartPlaceAgentStateReportingAll::default();
    reporting.send(vec![envelope(0, Request::RequestStartPlaceAgentStateReportingAll(everything), 2)]).await;
    reporting.answer(2).await;

    let mut submitter = running.stream().await;
    submitter.register(ClientType::MediaServer).await;
    let text = "x".repeat(60_000);
    for number in 0..INTERACTIONS {
        let submit = RequestSubmit {
            media_type: "email".into(),
            queue: "inbox".into(),
            user_data: key("text", &text),
            hold: true,
            ..RequestSubmit::default()
        };
        submitter.send(vec![envelope(0, Request::RequestSubmit(submit), 100 + number)]).await;
        let answer = submitter.answer(100 + number).await;
        assert_eq!(code(&answer), None, "{answer:?}");
    }

    let mut submitted = 0;
    while submitted < INTERACTIONS {
        match reporting.next().await.unwrap().event {
            Some(Event::EventInteractionSubmitted(_)) => submitted += 1,
            Some(Event::EventClientDisconnected(dropped)) => panic!("after {submitted}: {dropped:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_stream_on_which_no_request_comes_is_ended_with_a_sentence() {
    let running = Running::start(&["--handshake-timeout=3s"]).await;
    let silent = running.stream().await;
    let empty = running.stream().await;
    empty.send(vec![]).await;
    for stream in [silent, empty] {
        let (events, status) = stream.read_to_end().await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(events.iter().map(code).collect::<Vec<_>>(), [Some(ErrorCode::NotRegistered)]);
    }
}

#[tokio::test]
async fn a_client_behind_a_frozen_network_is_missed() {
    let running = Running::start(&["--keepalive=3s"]).await;
    let network = TcpProxy::start(running.address).await;
    let mut frozen = Stream::open(network.address()).await.unwrap();
    frozen.register(ClientType::MediaServer).await;
    let mut other = running.stream().await;
    other.register(ClientType::MediaServer).await;
    wait_for_clients(&running, 2.0).await;
    network.freeze(true);
    wait_for_clients(&running, 1.0).await;
    other.send(vec![look(0, 9)]).await;
    assert_eq!(code(&other.answer(9).await), None);
}

async fn wait_for_clients(running: &Running, expected: f64) {
    wait::until(LIMIT, &format!("{expected} clients"), async || {
        let clients = running.metric("ixn_health_info_current_clients").await;
        if clients == expected { Ok(()) } else { Err(clients) }
    })
    .await;
}

#[tokio::test]
async fn a_reader_of_its_output_who_goes_does_not_end_the_server() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(binary("ixn-server"))
        .args(["--listen", &format!("127.0.0.1:{port}"), "--health-listen", "127.0.0.1:0"])
        .args(["--data-dir", folder.path().to_str().unwrap(), "--log-level=debug"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    let address = format!("127.0.0.1:{port}").parse().unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let served = runtime.block_on(tokio::time::timeout(LIMIT, async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            let mut stream = Stream::open(address).await.unwrap();
            stream.register(ClientType::MediaServer).await;
        }));
        let status = child.try_wait().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        (served, status)
    });
    let (served, status) = ended.await.unwrap();
    served.expect("it serves although nobody reads its lines");
    assert_eq!(status, None, "it has ended");
}
