//! The connection comes, goes and comes back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::{net::SocketAddr, time::Duration};

use ixn_client::{
    Client, ClientError, ClientEvent, ClientOptions, ClientType, DisconnectReason, ErrorCode,
    RegistrationInfo, Request, RequestSubmit, RoutingSessions, proto::RoutingSession,
};
use stand_in::{
    Connection, StandIn, ack_registration, ack_submit, client_disconnected, info, patiently, refuse,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

fn submit() -> RequestSubmit {
    RequestSubmit { queue: "inbox".to_owned(), ..Default::default() }
}

/// Expects the loss and then the reconnect.
async fn reconnect(events: &mut ixn_client::Events) -> (DisconnectReason, RegistrationInfo) {
    let lost = match patiently("the loss", events.next()).await {
        Some(ClientEvent::Disconnected { reason }) => reason,
        other => panic!("not a loss: {other:?}"),
    };
    match patiently("the reconnect", events.next()).await {
        Some(ClientEvent::Reconnected { registration }) => (lost, registration),
        other => panic!("not a reconnect: {other:?}"),
    }
}

#[tokio::test]
async fn a_killed_server_that_comes_back_is_found_again() {
    let mut server = StandIn::start();
    let (client, connection) = server.client(server.options(ClientType::MediaServer)).await;
    let mut events = client.events();
    let address = server.kill();
    drop(connection);
    let asked = tokio::spawn({
        let client = client.clone();
        async move { client.submit(submit()).await }
    });
    let mut server = StandIn::start_on(address);
    let again = RegistrationInfo { epoch: 2, ..info() };
    let mut connection = server.accept_registered(again.clone()).await;
    let request = connection.next().await;
    connection.send([ack_submit(&request, "1")]).await;
    assert_eq!(asked.await.unwrap().unwrap().interaction_id, "1");
    let (lost, registration) = reconnect(&mut events).await;
    assert!(matches!(lost, DisconnectReason::Lost(_)), "{lost:?}");
    assert_eq!(registration, again);
    assert_eq!(client.registration(), again);
    assert!(client.is_connected());
}

#[tokio::test]
async fn a_server_that_drains_answers_what_it_has_and_gets_the_rest_after_its_wait() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let mut events = client.events();
    let (first, second) = (client.submit(submit()), client.submit(submit()));
    let serve = async {
        let request = connection.next().await;
        let told_at = tokio::time::Instant::now();
        connection.send([client_disconnected(0, ErrorCode::ShuttingDown, 60)]).await;
        connection.send([ack_submit(&request, "before")]).await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        assert!(told_at.elapsed() >= Duration::from_millis(60), "it came back too early");
        let request = connection.next().await;
        connection.send([ack_submit(&request, "after")]).await;
        connection
    };
    let ask = async {
        let first = first.await;
        (first, second.await)
    };
    let ((first, second), _connection) = tokio::join!(ask, serve);
    assert_eq!(first.unwrap().interaction_id, "before");
    assert_eq!(second.unwrap().interaction_id, "after");
    let (lost, _) = reconnect(&mut events).await;
    match lost {
        DisconnectReason::EndedByServer(refusal) => assert_eq!(refusal.name, "SHUTTING_DOWN"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_registration_that_is_refused_for_now_is_tried_again() {
    let mut server = StandIn::start();
    let connecting = Client::connect(server.options(ClientType::MediaServer));
    let serve = async {
        for code in [ErrorCode::NotPrimary, ErrorCode::DatabaseUnavailable] {
            let mut connection = server.accept().await;
            let request = connection.next().await;
            connection.send([refuse(&request, code)]).await;
        }
        server.accept_registered(info()).await
    };
    let (client, _connection) = tokio::join!(connecting, serve);
    assert!(client.unwrap().is_connected());
}

#[tokio::test]
async fn a_registration_that_is_refused_for_good_fails_at_once() {
    let mut server = StandIn::start();
    let connecting = Client::connect(server.options(ClientType::MediaServer));
    let serve = async {
        let mut connection = server.accept().await;
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::NotPermitted)]).await;
        connection
    };
    let (client, _connection) = tokio::join!(connecting, serve);
    let error = client.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotPermitted));
    assert!(error.to_string().contains("refused to register `test`"), "{error}");
}

#[tokio::test]
async fn a_client_that_the_server_will_not_have_back_ends() {
    let mut server = StandIn::start();
    let (client, connection) = server.client(server.options(ClientType::MediaServer)).await;
    let mut events = client.events();
    connection.end();
    let mut connection: Connection = server.accept().await;
    let request = connection.next().await;
    connection.send([refuse(&request, ErrorCode::NotPermitted)]).await;
    match patiently("the end", events.next()).await {
        Some(ClientEvent::Disconnected { reason: DisconnectReason::Lost(_) }) => {
            let last = patiently("the end", events.next()).await;
            assert!(
                matches!(last, Some(ClientEvent::Disconnected { reason: DisconnectReason::Refused(_) })),
                "{last:?}"
            );
        }
        Some(ClientEvent::Disconnected { reason: DisconnectReason::Refused(_) }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(patiently("the end", events.next()).await, None);
    let error = client.submit(submit()).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotPermitted));
}

