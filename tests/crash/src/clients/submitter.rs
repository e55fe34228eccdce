//! A submitter: one connection, many submits in flight, each with its idempotency key; some are changed and stopped by him.

use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ixn_client::{Client, ClientError, ClientType, IdempotencyKey, RequestOptions, RequestSubmit};
use ixn_proto::RequestChangeProperties;

use super::floor::{Deed, Floor, RETRY_PAUSE};
use crate::ledger::{Id, Operation, Phase};
use crate::names;

/// One in so many goes to the routed queue.
const ROUTED: u32 = 8;
/// One in so many of the others is changed by its submitter.
const CHANGED: u32 = 16;
/// One in so many of the others is stopped by its submitter.
const STOPPED: u32 = 16;

/// Submits whatever the floor's limit allows, for ever.
pub(super) async fn run(floor: Arc<Floor>, index: usize, in_flight: usize) {
    let Some(client) = floor.connect(&format!("submitter-{index}"), ClientType::MediaServer).await else {
        return;
    };
    let mut limit = floor.limit.subscribe();
    let mut running = FuturesUnordered::new();
    loop {
        limit.borrow_and_update();
        while running.len() < in_flight {
            let Some(number) = floor.take_number() else { break };
            running.push(submit(&floor, &client, number));
        }
        tokio::select! {
            Some(()) = running.next() => {}
            changed = limit.changed() => if changed.is_err() { return },
        }
        if floor.failure().is_some() {
            return;
        }
    }
}

/// The queue that an interaction is submitted to.
fn first_queue(number: u32) -> u8 {
    if number.is_multiple_of(ROUTED) { names::WORK } else { names::PARKED }
}

async fn submit(floor: &Floor, client: &Client, number: u32) {
    let queue = first_queue(number);
    let deed = Deed { operation: Operation::Submit, actor: 0, number, value: u32::from(queue) };
    let mut user_data = names::value_data(0);
    user_data.push_text(names::PAYLOAD_KEY, &names::payload(number));
    let request = RequestSubmit {
        queue: names::QUEUES[usize::from(queue) - 1].to_owned(),
        media_type: names::MEDIUM.to_owned(),
        external_id: number.to_string(),
        user_data: Some(user_data),
        ..Default::default()
    };
    let options = RequestOptions {
        idempotency_key: IdempotencyKey::Given(format!("{}-{number}", floor.run)),
        ..Default::default()
    };
    let keyed = client.with(options);
    floor.write(Phase::Sent, &deed, Id::default());
    let submitted = loop {
        match keyed.submit(request.clone()).await {
            Ok(submitted) => break submitted,
            Err(error @ ClientError::Closed { .. }) => {
                floor.fail(format!("a submitter was closed: {error}"));
                return;
            }
            Err(error) => floor.note_refusal(&error),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    };
    let id = submitted.interaction_id;
    floor.write(Phase::Acknowledged, &deed, names::id(&id));
    floor.count_acknowledged();
    // What is routed belongs to the agents from here on.
    if queue == names::PARKED {
        let lot = number.wrapping_mul(2_654_435_761) >> 8;
        if lot.is_multiple_of(CHANGED) {
            change(floor, client, 0, number, &id).await;
        }
        if (lot >> 8).is_multiple_of(STOPPED) {
            let deed = Deed { operation: Operation::Stop, actor: 0, number, value: 0 };
            floor.carry_out(deed, &id, client.stop(&id)).await;
        }
    }
    floor.count_done();
}

/// Sets a new value in all places where an interaction carries it.
pub(super) async fn change(floor: &Floor, client: &Client, actor: u16, number: u32, id: &str) -> bool {
    let value = floor.new_value();
    let deed = Deed { operation: Operation::Change, actor, number, value };
    let request = RequestChangeProperties {
        interaction_id: id.to_owned(),
        changed_properties: Some(names::value_data(value)),
        priority: Some(names::priority(value)),
        ..Default::default()
    };
    floor.carry_out(deed, id, client.change_properties(request)).await
}
