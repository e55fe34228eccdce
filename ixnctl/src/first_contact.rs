//! The first connection: a server that is just being started is waited for, and said to be.

use std::time::Duration;

use indicatif::ProgressBar;
use ixn_client::Backoff;
use tokio::time::{Instant, sleep};

use crate::arguments::Common;
use crate::exit::Failure;

/// The waits between attempts.
const PAUSES: Backoff = Backoff { initial: Duration::from_millis(100), max: Duration::from_secs(1) };
/// How long one attempt may take at most.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(5);

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum NotReached {
    /// Nobody answers, or nobody who serves; the reason.
    Yet(String),
    /// It would never succeed.
    Ever(Failure),
}

/// How long one attempt to connect may take.
pub(crate) fn attempt_timeout(common: &Common) -> Duration {
    if common.connect_timeout.is_zero() {
        LONGEST_ATTEMPT
    } else {
        common.connect_timeout.min(LONGEST_ATTEMPT)
    }
}

/// Makes attempts until one succeeds or `--connect-timeout` is over. That it waits is said once.
///
/// # Errors
/// Nobody could be reached in that time, or it would never succeed.
pub(crate) async fn reach<T>(
    common: &Common,
    mut attempt: impl AsyncFnMut() -> Result<T, NotReached>,
) -> Result<T, Failure> {
    let (server, waited) = (&common.server, common.connect_timeout);
    let say = |remark: &str| common.output().remark(&ProgressBar::hidden(), remark);
    let started = Instant::now();
    let mut failures = 0;
    loop {
        let reason = match attempt().await {
            Ok(reached) => {
                tracing::debug!(%server, "connected");
                if failures > 0 {
                    say(&format!("connected to {server}"));
                }
                return Ok(reached);
            }
            Err(NotReached::Ever(failure)) => return Err(failure),
            Err(NotReached::Yet(reason)) => reason,
        };
        tracing::debug!(%server, reason, "cannot connect yet");
        let pause = PAUSES.wait(failures);
        if started.elapsed().saturating_add(pause) >= waited {
            return Err(Failure::Unreachable { server: server.clone(), waited, reason });
        }
        if failures == 0 {
            say(&format!("nobody serves at {server} ({reason}); waiting for at most {waited:?}"));
        }
        failures += 1;
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::Arguments;

    fn common(connect_timeout: &str) -> Common {
        Arguments::try_parse_from(["ixnctl", "queues", "--connect-timeout", connect_timeout]).unwrap().common
    }

    async fn attempts(connect_timeout: &str, needed: u32) -> (Result<(), Failure>, u32) {
        let mut made = 0;
        let reached = reach(&common(connect_timeout), async || {
            made += 1;
            if made == needed { Ok(()) } else { Err(NotReached::Yet("refused".to_owned())) }
        })
        .await;
        (reached, made)
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_go_on_until_one_succeeds() {
        let (reached, made) = attempts("10s", 4).await;
        assert!(reached.is_ok(), "{reached:?}");
        assert_eq!(made, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn they_end_after_their_time_with_all_that_one_needs_to_know() {
        let started = Instant::now();
        let (reached, made) = attempts("10s", u32::MAX).await;
        let text = reached.unwrap_err().to_string();
        for part in ["http://127.0.0.1:7120", "10s", "refused", "--server", "--connect-timeout"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(made > 5 && started.elapsed() <= Duration::from_secs(10), "{made}, {:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_one_attempt() {
        assert_eq!(attempts("0", 2).await.1, 1);
    }
}