#[tokio::test]
async fn a_server_that_drops_every_connection_is_not_asked_in_a_tight_loop() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::MediaServer);
    options.reconnect.initial = Duration::from_millis(20);
    options.reconnect.max = Duration::from_secs(1);
    let (client, connection) = server.client(options).await;
    connection.end();
    let started_at = tokio::time::Instant::now();
    for _ in 0..7 {
        server.accept_registered(info()).await.end();
    }
    // The bounds of the waits sum up to 2.3 s; the chance that seven random parts of them sum up to so little is nil.
    assert!(started_at.elapsed() > Duration::from_millis(100), "{:?}", started_at.elapsed());
    drop(client);
}

#[tokio::test]
async fn nobody_there_is_an_error_after_the_deadline() {
    let address = StandIn::start().kill();
    let mut options = ClientOptions::new(format!("http://{address}"), "test", ClientType::MediaServer);
    options.connect_deadline = Duration::ZERO;
    let error = patiently("the error", Client::connect(options)).await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_for_now_is_not_one_that_is_not_there() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::MediaServer);
    options.connect_deadline = Duration::ZERO;
    let serve = async {
        let mut connection = server.accept().await;
        let registration = connection.next().await;
        connection.send([refuse(&registration, ErrorCode::DatabaseUnavailable)]).await;
        connection
    };
    let (client, _connection) = tokio::join!(Client::connect(options), serve);
    let error = client.unwrap_err();
    assert!(matches!(error, ClientError::NotServing { .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::DatabaseUnavailable));
}

#[tokio::test]
async fn a_server_that_never_answers_the_registration_is_an_error_too() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::MediaServer);
    options.connect_timeout = Duration::from_millis(100);
    options.connect_deadline = Duration::ZERO;
    let (client, _connection) = tokio::join!(Client::connect(options), server.accept());
    let error = client.unwrap_err();
    assert!(error.to_string().contains("did not answer within 100ms"), "{error}");
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_by_name() {
    let error = |options: ClientOptions| async { Client::connect(options).await.unwrap_err().to_string() };
    let tls = ClientOptions::new("https://127.0.0.1:1", "test", ClientType::MediaServer);
    assert!(error(tls).await.contains("use an http:// address"));
    let nameless = ClientOptions::new("http://127.0.0.1:1", "", ClientType::MediaServer);
    assert!(error(nameless).await.starts_with("option `client_name`"));
    let typeless = ClientOptions::new("http://127.0.0.1:1", "test", ClientType::Unspecified);
    assert!(error(typeless).await.starts_with("option `client_type`"));
}

#[tokio::test]
async fn a_routing_engine_presents_its_sessions_at_every_registration() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::RoutingEngine);
    let asked = std::sync::atomic::AtomicU64::new(1);
    options.routing_sessions = RoutingSessions::from_fn(move || {
        let session_id = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        vec![RoutingSession { session_id, fencing_number: 9 }]
    });
    let presented = |request: ixn_client::proto::ClientEnvelope| match request.request {
        Some(Request::RequestRegisterClient(register)) => register.routing_sessions[0].session_id,
        other => panic!("{other:?}"),
    };
    let serve = async {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let mut connection = server.accept().await;
            let request = connection.next().await;
            connection.send([ack_registration(&request, info())]).await;
            seen.push(presented(request));
            connection.end();
        }
        (seen, server.accept_registered(info()).await)
    };
    let (client, (seen, _connection)) = tokio::join!(Client::connect(options), serve);
    client.unwrap();
    assert_eq!(seen, [1, 2]);
}

/// Relays connections; the first one falls silent, without closing, when it is told to.
async fn relay(to: SocketAddr, mut silence: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        let silenced = async { silence.wait_for(|silent| *silent).await.map(drop) };
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            _ = silenced => {}
        }
        // From here on `near` and `far` are open and carry nothing.
        let (mut near_again, _) = listener.accept().await.unwrap();
        let mut far_again = TcpStream::connect(to).await.unwrap();
        let _ = copy_bidirectional(&mut near_again, &mut far_again).await;
        drop((near, far));
    });
    address
}

#[tokio::test]
async fn a_peer_that_falls_silent_counts_as_lost() {
    let mut server = StandIn::start();
    let (silence, silent) = watch::channel(false);
    let mut options = server.options(ClientType::MediaServer);
    options.server = format!("http://{}", relay(server.address, silent).await);
    options.keepalive_interval = Duration::from_millis(100);
    options.keepalive_timeout = Duration::from_millis(100);
    let (client, _first) = server.client(options).await;
    let mut events = client.events();
    silence.send(true).unwrap();
    let _second = server.accept_registered(info()).await;
    let (lost, _) = reconnect(&mut events).await;
    assert!(matches!(lost, DisconnectReason::Lost(_)), "{lost:?}");
}
