//! The tests that every database must pass.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ixn_engine::commit::{
    CommitIdentity, CommitNumber, Counters, Epoch, EventNumber, IdempotencyRow, InteractionKey,
};
use ixn_store::{CommitError, OpenOptions, StoreError};
use ixn_tests::wait;

use crate::batches::{Batches, contents, interactions, noise, row, take_over};
use crate::place::Place;

const LIMIT: Duration = Duration::from_secs(30);

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
    assert_eq!(database.load_idempotency(0).await.unwrap(), []);
}

pub(crate) async fn commits_and_reads_back<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let agent = |id: &str, row: &'static [u8]| (id.to_owned(), Bytes::from_static(row));
    let batch = batches.next_with_events(2, b"two events", |batch| {
        batch.hot = vec![row(1, b"one"), row(2, b""), row(700, b"seven hundred")];
        batch.cold = vec![row(1, b"user data of one"), row(2, b"")];
        batch.agents = vec![agent("anna", b"ready"), agent("zoë", b"away")];
    });
    let (hot, cold, agents) = (batch.hot.clone(), batch.cold.clone(), batch.agents.clone());
    writer.commit(&batch).await.unwrap();

    assert_eq!(interactions(&*database).await, hot);
    assert_eq!(contents(&*database, &[1, 2, 700]).await, cold);
    assert_eq!(database.load_agents().await.unwrap(), agents);
    let records = database.log_after(CommitNumber(1), 1000).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].number, CommitNumber(2));
    assert_eq!((records[0].first_event, records[0].last_event), (EventNumber(1), EventNumber(2)));
    assert_eq!(records[0].events, "two events");
    let identity = CommitIdentity { epoch: Epoch(1), hash: batch.hash };
    assert_eq!(writer.look_up(CommitNumber(2)).await.unwrap(), Some(identity));
    assert_eq!(writer.look_up(CommitNumber(3)).await.unwrap(), None);
}

pub(crate) async fn upserts_and_deletes<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let first = batches.next(|batch| {
        batch.hot = (1..=5).map(|key| row(key, b"first")).collect();
        batch.cold = batch.hot.clone();
        batch.agents = ["a", "b", "c"].map(|id| (id.to_owned(), Bytes::from_static(b"first"))).to_vec();
    });
    writer.commit(&first).await.unwrap();
    let second = batches.next(|batch| {
        batch.hot = vec![row(2, b"second"), row(6, b"second")];
        batch.cold = vec![row(3, b"second")];
        batch.deleted = [1, 5, 99].map(InteractionKey).to_vec();
        batch.agents = vec![("b".to_owned(), Bytes::from_static(b"second"))];
        batch.deleted_agents = vec!["a".to_owned(), "nobody".to_owned()];
    });
    writer.commit(&second).await.unwrap();

    let expected = [row(2, b"second"), row(3, b"first"), row(4, b"first"), row(6, b"second")];
    assert_eq!(interactions(&*database).await, expected);
    let expected = [row(2, b"first"), row(3, b"second"), row(4, b"first")];
    assert_eq!(contents(&*database, &[1, 2, 3, 4, 5, 6]).await, expected);
    let agents = database.load_agents().await.unwrap();
    assert_eq!(agents, [("b".to_owned(), "second".into()), ("c".to_owned(), "first".into())]);
}

pub(crate) async fn an_empty_batch_is_a_commit<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    for _ in 0..3 {
        writer.commit(&batches.next(|_| {})).await.unwrap();
    }
    let records = database.log_after(CommitNumber(0), usize::MAX).await.unwrap();
    assert_eq!(records.iter().map(|record| record.number.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert!(records.iter().all(|record| record.events.is_empty()));
    assert!(records.iter().all(|record| record.first_event == record.last_event.next()));
}

pub(crate) async fn the_same_batch_twice_is_there_once<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let batch = batches.next_with_events(1, b"event", |batch| batch.hot = vec![row(1, b"x")]);
    writer.commit(&batch).await.unwrap();
    writer.commit(&batch).await.unwrap();
    assert_eq!(database.log_after(CommitNumber(1), 1000).await.unwrap().len(), 1);
    let next = batches.next(|batch| batch.deleted = vec![InteractionKey(1)]);
    writer.commit(&next).await.unwrap();
    // Not the newest any more: still known, and nothing is done again.
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, []);
}

