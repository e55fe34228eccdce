//! Checks that many requests share: everything that a database could refuse is refused here, before anything changes.

use ixn_proto::key_value_list::{KeyValueError, Limits, Value};
use ixn_proto::{ClientType, ErrorCode, KeyValueList, ReasonInfo, RoutingInstruction};

use super::Refusal;
use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::interaction::Interaction;
use crate::names::{MediaTypeId, QueueId, TooManyNames};
use crate::time::Timestamp;

/// The longest name or other text property, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 256;
/// The longest list that stays in memory with its interaction, in bytes.
const MAX_SMALL_LIST_BYTES: usize = 16 * 1024;

impl From<TooManyNames> for Refusal {
    fn from(error: TooManyNames) -> Self {
        Self::new(ErrorCode::LimitExceeded, error.to_string())
    }
}

/// A text property: bounded, without NUL.
pub(crate) fn text<'a>(attribute: &str, value: &'a str) -> Result<&'a str, Refusal> {
    if value.len() > MAX_TEXT_BYTES {
        let text = format!("{attribute} has {} bytes; at most {MAX_TEXT_BYTES} are allowed", value.len());
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    if value.contains('\0') {
        return Err(Refusal::new(
            ErrorCode::InvalidValue,
            format!("{attribute} contains a NUL character; remove it"),
        ));
    }
    Ok(value)
}

/// A text property that must be there.
pub(crate) fn required<'a>(attribute: &str, value: &'a str) -> Result<&'a str, Refusal> {
    if value.is_empty() {
        return Err(Refusal::new(ErrorCode::MissingValue, format!("{attribute} is missing; it is required")));
    }
    text(attribute, value)
}

/// A timestamp property.
pub(crate) fn timestamp(attribute: &str, seconds: i64) -> Result<Timestamp, Refusal> {
    Timestamp::from_seconds(seconds).ok_or_else(|| {
        let text =
            format!("{attribute} is out of range; send Unix seconds between 1970 and 2106, 0 for none");
        Refusal::new(ErrorCode::InvalidValue, text)
    })
}

/// A key-value list within its limits.
pub(crate) fn list(attribute: &str, list: Option<&KeyValueList>) -> Result<KeyValueList, Refusal> {
    let Some(list) = list else { return Ok(KeyValueList::new()) };
    match list.check(&Limits::default()) {
        Ok(_) => Ok(list.clone()),
        Err(error) => Err(bad_list(attribute, &error)),
    }
}

/// A small key-value list, which stays in memory with its interaction.
pub(crate) fn small_list(attribute: &str, found: Option<&KeyValueList>) -> Result<KeyValueList, Refusal> {
    let found = list(attribute, found)?;
    let bytes = found.as_bytes().len();
    if bytes > MAX_SMALL_LIST_BYTES {
        let text = format!("{attribute} has {bytes} bytes; at most {MAX_SMALL_LIST_BYTES} are allowed");
        return Err(Refusal::new(ErrorCode::LimitExceeded, text));
    }
    Ok(found)
}

/// A key-value list of which only the keys count.
pub(crate) fn keys(attribute: &str, list: Option<&KeyValueList>) -> Result<KeyValueList, Refusal> {
    let Some(list) = list else { return Ok(KeyValueList::new()) };
    match list.check_keys(&Limits::default()) {
        Ok(_) => Ok(list.clone()),
        Err(error) => Err(bad_list(attribute, &error)),
    }
}

/// What is wrong with a list.
pub(crate) fn bad_list(attribute: &str, error: &KeyValueError) -> Refusal {
    let code = match error {
        KeyValueError::TooDeep { .. }
        | KeyValueError::TooManyEntries { .. }
        | KeyValueError::TooLarge { .. } => ErrorCode::LimitExceeded,
        _ => ErrorCode::InvalidUserData,
    };
    Refusal::new(code, format!("{attribute}: {error}"))
}

