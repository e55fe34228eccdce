//! RequestDoNotDisturbOn and -Off, and RequestChangeAgentStateReason.

use ixn_proto::server_envelope::Event;
use ixn_proto::{
    EventAgentStateReasonChanged, EventDoNotDisturbOff, EventDoNotDisturbOn, ReasonInfo,
    RequestChangeAgentStateReason,
};

use super::{Answer, Caller, Result, validation};
use crate::agents::Reason;
use crate::engine::Engine;
use crate::wire::Actor;

pub(super) fn switch(engine: &mut Engine, caller: &Caller, on: bool, reason: Option<ReasonInfo>) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(reason.as_ref())?;
    if let Some(state) = engine.agents.get_mut(&agent) {
        state.do_not_disturb = on;
        state.reason = reason.clone().map(Reason::from);
    }
    let info = Some(engine.agent_info(agent));
    let actor = Some(engine.actor_info(&Actor::Agent(agent)));
    let event = if on {
        Event::EventDoNotDisturbOn(EventDoNotDisturbOn { agent: info, reason, actor })
    } else {
        Event::EventDoNotDisturbOff(EventDoNotDisturbOff { agent: info, reason, actor })
    };
    engine.report_agent(agent, event);
    engine.relist(agent);
    Ok(Answer::ack())
}

pub(super) fn change_reason(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestChangeAgentStateReason,
) -> Result {
    let agent = caller.logged_in()?;
    let reason = validation::reason(request.reason.as_ref())?;
    if let Some(state) = engine.agents.get_mut(&agent) {
        state.reason = reason.clone().map(Reason::from);
    }
    let event = Event::EventAgentStateReasonChanged(EventAgentStateReasonChanged {
        agent: Some(engine.agent_info(agent)),
        reason,
        actor: Some(engine.actor_info(&Actor::Agent(agent))),
    });
    engine.report_agent(agent, event);
    Ok(Answer::ack())
}
