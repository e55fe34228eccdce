//! What is written is what is read.

use bytes::Bytes;
use ixn_engine::commit::{CommitIdentity, CommitNumber, Epoch, EventNumber, IdempotencyRow, InteractionKey};
use ixn_store::{CommitError, StoreError, Upkeep};

use crate::batches::{contents, idempotency, interactions, noise, row, take_over};
use crate::place::Place;

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

pub(crate) async fn damaged_contents_leave_their_neighbours_readable<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let cold: Vec<_> = (1..=3).map(|key| row(key, b"user data")).collect();
    writer.commit(&batches.next(|batch| batch.cold = cold.clone())).await.unwrap();
    // A value needs a format byte.
    place.execute("UPDATE contents SET user_data = substr(user_data, 1, 0) WHERE key = 2").await;
    let keys = [1, 2, 3].map(InteractionKey);
    for damaged in [&keys[..], &keys[1..2]] {
        let error = database.contents(damaged).await.unwrap_err();
        assert!(matches!(&error, StoreError::Damaged(text) if text.contains("contents 2")), "{error:?}");
    }
    assert_eq!(contents(&*database, &[1]).await, cold[..1]);
    assert_eq!(contents(&*database, &[3]).await, cold[2..]);
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
    assert_eq!(idempotency(&*database, 0, 1000).await, [key]);
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

pub(crate) async fn idempotency_keys_come_in_pages<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    let (mut batches, mut writer) = take_over(&*database).await;
    let key = |number: u64| IdempotencyRow {
        key_hash: u128::from(number),
        body_hash: number,
        expires_at_seconds: 100 + number % 2,
        answer: Bytes::new(),
    };
    for commit in 0..300 {
        let keys = (commit * 3..commit * 3 + 3).map(key).collect();
        writer.commit(&batches.next(|batch| batch.idempotency = keys)).await.unwrap();
    }
    let (mut pages, mut found) = (0, Vec::new());
    let mut page = |keys: Vec<IdempotencyRow>| {
        pages += 1;
        found.extend(keys);
    };
    database.load_idempotency(0, 800, &mut page).await.unwrap();
    assert_eq!(found, (99..900).map(key).collect::<Vec<_>>(), "the newest 267 commits");
    assert!(pages > 1, "in one piece");
    let odd: Vec<_> = (0..900).filter(|number| number % 2 == 1).map(key).collect();
    assert_eq!(idempotency(&*database, 100, usize::MAX).await, odd);
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

    let load = async |now_seconds| idempotency(&*database, now_seconds, 1000).await;
    assert_eq!(load(0).await, [a, b.clone(), c.clone(), d.clone()], "as they were written");
    let newest = idempotency(&*database, 0, 1).await;
    assert_eq!(newest, [c.clone(), d.clone()], "no more commits than are wanted");
    assert_eq!(load(100).await, [b.clone(), c.clone(), d]);
    let maintain = async |now_seconds| {
        database.maintain(&Upkeep { newest: last.number, now_seconds, ..Upkeep::default() }).await.unwrap();
    };
    maintain(150).await;
    assert_eq!(load(150).await, [b.clone(), c]);
    maintain(200).await;
    assert_eq!(load(200).await, [b]);
    maintain(300).await;
    assert_eq!(load(300).await, []);
}
