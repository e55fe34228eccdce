//! The reporting subscriber, which resumes by number, and the auditor, who reads a round's events again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use ixn_client::{ClientType, ReportingItem, ReportingOptions};

use super::floor::{Floor, RETRY_PAUSE};
use crate::picture::{Picture, fingerprint};

/// How long an auditor waits for the next event.
const AUDIT_PATIENCE: Duration = Duration::from_secs(60);

/// What the subscriber has heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// The sum of it.
    pub picture: Picture,
    /// The number after which the fingerprint begins.
    pub from: u64,
    /// The fingerprint of the events after `from`.
    pub fingerprint: u64,
    /// The full state has come.
    pub started: bool,
}

/// What the subscriber has heard, shared.
#[derive(Clone, Debug, Default)]
pub struct Hearing(Arc<Mutex<Heard>>);

impl Hearing {
    /// What was heard. Hold it briefly.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a new fingerprint.
    pub fn begin_round(&self) {
        let mut heard = self.heard();
        heard.from = heard.picture.last();
        heard.fingerprint = 0;
    }
}

/// Listens for ever.
pub(super) async fn run(floor: Arc<Floor>, hearing: Hearing) {
    let Some(client) = floor.connect("reporting", ClientType::ReportingEngine).await else { return };
    loop {
        let after = Some(hearing.heard().picture.last()).filter(|last| *last > 0);
        let options = ReportingOptions { after, ..Default::default() };
        match client.reporting(options).await {
            Ok(mut reporting) => {
                while let Some(item) = reporting.next().await {
                    match item {
                        Ok(item) => hear(&hearing, item),
                        Err(error) => floor.note_refusal(&error),
                    }
                }
            }
            Err(error) => floor.note_refusal(&error),
        }
        if floor.failure().is_some() {
            return;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

fn hear(hearing: &Hearing, item: ReportingItem) {
    let mut heard = hearing.heard();
    match item {
        ReportingItem::StateEnd(end) if !heard.started => {
            heard.picture.begin_after(end.event_number);
            heard.started = true;
        }
        ReportingItem::Gap(gap) => heard.picture.not_held(gap.asked),
        ReportingItem::Event { number, time_milliseconds, event } => {
            heard.fingerprint = fingerprint(heard.fingerprint, number, time_milliseconds, &event);
            heard.picture.apply(number, &event);
        }
        _ => {}
    }
}

/// Reads the events after `from` up to `to` again and answers their fingerprint; `None` = no longer held.
///
/// # Errors
/// They do not come.
pub async fn audit(floor: &Floor, round: u32, from: u64, to: u64) -> anyhow::Result<Option<u64>> {
    let name = format!("auditor-{round}");
    let client = floor.connect(&name, ClientType::ReportingEngine).await.context("no connection to audit")?;
    let options = ReportingOptions { after: Some(from), ..Default::default() };
    let mut reporting = client.reporting(options).await.context("the auditor's subscription")?;
    let (mut print, mut last) = (0, from);
    while last < to {
        let next = tokio::time::timeout(AUDIT_PATIENCE, reporting.next()).await;
        match next.with_context(|| format!("no event after {last} came, {to} is the last"))? {
            Some(Ok(ReportingItem::Gap(_))) => return Ok(None),
            Some(Ok(ReportingItem::Event { number, time_milliseconds, event })) => {
                print = fingerprint(print, number, time_milliseconds, &event);
                last = number;
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => bail!("the auditor was refused after {last}: {error}"),
            None => bail!("the auditor's subscription ended after {last}"),
        }
    }
    drop(reporting);
    client.close().await;
    Ok(Some(print))
}
