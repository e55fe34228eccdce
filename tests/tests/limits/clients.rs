//! Limits of what clients send: requests without an answer, requests a second, registrations, streams.

use std::collections::BTreeSet;

use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientType, ErrorCode};
use tonic::Code;

use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::stream::{Stream, code, look, register};
use ixn_tests::wait;

#[tokio::test]
async fn a_client_over_its_requests_in_flight_or_its_rate_is_refused_and_its_neighbour_is_not() {
    for option in ["--client-requests-in-flight=5", "--client-request-rate=5"] {
        let server = IxnServer::start(&[option]).await;
        let mut stream = server.stream().await;
        stream.register(ClientType::Proxy).await;
        stream
            .send(vec![register(1, ClientType::MediaServer, 2), register(2, ClientType::MediaServer, 3)])
            .await;
        stream.answer(3).await;
        // One message: all of it is there before the first answer can be.
        let greedy = (0..1000).map(|number| look(1, 100 + number));
        stream.send(greedy.chain([look(2, 7)]).collect()).await;
        let mut refused = 0;
        for number in 0..1000 {
            let event = stream.answer(100 + number).await;
            match code(&event) {
                None => assert!(matches!(event, Event::EventFoundInteractions(_)), "{event:?}"),
                Some(code) => {
                    assert_eq!(code, ErrorCode::TooManyRequests, "{event:?}");
                    refused += 1;
                }
            }
        }
        assert!((900..=999).contains(&refused), "{refused} of 1000 were refused with {option}");
        assert_eq!(code(&stream.answer(7).await), None);
        let counted = server.metric("server_requests_over_limit_total").await;
        assert_eq!(counted, f64::from(refused), "{option}");
    }
}

#[tokio::test]
async fn a_client_is_told_its_limits_when_it_registers() {
    let server = IxnServer::start(&["--client-requests-in-flight=77", "--max-message=3MiB"]).await;
    let ack = server.stream().await.register(ClientType::MediaServer).await;
    let registration = ack.registration.unwrap();
    assert_eq!(registration.max_requests_in_flight, 77);
    assert_eq!(registration.max_message_bytes, 3 << 20);
    assert_eq!(registration.max_user_data_bytes, 1 << 20);
    assert!(registration.capabilities.contains(&"idempotency-keys".to_owned()), "{registration:?}");
}

#[tokio::test]
async fn ten_thousand_clients_that_register_again_at_once_all_get_in() {
    const CONNECTIONS: u32 = 10;
    const CLIENTS: u32 = 1_000;
    // A burst of 4,000: the last of them wait for three seconds.
    let server = IxnServer::start(&["--registration-rate=2000"]).await;
    let proxies = (0..CONNECTIONS).map(async |_| {
        let mut stream = server.stream().await;
        stream.register(ClientType::Proxy).await;
        let clients = (1..=CLIENTS).map(|client| register(client, ClientType::AgentApplication, 100));
        stream.send(clients.collect()).await;
        let mut registered = BTreeSet::new();
        while registered.len() < CLIENTS as usize {
            let envelope = stream.next().await.unwrap();
            let is_registered =
                matches!(&envelope.event, Some(Event::EventAck(ack)) if ack.registration.is_some());
            assert!(is_registered, "{envelope:?}");
            registered.insert(envelope.proxy_client_id);
        }
    });
    futures::future::join_all(proxies).await;
}

#[tokio::test]
async fn registrations_that_would_wait_for_long_are_told_when_to_come_again() {
    let server = IxnServer::start(&["--registration-rate=1"]).await;
    let mut stream = server.stream().await;
    stream.register(ClientType::Proxy).await;
    // Two at once, ten in ten seconds: the others are refused now, and the stream stays.
    stream
        .send(
            (1..=100)
                .map(|client| register(client, ClientType::AgentApplication, u64::from(client)))
                .collect(),
        )
        .await;
    let refused = stream.answer(100).await;
    assert_eq!(code(&refused), Some(ErrorCode::TooManyRequests));
    assert!(format!("{refused:?}").contains("register again in"), "{refused:?}");
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_its_stream_with_the_reason() {
    let server = IxnServer::start(&["--max-message=64KiB"]).await;
    let mut stream = server.stream().await;
    stream.register(ClientType::MediaServer).await;
    stream.send((0..10_000).map(|number| look(0, 100 + number)).collect()).await;
    let (_, status) = stream.read_to_end().await;
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
}

#[tokio::test]
async fn a_stream_too_many_is_refused_with_a_sentence_and_gets_in_when_another_has_gone() {
    let server = IxnServer::start(&["--max-connections=2"]).await;
    let first = server.stream().await;
    let _second = server.stream().await;
    let refused = Stream::open(server.address).await.err().unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("2 connections are open"), "{refused}");
    drop(first);
    wait::until(LIMIT, "room for a stream", async || Stream::open(server.address).await.map(drop)).await;
}
