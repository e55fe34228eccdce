//! One writer, whatever happens: resends, takeovers, the lock.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ixn_engine::commit::{CommitNumber, Epoch, InteractionKey};
use ixn_store::CommitError;
use ixn_tests::wait;

use crate::batches::{Batches, interactions, row, take_over, trimming};
use crate::place::Place;

const LIMIT: Duration = Duration::from_secs(30);

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
    place.grow_log(36_000).await;
    batches.skip(36_000);
    let last = batches.next(|_| {});
    writer.commit(&last).await.unwrap();
    new.maintain(&trimming(last.number, last.number)).await.unwrap();
    assert!(new.log_extent().await.unwrap().0 > CommitNumber(16_000));

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

/// As after a restored backup, or the promotion of a standby that had not everything.
pub(crate) async fn a_database_that_lost_commits_takes_no_more<P: Place>() {
    // The newest one; a few, with the takeover; all.
    for lost in ["seq >= 4", "seq >= 1", "true"] {
        let place = P::create().await;
        let database = place.open().await;
        let (mut batches, mut writer) = take_over(&*database).await;
        let mut written = Vec::new();
        for key in 2..=4 {
            written.push(batches.next(|batch| batch.hot = vec![row(key, b"x")]));
            writer.commit(written.last().unwrap()).await.unwrap();
        }
        place.execute(&format!("DELETE FROM commit_log WHERE {lost}; DELETE FROM interactions")).await;
        let next = batches.next(|batch| batch.hot = vec![row(9, b"y")]);
        for _ in 0..2 {
            let error = writer.commit(&next).await.unwrap_err();
            assert!(
                matches!(&error, CommitError::Lost(text) if text.contains("backup")),
                "{lost}: {error:?}"
            );
            assert_eq!(writer.look_up(next.number).await.unwrap(), None);
        }
        assert_eq!(interactions(&*database).await, [], "{lost}: nothing of it is written");
        // The last that is left is known as before.
        if lost == "seq >= 4" {
            writer.commit(&written[1]).await.unwrap();
        }
    }
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
    let (told, mut names) = tokio::sync::mpsc::unbounded_channel();
    let waiting = |name: &str| told.send(name.to_owned()).unwrap();
    let named = tokio::select! {
        locked = tokio::time::timeout(LIMIT, third.lock(&waiting)) => panic!("{locked:?} and nobody was named"),
        name = names.recv() => name.unwrap(),
    };
    assert!(named.contains("ixn-server second:2"), "{named}");
    drop(second);
    tokio::time::timeout(LIMIT, third.lock(&|_| {})).await.unwrap().unwrap();
}
