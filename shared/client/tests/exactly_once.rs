//! Against a server that misbehaves at random: no request is lost, none is carried out twice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt as _, stream};
use ixn_client::{ClientType, ErrorCode, Request, RequestSubmit, ServerEnvelope, proto::ClientEnvelope};
use stand_in::{Connection, StandIn, ack_submit, info, patiently, refuse};

const SUBMITS: usize = 2000;
const IN_FLIGHT: usize = 64;

/// What is durable: the answer by idempotency key, and how often each submit was carried out.
#[derive(Default)]
struct Durable {
    answers: BTreeMap<String, (ClientEnvelope, String)>,
    carried_out: BTreeMap<String, usize>,
    losses: usize,
    refusals: usize,
    repeats: usize,
}

impl Durable {
    /// Carries a submit out, unless its key is known.
    fn apply(&mut self, request: &ClientEnvelope) -> ServerEnvelope {
        let Some(Request::RequestSubmit(submit)) = &request.request else { panic!("{request:?}") };
        let content = ClientEnvelope { reference_id: 0, ..request.clone() };
        if let Some((first, id)) = self.answers.get(&request.idempotency_key) {
            assert_eq!(*first, content, "the same key came with another request");
            self.repeats += 1;
            return ServerEnvelope { repeated: true, ..ack_submit(request, id) };
        }
        *self.carried_out.entry(submit.external_id.clone()).or_default() += 1;
        let id = format!("id of {}", submit.external_id);
        self.answers.insert(request.idempotency_key.clone(), (content, id.clone()));
        ack_submit(request, &id)
    }

    /// Serves one connection until it breaks it or the client has gone.
    async fn serve(&mut self, mut connection: Connection, random: &mut fastrand::Rng) -> bool {
        let mut answers = Vec::new();
        while let Some(request) = connection.try_next().await {
            match random.u32(0..100) {
                0 => {
                    self.losses += 1;
                    connection.fail().await;
                    return true;
                }
                1 => {
                    self.apply(&request);
                    self.losses += 1;
                    connection.end();
                    return true;
                }
                2..10 => {
                    self.refusals += 1;
                    answers.push(refuse(&request, ErrorCode::DatabaseUnavailable));
                }
                _ => answers.push(self.apply(&request)),
            }
            if connection.nothing_waits() || random.u32(0..8) == 0 || answers.len() >= IN_FLIGHT / 4 {
                random.shuffle(&mut answers);
                connection.send(answers.drain(..)).await;
            } else if random.u32(0..200) == 0 {
                // Answers that never come: the connection is lost with them.
                self.losses += 1;
                return true;
            }
        }
        false
    }
}

async fn run(seed: u64) {
    let mut server = StandIn::start();
    let options = server.options(ClientType::MediaServer);
    let (client, first) = server.client(options).await;
    let serving = tokio::spawn(async move {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut durable = Durable::default();
        let mut connection = first;
        while durable.serve(connection, &mut random).await {
            connection = server.accept_registered(info()).await;
        }
        durable
    });
    let submits = stream::iter(0..SUBMITS).map(|number| {
        let external_id = number.to_string();
        let request = RequestSubmit { external_id: external_id.clone(), ..Default::default() };
        let submit = client.submit(request);
        async move { (external_id, submit.await) }
    });
    let answers = patiently("all answers", submits.buffer_unordered(IN_FLIGHT).collect::<Vec<_>>()).await;
    let mut ids = BTreeSet::new();
    for (external_id, answer) in answers {
        let submitted = answer.unwrap_or_else(|error| panic!("seed {seed}, {external_id}: {error}"));
        assert_eq!(submitted.interaction_id, format!("id of {external_id}"), "seed {seed}");
        ids.insert(submitted.interaction_id);
    }
    drop(client);
    let durable = serving.await.unwrap();
    assert_eq!(ids.len(), SUBMITS, "seed {seed}");
    let twice: Vec<_> = durable.carried_out.iter().filter(|(_, times)| **times != 1).collect();
    assert_eq!((durable.carried_out.len(), twice), (SUBMITS, vec![]), "seed {seed}");
    let happened = (durable.losses, durable.refusals, durable.repeats);
    assert!(happened.0 > 5 && happened.1 > 20 && happened.2 > 0, "seed {seed} was too kind: {happened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_submit_is_carried_out_once_whatever_the_server_does() {
    for seed in 1..=4 {
        run(seed).await;
    }
}
