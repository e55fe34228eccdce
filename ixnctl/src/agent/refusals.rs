//! What the server refuses to agents who work by themselves: the first of each kind is told, all are counted.

use std::collections::BTreeMap;

use ixn_client::{ClientError, ErrorCode};
use ixn_proto::error_code;
use parking_lot::Mutex;

/// The refusals of a crew.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<BTreeMap<(&'static str, String), u64>>);

impl Refusals {
    /// Counts a refusal of `order`; what is to be told when it is the first of its kind. What is no refusal does not
    /// count.
    pub(super) fn count(&self, order: &'static str, error: &ClientError) -> Option<String> {
        let ClientError::Refused(refusal) = error else { return None };
        let mut kinds = self.0.lock();
        let times = kinds.entry((order, refusal.name.clone())).or_default();
        *times += 1;
        (*times == 1).then(|| format!("the server refused to {order}: {refusal}"))
    }

    /// How many there were.
    pub(super) fn all(&self) -> u64 {
        self.0.lock().values().sum()
    }

    /// How many of them mean that work was not done. An offer that had gone before it was accepted goes to others.
    pub(super) fn failures(&self) -> u64 {
        let gone = error_code::name(ErrorCode::UnknownTicket);
        let kinds = self.0.lock();
        let failures = kinds.iter().filter(|((order, name), _)| (*order, name.as_str()) != ("accept", gone));
        failures.map(|(_, times)| times).sum()
    }

    /// How often each kind came that came more than once: the others were told.
    pub(super) fn sums(&self) -> Vec<String> {
        let kinds = self.0.lock();
        let several = kinds.iter().filter(|(_, times)| **times > 1);
        several
            .map(|((order, name), times)| format!("the server refused to {order} {times} times: {name}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::EventError;

    use super::*;

    #[test]
    fn each_kind_is_told_once_and_counted() {
        let refusals = Refusals::default();
        let refused = |code: ErrorCode| {
            let refusal = EventError { error_code: code as i32, error_description: "it went".to_owned() };
            ClientError::Refused(refusal.into())
        };
        let ticket = refused(ErrorCode::UnknownTicket);
        let first = refusals.count("accept", &ticket);
        assert_eq!(first.as_deref(), Some("the server refused to accept: UNKNOWN_TICKET (46): it went"));
        assert_eq!(refusals.count("accept", &ticket), None);
        assert!(refusals.count("stop", &refused(ErrorCode::UnknownInteraction)).is_some());
        let unknown = ClientError::NotSent { reason: String::new() };
        assert_eq!(refusals.count("accept", &unknown), None);
        assert_eq!((refusals.all(), refusals.failures()), (3, 1));
        assert_eq!(refusals.sums(), ["the server refused to accept 2 times: UNKNOWN_TICKET"]);
    }
}
