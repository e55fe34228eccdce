//! What a start finds, and what it refuses.

use std::time::{Duration, Instant};

use ixn_engine::commit::{CommitNumber, Counters, Epoch, EventNumber};
use ixn_store::{OpenOptions, StoreError};

use crate::batches::{Batches, idempotency, interactions, row, take_over, trimming};
use crate::place::Place;

pub(crate) async fn a_new_database_starts_at_one<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (taken, _writer) = database.take_over(77).await.unwrap();
    assert_eq!((taken.number, taken.epoch, taken.last_event), (CommitNumber(1), Epoch(1), EventNumber(0)));
    let ones = Counters { next_interaction: 1, next_place_in_queue: 1, next_ticket: 1, next_session: 1 };
    assert_eq!(taken.counters, ones);
    assert_eq!(taken.at_milliseconds, 77);
    assert_eq!(taken.id_prefix.len(), 6);
    assert_eq!(interactions(&*database).await, []);
    assert_eq!(database.load_agents().await.unwrap(), []);
    assert_eq!(idempotency(&*database, 0, 1000).await, []);
}

pub(crate) async fn reopening_keeps_the_counters<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (first, mut writer) = database.take_over(1000).await.unwrap();
    let counters =
        Counters { next_interaction: 5, next_place_in_queue: 1 << 40, next_ticket: 7, next_session: 8 };
    let batch = Batches::after(&first).next_with_events(4, b"four", |batch| {
        batch.counters = counters;
        batch.at_milliseconds = 5000;
    });
    writer.commit(&batch).await.unwrap();
    drop((writer, database));

    let database = place.open().await;
    // The clock went back: the log's time does not.
    let (second, _writer) = database.take_over(900).await.unwrap();
    assert_eq!((second.number, second.epoch), (CommitNumber(3), Epoch(2)));
    assert_eq!((second.last_event, second.counters), (EventNumber(4), counters));
    assert_eq!((second.at_milliseconds, &second.id_prefix), (5000, &first.id_prefix));
    drop(database);

    let (third, _writer) = place.open().await.take_over(6000).await.unwrap();
    assert_eq!((third.number, third.epoch, third.at_milliseconds), (CommitNumber(4), Epoch(3), 6000));
    assert_eq!((third.last_event, third.counters), (EventNumber(4), counters));
}

pub(crate) async fn a_database_that_is_away_is_unavailable<P: Place>() {
    let place = P::create().await;
    let error = ixn_store::open(&place.url_of_nothing(), &OpenOptions::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

pub(crate) async fn a_read_only_database_is_unavailable<P: Place>() {
    let place = P::create().await;
    let (mut batches, mut writer) = take_over(&*place.open().await).await;
    writer.commit(&batches.next(|batch| batch.hot = vec![row(1, b"x")])).await.unwrap();
    drop(writer);
    place.make_read_only().await;
    let database = place.open().await;
    let error = database.take_over(0).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("read")), "{error:?}");
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
}

pub(crate) async fn a_newer_schema_is_refused<P: Place>() {
    let place = P::create().await;
    let waiting = place.open().await;
    let (_, writer) = take_over(&*waiting).await;
    drop(writer);
    place.make_schema_newer().await;
    for error in [place.try_open("x").await.unwrap_err(), waiting.take_over(0).await.unwrap_err()] {
        assert!(matches!(&error, StoreError::Newer(text) if text.contains("version 99")), "{error:?}");
    }
}

pub(crate) async fn a_newer_log_is_refused<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (_, writer) = take_over(&*database).await;
    drop(writer);
    place.execute("UPDATE commit_log SET format = 99").await;
    let error = database.take_over(0).await.unwrap_err();
    assert!(matches!(&error, StoreError::Newer(text) if text.contains("format 99")), "{error:?}");
    let error = database.log_after(CommitNumber(0), 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer(_)), "{error:?}");
}

pub(crate) async fn what_it_is<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let before = database.info().await.unwrap();
    let (mut batches, mut writer) = take_over(&*database).await;
    let batch = batches.next(|_| {});
    writer.commit(&batch).await.unwrap();
    database.maintain(&trimming(batch.number, batch.number)).await.unwrap();
    let info = database.info().await.unwrap();
    assert_eq!(info, before, "as it is set while it commits");
    assert!(["postgresql", "sqlite"].contains(&info.kind));
    assert!(info.version.starts_with(|c: char| c.is_ascii_digit()), "{info:?}");
    assert!(info.durability.contains("sync"), "{info:?}");
    assert!(info.is_synced, "{info:?}");
}

pub(crate) async fn open_connections_are_counted<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let before = database.open_connections();
    let (_, writer) = take_over(&*database).await;
    let with_writer = database.open_connections();
    assert!(with_writer > before, "{before}, with the writer {with_writer}");
    drop(writer);
    let until = Instant::now() + Duration::from_secs(10);
    while database.open_connections() >= with_writer {
        assert!(
            Instant::now() < until,
            "{} open, with the writer {with_writer}",
            database.open_connections()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn a_look_changes_nothing<P: Place>() {
    let place = P::create().await;
    let options = OpenOptions::default();
    let look = async || ixn_store::inspect(&place.url(), &options).await;
    for _ in 0..2 {
        assert_eq!(look().await.unwrap().schema_version, 0, "a new database stays one");
    }
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    database.lock(&|_| {}).await.unwrap();
    let beside_a_server = look().await.unwrap();
    assert_eq!((beside_a_server.schema_version, beside_a_server.info), (1, database.info().await.unwrap()));
    writer.commit(&batches.next(|batch| batch.hot = vec![row(1, b"x")])).await.unwrap();
    drop((writer, database));
    assert_eq!(look().await.unwrap().schema_version, 1);
    let (taken, _writer) = place.open().await.take_over(0).await.unwrap();
    assert_eq!((taken.number, taken.epoch), (CommitNumber(3), Epoch(2)), "no look took it over");

    place.make_schema_newer().await;
    let error = look().await.unwrap_err();
    assert!(matches!(&error, StoreError::Newer(text) if text.contains("version 99")), "{error:?}");
    let error = ixn_store::inspect(&place.url_of_nothing(), &options).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}