pub(crate) async fn another_batch_with_the_same_number_is_fenced<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    writer.commit(&batches.next(|batch| batch.hot = vec![row(1, b"x")])).await.unwrap();
    let mut other = batches.next(|batch| batch.hot = vec![row(2, b"y")]);
    other.number = CommitNumber(2);
    other.hash = other.content_hash();
    let error = writer.commit(&other).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced(_)), "{error:?}");
    assert_eq!(interactions(&*database).await, [row(1, b"x")]);
}

pub(crate) async fn a_takeover_fences_the_old_writer<P: Place>() {
    let place = P::create().await;
    let (old, new) = (place.open_as("old").await, place.open_as("new").await);
    let (mut old_batches, mut old_writer) = take_over(&*old).await;
    old_writer.commit(&old_batches.next(|_| {})).await.unwrap();
    let (taken, mut new_writer) = new.take_over(0).await.unwrap();
    assert_eq!((taken.number, taken.epoch), (CommitNumber(3), Epoch(2)));

    let late = old_batches.next(|batch| batch.hot = vec![row(1, b"late")]);
    for _ in 0..2 {
        let error = old_writer.commit(&late).await.unwrap_err();
        assert!(matches!(error, CommitError::Fenced(_)), "{error:?}");
    }
    let mut batches = Batches::after(&taken);
    new_writer.commit(&batches.next(|batch| batch.hot = vec![row(2, b"new")])).await.unwrap();
    assert_eq!(interactions(&*new).await, [row(2, b"new")]);
}

pub(crate) async fn a_takeover_fences_the_old_writer_after_its_number_was_trimmed<P: Place>() {
    let place = P::create().await;
    let (old, new) = (place.open_as("old").await, place.open_as("new").await);
    let (mut old_batches, mut old_writer) = take_over(&*old).await;
    old_writer.commit(&old_batches.next(|_| {})).await.unwrap();
    let (mut batches, mut writer) = take_over(&*new).await;
    place.grow_log(9000).await;
    batches.skip(9000);
    let last = batches.next(|_| {});
    writer.commit(&last).await.unwrap();
    new.maintain(last.number, last.number, 0).await.unwrap();
    assert!(new.log_extent().await.unwrap().0 > CommitNumber(4000));

    let late = old_batches.next(|batch| batch.hot = vec![row(1, b"late")]);
    for _ in 0..2 {
        let error = old_writer.commit(&late).await.unwrap_err();
        assert!(matches!(error, CommitError::Fenced(_)), "{error:?}");
        assert_eq!(old_writer.look_up(late.number).await.unwrap(), None);
    }
    assert_eq!(interactions(&*new).await, []);
    writer.commit(&batches.next(|_| {})).await.unwrap();
}

