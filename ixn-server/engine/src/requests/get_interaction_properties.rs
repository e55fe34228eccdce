//! RequestGetInteractionProperties: everything about one interaction, with its user data.

use ixn_proto::server_envelope::Event;
use ixn_proto::{EventInteractionProperties, RequestGetInteractionProperties};

use super::{Answer, Caller, Result};
use crate::engine::Engine;

pub(super) fn apply(
    engine: &mut Engine,
    _caller: &Caller,
    request: &RequestGetInteractionProperties,
) -> Result {
    let (key, _) = engine.known_interaction(&request.interaction_id)?;
    let user_data = match engine.contents.get(key) {
        Some(user_data) => user_data.ok().cloned(),
        None => return Ok(Answer::AfterContents(key)),
    };
    let (_, row) = engine.known_interaction(&request.interaction_id)?;
    let mut interaction = engine.properties(row);
    interaction.user_data = user_data;
    Ok(Answer::now(Event::EventInteractionProperties(EventInteractionProperties {
        interaction: Some(interaction),
        parties: engine.parties(row),
    })))
}
