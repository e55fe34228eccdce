//! RequestFindInteractions: a condition over hot properties, in the order of submission. A search looks at a bounded number
//! of interactions per step and goes on in the next.

use ixn_conditions::{Condition, Order};
use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventFoundInteractions, RequestFindInteractions};
use prost::Message;

use super::jobs::{Job, PAGE_BYTES, Progress};
use super::{Answer, Caller, Refusal, Result, validation};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::names::QueueId;

/// Interactions of a page when none are asked for.
const DEFAULT_PAGE_ROWS: usize = 100;
/// Interactions of a page at most.
const MAX_PAGE_ROWS: usize = 1000;
/// Interactions that one step looks at.
const LOOKED_AT_PER_STEP: usize = 500;

/// A search under way.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) caller: Caller,
    condition: Condition,
    queue: Option<QueueId>,
    after: InteractionKey,
    rows: usize,
    bytes: usize,
    found: EventFoundInteractions,
}

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestFindInteractions) -> Result {
    engine.own_tenant(request.tenant_id)?;
    let invalid = |what: &str, error: ixn_conditions::ConditionError| {
        Refusal::new(ErrorCode::InvalidCondition, format!("{what}: {error}"))
    };
    let schema = crate::compile::schema(&engine.setup, &engine.vocabulary)
        .map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))?;
    let condition =
        Condition::parse(&request.condition, &schema).map_err(|error| invalid("condition", error))?;
    let order = Order::parse(&request.order, &schema).map_err(|error| invalid("order", error))?;
    let by_submission = ["", "SubmitSeq"].map(|text| Order::parse(text, &schema));
    if !by_submission.contains(&Ok(order)) {
        let text =
            "interactions are found in the order of submission only; leave order empty, or name SubmitSeq";
        return Err(Refusal::new(ErrorCode::InvalidCondition, text));
    }
    let queue = match request.queue.as_str() {
        "" => None,
        name => Some(engine.vocabulary.queues.find(validation::text("queue", name)?).ok_or_else(|| {
            Refusal::new(
                ErrorCode::UnknownQueue,
                format!("there is no queue '{name}'; name a configured one"),
            )
        })?),
    };
    let rows = match request.number_of_interactions as usize {
        0 => DEFAULT_PAGE_ROWS,
        rows if rows <= MAX_PAGE_ROWS => rows,
        rows => {
            let text = format!("number_of_interactions is {rows}; ask for at most {MAX_PAGE_ROWS} at once");
            return Err(Refusal::new(ErrorCode::InvalidValue, text));
        }
    };
    let after = match request.start_after.as_str() {
        "" => InteractionKey(0),
        text => InteractionKey(text.parse().map_err(|_| {
            let text =
                "start_after is not the next_page of an answer; send that, or nothing for the first page";
            Refusal::new(ErrorCode::InvalidValue, text)
        })?),
    };
    engine.begin(Job::Search(Box::new(Search {
        caller: caller.to_be_answered(),
        condition,
        queue,
        after,
        rows,
        bytes: 0,
        found: EventFoundInteractions::default(),
    })))?;
    Ok(Answer::Given)
}

impl Engine {
    /// Looks further; answers when the page is full or everything has been looked at.
    pub(super) fn search_on(&mut self, search: &mut Search) -> Progress {
        let now_seconds = (self.now.0 / 1000) as i64;
        for (looked_at, row) in self.interactions.after(search.after).enumerate() {
            if search.found.interactions.len() == search.rows || search.bytes > PAGE_BYTES {
                search.found.next_page = search.after.0.to_string();
                break;
            }
            if looked_at == LOOKED_AT_PER_STEP {
                return Progress::GoesOn;
            }
            search.after = row.key;
            let matches = search.queue.is_none_or(|queue| row.queue == queue)
                && search.condition.evaluate(&row.facts(&self.vocabulary), now_seconds).is_true();
            if matches {
                let properties = self.properties(row);
                search.bytes += properties.encoded_len();
                search.found.interactions.push(properties);
            }
        }
        let found = std::mem::take(&mut search.found);
        self.answer(&search.caller, Event::EventFoundInteractions(found));
        Progress::Done
    }
}