pub(crate) async fn a_resend_after_a_takeover_is_told_the_truth<P: Place>() {
    let place = P::create().await;
    let (old, new) = (place.open_as("old").await, place.open_as("new").await);
    let (mut batches, mut writer) = take_over(&*old).await;
    let batch = batches.next(|batch| batch.hot = vec![row(1, b"x")]);
    writer.commit(&batch).await.unwrap();
    let (_, _new_writer) = take_over(&*new).await;
    // It was committed before the takeover: that it is in the database stays true.
    writer.commit(&batch).await.unwrap();
    let error = writer.commit(&batches.next(|_| {})).await.unwrap_err();
    assert!(matches!(error, CommitError::Fenced(_)), "{error:?}");
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

pub(crate) async fn the_second_waits_for_the_lock_and_is_told_the_holder<P: Place>() {
    let place = P::create().await;
    let first = place.open_as("ixn-server first:1").await;
    let nobody = |name: &str| panic!("it waits for {name}");
    first.lock(&nobody).await.unwrap();
    first.lock(&nobody).await.unwrap();

    let second = place.open_as("ixn-server second:2").await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let waiting = tokio::spawn({
        let told = Arc::clone(&told);
        async move {
            second.lock(&|name| told.lock().unwrap().push(name.to_owned())).await.unwrap();
            second
        }
    });
    wait::until(LIMIT, "the holder's name", async || {
        let names = told.lock().unwrap().clone();
        if names.iter().any(|name| name.contains("ixn-server first:1")) {
            Ok(())
        } else {
            Err(format!("{names:?}"))
        }
    })
    .await;
    assert!(!waiting.is_finished());
    drop(first);
    let second = tokio::time::timeout(LIMIT, waiting).await.unwrap().unwrap();
    assert_eq!(told.lock().unwrap().len(), 1, "one call for one holder");

    let third = place.open_as("ixn-server third:3").await;
    let told = Mutex::new(String::new());
    let waiting = |name: &str| name.clone_into(&mut told.lock().unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(600), third.lock(&waiting)).await.is_err());
    assert!(told.lock().unwrap().contains("ixn-server second:2"), "{told:?}");
    drop(second);
    tokio::time::timeout(LIMIT, third.lock(&|_| {})).await.unwrap().unwrap();
}

pub(crate) async fn contents_are_read_by_key<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let cold: Vec<_> =
        (1..=300).map(|key| row(key, format!("data of {key} ").repeat(40).as_bytes())).collect();
    writer.commit(&batches.next(|batch| batch.cold = cold.clone())).await.unwrap();
    assert_eq!(contents(&*database, &[]).await, []);
    assert_eq!(contents(&*database, &[301, u64::MAX]).await, []);
    let every_third: Vec<u64> = (0..=100).map(|i| i * 3).collect();
    let found = contents(&*database, &every_third).await;
    assert_eq!(found.len(), 100);
    assert!(found.iter().all(|entry| *entry == cold[entry.0.0 as usize - 1]));
}

pub(crate) async fn the_log_is_read_in_portions<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    assert_eq!(extent_before_takeover(&*database).await, None);
    let (mut batches, mut writer) = take_over(&*database).await;
    for length in [10, 1000, 10, 10, 10] {
        writer.commit(&batches.next_with_events(1, &vec![b'e'; length], |_| {})).await.unwrap();
    }
    let read = async |after, max_bytes| -> Vec<u64> {
        let records = database.log_after(CommitNumber(after), max_bytes).await.unwrap();
        records.iter().map(|record| record.number.0).collect()
    };
    assert_eq!(read(0, 1_000_000).await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(read(0, 9).await, [1], "the takeover's own record has no events");
    assert_eq!(read(1, 10).await, [2]);
    assert_eq!(read(1, 1009).await, [2]);
    assert_eq!(read(1, 1010).await, [2, 3]);
    assert_eq!(read(2, 1).await, [3], "at least one, however long");
    assert_eq!(read(3, 25).await, [4, 5]);
    assert_eq!(read(6, 1000).await, [0; 0]);
    assert_eq!(read(u64::MAX, 1000).await, [0; 0]);
    let (oldest, bytes) = database.log_extent().await.unwrap();
    assert_eq!(oldest, CommitNumber(1));
    assert!(bytes > 100, "{bytes}");
}

/// Before a takeover there may be no tables.
async fn extent_before_takeover(database: &dyn ixn_store::Database) -> Option<CommitNumber> {
    database.log_extent().await.ok().map(|(oldest, _)| oldest)
}

