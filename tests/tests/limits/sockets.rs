//! Sockets that are no clients.

use std::net::SocketAddr;

use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::{ClientType, GetServerRequest};
use ixn_tests::wait;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::stream::{Stream, channel, code, look};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// An HTTP/2 SETTINGS frame without settings.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// The beginning of a TLS ClientHello.
const CLIENT_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 7, 7, 7, 7];

/// Whoever opens a thousand sockets does so alone: a process may often have no more than 1,024 files.
static MANY_SOCKETS: Mutex<()> = Mutex::const_new(());

async fn connect(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// Waits until the server has closed the socket, whatever it says before.
async fn is_closed(mut stream: TcpStream) {
    let mut said = Vec::new();
    // An end and a reset are both an end.
    let _ = timeout(LIMIT, stream.read_to_end(&mut said)).await.expect("the server closes the socket");
}

#[tokio::test]
async fn a_thousand_silent_sockets_are_closed_and_harm_nobody() {
    let _turn = MANY_SOCKETS.lock().await;
    let server = IxnServer::start(&["--handshake-timeout=3s"]).await;
    let mut client = server.stream().await;
    client.register(ClientType::MediaServer).await;
    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(connect(server.address, b"").await);
    }
    // One that begins HTTP/2 and opens nothing, and one that stops in the middle.
    silent.push(connect(server.address, &[PREFACE, SETTINGS].concat()).await);
    silent.push(connect(server.address, &PREFACE[..10]).await);
    client.send(vec![look(0, 2)]).await;
    assert_eq!(code(&client.answer(2).await), None);
    for socket in silent {
        is_closed(socket).await;
    }
    client.send(vec![look(0, 3)]).await;
    assert_eq!(code(&client.answer(3).await), None, "who has registered stays");
}

#[tokio::test]
async fn a_connection_that_has_made_a_call_may_rest() {
    let server = IxnServer::start(&["--handshake-timeout=3s"]).await;
    let mut resting = InspectionClient::new(channel(server.address).await.unwrap());
    resting.get_server(GetServerRequest::default()).await.unwrap();
    // Longer than the deadline: another one, silent since later, is closed before.
    is_closed(connect(server.address, b"").await).await;
    resting.get_server(GetServerRequest::default()).await.unwrap();
}

#[tokio::test]
async fn what_is_no_grpc_is_closed_at_once_and_told_once() {
    // Nothing here ends by the deadline.
    let server = IxnServer::start(&["--handshake-timeout=1h"]).await;
    let http1 = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    let almost = b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".as_slice();
    for bytes in [CLIENT_HELLO, http1, almost, &[0; 100_000]] {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            // The server may close it before all is written.
            let _ = stream.write_all(bytes).await;
            is_closed(stream).await;
        }
    }
    let mut client = server.stream().await;
    client.register(ClientType::MediaServer).await;
    let log = server.process.log();
    let told = log.lines().filter(|line| line.contains("something else than gRPC")).count();
    assert_eq!(told, 1, "{log}");
    assert!(!log.contains("ERROR") && !log.contains("panic"), "{log}");
}

#[tokio::test]
async fn sockets_beyond_the_limit_are_closed_and_told_once() {
    let _turn = MANY_SOCKETS.lock().await;
    // One stream and what is spare.
    let server = IxnServer::start(&["--max-connections=1", "--handshake-timeout=1h"]).await;
    let mut open = Vec::new();
    for _ in 0..1_010 {
        open.push(connect(server.address, b"").await);
    }
    for socket in open.split_off(1_001) {
        is_closed(socket).await;
    }
    let told = server.process.log().lines().filter(|line| line.contains("too many connections")).count();
    assert_eq!(told, 1);
    drop(open);
    wait::until(LIMIT, "room for a client", async || Stream::open(server.address).await.map(drop)).await;
}

#[tokio::test]
async fn sockets_that_say_nothing_do_not_hold_a_shutdown_up() {
    let mut server = IxnServer::start(&["--handshake-timeout=1h"]).await;
    let silent = connect(server.address, b"").await;
    let settings = connect(server.address, &[PREFACE, SETTINGS].concat()).await;
    let mut resting = InspectionClient::new(channel(server.address).await.unwrap());
    resting.get_server(GetServerRequest::default()).await.unwrap();
    server.process.terminate();
    let status = server.process.wait_for_exit(LIMIT).await;
    assert!(status.success(), "{status}");
    assert!(!server.process.log().contains("their connections are cut"), "{}", server.process.log());
    drop((silent, settings, resting));
}
