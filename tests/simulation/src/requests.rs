//! The requests that clients of a run send.

use ixn_engine::Selection;
use ixn_proto::client_envelope::Request;
use ixn_proto::*;

pub const AGENTS: [&str; 7] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"];
pub const MEDIA: [&str; 2] = ["email", "chat"];
pub const QUEUES: [&str; 4] = ["inbox", "archive", "done", "overflow"];
pub const VIEWS: [&str; 3] = ["rest", "everything", "forgotten"];

/// An agent's own workbin.
pub fn workbin(owner: usize) -> WorkbinInfo {
    WorkbinInfo {
        workbin_type_id: "drafts".into(),
        workbin_agent_id: AGENTS[owner].into(),
        ..WorkbinInfo::default()
    }
}

/// Both media, e-mail ready or not.
pub fn login(agent: usize, ready: bool) -> Request {
    let media = |name: &str, ready| MediaState { media_type_name: name.into(), ready, reason: None };
    Request::RequestAgentLogin(RequestAgentLogin {
        agent_id: AGENTS[agent].into(),
        place_id: format!("{}'s desk", AGENTS[agent]),
        media_list: vec![media(MEDIA[0], ready), media(MEDIA[1], true)],
        ..Default::default()
    })
}

/// A submit with a subject and a note that no other one has; one in five has an id of its client's choice.
pub fn submit(invoice: bool, note: u64) -> RequestSubmit {
    let mut user_data = KeyValueList::new();
    user_data.push_text("Subject", if invoice { "an invoice" } else { "hello" });
    user_data.push_text("Size", &(note % 7).to_string()).push_text("Note", &format!("note {note}"));
    RequestSubmit {
        interaction_type: "Inbound".into(),
        interaction_subtype: "InboundNew".into(),
        user_data: Some(user_data),
        interaction_id: if note.is_multiple_of(5) { format!("own {note}") } else { String::new() },
        ..Default::default()
    }
}

/// A change of user data that no other one is like: another subject, a note more, or none of those any more.
pub fn change_user_data(request: &mut RequestChangeProperties, invoice: bool, note: u64) {
    let list = |key: &str, text: &str| {
        let mut list = KeyValueList::new();
        list.push_text(key, text);
        Some(list)
    };
    request.changed_properties = list("Subject", if invoice { "an invoice after all" } else { "no more" });
    if note.is_multiple_of(3) {
        request.deleted_properties = list("Note", "");
    }
    request.added_properties = list("Note", &format!("note {note}"));
}

/// What an agent does about one of his media.
pub fn medium(media: usize, what: u8) -> Request {
    let media_type_name = MEDIA[media].to_owned();
    let reason = Some(ReasonInfo { reason_system_name: "Lunch".into(), ..Default::default() });
    match what {
        0 => Request::RequestAddMedia(RequestAddMedia { media_type_name, reason }),
        1 => Request::RequestRemoveMedia(RequestRemoveMedia { media_type_name, reason }),
        2 => Request::RequestNotReadyForMedia(RequestNotReadyForMedia { media_type_name, reason }),
        3 => {
            Request::RequestChangeMediaStateReason(RequestChangeMediaStateReason { media_type_name, reason })
        }
        _ => {
            Request::RequestCancelNotReadyForMedia(RequestCancelNotReadyForMedia { media_type_name, reason })
        }
    }
}

/// One of the requests that look.
pub fn look(interaction_id: String, what: u8, owner: usize) -> Request {
    let workbin = Some(workbin(owner));
    match what {
        0 => Request::RequestGetInteractionProperties(RequestGetInteractionProperties { interaction_id }),
        1 => Request::RequestGetWorkbinContent(RequestGetWorkbinContent { workbin }),
        2 => Request::RequestWorkbinNotifications(RequestWorkbinNotifications {
            workbin,
            ..Default::default()
        }),
        3 => Request::RequestWorkbinCancelNotifications(RequestWorkbinCancelNotifications { workbin }),
        4 => Request::RequestFindInteractions(RequestFindInteractions {
            condition: "Priority > 0".into(),
            number_of_interactions: 2,
            ..Default::default()
        }),
        _ => Request::RequestCustomReporting(RequestCustomReporting {
            custom_event_id: 7,
            interaction_id,
            ..Default::default()
        }),
    }
}

/// The agents of a selection; none: everybody.
pub fn selection(agents: &[usize]) -> Option<Selection> {
    let agents = agents.iter().map(|agent| AGENTS[*agent].to_owned()).collect();
    Some(Selection { agents, ..Selection::default() }).filter(|selection| !selection.is_empty())
}

/// Everything, or what concerns some agents, with workbins.
pub fn start_reporting(
    resume_after_event: Option<u64>,
    with_interactions: bool,
    selected: &[usize],
) -> Request {
    let mut wanted = KeyValueList::new();
    wanted.push_integer("Workbins", 1);
    let mut tenants = KeyValueList::new();
    tenants.push_list("1", &wanted);
    let tenant_list = Some(tenants);
    if selected.is_empty() {
        return Request::RequestStartPlaceAgentStateReportingAll(RequestStartPlaceAgentStateReportingAll {
            tenant_list,
            resume_after_event,
            with_interactions,
            ..Default::default()
        });
    }
    Request::RequestStartPlaceAgentStateReporting(RequestStartPlaceAgentStateReporting {
        tenant_list,
        resume_after_event,
        with_interactions,
        agent_list: selected.iter().map(|agent| AGENTS[*agent].to_owned()).collect(),
        ..Default::default()
    })
}