pub(crate) async fn the_commit_before_an_event_is_found<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    // Commit 2: events 1 to 3, 3: none, 4: event 4, 5: none, 6: events 5 to 9.
    for count in [3, 0, 1, 0, 5] {
        writer.commit(&batches.next_with_events(count, b"", |_| {})).await.unwrap();
    }
    let before =
        async |event| database.commit_before(EventNumber(event)).await.unwrap().map(|number| number.0);
    let mut found = Vec::new();
    for event in 0..=10 {
        found.push(before(event).await);
    }
    assert_eq!(found, [1, 1, 1, 3, 5, 5, 5, 5, 5, 6, 6].map(Some));
}

pub(crate) async fn the_log_is_trimmed_from_below<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    place.grow_log(9000).await;
    batches.skip(9000);
    let last = batches.next(|_| {});
    writer.commit(&last).await.unwrap();

    // Nothing to trim.
    database.maintain(last.number, CommitNumber(1), 0).await.unwrap();
    assert_eq!(database.log_extent().await.unwrap().0, CommitNumber(1));
    let (_, bytes_before) = database.log_extent().await.unwrap();

    trim(&*database, last.number, CommitNumber(8500)).await;
    let (oldest, bytes) = database.log_extent().await.unwrap();
    assert!(oldest > CommitNumber(4000) && oldest <= CommitNumber(8500), "{oldest}");
    assert!(bytes < bytes_before, "{bytes} of {bytes_before}");
    let records = database.log_after(CommitNumber(0), usize::MAX).await.unwrap();
    assert_eq!(records[0].number, oldest);

    // Record n carries event n - 1.
    assert_eq!(database.commit_before(EventNumber(8999)).await.unwrap(), Some(CommitNumber(9000)));
    let successor_held = EventNumber(oldest.0 - 2);
    assert_eq!(database.commit_before(successor_held).await.unwrap(), Some(CommitNumber(oldest.0 - 1)));
    assert_eq!(database.commit_before(EventNumber(oldest.0 - 3)).await.unwrap(), None);

    // Whatever is asked for, the newest record stays: the next start needs it.
    trim(&*database, last.number, CommitNumber(u64::MAX)).await;
    writer.commit(&batches.next(|_| {})).await.unwrap();
    let (taken, _writer) = place.open().await.take_over(0).await.unwrap();
    assert_eq!(taken.number.0, last.number.0 + 2);
    assert_eq!(taken.last_event, EventNumber(9000));
}

/// One call does what it can in its time; a few do all.
async fn trim(database: &dyn ixn_store::Database, newest: CommitNumber, below: CommitNumber) {
    for _ in 0..5 {
        database.maintain(newest, below, 0).await.unwrap();
    }
}

pub(crate) async fn idempotency_keys_are_loaded_until_they_expire<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let key = |number: u128, expires_at_seconds, answer: &'static str| IdempotencyRow {
        key_hash: number << 100 | number,
        body_hash: u64::MAX - number as u64,
        expires_at_seconds,
        answer: answer.into(),
    };
    let (a, b, c, d) = (key(1, 100, "a"), key(2, 300, ""), key(3, 200, "c"), key(4, 150, "d"));
    writer.commit(&batches.next(|batch| batch.idempotency = vec![a.clone(), b.clone()])).await.unwrap();
    writer.commit(&batches.next(|_| {})).await.unwrap();
    let last = batches.next(|batch| batch.idempotency = vec![c.clone(), d.clone()]);
    writer.commit(&last).await.unwrap();

    assert_eq!(database.load_idempotency(0).await.unwrap(), [a, b.clone(), c.clone(), d.clone()]);
    assert_eq!(database.load_idempotency(100).await.unwrap(), [b.clone(), c.clone(), d]);
    database.maintain(last.number, CommitNumber(1), 150).await.unwrap();
    assert_eq!(database.load_idempotency(150).await.unwrap(), [b.clone(), c]);
    database.maintain(last.number, CommitNumber(1), 200).await.unwrap();
    assert_eq!(database.load_idempotency(200).await.unwrap(), [b]);
    database.maintain(last.number, CommitNumber(1), 300).await.unwrap();
    assert_eq!(database.load_idempotency(300).await.unwrap(), []);
}

