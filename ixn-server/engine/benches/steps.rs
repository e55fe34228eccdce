//! What ordinary requests cost the engine's thread: the steps, taking what they put out, and freezing their commit, for each
//! request its share, in processor time. Each is timed with few and with many interactions queued besides: what waits
//! should not make it dearer. Submits carry 1 KB of user data and no idempotency key, so that memory does not grow.
//!
//! `cargo bench -p ixn-engine --bench steps [-- [--quick] [NAME]]`

#![allow(clippy::unwrap_used, clippy::panic, reason = "a bench may fail")]

mod setup;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use setup::{MEDIA_SERVER, Server, by_priority, floor};

/// Requests of a turn, with one commit: under load it is about as many.
const TURN: u32 = 100;
const QUEUED: [u32; 2] = [1_000, 100_000];

/// Turns of different requests that leave the engine as it was; answers how long each took.
type Round = fn(&mut Server) -> Vec<Duration>;

/// The names are those of the turns.
const ROUNDS: [(&[&str], Round); 4] = [
    (&["submit, routed and offered", "accept", "stop, handled"], lifecycle),
    (&["submit", "change properties", "get properties", "place in queue", "stop, queued"], queued),
    (&["find a page of 100"], find),
    (&["not ready", "ready"], readiness),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut servers = QUEUED.map(|queued| (queued, server_with(queued)));
    for (names, round) in ROUNDS {
        for (position, name) in names.iter().enumerate() {
            let mut group = criterion.benchmark_group(*name);
            for (queued, server) in &mut servers {
                group.bench_function(BenchmarkId::from_parameter(format!("{queued} queued")), |bencher| {
                    bencher.iter_custom(|requests| time(requests, || round(server)[position]));
                });
            }
        }
    }
    criterion.final_summary();
}

fn server_with(queued: u32) -> Server {
    let mut server = Server::start(&by_priority(), &["email"]);
    for _ in 0..queued / TURN {
        server.turn(submits(&server, "inbox"));
    }
    server
}

/// What so many requests take. Whole turns are made, so that each request has its share of a full commit.
fn time(requests: u64, turn: impl FnMut() -> Duration) -> Duration {
    let turns = requests.div_ceil(TURN.into());
    let took: Duration = std::iter::repeat_with(turn).take(turns as usize).sum();
    took.mul_f64(requests as f64 / (turns * u64::from(TURN)) as f64)
}

/// From submit to stop, with an agent free for each.
fn lifecycle(server: &mut Server) -> Vec<Duration> {
    let (submit, sent) = server.turn(submits(server, "hot"));
    let offers: Vec<(ClientRef, EventInvite)> = sent
        .into_iter()
        .filter_map(|(client, event)| match event {
            Event::EventInvite(invite) => Some((client, invite)),
            _ => None,
        })
        .collect();
    assert_eq!(offers.len(), TURN as usize, "all are offered at once");
    let id = |offer: &EventInvite| offer.interaction.as_ref().unwrap().interaction_id.clone();
    let (accept, _) = server.turn(offers.iter().map(|(client, offer)| {
        let accept = RequestAccept { ticket_id: offer.ticket_id, interaction_id: id(offer) };
        (*client, Request::RequestAccept(accept))
    }));
    let (stop, _) = server.turn(offers.iter().map(|(client, offer)| (*client, stop(id(offer)))));
    vec![submit, accept, stop]
}

/// What a media server does to interactions that wait in a queue.
fn queued(server: &mut Server) -> Vec<Duration> {
    let (submit, sent) = server.turn(submits(server, "inbox"));
    let ids = sent.into_iter().map(|(_, event)| match event {
        Event::EventAck(ack) => ack.interaction_id,
        other => panic!("{other:?}"),
    });
    let ids: Vec<String> = ids.collect();
    let mut each = |request: fn(String) -> Request| {
        server.turn(ids.iter().map(|id| (MEDIA_SERVER, request(id.clone())))).0
    };
    let change = each(|interaction_id| {
        let mut changed = KeyValueList::new();
        changed.push_text("Subject", "About the invoice of this month");
        Request::RequestChangeProperties(RequestChangeProperties {
            interaction_id,
            changed_properties: Some(changed),
            priority: Some(5_000),
            ..Default::default()
        })
    });
    let get = each(|interaction_id| {
        Request::RequestGetInteractionProperties(RequestGetInteractionProperties { interaction_id })
    });
    let place = each(|interaction_id| {
        let queue = "aging".into();
        Request::RequestPlaceInQueue(RequestPlaceInQueue { interaction_id, queue, ..Default::default() })
    });
    vec![submit, change, get, place, each(stop)]
}

fn find(server: &mut Server) -> Vec<Duration> {
    let request = RequestFindInteractions {
        condition: "Priority >= 0".into(),
        queue: "inbox".into(),
        ..Default::default()
    };
    let find = || (MEDIA_SERVER, Request::RequestFindInteractions(request.clone()));
    let (took, sent) = server.turn((0..TURN).map(|_| find()));
    for (_, event) in sent {
        assert!(matches!(event, Event::EventFoundInteractions(page) if page.interactions.len() == 100));
    }
    vec![took]
}

/// Agents for whom nothing waits.
fn readiness(server: &mut Server) -> Vec<Duration> {
    let media_type_name = || "email".to_owned();
    let (not_ready, _) = server.turn((0..TURN).map(|agent| {
        let request = RequestNotReadyForMedia { media_type_name: media_type_name(), reason: None };
        (floor(agent), Request::RequestNotReadyForMedia(request))
    }));
    let (ready, _) = server.turn((0..TURN).map(|agent| {
        let request = RequestCancelNotReadyForMedia { media_type_name: media_type_name(), reason: None };
        (floor(agent), Request::RequestCancelNotReadyForMedia(request))
    }));
    vec![not_ready, ready]
}

fn submits(server: &Server, queue: &str) -> Vec<(ClientRef, Request)> {
    // Of many priorities: each comes somewhere between those that wait.
    (0..TURN as i32).map(|n| (MEDIA_SERVER, server.submit(queue, n * 97))).collect()
}

fn stop(interaction_id: String) -> Request {
    Request::RequestStopProcessing(RequestStopProcessing { interaction_id, reason: None })
}
