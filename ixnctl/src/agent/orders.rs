//! What the orders of an agent who works by hand send, and what their answers change.

use std::io;

use ixn_proto::client_envelope::Request;
use ixn_proto::{
    KeyValueList, RequestAccept, RequestCancelNotReadyForMedia, RequestGetWorkbinContent,
    RequestGetWorkbinTypesInfo, RequestNotReadyForMedia, RequestPlaceInWorkbin, RequestPull, RequestReject,
    WorkbinInfo,
};

use super::dialogue::{self, Order};
use super::interactive::Desk;
use super::requests::Finish;
use super::workbins::WorkbinName;

/// What the answer to an order changes.
pub(super) enum Effect {
    /// He logged in.
    LoggedIn,
    /// He handles it now.
    Handles(String),
    /// He has it no longer.
    Loses(String),
    /// What was pulled is handled.
    Pulled,
    /// The workbin types are known: go on with what is done with the workbin.
    WorkbinTypes { workbin: WorkbinName, then: WithWorkbin },
    /// A workbin's content is shown.
    Shown,
    /// Nothing that is listed.
    None,
}

/// What is done with a workbin.
pub(super) enum WithWorkbin {
    Put { interaction_id: String },
    Show,
    Take { interaction_id: Option<String> },
}

impl Desk {
    /// Does what an order says, or says why not.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(super) fn obey(&mut self, order: Order) -> io::Result<()> {
        let sent = match order {
            Order::Accept(which) => self.list.find(true, which.as_deref()).map(|item| {
                let interaction_id = item.interaction.interaction_id.clone();
                let accept = RequestAccept { ticket_id: item.ticket_id.unwrap_or(0), interaction_id };
                let effect = Effect::Handles(item.interaction.interaction_id);
                self.send(format!("accept {}", item.number), effect, Request::RequestAccept(accept));
            }),
            Order::Reject(which) => self.list.find(true, which.as_deref()).map(|item| {
                let interaction_id = item.interaction.interaction_id;
                let effect = Effect::Loses(interaction_id.clone());
                let ticket_id = item.ticket_id.unwrap_or(0);
                let reject = RequestReject { ticket_id, interaction_id, reason: None };
                self.send(format!("reject {}", item.number), effect, Request::RequestReject(reject));
            }),
            Order::Done(which) => self.finish("done", &Finish::Stop, which.as_deref()),
            Order::Transfer { queue, which } => {
                let order = format!("transfer {queue}");
                self.finish(&order, &Finish::Place(queue), which.as_deref())
            }
            Order::Pull { view } => {
                let pull =
                    RequestPull { view_id: view.clone(), number_of_interactions: 1, ..Default::default() };
                self.send(format!("pull {view}"), Effect::Pulled, Request::RequestPull(pull));
                Ok(())
            }
            Order::Put { workbin, which } => self.list.find(false, which.as_deref()).map(|item| {
                let interaction_id = item.interaction.interaction_id;
                let order = format!("put {} {}", workbin.workbin_type_id, item.number);
                self.with_workbin(order, workbin, WithWorkbin::Put { interaction_id });
            }),
            Order::Workbin(workbin) => {
                self.with_workbin(format!("workbin {}", workbin.workbin_type_id), workbin, WithWorkbin::Show);
                Ok(())
            }
            Order::Take { workbin, interaction_id } => {
                let order = format!("take {}", workbin.workbin_type_id);
                self.with_workbin(order, workbin, WithWorkbin::Take { interaction_id });
                Ok(())
            }
            Order::Ready(media) => {
                for media_type_name in self.media_of(media) {
                    let order = format!("ready {media_type_name}");
                    let ready = RequestCancelNotReadyForMedia { media_type_name, reason: None };
                    self.send(order, Effect::None, Request::RequestCancelNotReadyForMedia(ready));
                }
                Ok(())
            }
            Order::NotReady(media) => {
                for media_type_name in self.media_of(media) {
                    let order = format!("notready {media_type_name}");
                    let not_ready = RequestNotReadyForMedia { media_type_name, reason: None };
                    self.send(order, Effect::None, Request::RequestNotReadyForMedia(not_ready));
                }
                Ok(())
            }
            Order::List => return self.show_list(),
            Order::Help if !self.output.is_json() => return self.output.line(dialogue::HELP),
            Order::Help | Order::Quit | Order::Nothing => Ok(()),
        };
        if let Err(problem) = sent {
            self.complain(&problem);
        }
        Ok(())
    }

    /// Asks for the workbin types first: they say what a workbin's owner is.
    fn with_workbin(&self, order: String, workbin: WorkbinName, then: WithWorkbin) {
        let types = Request::RequestGetWorkbinTypesInfo(RequestGetWorkbinTypesInfo::default());
        self.send(order, Effect::WorkbinTypes { workbin, then }, types);
    }

    /// Goes on once it is known whose workbin it is.
    pub(super) fn go_on_with_workbin(&self, order: String, workbin: WorkbinInfo, then: WithWorkbin) {
        let workbin = Some(workbin);
        let (effect, request) = match then {
            WithWorkbin::Put { interaction_id } => {
                let effect = Effect::Loses(interaction_id.clone());
                let put = RequestPlaceInWorkbin { interaction_id, workbin, reason: None };
                (effect, Request::RequestPlaceInWorkbin(put))
            }
            WithWorkbin::Show => {
                (Effect::Shown, Request::RequestGetWorkbinContent(RequestGetWorkbinContent { workbin }))
            }
            WithWorkbin::Take { interaction_id } => {
                let pull_parameters = interaction_id.map(|interaction_id| {
                    let mut ids = KeyValueList::new();
                    ids.push_integer(&interaction_id, 1);
                    ids
                });
                let take =
                    RequestPull { workbin, pull_parameters, number_of_interactions: 1, ..Default::default() };
                (Effect::Pulled, Request::RequestPull(take))
            }
        };
        self.send(order, effect, request);
    }

    fn finish(&self, order: &str, finish: &Finish, which: Option<&str>) -> Result<(), String> {
        let item = self.list.find(false, which)?;
        let interaction_id = item.interaction.interaction_id;
        let effect = Effect::Loses(interaction_id.clone());
        self.send(format!("{order} {}", item.number), effect, finish.request(interaction_id));
        Ok(())
    }

    fn media_of(&self, named: Option<String>) -> Vec<String> {
        named.map_or_else(|| self.media.clone(), |media| vec![media])
    }
}
