//! Names on the command line that the server or the configuration does not know.

use ixn_proto::QueueStatus;
use ixn_suggestion::did_you_mean;

use crate::exit::Failure;

/// Checks names of a kind, such as `queue`, against those that there are.
///
/// # Errors
/// Some are unknown; the sentence has each with the one that it most likely means.
pub(crate) fn check<'a>(
    kind: &str,
    named: impl IntoIterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), Failure> {
    let unknown: Vec<String> = named
        .into_iter()
        .filter(|name| !known.contains(name))
        .map(|name| format!("there is no {kind} '{name}'{}", did_you_mean(name, known.iter().copied())))
        .collect();
    if unknown.is_empty() { Ok(()) } else { Err(Failure::Usage(unknown.join("; "))) }
}

/// Checks queues against those of the server that take interactions.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_queues<'a>(
    named: impl IntoIterator<Item = &'a str>,
    queues: &[QueueStatus],
) -> Result<(), Failure> {
    let known = queues.iter().filter(|queue| !queue.retired).map(|queue| queue.queue_name.as_str());
    check("queue", named, &known.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unknown_name_is_told_with_a_near_one() {
        assert!(check("queue", ["inbox"], &["inbox", "overflow"]).is_ok());
        let failure = check("queue", ["inbx", "inbox", "vip"], &["inbox", "overflow"]).unwrap_err();
        let expected = "there is no queue 'inbx'; did you mean 'inbox'?; there is no queue 'vip'";
        assert_eq!(failure.to_string(), expected);
    }
}
