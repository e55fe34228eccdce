//! What the load itself costs, so that one can see whether it was the limit.

use std::fs;
use std::time::Duration;

/// The kernel counts processor time in these, on every platform that has `/proc`.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that this process has used until now; `None` where the system has no `/proc`.
pub(super) fn processor_time() -> Option<Duration> {
    parse(&fs::read_to_string("/proc/self/stat").ok()?)
}

/// Of the text of `/proc/PID/stat`.
fn parse(stat: &str) -> Option<Duration> {
    // The second field is the name in parentheses and may have blanks; user and system time are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (user, system) = (ticks()?, ticks()?);
    TICK.checked_mul(user.checked_add(system)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added_whatever_the_name_is() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 100 0 0 0 25 17 0 0 20 0 3 0 1 1 1";
        assert_eq!(parse(stat), Some(Duration::from_millis(420)));
        assert_eq!(parse("7 (a) S"), None);
    }
}
