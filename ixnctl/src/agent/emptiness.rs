//! Whether the queues that agents serve are empty: nothing queued, routed or held in them.

use std::collections::BTreeSet;

use ixn_proto::{QueueStatus, ViewStatus};

/// The queues that are served: the named ones, else those with a view that feeds a strategy.
pub(super) fn served_queues(named: &[String], views: &[ViewStatus]) -> BTreeSet<String> {
    if !named.is_empty() {
        return named.iter().cloned().collect();
    }
    let routed = views.iter().filter(|view| view.enabled && !view.strategy_name.is_empty());
    routed.map(|view| view.queue_name.clone()).collect()
}

/// How many interactions the served queues have, waiting or in processing.
pub(super) fn left(served: &BTreeSet<String>, queues: &[QueueStatus]) -> u64 {
    let served = queues.iter().filter(|queue| served.contains(&queue.queue_name));
    served.flat_map(|queue| &queue.media).map(|media| media.waiting_processing + media.in_processing).sum()
}

#[cfg(test)]
mod tests {
    use ixn_proto::QueueMediaCounters;

    use super::*;

    fn view(name: &str, queue: &str, strategy: &str, enabled: bool) -> ViewStatus {
        ViewStatus {
            view_name: name.into(),
            queue_name: queue.into(),
            strategy_name: strategy.into(),
            enabled,
            ..Default::default()
        }
    }

    fn queue(name: &str, waiting_processing: u64, in_processing: u64) -> QueueStatus {
        let media = vec![QueueMediaCounters { waiting_processing, in_processing, ..Default::default() }];
        QueueStatus { queue_name: name.into(), media, ..Default::default() }
    }

    #[test]
    fn queues_that_nothing_is_routed_from_are_not_waited_for() {
        let views =
            [view("a", "inbox", "s", true), view("b", "overflow", "", true), view("c", "off", "s", false)];
        let served = served_queues(&[], &views);
        assert_eq!(served.iter().collect::<Vec<_>>(), ["inbox"]);
        assert_eq!(left(&served, &[queue("inbox", 0, 0), queue("overflow", 9, 0), queue("off", 9, 0)]), 0);
        assert_eq!(left(&served, &[queue("inbox", 2, 3)]), 5);
    }

    #[test]
    fn named_queues_are_taken_as_they_are() {
        let served = served_queues(&["overflow".to_owned()], &[view("a", "inbox", "s", true)]);
        assert_eq!(left(&served, &[queue("inbox", 1, 0), queue("overflow", 9, 0)]), 9);
    }
}