pub(crate) async fn a_big_batch<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let rows: Vec<_> = (1..=20_000).map(|key| row(key, format!("interaction {key}").as_bytes())).collect();
    let batch = batches.next(|batch| {
        batch.hot = rows.clone();
        batch.cold = rows[..10_000].to_vec();
    });
    writer.commit(&batch).await.unwrap();
    assert!(interactions(&*database).await == rows);
    assert_eq!(contents(&*database, &[1, 10_000, 10_001]).await, [rows[0].clone(), rows[9_999].clone()]);
    let batch = batches.next(|batch| batch.deleted = (1..=20_000).map(InteractionKey).collect());
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, []);
    assert_eq!(contents(&*database, &[1, 10_000]).await, []);
}

pub(crate) async fn big_values<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let rows: Vec<_> = (1..=4).map(|key| row(key, &noise(1 << 20))).collect();
    let events = noise(3 << 20);
    let batch = batches.next_with_events(1, &events, |batch| {
        batch.hot = rows.clone();
        batch.cold = rows.clone();
        batch.agents = vec![("a".to_owned(), rows[0].1.clone())];
    });
    writer.commit(&batch).await.unwrap();
    assert!(interactions(&*database).await == rows);
    assert!(contents(&*database, &[1, 2, 3, 4]).await == rows);
    assert!(database.load_agents().await.unwrap()[0].1 == rows[0].1);
    assert!(database.log_after(CommitNumber(1), 1).await.unwrap()[0].events == events);
}

pub(crate) async fn every_byte_in_every_value<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let all = Bytes::from(bytes.clone());
    let agent = "'; DROP TABLE agents; -- ünï\u{1F600}".to_owned();
    let key = IdempotencyRow {
        key_hash: u128::MAX,
        body_hash: u64::MAX,
        expires_at_seconds: u64::MAX >> 1,
        answer: all.clone(),
    };
    let batch = batches.next_with_events(1, &bytes, |batch| {
        batch.hot = vec![row(0, &bytes), row(i64::MAX as u64, &bytes)];
        batch.cold = vec![row(0, &bytes), row(1, &bytes.repeat(9)), row(i64::MAX as u64, &bytes)];
        batch.agents = vec![(agent.clone(), all.clone())];
        batch.idempotency = vec![key.clone()];
    });
    writer.commit(&batch).await.unwrap();
    assert_eq!(interactions(&*database).await, batch.hot);
    assert_eq!(contents(&*database, &[0, 1, i64::MAX as u64]).await, batch.cold);
    assert_eq!(database.load_agents().await.unwrap(), [(agent, all.clone())]);
    assert_eq!(database.load_idempotency(0).await.unwrap(), [key]);
    assert_eq!(database.log_after(CommitNumber(1), 1).await.unwrap()[0].events, all);
}

pub(crate) async fn bad_data_is_refused_and_the_next_commit_works<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let good = batches.next(|batch| batch.hot = vec![row(1, b"good")]);
    let mut bad = good.clone();
    bad.hot.push(row(1 << 63, b"beyond what a database sorts"));
    bad.hash = bad.content_hash();
    let error = writer.commit(&bad).await.unwrap_err();
    assert!(matches!(error, CommitError::Refused(_)), "{error:?}");
    assert_eq!(interactions(&*database).await, []);
    assert_eq!(writer.look_up(bad.number).await.unwrap(), None);
    writer.commit(&good).await.unwrap();
    assert_eq!(interactions(&*database).await, good.hot);
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
    let info = place.open().await.info().await.unwrap();
    assert!(["postgresql", "sqlite"].contains(&info.kind));
    assert!(info.version.starts_with(|c: char| c.is_ascii_digit()), "{info:?}");
    assert!(info.durability.contains("sync"), "{info:?}");
}
