//! Waiting for a condition instead of for time.

use std::fmt::Display;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How long to leave a condition alone between two looks at it.
const PAUSE: Duration = Duration::from_millis(20);

/// Polls `condition` until it answers `Ok`, and returns what it answered.
///
/// An `Err` carries the state that was seen, as text; it is printed when the time is up. A single look that takes
/// too long is cut off by the same deadline.
///
/// # Panics
/// When `limit` has passed: with `what`, the time, and the state last seen.
pub async fn until<T, S: Display>(
    limit: Duration,
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let deadline = Instant::now() + limit;
    let mut last_seen = String::from("nothing: the first look did not end");
    loop {
        match timeout_at(deadline, condition()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(seen)) => last_seen = seen.to_string(),
            Err(_) => {}
        }
        if Instant::now() + PAUSE > deadline {
            panic!("waited {limit:?} for {what}; last seen: {last_seen}");
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_what_the_condition_answers() {
        let mut looks = 0;
        let answer = until(Duration::from_secs(5), "the third look", async || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        })
        .await;
        assert_eq!(answer, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "for the impossible; last seen: 7 of 8")]
    async fn panics_with_what_was_last_seen() {
        until(Duration::from_millis(50), "the impossible", async || Err::<(), _>("7 of 8")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "for an answer; last seen: nothing")]
    async fn cuts_off_a_look_that_never_ends() {
        let limit = Duration::from_millis(50);
        until(limit, "an answer", async || std::future::pending::<Result<(), String>>().await).await;
    }
}
