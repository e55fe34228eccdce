//! Events: nothing is lost, and a full queue stops the reading.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ixn_client::{
    Client, ClientEvent, ClientType, Event, Events, KeyValueList, LogicalOptions, proto::EventPublished,
};
use stand_in::{Connection, StandIn, ack, ack_registration, ack_submit, event, info, patiently};
use tokio::task::JoinHandle;

const EVENTS: usize = 2000;
const CAPACITY: usize = 16;

/// A large event with a number.
fn numbered(proxy_client_id: u32, number: usize) -> ixn_client::ServerEnvelope {
    let mut content = KeyValueList::new();
    content.push_binary("payload", &vec![0; 32 << 10]);
    let published = EventPublished { ps_topic: number.to_string(), content: Some(content), actor: None };
    event(proxy_client_id, Event::EventPublished(published))
}

fn number(event: Option<ClientEvent>) -> usize {
    match event {
        Some(ClientEvent::Event(envelope)) => match envelope.event {
            Some(Event::EventPublished(published)) => published.ps_topic.parse().unwrap(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Sends all events as fast as they go; the counter says how many went.
fn flood(connection: Connection, proxy_client_id: u32) -> (Arc<AtomicUsize>, JoinHandle<Connection>) {
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let flooding = tokio::spawn(async move {
        for number in 0..EVENTS {
            connection.send([numbered(proxy_client_id, number)]).await;
            counter.store(number + 1, Ordering::Relaxed);
        }
        connection
    });
    (sent, flooding)
}

/// Waits until the flood stands still, and says where.
async fn standstill(sent: &AtomicUsize) -> usize {
    patiently("a standstill", async {
        let mut last = sent.load(Ordering::Relaxed);
        let mut since = tokio::time::Instant::now();
        while since.elapsed() < Duration::from_millis(500) || last == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = sent.load(Ordering::Relaxed);
            if now != last {
                last = now;
                since = tokio::time::Instant::now();
            }
        }
        last
    })
    .await
}

async fn small_queue() -> (StandIn, Client, Connection) {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::Proxy);
    options.events_capacity = CAPACITY;
    let (client, connection) = server.client(options).await;
    (server, client, connection)
}

async fn read_all(events: &mut Events) {
    for expected in 0..EVENTS {
        assert_eq!(number(patiently("an event", events.next()).await), expected);
    }
}

#[tokio::test]
async fn a_full_queue_stops_the_reading_and_nothing_is_lost() {
    let (_server, client, connection) = small_queue().await;
    let mut events = client.events();
    let (sent, flooding) = flood(connection, 0);
    let stopped_at = standstill(&sent).await;
    // The queue, and what the two windows of the connection hold.
    assert!((CAPACITY..600).contains(&stopped_at), "it stopped at {stopped_at} of {EVENTS}");
    read_all(&mut events).await;
    drop(flooding.await.unwrap());
}

#[tokio::test]
async fn dropping_the_events_lets_the_reading_go_on() {
    let (_server, client, connection) = small_queue().await;
    let events = client.events();
    let (sent, flooding) = flood(connection, 0);
    assert!(standstill(&sent).await < EVENTS);
    drop(events);
    let mut connection = patiently("the rest of the flood", flooding).await.unwrap();
    // The newest ones are kept for who takes them next.
    let serve = async {
        let request = connection.next().await;
        connection.send([ack(&request)]).await;
    };
    let (answer, ()) = tokio::join!(client.agent_logout(), serve);
    answer.unwrap();
    let mut events = client.events();
    for expected in EVENTS - CAPACITY..EVENTS {
        assert_eq!(number(patiently("an event", events.next()).await), expected);
    }
}

#[tokio::test]
async fn dropping_a_flooded_logical_client_lets_the_reading_go_on() {
    let (_server, proxy, mut connection) = small_queue().await;
    let serve = async {
        let request = connection.next().await;
        connection.send([ack_registration(&request, info())]).await;
    };
    let options = LogicalOptions::new("agent", ClientType::AgentApplication);
    let (logical, ()) = tokio::join!(proxy.logical(options), serve);
    let logical = logical.unwrap();
    let events = logical.events();
    let (sent, flooding) = flood(connection, logical.proxy_client_id());
    assert!(standstill(&sent).await < EVENTS);
    drop(logical);
    patiently("the rest of the flood", flooding).await.unwrap();
    drop(events);
}

#[tokio::test]
async fn who_takes_no_events_is_not_held_up_by_them() {
    let (_server, client, connection) = small_queue().await;
    let (_sent, flooding) = flood(connection, 0);
    let mut connection = patiently("the flood", flooding).await.unwrap();
    let serve = async {
        let request = connection.next().await;
        connection.send([ack_submit(&request, "1")]).await;
    };
    let (answer, ()) = tokio::join!(client.submit(Default::default()), serve);
    assert_eq!(answer.unwrap().interaction_id, "1");
}

#[tokio::test]
async fn closing_does_not_wait_for_events_that_nobody_takes() {
    let (_server, client, connection) = small_queue().await;
    let mut events = client.events();
    let (sent, flooding) = flood(connection, 0);
    standstill(&sent).await;
    patiently("the end", client.close()).await;
    for expected in 0..CAPACITY {
        assert_eq!(number(events.next().await), expected);
    }
    assert_eq!(events.next().await, None);
    flooding.abort();
}
