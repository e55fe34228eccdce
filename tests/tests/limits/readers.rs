//! Clients that read slowly, say nothing, or have gone without a word.

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientType, ErrorCode, KeyValueList, RequestPublish, RequestStartPlaceAgentStateReportingAll,
    RequestSubmit, RequestSubscribe,
};
use ixn_tests::tcp_proxy::TcpProxy;
use ixn_tests::wait;
use tonic::Code;

use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::stream::{Stream, code, envelope, look, register};

fn key(key: &str, text: &str) -> Option<KeyValueList> {
    let mut list = KeyValueList::new();
    list.push_text(key, text);
    Some(list)
}

#[tokio::test]
async fn a_logical_client_that_reads_too_slowly_is_dropped_and_told_and_others_on_its_connection_go_on() {
    const PUBLICATIONS: u64 = 100;
    let server = IxnServer::start(&["--client-queue-limit=256KiB"]).await;
    let mut slow = server.stream().await;
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
    let mut publisher = server.stream().await;
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
    let server = IxnServer::start(&["--client-queue-limit=256KiB"]).await;
    let mut reporting = server.stream().await;
    reporting.register(ClientType::ReportingEngine).await;
    let everything = RequestStartPlaceAgentStateReportingAll::default();
    reporting.send(vec![envelope(0, Request::RequestStartPlaceAgentStateReportingAll(everything), 2)]).await;
    reporting.answer(2).await;

    let mut submitter = server.stream().await;
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
    let server = IxnServer::start(&["--handshake-timeout=3s"]).await;
    let silent = server.stream().await;
    let empty = server.stream().await;
    empty.send(vec![]).await;
    for stream in [silent, empty] {
        let (events, status) = stream.read_to_end().await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(events.iter().map(code).collect::<Vec<_>>(), [Some(ErrorCode::NotRegistered)]);
    }
}

#[tokio::test]
async fn a_client_behind_a_frozen_network_is_missed() {
    let server = IxnServer::start(&["--keepalive=3s"]).await;
    let network = TcpProxy::start(server.address).await;
    let mut frozen = Stream::open(network.address()).await.unwrap();
    frozen.register(ClientType::MediaServer).await;
    let mut other = server.stream().await;
    other.register(ClientType::MediaServer).await;
    wait_for_clients(&server, 2.0).await;
    network.freeze(true);
    wait_for_clients(&server, 1.0).await;
    other.send(vec![look(0, 9)]).await;
    assert_eq!(code(&other.answer(9).await), None);
}

async fn wait_for_clients(server: &IxnServer, expected: f64) {
    wait::until(LIMIT, &format!("{expected} clients"), async || {
        let clients = server.metric("health_info_current_clients").await;
        if clients == expected { Ok(()) } else { Err(clients) }
    })
    .await;
}

#[tokio::test]
async fn a_reader_of_its_output_who_goes_does_not_end_the_server() {
    let mut server = IxnServer::command().args(&["--log-level=debug"]).unread().spawn();
    server.answers("/health/ready", 200).await;
    server.stream().await.register(ClientType::MediaServer).await;
    assert_eq!(server.process.exit_status(), None, "it serves although nobody reads its lines");
}
