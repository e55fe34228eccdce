//! Looking at the server: every interaction that it shows, and some of them whole.

use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use ixn_client::{Client, ClientError, ErrorCode};
use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::{GetServerRequest, RequestFindInteractions};
use tonic::transport::Endpoint;

use crate::check::{Finding, Kind, Row, Rows};
use crate::ledger::Book;
use crate::names;

/// The most that a page has.
const PAGE_ROWS: u32 = 1000;
/// How long the server may take to answer a look.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Every interaction that the server has.
///
/// # Errors
/// It does not answer.
pub async fn rows(client: &Client) -> anyhow::Result<Rows> {
    let mut rows = Rows::default();
    let mut start_after = String::new();
    loop {
        let request =
            RequestFindInteractions { number_of_interactions: PAGE_ROWS, start_after, ..Default::default() };
        let page = client.find(request).await.context("finding all interactions")?;
        for found in &page.interactions {
            let row = Row {
                id: names::id(&found.interaction_id),
                queue: names::queue_number(&found.queue),
                owner: names::agent_number(&found.assigned_to),
                value: names::value(found),
            };
            rows.add(names::interaction_number(found), &found.interaction_id, row);
        }
        start_after = page.next_page;
        if start_after.is_empty() {
            return Ok(rows);
        }
    }
}

/// The number of the newest durable event.
///
/// # Errors
/// The server does not answer.
pub async fn last_event(url: &str) -> anyhow::Result<u64> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.timeout(ANSWER_TIMEOUT);
    let mut client = InspectionClient::new(endpoint.connect().await.context("looking at the server")?);
    Ok(client.get_server(GetServerRequest {}).await?.into_inner().last_event_number)
}

/// Reads some acknowledged interactions whole, and finds what of their user data is not as it was acknowledged.
///
/// # Errors
/// The server does not answer.
pub async fn sample(client: &Client, book: &[Sample]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for sample in book {
        let number = sample.number;
        let mut lost = |text| findings.push(Finding { kind: Kind::Lost, number: Some(number), text });
        let interaction = match client.get_properties(&sample.id).await {
            Ok(answer) => answer.interaction.unwrap_or_default(),
            Err(error) if error.code() == Some(ErrorCode::UnknownInteraction) => {
                lost("the server does not know it".to_owned());
                continue;
            }
            Err(error @ ClientError::Refused { .. }) => {
                lost(error.to_string());
                continue;
            }
            Err(error) => return Err(error).context("reading an interaction whole"),
        };
        let data = interaction.user_data.unwrap_or_default();
        let payload = data.get_text(names::PAYLOAD_KEY);
        if payload != Some(&names::payload(number)) {
            lost(format!("its text is {payload:?}"));
        }
        let note = data.get_text(names::NOTE_KEY);
        if !sample.values.iter().any(|value| note == Some(&value.to_string())) {
            lost(format!("its note is {note:?}, acknowledged is {:?}", sample.values));
        }
    }
    Ok(findings)
}

/// What to read whole, and which values it may have.
#[derive(Clone, Debug)]
pub struct Sample {
    number: u32,
    id: String,
    values: Vec<u32>,
}

/// Chooses up to `count` acknowledged interactions that must be there: at random, the newest among them.
pub fn choose(book: &Book, count: usize, random: &mut Rng) -> Vec<Sample> {
    let entries = book.entries();
    if entries.is_empty() {
        return Vec::new();
    }
    let open = book.open();
    let newest = entries.len().saturating_sub(count / 2)..entries.len();
    let anywhere: Vec<usize> = (0..count / 2).map(|_| random.usize(..entries.len())).collect();
    let mut samples = Vec::new();
    for index in newest.chain(anywhere) {
        let (number, entry) = (index as u32, &entries[index]);
        let possible = open.get(&number);
        if !entry.submitted || entry.stopped || possible.is_some_and(|possible| possible.stopped) {
            continue;
        }
        let mut values = vec![entry.value];
        values.extend(possible.iter().flat_map(|possible| &possible.values));
        samples.push(Sample { number, id: String::from_utf8_lossy(&entry.id).into_owned(), values });
    }
    samples
}
