//! What both databases must do, written once and run against each; and what only one of them can show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests alone: a panic is how one says what went wrong"
)]

mod batches;
mod outages;
mod place;
mod postgres;
mod sqlite;
mod suite;

/// Runs every test of the suite at one kind of place.
macro_rules! conformance {
    ($module:ident, $place:ty, [$($test:ident),* $(,)?]) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::suite::$test::<$place>().await;
                }
            )*
        }
    };
}

macro_rules! for_both {
    ($tests:tt) => {
        conformance!(on_postgres, crate::postgres::PostgresPlace, $tests);
        conformance!(on_sqlite, crate::sqlite::SqlitePlace, $tests);
    };
}

for_both!([
    a_new_database_starts_at_one,
    commits_and_reads_back,
    upserts_and_deletes,
    an_empty_batch_is_a_commit,
    the_same_batch_twice_is_there_once,
    another_batch_with_the_same_number_is_fenced,
    a_takeover_fences_the_old_writer,
    a_takeover_fences_the_old_writer_after_its_number_was_trimmed,
    a_resend_after_a_takeover_is_told_the_truth,
    a_database_that_lost_commits_takes_no_more,
    reopening_keeps_the_counters,
    the_second_waits_for_the_lock_and_is_told_the_holder,
    contents_are_read_by_key,
    damaged_contents_leave_their_neighbours_readable,
    the_log_is_read_in_portions,
    one_read_of_the_log_is_bounded_in_records_too,
    the_commit_before_an_event_is_found,
    the_log_is_trimmed_from_below,
    idempotency_keys_are_loaded_until_they_expire,
    idempotency_keys_come_in_pages,
    a_big_batch,
    big_values,
    every_byte_in_every_value,
    bad_data_is_refused_and_the_next_commit_works,
    a_database_that_is_away_is_unavailable,
    a_read_only_database_is_unavailable,
    a_newer_schema_is_refused,
    a_newer_log_is_refused,
    what_it_is,
    open_connections_are_counted,
    a_look_changes_nothing,
]);
