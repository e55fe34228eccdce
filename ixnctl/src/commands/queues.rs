//! `ixnctl queues`: the queues with their counters.

use ixn_proto::QueueStatus;

use crate::arguments::Common;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::message_json;
use crate::output::{Table, or_dash};

/// Lists the queues.
///
/// # Errors
/// The server is unavailable.
pub(crate) async fn run(common: &Common) -> Result<(), Failure> {
    let output = common.output();
    let queues = Inspector::connect(common).await?.queues().await?;
    if output.is_json() {
        return Ok(queues
            .iter()
            .try_for_each(|queue| output.object(&message_json::object("QueueStatus", queue)))?);
    }
    Ok(table(&queues).lines().iter().try_for_each(|line| output.line(line))?)
}

/// A row for each medium of a queue, and one for a queue without interactions.
fn table(queues: &[QueueStatus]) -> Table {
    let mut table = Table::new(&[
        "queue",
        "media",
        "waiting",
        "in router",
        "on agent",
        "never offered",
        "views",
        "remarks",
    ]);
    for queue in queues {
        let remarks =
            [queue.retired.then_some("retired"), (!queue.workbin_type_id.is_empty()).then_some("workbin")];
        let remarks = remarks.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let views = or_dash(&queue.views.join(", "));
        if queue.media.is_empty() {
            let zeros = std::iter::repeat_n("0".to_owned(), 4);
            table
                .row([queue.queue_name.clone(), "-".into()].into_iter().chain(zeros).chain([views, remarks]));
            continue;
        }
        for media in &queue.media {
            table.row([
                queue.queue_name.clone(),
                media.media_name.clone(),
                media.waiting_processing.to_string(),
                media.in_router.to_string(),
                media.on_agent.to_string(),
                media.current_length.to_string(),
                views.clone(),
                remarks.clone(),
            ]);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use ixn_proto::QueueMediaCounters;

    use super::*;

    #[test]
    fn a_queue_has_a_row_for_each_medium_and_one_when_it_is_empty() {
        let media = |name: &str, waiting| QueueMediaCounters {
            media_name: name.into(),
            waiting_processing: waiting,
            ..Default::default()
        };
        let inbox = QueueStatus {
            queue_name: "inbox".into(),
            views: vec!["billing".into(), "rest".into()],
            media: vec![media("chat", 2), media("email", 300)],
            ..Default::default()
        };
        let old = QueueStatus { queue_name: "old".into(), retired: true, ..Default::default() };
        assert_eq!(
            table(&[inbox, old]).lines(),
            [
                "queue  media  waiting  in router  on agent  never offered  views          remarks",
                "inbox  chat         2          0         0              0  billing, rest",
                "inbox  email      300          0         0              0  billing, rest",
                "old    -            0          0         0              0  -              retired",
            ]
        );
    }
}
