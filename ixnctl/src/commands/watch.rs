//! `ixnctl watch`: the reporting stream.

use clap::Args;
use indicatif::ProgressBar;
use ixn_client::{Client, Reporting, ReportingItem, ReportingOptions, RequestOptions};
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientType, ServerEnvelope};
use serde_json::{Value, json};

use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::message_json;
use crate::output::{or_dash, printable, time_with_milliseconds};
use crate::troubles::Teller;

/// Watches the reporting stream until interrupted.
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Go on after this event number; 0 = with the oldest event that the server still holds. Default: from now on,
    /// with the full state first.
    #[arg(long, value_name = "N")]
    pub from: Option<u64>,
    /// The full state has the interactions too.
    #[arg(long)]
    pub with_interactions: bool,
    /// Workbin events too.
    #[arg(long)]
    pub workbins: bool,
    /// End after so many events.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "N")]
    pub count: Option<u64>,
}

/// Watches.
///
/// # Errors
/// The server is unavailable for good, or refuses.
pub(crate) async fn run(common: &Common, watch: &Watch) -> Result<(), Failure> {
    // One for the whole time: a signal that comes between two of them would be nobody's.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let mut seeks_oldest = watch.from == Some(0);
    let (mut client, mut reporting) = start(common, watch, watch.from).await?;
    let mut left = watch.count.unwrap_or(u64::MAX);
    while left > 0 {
        let item = tokio::select! {
            // First: events may always be there.
            biased;
            _ = &mut interrupted => break,
            item = reporting.next() => item,
        };
        let Some(item) = item else {
            let reason = "the connection ended for good".to_owned();
            return Err(Failure::Unavailable { server: common.server.clone(), reason });
        };
        let item = item.map_err(|error| connection::failure(common, error))?;
        // Where the first event is no longer held, the gap names the oldest one that is.
        if seeks_oldest && let ReportingItem::Gap(gap) = &item {
            seeks_oldest = false;
            let after = gap.oldest_held.checked_sub(1);
            (client, reporting) = tokio::select! {
                biased;
                _ = &mut interrupted => break,
                // On a new connection: what is still on its way on this one belongs to the gap.
                started = async {
                    client.close().await;
                    start(common, watch, after).await
                } => started?,
            };
            continue;
        }
        seeks_oldest &= matches!(item, ReportingItem::Disconnected(_) | ReportingItem::Resumed { .. });
        left -= u64::from(matches!(item, ReportingItem::Event { .. }));
        if common.json {
            common.output().object(&object(item))?;
        } else {
            lines(&item).iter().try_for_each(|line| common.output().line(&printable(line)))?;
        }
    }
    client.close().await;
    Ok(())
}

async fn start(common: &Common, watch: &Watch, after: Option<u64>) -> Result<(Client, Reporting), Failure> {
    let client = connection::connect(common, ClientType::ReportingEngine).await?;
    let options = ReportingOptions {
        after,
        with_interactions: watch.with_interactions,
        workbins: watch.workbins,
        ..ReportingOptions::default()
    };
    // A server that is away is waited for, as later. Later the stream itself tells of it.
    let teller = Teller::new(common, &client, &ProgressBar::hidden());
    let started = teller.during(client.with(RequestOptions::until_answered()).reporting(options)).await;
    teller.end().await;
    let reporting = started.map_err(|error| connection::failure(common, error))?;
    Ok((client, reporting))
}

/// The item for programs: `event` says what it is.
fn object(item: ReportingItem) -> Value {
    match item {
        ReportingItem::Event { number, time_milliseconds, event } => {
            envelope(number, time_milliseconds, event)
        }
        ReportingItem::State(state) => envelope(0, 0, Event::EventReportingState(state)),
        ReportingItem::StateEnd(end) => envelope(0, 0, Event::EventReportingStateEnd(end)),
        ReportingItem::Gap(gap) => envelope(0, 0, Event::EventReportingGap(gap)),
        ReportingItem::Other(other) => message_json::envelope(&other),
        ReportingItem::Disconnected(reason) => json!({"event": "disconnected", "reason": reason.to_string()}),
        ReportingItem::Resumed { after } => json!({"event": "resumed", "after": after}),
    }
}

fn envelope(event_number: u64, event_time_milliseconds: i64, event: Event) -> Value {
    let event = Some(event);
    message_json::envelope(&ServerEnvelope {
        event_number,
        event_time_milliseconds,
        event,
        ..Default::default()
    })
}

