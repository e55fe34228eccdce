//! Reading and trimming the commit log.

use ixn_engine::commit::{CommitNumber, EventNumber};
use ixn_store::{Database, MAX_LOG_RECORDS};

use crate::batches::{take_over, trimming};
use crate::place::Place;

pub(crate) async fn the_log_is_read_in_portions<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
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

pub(crate) async fn one_read_of_the_log_is_bounded_in_records_too<P: Place>() {
    let place = P::create().await;
    let database = place.open().await;
    take_over(&*database).await;
    place.grow_log(MAX_LOG_RECORDS as u64).await;
    let records = database.log_after(CommitNumber(0), usize::MAX).await.unwrap();
    assert_eq!(records.len(), MAX_LOG_RECORDS);
    let rest = database.log_after(records[MAX_LOG_RECORDS - 1].number, usize::MAX).await.unwrap();
    assert_eq!(rest.len(), 1);
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
    place.grow_log(36_000).await;
    batches.skip(36_000);
    let last = batches.next(|_| {});
    writer.commit(&last).await.unwrap();

    // Nothing to trim.
    database.maintain(&trimming(last.number, CommitNumber(1))).await.unwrap();
    assert_eq!(database.log_extent().await.unwrap().0, CommitNumber(1));
    let (_, bytes_before) = database.log_extent().await.unwrap();

    trim(&*database, last.number, CommitNumber(34_000)).await;
    let (oldest, bytes) = database.log_extent().await.unwrap();
    assert!(oldest > CommitNumber(16_000) && oldest <= CommitNumber(34_000), "{oldest}");
    assert!(bytes < bytes_before, "{bytes} of {bytes_before}");
    let records = database.log_after(CommitNumber(0), usize::MAX).await.unwrap();
    assert_eq!(records[0].number, oldest);

    // Record n carries event n - 1.
    assert_eq!(database.commit_before(EventNumber(35_999)).await.unwrap(), Some(CommitNumber(36_000)));
    let successor_held = EventNumber(oldest.0 - 2);
    assert_eq!(database.commit_before(successor_held).await.unwrap(), Some(CommitNumber(oldest.0 - 1)));
    assert_eq!(database.commit_before(EventNumber(oldest.0 - 3)).await.unwrap(), None);

    // Whatever is asked for, the newest record stays: the next start needs it.
    trim(&*database, last.number, CommitNumber(u64::MAX)).await;
    writer.commit(&batches.next(|_| {})).await.unwrap();
    let (taken, _writer) = place.open().await.take_over(0).await.unwrap();
    assert_eq!(taken.number.0, last.number.0 + 2);
    assert_eq!(taken.last_event, EventNumber(36_000));
}

/// One call does what it can in its time; a few do all.
async fn trim(database: &dyn Database, newest: CommitNumber, below: CommitNumber) {
    for _ in 0..5 {
        database.maintain(&trimming(newest, below)).await.unwrap();
    }
}
