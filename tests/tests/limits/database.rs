//! The database takes too long, or is away.

use std::time::Duration;

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientType, ErrorCode, MediaState, RequestAccept, RequestAgentLogin, RequestSubmit,
    RequestUnregisterClient,
};
use ixn_tests::postgres::TestDatabase;
use ixn_tests::wait;
use sqlx::{Executor as _, PgConnection};
use tonic::Code;

use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::stream::{code, envelope, look, register};

/// In so many looks one after the other a request that is held is seen, and one that goes through is not.
const LOOKS: u32 = 10;
/// How long to wait for an answer before the next request.
const PAUSE: Duration = Duration::from_millis(200);

/// Lets no commit through until the transaction ends.
async fn halt(database: &TestDatabase) -> PgConnection {
    let mut connection = database.connect().await;
    connection.execute("begin; lock table commit_log in access exclusive mode").await.unwrap();
    connection
}

fn submit(client: u32, reference_id: u64) -> ixn_proto::ClientEnvelope {
    let submit =
        RequestSubmit { media_type: "email".into(), queue: "inbox".into(), ..RequestSubmit::default() };
    envelope(client, Request::RequestSubmit(submit), reference_id)
}

#[tokio::test]
async fn while_commits_take_too_long_streams_are_held_then_refused_and_who_leaves_may_leave() {
    let database = TestDatabase::create().await;
    let server =
        IxnServer::command().database(Some(database.url())).args(&["--handshake-timeout=5s"]).start().await;
    let mut first = server.stream().await;
    first.register(ClientType::MediaServer).await;
    let mut proxy = server.stream().await;
    proxy.register(ClientType::Proxy).await;
    proxy.send(vec![register(1, ClientType::MediaServer, 2)]).await;
    proxy.answer(2).await;

    let mut leaver = server.stream().await;
    leaver.register(ClientType::MediaServer).await;
    wait::until(LIMIT, "the clients to be counted", async || {
        let clients = server.metric("health_info_current_clients").await;
        if clients == 4.0 { Ok(()) } else { Err(clients) }
    })
    .await;

    let mut halted = halt(&database).await;
    first.send(vec![submit(0, 100)]).await;
    // Requests go to the engine until the first has waited for a second; from then on they stay outside.
    let (mut sent, mut looks) = (0, 0);
    wait::until(LIMIT, "a stream to be held", async || {
        let waiting = server.metric("health_info_current_request_queue_size").await;
        if waiting > 0.0 {
            // One that is merely on its way is gone at the next look.
            looks += 1;
            return if looks < LOOKS { Err(format!("{waiting} wait since {looks} looks")) } else { Ok(()) };
        }
        looks = 0;
        proxy.send(vec![look(1, 1000 + sent)]).await;
        sent += 1;
        Err(format!("after {sent} requests none waits"))
    })
    .await;
    // Who goes is missed although a request of his is held.
    leaver.send(vec![submit(0, 2)]).await;
    drop(leaver);
    wait::until(LIMIT, "one client less", async || {
        let clients = server.metric("health_info_current_clients").await;
        if clients < 4.0 { Ok(()) } else { Err(clients) }
    })
    .await;
    // What is held is refused when the database has been away for five seconds, and the stream is read again.
    let refused = wait::until(LIMIT, "requests to be refused", async || {
        proxy.send(vec![submit(1, 3)]).await;
        let next = tokio::time::timeout(PAUSE, proxy.next()).await;
        next.map(|answer| answer.unwrap().event.unwrap()).map_err(|_| "no answer")
    })
    .await;
    assert_eq!(code(&refused), Some(ErrorCode::DatabaseUnavailable), "{refused:?}");
    proxy
        .send(vec![envelope(1, Request::RequestUnregisterClient(RequestUnregisterClient::default()), 4)])
        .await;
    // A registration that is refused does not let a stream stay for ever.
    let mut late = server.stream().await;
    late.send(vec![register(0, ClientType::MediaServer, 1)]).await;
    assert_eq!(code(&late.answer(1).await), Some(ErrorCode::DatabaseUnavailable));
    let (_, status) = late.read_to_end().await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");

    halted.execute("rollback").await.unwrap();
    assert_eq!(code(&first.answer(100).await), None, "what was let in is answered");
    let left = proxy.answer(4).await;
    assert!(matches!(left, Event::EventAck(_)), "{left:?}");
    wait::until(LIMIT, "requests to be taken again", async || {
        first.send(vec![submit(0, 101)]).await;
        let answer = first.answer(101).await;
        if code(&answer).is_none() { Ok(()) } else { Err(format!("{answer:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_shutdown_while_the_database_is_away_tells_the_clients_and_ends() {
    let database = TestDatabase::create().await;
    let mut server =
        IxnServer::command().database(Some(database.url())).args(&["--shutdown-timeout=8s"]).start().await;
    let mut submitter = server.stream().await;
    submitter.register(ClientType::MediaServer).await;
    let mut other = server.stream().await;
    other.register(ClientType::Proxy).await;
    let halted = halt(&database).await;
    submitter.send(vec![submit(0, 2)]).await;
    wait::until(LIMIT, "the submit to reach the engine", async || {
        let handled = server.metric("health_info_total_requests_handled").await;
        if handled >= 3.0 { Ok(()) } else { Err(handled) }
    })
    .await;
    server.process.terminate();
    for stream in [submitter, other] {
        let (events, status) = stream.read_to_end().await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        match &events[..] {
            [Event::EventClientDisconnected(notice)] => {
                assert_eq!(notice.error_code, ErrorCode::ShuttingDown as i32);
            }
            other => panic!("{other:?}"),
        }
    }
    let status = server.process.wait_for_exit(LIMIT).await;
    assert!(status.success(), "{status}");
    drop(halted);
}

#[tokio::test]
async fn an_offer_outlasts_a_database_that_is_away_for_longer_than_its_time() {
    let database = TestDatabase::create().await;
    let folder = tempfile::tempdir().unwrap();
    let configuration = folder.path().join("config.yaml");
    let text = "
options: {delivering-timeout: 5s}
media-types: [{name: email}]
agents: [{id: alice}]
strategies: [{name: general, steps: [{targets: [{agent: alice}]}]}]
queues: [{name: inbox}]
views: [{name: all, queue: inbox, strategy: general}]
";
    std::fs::write(&configuration, text).unwrap();
    let file = format!("--config={}", configuration.display());
    let server = IxnServer::command().database(Some(database.url())).args(&[&file]).start().await;
    let mut media = server.stream().await;
    media.register(ClientType::MediaServer).await;
    let mut alice = server.stream().await;
    alice.register(ClientType::AgentApplication).await;
    let email = MediaState { media_type_name: "email".into(), ready: true, reason: None };
    let login = RequestAgentLogin {
        agent_id: "alice".into(),
        media_list: vec![email],
        ..RequestAgentLogin::default()
    };
    alice.send(vec![envelope(0, Request::RequestAgentLogin(login), 2)]).await;
    alice.answer(2).await;
    media.send(vec![submit(0, 2)]).await;
    let invite = loop {
        if let Some(Event::EventInvite(invite)) = alice.next().await.unwrap().event {
            break invite;
        }
    };

    let mut halted = halt(&database).await;
    // Requests are refused when a commit, at the latest that of the heartbeat, has waited for five seconds.
    let mut number = 3;
    wait::until(LIMIT, "requests to be refused", async || {
        number += 1;
        media.send(vec![submit(0, number)]).await;
        match tokio::time::timeout(PAUSE, media.answer(number)).await {
            Ok(answer) if code(&answer) == Some(ErrorCode::DatabaseUnavailable) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    halted.execute("rollback").await.unwrap();
    let accept = RequestAccept {
        ticket_id: invite.ticket_id,
        interaction_id: invite.interaction.unwrap().interaction_id,
    };
    let mut number = 3;
    let answer = wait::until(LIMIT, "requests to be let in again", async || {
        number += 1;
        alice.send(vec![envelope(0, Request::RequestAccept(accept.clone()), number)]).await;
        let answer = alice.answer(number).await;
        if code(&answer) == Some(ErrorCode::DatabaseUnavailable) { Err("refused") } else { Ok(answer) }
    })
    .await;
    assert_eq!(code(&answer), None, "{answer:?}");
}
