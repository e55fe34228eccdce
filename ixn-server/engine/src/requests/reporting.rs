//! Start and stop of reporting: the acknowledgement, the state, then the subscription to the log.

use ixn_proto::key_value_list::Value;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ErrorCode, EventAck, RequestStartPlaceAgentStateReportingAll};

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::{Engine, Output, Subscription};

pub(super) fn start_all(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestStartPlaceAgentStateReportingAll,
) -> Result {
    let tenants = validation::keys("tenant_list", request.tenant_list.as_ref())?;
    let mut workbins = false;
    for entry in tenants.entries() {
        let entry = entry.map_err(|error| validation::bad_list("tenant_list", &error))?;
        let tenant_id: i32 = entry.key.parse().map_err(|_| {
            let text = format!("tenant_list has the key '{}'; its keys are tenant ids", entry.key);
            Refusal::new(ErrorCode::InvalidValue, text)
        })?;
        engine.own_tenant(tenant_id)?;
        if let Value::List(list) = entry.value {
            workbins |= list.get("Workbins").is_some();
        }
    }
    if !request.external_service_list.is_empty() {
        let text = "external services are not implemented yet; leave external_service_list empty";
        return Err(Refusal::new(ErrorCode::NotImplemented, text));
    }
    let filter = Subscription { workbins, with_interactions: request.with_interactions };
    engine.state_pages.forget(caller.client);
    engine.subscribed(caller, Some(filter.clone()));
    engine.answer(caller, Event::EventAck(EventAck::default()));
    if request.resume_after_event == 0 {
        engine.send_state(caller.client, filter);
    } else {
        engine.output(Output::Subscribe {
            client: caller.client,
            after_event: request.resume_after_event,
            filter,
        });
    }
    Ok(Answer::Given)
}

pub(super) fn stop_all(engine: &mut Engine, caller: &Caller) -> Result {
    if engine.subscribed(caller, None).is_none() {
        let text = "this client has no subscription to reporting; nothing has to be ended";
        return Err(Refusal::new(ErrorCode::NotSubscribed, text));
    }
    engine.state_pages.forget(caller.client);
    engine.output(Output::Unsubscribe(caller.client));
    Ok(Answer::ack())
}

impl Engine {
    /// Keeps what a client subscribed to; answers the subscription of before.
    fn subscribed(&mut self, caller: &Caller, subscription: Option<Subscription>) -> Option<Subscription> {
        let client = self.sessions.clients.get_mut(&caller.client)?;
        std::mem::replace(&mut client.subscription, subscription)
    }
}
