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
    /// Nobody answers; the reason.
    Yet(String),
    /// A server answers, and refuses for now; what it said.
    NotServing(String),
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

/// Makes attempts until one succeeds or `--connect-timeout` is over. For whom it waits is said once.
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
    let (mut told_nobody, mut told_not_serving) = (false, false);
    loop {
        let (is_there, reason) = match attempt().await {
            Ok(reached) => {
                tracing::debug!(%server, "connected");
                if failures > 0 {
                    say(&format!("connected to {server}"));
                }
                return Ok(reached);
            }
            Err(NotReached::Ever(failure)) => return Err(failure),
            Err(NotReached::Yet(reason)) => (false, reason),
            Err(NotReached::NotServing(reason)) => (true, reason),
        };
        tracing::debug!(%server, reason, "cannot connect yet");
        let pause = PAUSES.wait(failures);
        if started.elapsed().saturating_add(pause) >= waited {
            let server = server.clone();
            return Err(if is_there {
                Failure::NotServing { server, waited, reason }
            } else {
                Failure::Unreachable { server, waited, reason }
            });
        }
        let told = if is_there { &mut told_not_serving } else { &mut told_nobody };
        if !std::mem::replace(told, true) {
            let who = if is_there {
                format!("the server at {server} does not serve yet")
            } else {
                format!("nobody serves at {server}")
            };
            say(&format!("{who} ({reason}); waiting for at most {waited:?}"));
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
    async fn a_server_that_refuses_for_now_is_not_one_that_is_to_be_started() {
        let refused = async || Err::<(), _>(NotReached::NotServing("DATABASE_UNAVAILABLE".to_owned()));
        let text = reach(&common("10s"), refused).await.unwrap_err().to_string();
        assert!(text.contains("runs, but does not serve, tried for 10s: DATABASE_UNAVAILABLE"), "{text}");
        assert!(!text.contains("start the server"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn zero_is_one_attempt() {
        assert_eq!(attempts("0", 2).await.1, 1);
    }
}
