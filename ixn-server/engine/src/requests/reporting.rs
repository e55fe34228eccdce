//! Start and stop of reporting: the acknowledgement, the state, then the subscription to the log.

use ixn_proto::key_value_list::Value;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventAck, KeyValueList, RequestStartPlaceAgentStateReporting,
    RequestStartPlaceAgentStateReportingAll, RequestStopPlaceAgentStateReporting,
    RequestStopPlaceAgentStateReportingAll,
};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::{Engine, Output, Subscription};
use crate::reporting::Selection;

/// How many agents and places one subscriber may choose.
const MAX_SELECTED: usize = 10_000;

pub(super) fn start_all(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestStartPlaceAgentStateReportingAll,
) -> Result {
    let workbins = engine.wants_workbins(request.tenant_list.as_ref())?;
    if !request.external_service_list.is_empty() {
        let text = "external services are not implemented yet; leave external_service_list empty";
        return Err(Refusal::new(ErrorCode::NotImplemented, text));
    }
    let filter = Subscription { workbins, with_interactions: request.with_interactions, selection: None };
    engine.begin_reporting(caller, filter, request.resume_after_event);
    Ok(Answer::Given)
}

/// Reporting for chosen agents and places: starting again adds to what was chosen.
pub(super) fn start_selected(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestStartPlaceAgentStateReporting,
) -> Result {
    let workbins = engine.wants_workbins(request.tenant_list.as_ref())?;
    let mut selection = selection(&request.agent_list, &request.place_list)?;
    if selection.is_empty() {
        let text = "agent_list and place_list are empty; choose agents or places, or start reporting for all";
        return Err(Refusal::new(ErrorCode::MissingValue, text));
    }
    let before = engine.sessions.clients.get(&caller.client).and_then(|client| client.subscription.clone());
    let mut filter = Subscription { workbins, with_interactions: request.with_interactions, selection: None };
    let Some(Subscription { selection: Some(more), workbins, .. }) = before else {
        filter.selection = Some(selection);
        engine.begin_reporting(caller, filter, request.resume_after_event);
        return Ok(Answer::Given);
    };
    selection.agents.extend(more.agents);
    selection.places.extend(more.places);
    if selection.agents.len() + selection.places.len() > MAX_SELECTED {
        return Err(too_many());
    }
    filter.workbins |= workbins;
    filter.selection = Some(selection);
    engine.jobs.forget_state(caller.client);
    engine.subscribed(caller, Some(filter.clone()));
    engine.answer(caller, Event::EventAck(EventAck::default()));
    engine.output(Output::ChangeSubscription(caller.client, filter.clone()));
    engine.send_state_alone(caller.client, filter);
    Ok(Answer::Given)
}

/// Ends reporting for some of the chosen agents and places, or for all of them.
pub(super) fn stop_selected(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestStopPlaceAgentStateReporting,
) -> Result {
    let before = engine.sessions.clients.get(&caller.client).and_then(|client| client.subscription.clone());
    let Some((mut filter, mut selection)) =
        before.and_then(|filter| filter.selection.clone().map(|selection| (filter, selection)))
    else {
        let text = "this client has no subscription to chosen agents or places; nothing has to be ended";
        return Err(Refusal::new(ErrorCode::NotSubscribed, text));
    };
    if request.agent_list.len() + request.place_list.len() > MAX_SELECTED {
        return Err(too_many());
    }
    if request.agent_list.is_empty() && request.place_list.is_empty() {
        selection = Selection::default();
    }
    for agent in &request.agent_list {
        selection.agents.remove(agent);
    }
    for place in &request.place_list {
        selection.places.remove(place);
    }
    if selection.is_empty() {
        return engine.end_reporting(caller);
    }
    filter.selection = Some(selection);
    engine.subscribed(caller, Some(filter.clone()));
    engine.output(Output::ChangeSubscription(caller.client, filter));
    Ok(Answer::ack())
}

fn selection(agents: &[String], places: &[String]) -> Result<Selection> {
    if agents.len() + places.len() > MAX_SELECTED {
        return Err(too_many());
    }
    for agent in agents {
        validation::required("agent_list", agent)?;
    }
    for place in places {
        validation::required("place_list", place)?;
    }
    Ok(Selection { agents: agents.iter().cloned().collect(), places: places.iter().cloned().collect() })
}

fn too_many() -> Refusal {
    let text =
        format!("at most {MAX_SELECTED} agents and places can be chosen; start reporting for all instead");
    Refusal::new(ErrorCode::LimitExceeded, text)
}

pub(super) fn stop_all(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestStopPlaceAgentStateReportingAll,
) -> Result {
    engine.wants_workbins(request.tenant_list.as_ref())?;
    engine.end_reporting(caller)
}

impl Engine {
    fn end_reporting(&mut self, caller: &Caller) -> Result {
        if self.subscribed(caller, None).is_none() {
            let text = "this client has no subscription to reporting; nothing has to be ended";
            return Err(Refusal::new(ErrorCode::NotSubscribed, text));
        }
        self.jobs.forget_state(caller.client);
        self.output(Output::Unsubscribe(caller.client));
        Ok(Answer::ack())
    }

    /// Whether the tenants, checked, ask for workbin events.
    fn wants_workbins(&self, tenants: Option<&KeyValueList>) -> Result<bool> {
        let tenants = validation::keys("tenant_list", tenants)?;
        let mut workbins = false;
        for entry in tenants.entries() {
            let entry = entry.map_err(|error| validation::bad_list("tenant_list", &error))?;
            let tenant_id: i32 = entry.key.parse().map_err(|_| {
                let shown: String = entry.key.chars().take(64).collect();
                let text = format!("tenant_list has the key '{shown}'; its keys are tenant ids");
                Refusal::new(ErrorCode::InvalidValue, text)
            })?;
            self.own_tenant(tenant_id)?;
            if let Value::List(list) = entry.value {
                workbins |= list.get("Workbins").is_some();
            }
        }
        Ok(workbins)
    }

    /// Acknowledges, then sends the state and lets live events follow, or goes on after a number.
    fn begin_reporting(&mut self, caller: &Caller, filter: Subscription, resume_after_event: Option<u64>) {
        self.jobs.forget_state(caller.client);
        self.subscribed(caller, Some(filter.clone()));
        self.answer(caller, Event::EventAck(EventAck::default()));
        let last_event = self.journal.last_event();
        let Some(resume_after_event) = resume_after_event else {
            self.send_state(caller.client, filter);
            return;
        };
        if resume_after_event > last_event.0 {
            // Another database, or one restored from a backup: what the subscriber knows is not of this one.
            let with_interactions = filter.with_interactions;
            self.reporting_gap(caller.client, resume_after_event, last_event.next().0, with_interactions);
        } else {
            let client = caller.client;
            self.output(Output::Subscribe { client, after_event: resume_after_event, filter });
        }
    }

    /// Keeps what a client subscribed to; answers the subscription of before.
    fn subscribed(&mut self, caller: &Caller, subscription: Option<Subscription>) -> Option<Subscription> {
        let client = self.sessions.clients.get_mut(&caller.client)?;
        std::mem::replace(&mut client.subscription, subscription)
    }
}
