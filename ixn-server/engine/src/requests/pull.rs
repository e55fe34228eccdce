//! RequestPull by agents: the vendor's public page AgentPullsInteraction. From a view, by id, or from a workbin; answered
//! at once, possibly empty.
//!
//! What another pull has chosen, what is routed or handled, and what a snapshot has locked is passed over. An interaction
//! on hold shows in no view, but may be pulled by its id or from its workbin; it stays on hold. Capacity rules do not
//! limit pulls.

use std::collections::BTreeSet;

use ixn_proto::{ClientType, ErrorCode, KeyValueList, RequestPull};

use super::jobs::MAX_SHOWN;
use super::pulls::Pull;
use super::{Answer, Caller, Refusal, Result, validation};
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::interaction::State;
use crate::workbins::contents::PlaceId;

/// The view that stands for a pull by id.
const BY_ID: &str = "_system_";
/// Interactions of one pull at most.
const MAX_PULLED: usize = MAX_SHOWN;
/// Interactions of a view that one pull looks at most: those that time has made wrong and whose turn to go has not come yet
/// are passed over.
const MAX_LOOKED_AT: usize = 2 * MAX_PULLED;

pub(super) fn apply(engine: &mut Engine, caller: &Caller, request: &RequestPull) -> Result {
    if caller.client_type == ClientType::RoutingEngine {
        let text = "this server gives nothing to routing engines; give the strategy the built-in executor";
        return Err(Refusal::new(ErrorCode::NotImplemented, text));
    }
    let agent = caller.logged_in()?;
    engine.own_tenant(request.tenant_id)?;
    if !request.strategy_id.is_empty() {
        let text = "agents do not pull for strategies; leave strategy_id empty and name a view or a workbin";
        return Err(Refusal::new(ErrorCode::InvalidValue, text));
    }
    let ids = validation::keys("pull_parameters", request.pull_parameters.as_ref())?;
    let most = most(request)?;
    let workbin = match &request.workbin {
        Some(info) => Some(engine.find_workbin_place(info)?.map(|place| place.id())),
        None => None,
    };
    let view = match (request.view_id.as_str(), workbin) {
        ("", None) => {
            let text = "view_id is missing; name a view, `_system_` to pull by id, or a workbin";
            return Err(Refusal::new(ErrorCode::MissingValue, text));
        }
        ("" | BY_ID, _) => None,
        (_, Some(_)) => {
            let text = "a pull is from a view or from a workbin; leave one of view_id and workbin out";
            return Err(Refusal::new(ErrorCode::InvalidValue, text));
        }
        (name, None) => Some(engine.view(name)?),
    };
    if view.is_some() && !ids.is_empty() {
        let text = "this server has no views with parameters; leave pull_parameters empty";
        return Err(Refusal::new(ErrorCode::NotImplemented, text));
    }
    let by_id = request.view_id == BY_ID || !ids.is_empty();
    if by_id && ids.is_empty() {
        let text = "pull_parameters is empty; its keys are the ids of the interactions to pull";
        return Err(Refusal::new(ErrorCode::MissingValue, text));
    }
    if engine.joined_pull(caller, agent)? {
        return Ok(Answer::Given);
    }

    let chosen: Vec<InteractionKey> = match (view, workbin) {
        (Some(view), _) => {
            let shown = engine.views.matching(view).take(MAX_LOOKED_AT);
            shown.filter(|key| engine.still_shows(view, *key)).take(most.unwrap_or(1)).collect()
        }
        (None, None) => {
            engine.named_interactions(&ids, None)?.into_iter().take(most.unwrap_or(MAX_PULLED)).collect()
        }
        // Nobody has ever named this owner: his workbin is empty.
        (None, Some(None)) => Vec::new(),
        (None, Some(Some(place))) if by_id => {
            let named = engine.named_interactions(&ids, Some(place))?;
            named.into_iter().take(most.unwrap_or(MAX_PULLED)).collect()
        }
        (None, Some(Some(place))) => {
            let content = engine.workbins.contents.after(place, None).map(|(_, key)| *key);
            content.filter(|key| engine.may_be_pulled(*key)).take(most.unwrap_or(1)).collect()
        }
    };
    engine.pull(Pull::new(caller.clone(), agent, request.view_id.clone(), view.is_some(), chosen));
    Ok(Answer::Given)
}

/// How many at most; `None` when the request does not say.
fn most(request: &RequestPull) -> Result<Option<usize>> {
    match request.number_of_interactions as usize {
        0 => Ok(None),
        most if most <= MAX_PULLED => Ok(Some(most)),
        most => {
            let text = format!("number_of_interactions is {most}; pull at most {MAX_PULLED} at once");
            Err(Refusal::new(ErrorCode::InvalidValue, text))
        }
    }
}

impl Engine {
    /// A configured view, by its position.
    fn view(&self, name: &str) -> Result<usize> {
        validation::text("view_id", name)?;
        self.setup.views.iter().position(|view| view.name == name).ok_or_else(|| {
            let text =
                format!("there is no view '{name}'; add it to the configuration or use a configured one");
            Refusal::new(ErrorCode::UnknownView, text)
        })
    }

    /// Whether an agent may take it out of its queue now.
    fn may_be_pulled(&self, key: InteractionKey) -> bool {
        self.interactions.get(key).is_some_and(|row| row.state == State::Queued && !row.is_locked)
    }

    /// Those of the named interactions that may be pulled, each once, in the order of their names.
    fn named_interactions(&self, ids: &KeyValueList, place: Option<PlaceId>) -> Result<Vec<InteractionKey>> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for (position, entry) in ids.entries().enumerate() {
            if position == MAX_PULLED {
                let text =
                    format!("pull_parameters names more than {MAX_PULLED} interactions; pull fewer at once");
                return Err(Refusal::new(ErrorCode::LimitExceeded, text));
            }
            let entry = entry.map_err(|error| validation::bad_list("pull_parameters", &error))?;
            let Some(key) = self.interactions.find(&self.vocabulary, entry.key) else { continue };
            let lies_there = |row: &crate::interaction::Interaction| {
                place.is_none() || row.workbin.map(|workbin| workbin.id()) == place
            };
            let fits = self.may_be_pulled(key) && self.interactions.get(key).is_some_and(lies_there);
            if fits && seen.insert(key) {
                found.push(key);
            }
        }
        Ok(found)
    }
}
