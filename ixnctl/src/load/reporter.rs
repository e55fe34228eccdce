//! Reads the reporting stream into the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ixn_client::{Client, ReportingItem, ReportingOptions};
use ixn_proto::server_envelope::Event;
use ixn_proto::{InteractionProperties, PartyInfo};

use super::ledger::Ledger;
use super::names::agent_number;
use super::shared::Shared;
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;

/// The number of the newest event that is in the ledger.
pub(super) type Heard = Arc<AtomicU64>;

/// Subscribes; from then on every event is heard. Reads on in a task of its own.
///
/// # Errors
/// The server refuses, or is unavailable.
pub(super) async fn subscribe(
    common: &Common,
    client: &Client,
    shared: &Arc<Shared>,
) -> Result<Heard, Failure> {
    let failure = |error| connection::failure(common, error);
    let mut reporting = client.reporting(ReportingOptions::default()).await.map_err(failure)?;
    loop {
        match reporting.next().await {
            Some(Ok(ReportingItem::StateEnd(_))) => break,
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(failure(error)),
            None => {
                let reason = "the connection ended for good".to_owned();
                return Err(Failure::Unavailable { server: common.server.clone(), reason });
            }
        }
    }
    let heard = Heard::new(AtomicU64::new(reporting.last_number()));
    let (shared, telling) = (Arc::clone(shared), Arc::clone(&heard));
    tokio::spawn(async move {
        while let Some(item) = reporting.next().await {
            match &item {
                // Not moved: an event is large.
                Ok(ReportingItem::Event { event, .. }) => {
                    shared.note(|ledger, now| happened(&shared, ledger, now, event));
                }
                Ok(ReportingItem::Gap(_)) => shared.ledger().gap(),
                Ok(_) => {}
                Err(error) => shared.ledger().failed(&format!("reporting: {error}")),
            }
            telling.store(reporting.last_number(), Ordering::Relaxed);
        }
    });
    Ok(heard)
}

fn happened(shared: &Shared, ledger: &mut Ledger, now: u64, event: &Event) {
    ledger.event();
    let of = |interaction: &Option<InteractionProperties>| {
        shared.run.lifecycle(&interaction.as_ref()?.external_id)
    };
    let agent = |party: &Option<PartyInfo>| agent_number(&party.as_ref()?.agent_id);
    match event {
        Event::EventInteractionSubmitted(event) => {
            if let Some(lifecycle) = of(&event.interaction) {
                ledger.reported_submit(lifecycle, id(&event.interaction));
            }
        }
        Event::EventPartyAdded(event) => {
            if let (Some(lifecycle), Some(agent)) = (of(&event.interaction), agent(&event.party)) {
                ledger.reported_agent_added(lifecycle, agent);
            }
        }
        Event::EventPartyRemoved(event) => {
            if let (Some(lifecycle), Some(agent)) = (of(&event.interaction), agent(&event.party)) {
                ledger.reported_agent_removed(lifecycle, agent);
            }
        }
        Event::EventProcessingStopped(event) => {
            if let Some(lifecycle) = of(&event.interaction) {
                ledger.reported_stop(lifecycle, id(&event.interaction), now);
            }
        }
        _ => {}
    }
}

fn id(interaction: &Option<InteractionProperties>) -> &str {
    interaction.as_ref().map_or("", |interaction| &interaction.interaction_id)
}
