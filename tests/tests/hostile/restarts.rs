//! Ends and starts of a server whose clients are at it, and a configuration that takes an agent away who works.

use std::collections::BTreeSet;

use ixn_client::{ClientEvent, ClientType, Events, RequestSubmit};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventInvite, MediaState, RequestAgentLogin};
use ixn_tests::ixn_server::{IxnServer, LIMIT};
use ixn_tests::stream::{Stream, envelope, register};
use tokio::time::timeout;
use tonic::Code;

use crate::neighbour::{Neighbour, found, submission, submit};

#[tokio::test]
async fn a_shutdown_with_requests_in_flight_loses_nothing_acknowledged() {
    const STREAMS: usize = 4;
    const REQUESTS: u64 = 500;
    let mut server = IxnServer::start(&[]).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = server.stream().await;
        stream.register(ClientType::MediaServer).await;
        streams.push(stream);
    }
    // One that only listens.
    let mut idle = server.stream().await;
    idle.register(ClientType::Proxy).await;
    for stream in &streams {
        for number in 0..REQUESTS {
            stream.send(vec![submit(submission(), 100 + number)]).await;
        }
    }
    // In the middle of it: some are answered, and some are not even read.
    streams[0].answer(100).await;
    server.process.terminate();

    let mut acknowledged = BTreeSet::new();
    for stream in streams {
        let (events, status) = stream.read_to_end().await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        match events.last() {
            Some(Event::EventClientDisconnected(notice)) => {
                assert_eq!(notice.error_code, ErrorCode::ShuttingDown as i32, "{notice:?}");
            }
            other => panic!("no notice, but {other:?}"),
        }
        acknowledged.extend(events.into_iter().filter_map(|event| match event {
            Event::EventAck(ack) => Some(ack.interaction_id),
            _ => None,
        }));
    }
    let (events, status) = idle.read_to_end().await;
    assert_eq!((events.len(), status.code()), (1, Code::Unavailable), "{events:?}");
    let status = server.process.wait_for_exit(LIMIT).await;
    assert_eq!(status.code(), Some(0), "{}", server.process.log());
    assert!(!server.process.log().contains("does not end"), "{}", server.process.log());

    server.process.restart();
    server.is_ready().await;
    let mut look = server.stream().await;
    look.register(ClientType::MediaServer).await;
    let found = found(&mut look).await;
    assert!(found.is_superset(&acknowledged), "{} acknowledged, {} found", acknowledged.len(), found.len());
}

const AGENTS: u32 = 10_000;
const PROXIES: u32 = 10;

/// Registers a tenth of the agents behind one connection and logs them in; answers how many logins were resumed.
async fn log_in_a_tenth(server: &IxnServer, tenth: u32) -> (Stream, usize) {
    let mut stream = server.stream().await;
    stream.register(ClientType::Proxy).await;
    let clients = 1..=AGENTS / PROXIES;
    let requests = clients.clone().flat_map(|client| {
        let media_list = vec![MediaState { media_type_name: "email".into(), ready: true, reason: None }];
        let agent_id = format!("agent-{}", tenth * (AGENTS / PROXIES) + client);
        let login = RequestAgentLogin { agent_id, media_list, ..RequestAgentLogin::default() };
        [
            register(client, ClientType::AgentApplication, 1),
            envelope(client, Request::RequestAgentLogin(login), 2),
        ]
    });
    stream.send(requests.collect()).await;
    let (mut logged_in, mut resumed) = (BTreeSet::new(), 0);
    while logged_in.len() < clients.clone().count() {
        let answer = stream.next().await.unwrap();
        match answer.event {
            Some(Event::EventAck(ack)) => {
                if let Some(login) = ack.agent_login {
                    assert!(logged_in.insert(answer.proxy_client_id));
                    resumed += usize::from(login.resumed);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    (stream, resumed)
}

#[tokio::test]
async fn ten_thousand_agents_come_back_at_once_after_kill_9() {
    let agents: String = (1..=AGENTS).map(|agent| format!("  - {{id: agent-{agent}}}\n")).collect();
    let configuration = format!(
        "options: {{agent-reconnect-timeout: 1h}}\nmedia-types: [{{name: email}}]\nqueues: [{{name: inbox}}]\nagents:\n{agents}"
    );
    let mut server = IxnServer::command().configuration(&configuration).start().await;
    let all_in = async |server: &IxnServer| {
        let proxies = (0..PROXIES).map(|tenth| log_in_a_tenth(server, tenth));
        let (streams, resumed): (Vec<_>, Vec<_>) =
            futures::future::join_all(proxies).await.into_iter().unzip();
        server.shows(&[("health_info_agent_logged_in_count", Some(f64::from(AGENTS)))]).await;
        (streams, resumed.iter().sum::<usize>())
    };
    let (streams, resumed) = all_in(&server).await;
    assert_eq!(resumed, 0);
    let mut neighbour = Neighbour::of(&server).await;
    server.kill_and_start_again().await;
    drop(streams);
    let (_streams, resumed) = all_in(&server).await;
    assert_eq!(resumed, AGENTS as usize);
    neighbour.comes_back(&server).await;
    neighbour.is_unharmed().await;
}

const WITH_ALICE: &str = "
media-types: [{name: email}]
queues: [{name: inbox}]
views: [{name: all, queue: inbox, strategy: general}]
strategies: [{name: general, steps: [{targets: [{agent: alice}, {agent: bob}]}]}]
agents: [{id: alice}, {id: bob}]
";

#[tokio::test]
async fn an_agent_who_is_deleted_while_he_works_is_logged_out_and_another_gets_the_work() {
    let server = IxnServer::command().configuration(WITH_ALICE).start().await;
    let login = |agent: &str| RequestAgentLogin {
        agent_id: agent.into(),
        media_list: vec![MediaState { media_type_name: "email".into(), ready: true, reason: None }],
        ..RequestAgentLogin::default()
    };
    let alice = server.client("desktop of alice", ClientType::AgentApplication).await;
    let mut to_alice = alice.events();
    alice.agent_login(login("alice")).await.unwrap();
    let media = server.client("mail server", ClientType::MediaServer).await;
    let email = RequestSubmit { queue: "inbox".into(), media_type: "email".into(), ..Default::default() };
    let interaction = media.submit(email).await.unwrap().interaction_id;
    let offer = invitation(&mut to_alice).await;
    alice.accept(offer.ticket_id, &interaction).await.unwrap();
    let bob = server.client("desktop of bob", ClientType::AgentApplication).await;
    let mut to_bob = bob.events();
    bob.agent_login(login("bob")).await.unwrap();

    server.configure(&WITH_ALICE.replace("{agent: alice}, ", "").replace("{id: alice}, ", ""));
    let offer = invitation(&mut to_bob).await;
    assert_eq!(offer.interaction.unwrap().interaction_id, interaction);
    bob.accept(offer.ticket_id, &interaction).await.unwrap();
    server.shows(&[("health_info_agent_logged_in_count", Some(1.0))]).await;
    let refused = alice.stop(&interaction).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::AgentNotLoggedIn), "{refused}");
    let refused = alice.agent_login(login("alice")).await.unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::UnknownAgent), "{refused}");
    bob.stop(&interaction).await.unwrap();
}

/// The next offer.
async fn invitation(events: &mut Events) -> EventInvite {
    loop {
        match timeout(LIMIT, events.next()).await.expect("an offer") {
            Some(ClientEvent::Event(envelope)) => {
                if let Some(Event::EventInvite(invite)) = envelope.event {
                    return invite;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}