/// Whether a client set a switch among the extension's keys: a number that is not 0.
pub(crate) fn is_switched_on(extension: &KeyValueList, key: &str) -> bool {
    match extension.get(key) {
        Some(Value::Integer(number)) => number != 0,
        Some(Value::Text(text)) => text.trim().parse::<i64>().is_ok_and(|number| number != 0),
        _ => false,
    }
}

/// Instructions of routing engines are not carried out by this version.
pub(crate) fn no_instruction(instruction: Option<&RoutingInstruction>) -> Result<(), Refusal> {
    if instruction.is_none() {
        return Ok(());
    }
    let text = "this server takes no instructions of routing sessions; leave instruction empty";
    Err(Refusal::new(ErrorCode::NotImplemented, text))
}

/// A reason whose texts are bounded.
pub(crate) fn reason(reason: Option<&ReasonInfo>) -> Result<Option<ReasonInfo>, Refusal> {
    let Some(reason) = reason else { return Ok(None) };
    text("reason_system_name", &reason.reason_system_name)?;
    text("reason_description", &reason.reason_description)?;
    Ok(Some(reason.clone()))
}

impl Engine {
    /// The server's own tenant: 0 in a request means it.
    pub(crate) fn own_tenant(&self, tenant_id: i32) -> Result<(), Refusal> {
        if tenant_id == 0 || i64::from(tenant_id) == self.vocabulary.tenant_id {
            return Ok(());
        }
        let own = self.vocabulary.tenant_id;
        let text = format!("this server serves tenant {own}, not {tenant_id}; send {own} or 0");
        Err(Refusal::new(ErrorCode::UnknownTenant, text))
    }

    /// A configured queue.
    pub(crate) fn configured_queue(&self, name: &str) -> Result<QueueId, Refusal> {
        required("queue", name)?;
        match self.vocabulary.queues.find(name) {
            Some(queue) if self.setup.queues.contains_key(&queue) => Ok(queue),
            Some(_) => Err(Refusal::new(
                ErrorCode::QueueRetired,
                format!(
                    "queue '{name}' is no longer configured and takes nothing new; use a configured queue"
                ),
            )),
            None => Err(Refusal::new(
                ErrorCode::UnknownQueue,
                format!("there is no queue '{name}'; add it to the configuration or use a configured one"),
            )),
        }
    }

    /// A configured media type.
    pub(crate) fn configured_media_type(&self, name: &str) -> Result<MediaTypeId, Refusal> {
        required("media_type", name)?;
        let found = self.vocabulary.media_types.find(name);
        found.filter(|id| self.setup.media_types.contains_key(id)).ok_or_else(|| {
            let text = format!(
                "there is no media type '{name}'; add it to the configuration or use a configured one"
            );
            Refusal::new(ErrorCode::UnknownMediaType, text)
        })
    }

    /// The interaction behind an id.
    pub(crate) fn known_interaction(&self, id: &str) -> Result<(InteractionKey, &Interaction), Refusal> {
        if id.is_empty() {
            return Err(Refusal::new(ErrorCode::MissingValue, "interaction_id is missing; it is required"));
        }
        let found = self.interactions.find(&self.vocabulary, id);
        found.and_then(|key| Some((key, self.interactions.get(key)?))).ok_or_else(|| {
            let text = format!(
                "there is no interaction '{}'; it may have been stopped already",
                id.chars().take(64).collect::<String>()
            );
            Refusal::new(ErrorCode::UnknownInteraction, text)
        })
    }

    /// The interaction behind an id, when the caller may work on it: an agent must be a party of it.
    pub(crate) fn workable_interaction(
        &self,
        caller: &super::Caller,
        id: &str,
    ) -> Result<(InteractionKey, &Interaction), Refusal> {
        let (key, row) = self.known_interaction(id)?;
        match caller.agent {
            Some(agent) if !row.is_handled_by(agent) => Err(Refusal::new(
                ErrorCode::NotAParty,
                format!("the agent does not handle interaction '{id}'; accept or pull it first"),
            )),
            None if caller.client_type == ClientType::AgentApplication => {
                caller.logged_in().map(|_| (key, row))
            }
            _ => Ok((key, row)),
        }
    }
}
