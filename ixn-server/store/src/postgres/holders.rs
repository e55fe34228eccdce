//! Who keeps old partitions from being dropped: told when it takes so long that somebody should look.

use std::time::{Duration, Instant};

/// A backup of a large database may take some minutes.
const TELL_AFTER: Duration = Duration::from_secs(5 * 60);
/// One that goes on is told again.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60 * 60);

/// Somebody else who uses an old partition, or a `pg_dump`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holder {
    /// PostgreSQL's process; a prepared transaction has none.
    pub(super) pid: Option<i32>,
    /// What it calls itself; empty when that is not known.
    pub(super) application: String,
}

/// Since when old partitions cannot be dropped.
#[derive(Default)]
pub(super) struct Held {
    since: Option<Instant>,
    told: Option<Instant>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Notice {
    Held(Duration),
    Over(Duration),
}

impl Held {
    /// Who holds them now, if anybody does.
    pub(super) fn note(&mut self, holder: Option<&Holder>) {
        match (self.notice(holder.is_some(), Instant::now()), holder) {
            (Some(Notice::Held(long)), Some(Holder { pid, application })) => tracing::warn!(
                pid,
                application,
                minutes = long.as_secs() / 60,
                "old parts of the commit log and of the idempotency keys cannot be dropped, and grow: somebody uses them, or is \
                 pg_dump; end what should not last so long (pg_stat_activity has its pid, pg_terminate_backend ends it, \
                 pg_prepared_xacts lists prepared transactions)"
            ),
            (Some(Notice::Over(long)), _) => {
                tracing::info!(
                    minutes = long.as_secs() / 60,
                    "old parts of the commit log are dropped again"
                );
            }
            _ => {}
        }
    }

    fn notice(&mut self, is_held: bool, now: Instant) -> Option<Notice> {
        if !is_held {
            let since = self.since.take()?;
            return self.told.take().map(|_| Notice::Over(now - since));
        }
        let long = now - *self.since.get_or_insert(now);
        let is_due = match self.told {
            None => long >= TELL_AFTER,
            Some(told) => now - told >= TELL_AGAIN_AFTER,
        };
        is_due.then(|| {
            self.told = Some(now);
            Notice::Held(long)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_hold_is_told_now_and_then_and_its_end_once() {
        let start = Instant::now();
        let after = |minutes: u64| start + Duration::from_secs(minutes * 60);
        let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
        let mut held = Held::default();
        assert_eq!(held.notice(true, after(0)), None);
        assert_eq!(held.notice(true, after(4)), None);
        assert_eq!(held.notice(true, after(5)), Some(Notice::Held(minutes(5))));
        assert_eq!(held.notice(true, after(6)), None);
        assert_eq!(held.notice(true, after(65)), Some(Notice::Held(minutes(65))));
        assert_eq!(held.notice(false, after(66)), Some(Notice::Over(minutes(66))));
        assert_eq!(held.notice(false, after(67)), None);
        assert_eq!(held.notice(true, after(70)), None, "another one");
        assert_eq!(held.notice(false, after(71)), None, "a short one");
    }
}
