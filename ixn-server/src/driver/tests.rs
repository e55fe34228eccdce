use std::sync::Arc;

use ixn_configuration::Configuration;
use ixn_engine::commit::{Counters, Epoch, EventNumber, TakenOver};
use ixn_engine::compile::Compiler;
use ixn_engine::inspection::InspectionRequest;
use ixn_engine::vocabulary::Vocabulary;
use ixn_telemetry::{Health, Probe};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::fake_database::FakeDatabase;
use crate::feed::Feed;
use crate::intake::Intake;
use crate::metrics::Metrics;
use crate::outage::Outages;
use crate::tasks::Tasks;

/// A driver over an empty engine, its messages, and the other ends of what it hands over. Must be made in a runtime.
fn driver() -> (Driver, mpsc::Sender<Message>, UnboundedReceiver<Job>) {
    let taken_over = TakenOver {
        number: CommitNumber(1),
        epoch: Epoch(1),
        last_event: EventNumber(0),
        counters: Counters::default(),
        at_milliseconds: 0,
        id_prefix: "TEST00".to_owned(),
    };
    let vocabulary = Vocabulary::new(1, taken_over.id_prefix.clone());
    let compiled = Compiler::new(&vocabulary).compile(&Configuration::sample().unwrap()).unwrap();
    let engine = Engine::new(compiled, vocabulary, &taken_over, crate::clock::now());
    let (sender, messages) = mpsc::channel();
    let (jobs, taken_jobs) = unbounded_channel();
    let tasks = Tasks::here();
    let database = Arc::new(FakeDatabase::default());
    let feed = Feed::new(database, sender.clone(), CommitNumber(1), Outages::default(), tasks.clone());
    let health = Health::default();
    let beat = || health.beat(Probe::Live, "engine", Duration::from_secs(10));
    let around = Surroundings {
        driver: sender.clone(),
        tasks,
        jobs,
        loads: unbounded_channel().0,
        feed,
        intake: Intake::new(1 << 20),
        counters: Arc::default(),
        metrics: Metrics::new().unwrap().own,
        alive: [beat(), beat()],
        dump_directory: std::path::PathBuf::new(),
    };
    (Driver::new(engine, messages, around), sender, taken_jobs)
}

#[tokio::test]
async fn a_writer_that_is_gone_ends_the_server_as_a_defect() {
    let (driver, messages, jobs) = driver();
    drop(jobs);
    messages.send(Message::Heartbeat).unwrap();
    assert_eq!(driver.run(), Ended::Defect);
}

#[tokio::test]
async fn a_look_takes_a_place_until_it_is_answered_and_none_when_who_asked_is_gone() {
    let (mut driver, messages, mut jobs) = driver();
    let places = Arc::new(Semaphore::new(2));
    let look = || {
        let (answer, answered) = oneshot::channel();
        let place = Arc::clone(&places).try_acquire_owned().unwrap();
        messages.send(Message::Inspect(InspectionRequest::Server, Look { answer, _place: place })).unwrap();
        answered
    };
    messages.send(Message::Heartbeat).unwrap();
    driver.turn();
    assert!(matches!(jobs.try_recv(), Ok(Job::Commit(..))));
    let waits = look();
    drop(look());
    driver.turn();
    assert_eq!(places.available_permits(), 1, "the one waits for the commit, the other was not even asked");
    messages.send(Message::Written(Done::Commit(ixn_engine::gate::Outcome::Durable))).unwrap();
    driver.turn();
    assert!(matches!(waits.await, Ok(InspectionResponse::Server(_))));
    assert_eq!(places.available_permits(), 2);
}
