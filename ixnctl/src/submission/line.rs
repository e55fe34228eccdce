//! One JSON line → one submission.

use ixn_proto::{ReasonInfo, RequestSubmit, WorkbinInfo};
use jiff::Timestamp;
use serde::Deserialize;

use super::Submission;
use super::user_data::Entries;

/// Why a line is not a submission.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// It is not JSON, or a name or value is wrong.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// A required name is missing.
    #[error("media_type is missing: every line needs one, such as \"email\"")]
    NoMediaType,
    /// The time is not one.
    #[error("received_at is {0:?}: give Unix seconds, or a time like \"2026-01-31T12:00:00Z\"")]
    Time(String),
}

/// The names of a line: those of RequestSubmit in the protocol, or the vendor's spelling.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, alias = "InteractionId")]
    interaction_id: String,
    #[serde(default, alias = "Queue")]
    queue: String,
    #[serde(default, alias = "TenantId")]
    tenant_id: i32,
    #[serde(default, alias = "MediaType")]
    media_type: String,
    #[serde(default, alias = "InteractionType")]
    interaction_type: String,
    #[serde(default, alias = "InteractionSubtype")]
    interaction_subtype: String,
    #[serde(default, alias = "IsOnline")]
    is_online: bool,
    #[serde(default, alias = "ReceivedAt")]
    received_at: Option<Time>,
    #[serde(default, alias = "UserData")]
    user_data: Option<Entries>,
    #[serde(default, alias = "ParentInteractionId", alias = "ParentId", alias = "parent_id")]
    parent_interaction_id: String,
    #[serde(default, alias = "InQueues")]
    in_queues: Option<Entries>,
    #[serde(default, alias = "OutQueues")]
    out_queues: Option<Entries>,
    #[serde(default, alias = "Workbin")]
    workbin: Option<Workbin>,
    #[serde(default, alias = "ExternalId")]
    external_id: String,
    #[serde(default, alias = "Priority")]
    priority: Option<i32>,
    #[serde(default, alias = "ServiceObjective")]
    service_objective: Option<i32>,
    #[serde(default, alias = "Hold")]
    hold: bool,
    #[serde(default, alias = "Reason")]
    reason: Option<Reason>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Workbin {
    #[serde(alias = "WorkbinTypeId")]
    workbin_type_id: String,
    #[serde(default, alias = "WorkbinAgentId")]
    workbin_agent_id: String,
    #[serde(default, alias = "WorkbinPlaceId")]
    workbin_place_id: String,
    #[serde(default, alias = "WorkbinGroupId")]
    workbin_group_id: String,
    #[serde(default, alias = "WorkbinPlaceGroupId")]
    workbin_place_group_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reason {
    #[serde(default, alias = "ReasonSystemName")]
    reason_system_name: String,
    #[serde(default, alias = "ReasonDescription")]
    reason_description: String,
    #[serde(default, alias = "Reason")]
    reason: i32,
}

/// Reads one line. Without a queue and a workbin it goes to `default_queue`.
///
/// # Errors
/// The line is not JSON, has an unknown name or a wrong value, or lacks what is required.
pub(crate) fn read_line(line: &str, default_queue: &str) -> Result<Submission, LineError> {
    let line: Line = serde_json::from_str(line)?;
    if line.media_type.is_empty() {
        return Err(LineError::NoMediaType);
    }
    let queue =
        if line.queue.is_empty() && line.workbin.is_none() { default_queue.to_owned() } else { line.queue };
    let request = RequestSubmit {
        interaction_id: line.interaction_id,
        queue,
        tenant_id: line.tenant_id,
        media_type: line.media_type,
        interaction_type: line.interaction_type,
        interaction_subtype: line.interaction_subtype,
        is_online: line.is_online,
        received_at: line.received_at.map_or(Ok(0), Time::unix_seconds)?,
        user_data: line.user_data.map(Entries::into_list),
        parent_interaction_id: line.parent_interaction_id,
        in_queues: line.in_queues.map(Entries::into_list),
        out_queues: line.out_queues.map(Entries::into_list),
        workbin: line.workbin.map(Workbin::into_info),
        external_id: line.external_id,
        priority: line.priority,
        service_objective: line.service_objective,
        hold: line.hold,
        reason: line.reason.map(Reason::into_info),
        instruction: None,
    };
    Ok(Submission { request, idempotency_key: line.idempotency_key })
}

impl Time {
    fn unix_seconds(self) -> Result<i64, LineError> {
        match self {
            Time::Seconds(seconds) => Ok(seconds),
            Time::Text(text) => match text.parse::<Timestamp>() {
                Ok(time) => Ok(time.as_second()),
                Err(_) => Err(LineError::Time(text)),
            },
        }
    }
}

impl Workbin {
    fn into_info(self) -> WorkbinInfo {
        WorkbinInfo {
            workbin_type_id: self.workbin_type_id,
            workbin_agent_id: self.workbin_agent_id,
            workbin_place_id: self.workbin_place_id,
            workbin_group_id: self.workbin_group_id,
            workbin_place_group_id: self.workbin_place_group_id,
        }
    }
}

impl Reason {
    fn into_info(self) -> ReasonInfo {
        ReasonInfo {
            reason_system_name: self.reason_system_name,
            reason_description: self.reason_description,
            reason: self.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_protocol_are_read() {
        let line = r#"{"media_type":"email","queue":"vip","priority":5,"hold":true,
            "received_at":"2023-11-14T22:13:20Z","user_data":{"Subject":"hello"},"idempotency_key":"k1"}"#;
        let submission = read_line(line, "inbox").unwrap();
        assert_eq!(submission.idempotency_key.as_deref(), Some("k1"));
        let request = submission.request;
        assert_eq!((request.media_type.as_str(), request.queue.as_str()), ("email", "vip"));
        assert_eq!((request.priority, request.service_objective, request.hold), (Some(5), None, true));
        assert_eq!(request.received_at, 1_700_000_000);
        assert_eq!(request.user_data.unwrap().get_text("Subject"), Some("hello"));
    }

    #[test]
    fn the_vendors_names_mean_the_same() {
        let theirs = r#"{"MediaType":"chat","InteractionType":"Inbound","IsOnline":true,"ExternalId":"c-1",
            "Workbin":{"WorkbinTypeId":"drafts","WorkbinAgentId":"alice"},"UserData":{"Subject":"x"}}"#;
        let ours = r#"{"media_type":"chat","interaction_type":"Inbound","is_online":true,"external_id":"c-1",
            "workbin":{"workbin_type_id":"drafts","workbin_agent_id":"alice"},"user_data":{"Subject":"x"}}"#;
        assert_eq!(read_line(theirs, "inbox").unwrap(), read_line(ours, "inbox").unwrap());
    }

    #[test]
    fn the_default_queue_stands_in_for_a_missing_one_only() {
        let queue = |line| read_line(line, "inbox").unwrap().request.queue;
        assert_eq!(queue(r#"{"media_type":"email"}"#), "inbox");
        assert_eq!(queue(r#"{"media_type":"email","queue":"vip"}"#), "vip");
        assert_eq!(queue(r#"{"media_type":"email","workbin":{"workbin_type_id":"drafts"}}"#), "");
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        let problem = |line| read_line(line, "inbox").unwrap_err().to_string();
        assert!(problem("{").contains("EOF"), "{}", problem("{"));
        assert!(problem(r#"{"media_typ":"email"}"#).contains("unknown field `media_typ`"));
        assert!(problem(r#"{"queue":"inbox"}"#).contains("media_type is missing"));
        assert!(problem(r#"{"media_type":"email","received_at":"yesterday"}"#).contains("yesterday"));
        assert!(problem(r#"{"media_type":"email","user_data":{"Share":0.5}}"#).contains("0.5"));
    }
}
