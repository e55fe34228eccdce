//! What the load calls its objects, and how a lifecycle is known again wherever it appears.

/// The media type.
pub(crate) const MEDIA_TYPE: &str = "load";
/// The queue that the agents are fed from.
pub(crate) const QUEUE: &str = "load";
/// The queue that nobody routes.
pub(crate) const QUEUED: &str = "load-queued";

/// The id of an agent; they count from 1.
pub(crate) fn agent_id(number: u32) -> String {
    format!("load{number}")
}

/// The number of an agent of the load; `None` for others.
pub(crate) fn agent_number(agent_id: &str) -> Option<u32> {
    agent_id.strip_prefix("load")?.parse().ok()
}

/// One run. The external ids of its interactions are `RUN-NUMBER`, so that every event tells which lifecycle it is
/// about, and its idempotency keys begin with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run(String);

impl Run {
    /// A run with this name, which no other run of the last days may have.
    pub(crate) fn new(name: u64) -> Self {
        Self(format!("{name:x}"))
    }

    /// The external id, and the idempotency key of the submit, of a lifecycle.
    pub(crate) fn external_id(&self, lifecycle: usize) -> String {
        format!("{}-{lifecycle}", self.0)
    }

    /// The lifecycle that has this external id; `None` for one of another run.
    pub(crate) fn lifecycle(&self, external_id: &str) -> Option<usize> {
        external_id.strip_prefix(self.0.as_str())?.strip_prefix('-')?.parse().ok()
    }

    /// The idempotency key of a request of an agent; his requests count.
    pub(crate) fn agent_key(&self, request: u64) -> String {
        format!("{}-{request}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifecycle_is_known_by_its_external_id_within_its_run_only() {
        let run = Run::new(0xabc);
        assert_eq!(run.lifecycle(&run.external_id(17)), Some(17));
        for other in ["", "abc", "abc-", "abd-17", "abc-x", "7", "abcd-17"] {
            assert_eq!(run.lifecycle(other), None, "{other}");
        }
    }

    #[test]
    fn agents_are_known_by_number() {
        assert_eq!(agent_number(&agent_id(3)), Some(3));
        assert_eq!(agent_number("alice"), None);
    }
}
