//! RequestGetWorkbinContent, answered page by page, and RequestGetWorkbinTypesInfo.

use ixn_conditions::Order;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ErrorCode, EventWorkbinContent, EventWorkbinTypesInfo, RequestGetWorkbinContent,
    RequestGetWorkbinTypesInfo, ServerEnvelope, WorkbinInfo, WorkbinOwnerType, WorkbinTypeInfo,
};

use super::jobs::{Job, PAGE_BYTES, Progress};
use super::place_in_workbin::named;
use super::{Answer, Caller, Refusal, Result};
use crate::engine::Engine;
use crate::reporting::PAGES_UNTIL_REST;
use crate::setup::OwnerKind;
use crate::workbins::contents::{PlaceId, Position};

/// Interactions of one page.
const PAGE_ROWS: usize = 100;

/// A content that is being sent.
#[derive(Debug)]
pub(crate) struct ContentPages {
    pub(crate) caller: Caller,
    workbin: WorkbinInfo,
    place: Option<PlaceId>,
    after: Option<Position>,
    /// The order of the pages so far.
    order: Option<Order>,
    /// Pages so far.
    sent: usize,
}

pub(super) fn get(engine: &mut Engine, caller: &Caller, request: &RequestGetWorkbinContent) -> Result {
    let workbin = named(request.workbin.as_ref())?;
    let place = engine.find_workbin_place(workbin)?.map(|place| place.id());
    let pages = ContentPages {
        caller: caller.to_be_answered(),
        workbin: workbin.clone(),
        place,
        after: None,
        order: None,
        sent: 0,
    };
    engine.begin(Job::WorkbinContent(Box::new(pages)))?;
    Ok(Answer::Given)
}

impl Engine {
    /// Sends the next page. What comes and goes meanwhile shows when it stands behind the page.
    pub(super) fn send_workbin_page(&mut self, pages: &mut ContentPages) -> Progress {
        if !self.changeover.is_indexed() {
            // The workbin may be one that a new configuration orders anew, and show a part.
            return Progress::GoesOn;
        }
        let order = pages.place.and_then(|place| self.setup.workbins.get(&place.workbin));
        let order = order.map(|workbin| workbin.order.clone());
        if pages.sent > 0 && order != pages.order {
            let text = "the workbin's order has changed while its content was being sent; ask for it again";
            let refusal = Refusal::new(ErrorCode::WrongState, text);
            self.refuse(pages.caller.client, pages.caller.reference_id, &refusal);
            return Progress::Done;
        }
        pages.order = order;
        let mut page = EventWorkbinContent { workbin: Some(pages.workbin.clone()), ..Default::default() };
        if let Some(place) = pages.place {
            page.number_of_interactions = self.workbins.contents.len(place) as u32;
            let mut bytes = 0;
            let mut after = None;
            for position in self.workbins.contents.after(place, pages.after.as_ref()) {
                if page.interactions.len() == PAGE_ROWS || bytes > PAGE_BYTES {
                    page.more = true;
                    break;
                }
                if let Some(row) = self.interactions.get(position.1) {
                    let properties = self.properties(row);
                    bytes += prost::Message::encoded_len(&properties);
                    page.interactions.push(properties);
                }
                after = Some(position);
            }
            pages.after = after.cloned().or(pages.after.take());
        }
        pages.sent += 1;
        let progress = match page.more {
            true if pages.sent.is_multiple_of(PAGES_UNTIL_REST) => Progress::GoesOnWhenRead,
            true => Progress::GoesOn,
            false => Progress::Done,
        };
        let event = Some(Event::EventWorkbinContent(page));
        self.send_answer(&pages.caller, ServerEnvelope { event, ..ServerEnvelope::default() });
        progress
    }
}

pub(super) fn types_info(engine: &Engine, request: &RequestGetWorkbinTypesInfo) -> Result {
    engine.own_tenant(request.tenant_id)?;
    let words = &engine.vocabulary;
    let mut workbin_types: Vec<_> = engine
        .setup
        .workbins
        .iter()
        .map(|(id, setup)| {
            let name = words.workbins.name(*id).to_owned();
            WorkbinTypeInfo {
                workbin_type_id: name.clone(),
                workbin_name: name,
                workbin_type: match setup.owner {
                    OwnerKind::Agent => WorkbinOwnerType::Agent,
                    OwnerKind::AgentGroup => WorkbinOwnerType::AgentGroup,
                    OwnerKind::Place => WorkbinOwnerType::Place,
                    OwnerKind::PlaceGroup => WorkbinOwnerType::PlaceGroup,
                } as i32,
                queue: words.queues.name(setup.queue).to_owned(),
                // Its owners read it by RequestGetWorkbinContent and pull from it by its name: there is no view in between.
                view_name: String::new(),
                order: setup.order.to_string(),
                active: true,
            }
        })
        .collect();
    workbin_types.sort_by(|a, b| a.workbin_type_id.cmp(&b.workbin_type_id));
    Ok(Answer::now(Event::EventWorkbinTypesInfo(EventWorkbinTypesInfo { workbin_types })))
}
