//! RequestWorkbinNotifications and RequestWorkbinCancelNotifications: the vendor's public page WorkbinOperations.

use ixn_proto::{ErrorCode, RequestWorkbinCancelNotifications, RequestWorkbinNotifications};

use super::place_in_workbin::named;
use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::Engine;
use crate::workbins::subscribers::Wanted;

/// How many workbins one client may follow.
const MAX_SUBSCRIPTIONS: usize = 1000;

pub(super) fn subscribe(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestWorkbinNotifications,
) -> Result {
    validation::reason(request.reason.as_ref())?;
    let info = named(request.workbin.as_ref())?;
    let place = engine.workbin_place(info)?;
    let subscribers = &engine.workbins.subscribers;
    let replaces = || subscribers.of(place.id()).iter().any(|(client, _)| *client == caller.client);
    if subscribers.count(caller.client) >= MAX_SUBSCRIPTIONS && !replaces() {
        let text = format!("a client follows at most {MAX_SUBSCRIPTIONS} workbins; cancel some first");
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    let wanted = Wanted {
        property_changes: request.notify_property_changes,
        processing_stopped: validation::is_switched_on(&caller.extension, "event_processing_stopped"),
    };
    engine.workbins.subscribers.subscribe(caller.client, place.id(), wanted);
    Ok(Answer::ack())
}

pub(super) fn cancel(
    engine: &mut Engine,
    caller: &Caller,
    request: &RequestWorkbinCancelNotifications,
) -> Result {
    let place = engine.find_workbin_place(named(request.workbin.as_ref())?)?;
    if place.is_some_and(|place| engine.workbins.subscribers.cancel(caller.client, place.id())) {
        return Ok(Answer::ack());
    }
    let text = "this client has no subscription to the workbin; nothing has to be ended";
    Err(Refusal::new(ErrorCode::NotSubscribed, text))
}
