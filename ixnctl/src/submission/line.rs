//! One JSON line → one submission.

use ixn_proto::{KeyValueList, ReasonInfo, RequestSubmit, WorkbinInfo};
use jiff::Timestamp;

use super::Submission;
use super::fields::{Fields, wrong};
use super::json::{self, Json};
use super::user_data;

/// The names of a line: those of RequestSubmit in the protocol, and the key.
const LINE: &[&str] = &[
    "interaction_id",
    "queue",
    "tenant_id",
    "media_type",
    "interaction_type",
    "interaction_subtype",
    "is_online",
    "received_at",
    "user_data",
    "parent_interaction_id",
    "in_queues",
    "out_queues",
    "workbin",
    "external_id",
    "priority",
    "service_objective",
    "hold",
    "reason",
    "idempotency_key",
];
/// Those of its workbin.
const WORKBIN: &[&str] = &[
    "workbin_type_id",
    "workbin_agent_id",
    "workbin_place_id",
    "workbin_group_id",
    "workbin_place_group_id",
];
/// Those of its reason.
const REASON: &[&str] = &["reason_system_name", "reason_description", "reason"];

/// Reads one line. Without a queue and a workbin it goes to `default_queue`.
///
/// # Errors
/// A sentence: the line is not JSON, has an unknown name or a wrong value, or lacks what is required.
pub(crate) fn read_line(line: &str, default_queue: &str) -> Result<Submission, String> {
    let object = match json::read(line)? {
        Json::Object(object) => object,
        value => return Err(format!("it is {value}: give an object such as {{\"media_type\":\"email\"}}")),
    };
    let mut line = Fields::new("", object, LINE)?;
    let media_type = line.text("media_type")?;
    if media_type.is_empty() {
        return Err("the field \"media_type\" is missing: every line needs one, such as \"email\"".to_owned());
    }
    let workbin = workbin(&mut line)?;
    let mut queue = line.text("queue")?;
    if queue.is_empty() && workbin.is_none() {
        queue = default_queue.to_owned();
    }
    let request = RequestSubmit {
        interaction_id: line.text("interaction_id")?,
        queue,
        tenant_id: line.number("tenant_id")?.unwrap_or_default(),
        media_type,
        interaction_type: line.text("interaction_type")?,
        interaction_subtype: line.text("interaction_subtype")?,
        is_online: line.truth("is_online")?,
        received_at: unix_seconds(&mut line)?,
        user_data: list(&mut line, "user_data")?,
        parent_interaction_id: line.text("parent_interaction_id")?,
        in_queues: list(&mut line, "in_queues")?,
        out_queues: list(&mut line, "out_queues")?,
        workbin,
        external_id: line.text("external_id")?,
        priority: line.number("priority")?,
        service_objective: line.number("service_objective")?,
        hold: line.truth("hold")?,
        reason: reason(&mut line)?,
        instruction: None,
    };
    Ok(Submission { request, idempotency_key: line.optional_text("idempotency_key")? })
}

fn unix_seconds(line: &mut Fields) -> Result<i64, String> {
    let Some((name, value)) = line.value("received_at") else { return Ok(0) };
    let seconds = match &value {
        Json::Integer(seconds) => i64::try_from(*seconds).ok(),
        Json::Text(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
        _ => None,
    };
    seconds.ok_or_else(|| wrong(&name, &value, "Unix seconds, or a time like \"2026-01-31T12:00:00Z\""))
}

fn list(line: &mut Fields, name: &str) -> Result<Option<KeyValueList>, String> {
    line.value(name).map(|(name, value)| user_data::list(&name, value)).transpose()
}

fn workbin(line: &mut Fields) -> Result<Option<WorkbinInfo>, String> {
    let example = r#"{"workbin_type_id":"drafts","workbin_agent_id":"alice"}"#;
    let Some(mut fields) = line.object("workbin", WORKBIN, example)? else { return Ok(None) };
    let workbin = WorkbinInfo {
        workbin_type_id: fields.text("workbin_type_id")?,
        workbin_agent_id: fields.text("workbin_agent_id")?,
        workbin_place_id: fields.text("workbin_place_id")?,
        workbin_group_id: fields.text("workbin_group_id")?,
        workbin_place_group_id: fields.text("workbin_place_group_id")?,
    };
    if workbin.workbin_type_id.is_empty() {
        return Err("the field \"workbin.workbin_type_id\" is missing: name a configured workbin".to_owned());
    }
    Ok(Some(workbin))
}

fn reason(line: &mut Fields) -> Result<Option<ReasonInfo>, String> {
    let example = r#"{"reason_system_name":"Test","reason_description":"a test"}"#;
    let Some(mut fields) = line.object("reason", REASON, example)? else { return Ok(None) };
    Ok(Some(ReasonInfo {
        reason_system_name: fields.text("reason_system_name")?,
        reason_description: fields.text("reason_description")?,
        reason: fields.number("reason")?.unwrap_or_default(),
    }))
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
    fn a_wrong_line_names_the_field_and_says_what_is_allowed() {
        for (line, problem) in [
            ("[1]", r#"it is an array: give an object such as {"media_type":"email"}"#),
            (r#"{"media_typ":"email"}"#, r#"there is no field "media_typ": did you mean "media_type"?"#),
            (r#"{"MediaTyp":"email"}"#, r#"there is no field "MediaTyp": did you mean "media_type"?"#),
            (r#"{"queue":"a","queue":"b"}"#, r#"the field "queue" stands twice"#),
            (r#"{"queue":"a","Queue":"b"}"#, r#"the fields "queue" and "Queue" are the same one"#),
            (
                r#"{"queue":"inbox"}"#,
                r#"the field "media_type" is missing: every line needs one, such as "email""#,
            ),
            (
                r#"{"media_type":"email","Priority":"high"}"#,
                r#"the field "Priority" is "high": give a whole number from -2147483648 to 2147483647"#,
            ),
            (r#"{"media_type":"email","hold":1}"#, r#"the field "hold" is 1: give true or false"#),
            (r#"{"media_type":7}"#, r#"the field "media_type" is 7: give a text"#),
            (
                r#"{"media_type":"email","received_at":"yesterday"}"#,
                r#"the field "received_at" is "yesterday": give Unix seconds, or a time like "2026-01-31T12:00:00Z""#,
            ),
            (
                r#"{"media_type":"email","workbin":"drafts"}"#,
                r#"the field "workbin" is "drafts": give an object such as {"workbin_type_id":"drafts","workbin_agent_id":"alice"}"#,
            ),
            (
                r#"{"media_type":"email","workbin":{"workbin_type":"drafts"}}"#,
                r#"there is no field "workbin.workbin_type": did you mean "workbin_type_id"?"#,
            ),
            (
                r#"{"media_type":"email","workbin":{}}"#,
                r#"the field "workbin.workbin_type_id" is missing: name a configured workbin"#,
            ),
        ] {
            assert_eq!(read_line(line, "inbox").unwrap_err(), problem);
        }
        let far = read_line(r#"{"colour":"red"}"#, "inbox").unwrap_err();
        assert!(far.starts_with(r#"there is no field "colour": there are interaction_id, queue, "#), "{far}");
    }

    #[test]
    fn null_is_not_given() {
        let request =
            read_line(r#"{"media_type":"email","priority":null,"queue":null}"#, "inbox").unwrap().request;
        assert_eq!((request.priority, request.queue.as_str()), (None, "inbox"));
    }
}