/// The item for people.
fn lines(item: &ReportingItem) -> Vec<String> {
    match item {
        ReportingItem::Event { number, time_milliseconds, event } => {
            let object = envelope(*number, *time_milliseconds, event.clone());
            let at = time_with_milliseconds(*time_milliseconds);
            vec![format!("{number:>8}  {at}  {}", event_line(&object))]
        }
        ReportingItem::State(state) => {
            let mut lines: Vec<String> = state
                .agents
                .iter()
                .map(|row| {
                    let agent = row.agent.clone().unwrap_or_default();
                    let ready = agent.media_list.iter().filter(|media| media.ready);
                    let ready: Vec<&str> = ready.map(|media| media.media_type_name.as_str()).collect();
                    let ready = or_dash(&ready.join(", "));
                    format!(
                        "   state  agent {} ready for {ready}, {} interactions",
                        agent.agent_id,
                        row.parties.len()
                    )
                })
                .collect();
            lines.extend(state.interactions.iter().map(|row| {
                let interaction = row.interaction.clone().unwrap_or_default();
                let state = super::interactions::state(&interaction);
                format!(
                    "   state  interaction {} in {}: {state}",
                    interaction.interaction_id, interaction.queue
                )
            }));
            lines
        }
        ReportingItem::StateEnd(end) => vec![format!("   state  complete up to event {}", end.event_number)],
        ReportingItem::Gap(gap) => {
            let (asked, oldest) = (gap.asked, gap.oldest_held);
            vec![if asked < oldest {
                format!(
                    "     gap  events after {asked} are no longer held, the oldest is {oldest}; the full state follows"
                )
            } else {
                format!(
                    "     gap  the server has had no event {asked} (another database?); the full state follows"
                )
            }]
        }
        ReportingItem::Other(other) => {
            vec![format!("          {}", event_line(&message_json::envelope(other)))]
        }
        ReportingItem::Disconnected(reason) => vec![format!("          {reason}")],
        ReportingItem::Resumed { after } => {
            vec![match after {
                Some(after) => format!("          connected again, goes on after event {after}"),
                None => "          connected again, the full state follows".to_owned(),
            }]
        }
    }
}

/// The event's name in words, and what of it says most, by the names of its fields.
fn event_line(object: &Value) -> String {
    let name = object["event"].as_str().unwrap_or_default();
    let event = &object[name];
    let words = name.trim_start_matches("event_").replace('_', " ");
    let mut line = format!("{words:<22}");
    let fields = [
        ("", "/interaction/interaction_id"),
        ("queue", "/interaction/queue"),
        ("from", "/old_queue"),
        ("media", "/interaction/media_type"),
        ("media", "/media_type_name"),
        ("agent", "/agent/agent_id"),
        ("party", "/party/agent_id"),
        ("strategy", "/party/strategy_id"),
        ("workbin", "/workbin/workbin_type_id"),
        ("by", "/operation"),
        ("actor", "/actor/actor_agent_id"),
        ("client", "/actor/actor_client_name"),
        ("reason", "/reason/reason_system_name"),
    ];
    for (label, pointer) in fields {
        let Some(value) = event.pointer(pointer).and_then(Value::as_str) else { continue };
        if value.is_empty() || value == "UNSPECIFIED" {
            continue;
        }
        let gap = if label.is_empty() { "" } else { "=" };
        line.push_str(&format!("  {label}{gap}{value}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use ixn_proto::{EventPlacedInQueue, EventReportingGap, InteractionOperation, InteractionProperties};

    use super::*;

    fn placed() -> ReportingItem {
        let interaction = InteractionProperties {
            interaction_id: "i1".into(),
            queue: "overflow".into(),
            ..Default::default()
        };
        let event = Event::EventPlacedInQueue(EventPlacedInQueue {
            interaction: Some(interaction),
            old_queue: "inbox".into(),
            operation: InteractionOperation::PlaceBack as i32,
            ..Default::default()
        });
        ReportingItem::Event { number: 42, time_milliseconds: 1_700_000_000_120, event }
    }

    #[test]
    fn people_get_a_line_with_what_says_most() {
        assert_eq!(
            lines(&placed()),
            [
                "      42  2023-11-14T22:13:20.120Z  placed in queue         i1  queue=overflow  from=inbox  by=PLACE_BACK"
            ]
        );
    }

    #[test]
    fn a_gap_says_whether_the_events_are_gone_or_never_were() {
        let gap = |asked, oldest_held| {
            lines(&ReportingItem::Gap(EventReportingGap { asked, oldest_held })).join("\n")
        };
        assert!(gap(5, 9).contains("events after 5 are no longer held, the oldest is 9"), "{}", gap(5, 9));
        assert!(gap(70, 9).contains("has had no event 70"), "{}", gap(70, 9));
    }

    #[test]
    fn programs_get_the_whole_event_with_its_number() {
        let object = object(placed());
        assert_eq!(object["event"], "event_placed_in_queue");
        assert_eq!(object["event_number"], 42);
        assert_eq!(object["event_placed_in_queue"]["old_queue"], "inbox");
        assert_eq!(object["event_placed_in_queue"]["interaction"]["queue"], "overflow");
    }
}
