//! What the metrics show of the engine.
#![allow(clippy::expect_used, reason = "a panic is how a test says what went wrong")]

mod fixture;

use fixture::*;
use ixn_engine::figures::{BUILT_IN_ROUTER, Figures, Gathering};
use ixn_engine::sessions::ClientRef;
use ixn_proto::ClientType;

fn figures(server: &Server) -> Figures {
    let mut gathering = Gathering::default();
    (0..1000).find_map(|_| server.engine.gather(&mut gathering)).expect("an end of the slices")
}

#[test]
fn figures_tell_what_is_there_and_what_has_come() {
    let mut server = Server::start();
    let alice = server.log_in("alice");
    let media = server.connect("mail server", ClientType::MediaServer);
    for subject in ["invoice 1", "invoice 2", "invoice 3", "hello"] {
        server.submit(media, subject);
    }
    let invitation = server.events(alice).into_iter().find_map(|event| match event {
        ixn_proto::server_envelope::Event::EventInvite(invite) => Some(invite),
        _ => None,
    });
    server.ack(alice, accept(&invitation.unwrap()));

    let figures = figures(&server);
    let clients = [(ClientType::AgentApplication, 1), (ClientType::MediaServer, 1)];
    assert_eq!(figures.clients, clients.into());
    assert!(figures.requests.contains(&(ClientType::MediaServer, "RequestRegisterClient", 1)));
    assert!(figures.requests.contains(&(ClientType::MediaServer, "RequestSubmit", 4)));
    assert!(figures.requests.contains(&(ClientType::AgentApplication, "RequestAccept", 1)));
    assert_eq!(figures.media_types.iter().map(|name| &**name).collect::<Vec<_>>(), ["email", "chat"]);
    assert!(figures.queues.iter().any(|name| &**name == "archive"), "a queue that holds nothing is named");

    // Alice takes two at once: one accepted, one offered.
    let [inbox] = &figures.queue_media[..] else { panic!("{:?}", figures.queue_media) };
    assert_eq!((&*inbox.queue, &*inbox.media_type), ("inbox", "email"));
    assert_eq!((inbox.counts.on_agent, inbox.counts.in_router, inbox.counts.waiting_processing), (1, 3, 0));
    assert_eq!(inbox.counts.current_length, 2);

    let billing = figures.strategies.iter().find(|strategy| &*strategy.name == "billing").unwrap();
    assert_eq!((&*billing.router, billing.load_count), (BUILT_IN_ROUTER, 1));
    assert_eq!((billing.total_submitted, billing.currently_submitted), (3, 2));
    assert_eq!((billing.max_submitted, billing.last_submitted_at_seconds), (Some(5000), START / 1000));

    assert_eq!(figures.agents_logged_in, 1);
    let [email] = &figures.agent_media[..] else { panic!("{:?}", figures.agent_media) };
    assert_eq!((&*email.media_type, email.agents, email.ready), ("email", 1, 1));
}

#[test]
fn many_clients_are_counted_slice_by_slice() {
    let mut server = Server::start();
    let proxy = server.connect("proxy", ClientType::Proxy);
    for proxy_client_id in 1..=2000 {
        let logical = ClientRef { proxy_client_id, ..proxy };
        server.register(logical, "desktop", ClientType::AgentApplication);
    }
    let mut gathering = Gathering::default();
    assert_eq!(server.engine.gather(&mut gathering), None, "one slice does not see them all");
    let clients = [(ClientType::AgentApplication, 2000), (ClientType::Proxy, 1)];
    assert_eq!(figures(&server).clients, clients.into());
}
