//! What the orders of an agent who works by hand send, and what their answers change.

use std::io;

use indicatif::ProgressBar;
use ixn_client::{ClientError, ErrorCode};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    KeyValueList, RequestAccept, RequestCancelNotReadyForMedia, RequestGetWorkbinContent,
    RequestGetWorkbinTypesInfo, RequestNotReadyForMedia, RequestPlaceInWorkbin, RequestPull, RequestReject,
    ServerEnvelope, WorkbinInfo,
};
use serde_json::json;

use super::dialogue::{self, Order};
use super::interactive::{Answered, ByHand};
use super::requests::{self, Finish};
use super::workbins::WorkbinName;
use super::worklist::described;
use crate::exit::Failure;
use crate::message_json;
use crate::output::printable;

/// What the answer to an order changes.
pub(super) enum Effect {
    /// He handles what was offered with this ticket.
    Handles(u64),
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

impl ByHand {
    /// Does what a line says, or says why not. True: it is the end.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(super) fn typed(&mut self, line: &[u8]) -> io::Result<bool> {
        let obeyed = match dialogue::read(line) {
            Ok(Order::Quit) => return Ok(true),
            Ok(order) => self.obey(order)?,
            Err(problem) => Err(problem),
        };
        if let Err(problem) = obeyed {
            self.failed(String::from_utf8_lossy(line).trim(), &problem)?;
        }
        Ok(false)
    }

    /// Does what an order says; the sentence tells why it cannot be done.
    fn obey(&mut self, order: Order) -> io::Result<Result<(), String>> {
        let sent = match order {
            Order::Accept(which) => self.list.find(true, which.as_deref()).map(|item| {
                let interaction_id = item.interaction.interaction_id.clone();
                let ticket_id = item.ticket_id.unwrap_or(0);
                let accept = Request::RequestAccept(RequestAccept { ticket_id, interaction_id });
                self.send(format!("accept {}", item.number), Effect::Handles(ticket_id), accept);
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
                let order = format!("put {workbin} {}", item.number);
                self.with_workbin(order, workbin, WithWorkbin::Put { interaction_id });
            }),
            Order::Workbin(workbin) => {
                self.with_workbin(format!("workbin {workbin}"), workbin, WithWorkbin::Show);
                Ok(())
            }
            Order::Take { workbin, interaction_id } => {
                let order = format!("take {workbin}");
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
            Order::List => Ok(self.show_list()?),
            Order::Help if !self.output.is_json() => Ok(self.output.line(dialogue::HELP)?),
            Order::Help | Order::Quit | Order::Nothing => Ok(()),
        };
        Ok(sent)
    }

    /// Asks for the workbin types first: they say what a workbin's owner is.
    fn with_workbin(&mut self, order: String, workbin: WorkbinName, then: WithWorkbin) {
        let types = Request::RequestGetWorkbinTypesInfo(RequestGetWorkbinTypesInfo::default());
        self.send(order, Effect::WorkbinTypes { workbin, then }, types);
    }

    /// Goes on once it is known whose workbin it is.
    fn go_on_with_workbin(&mut self, order: String, workbin: WorkbinInfo, then: WithWorkbin) {
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

    fn finish(&mut self, order: &str, finish: &Finish, which: Option<&str>) -> Result<(), String> {
        let item = self.list.find(false, which)?;
        let interaction_id = item.interaction.interaction_id;
        let effect = Effect::Loses(interaction_id.clone());
        self.send(format!("{order} {}", item.number), effect, finish.request(interaction_id));
        Ok(())
    }

    fn media_of(&self, named: Option<String>) -> Vec<String> {
        named.map_or_else(|| self.media.clone(), |media| vec![media])
    }

    /// Takes an answer.
    ///
    /// # Errors
    /// He cannot log in, or standard output is closed or full.
    pub(super) fn take_answer(&mut self, answered: Answered) -> Result<(), Failure> {
        match answered {
            Answered::Login(Ok(Some(login))) => {
                self.place_id = login.place_id;
                let held = login.interactions.into_iter().filter_map(|held| held.interaction);
                self.list.replace(held.collect());
                if login.more_interactions {
                    self.find_held();
                    return Ok(());
                }
                Ok(self.answered(&format!("login {}", self.agent_id), "done")?)
            }
            Answered::Held(Ok(held)) => {
                for interaction in held {
                    self.list.put(interaction, None);
                }
                Ok(self.answered(&format!("login {}", self.agent_id), "done")?)
            }
            Answered::Held(Err(error)) => {
                Ok(self.failed(&format!("login {}", self.agent_id), &format!("what he holds: {error}"))?)
            }
            Answered::Login(Ok(None)) => Ok(()),
            Answered::Login(Err(error)) => {
                let reason = requests::login_refused(&error, &self.agent_id, &self.known_agents);
                Err(Failure::Refused(reason))
            }
            Answered::Order { order, effect, answer } => {
                self.unanswered_orders -= 1;
                Ok(self.take_answer_to_order(order, effect, answer)?)
            }
        }
    }

    fn take_answer_to_order(
        &mut self,
        order: String,
        effect: Effect,
        answer: Result<Box<ServerEnvelope>, ClientError>,
    ) -> io::Result<()> {
        let event = match answer {
            Ok(answer) => answer.event,
            Err(error) => {
                if error.code() == Some(ErrorCode::UnknownInteraction)
                    && let Effect::Loses(id) = effect
                {
                    self.list.remove(&id);
                }
                return self.failed(&order, &error.to_string());
            }
        };
        let mut outcome = "done";
        match effect {
            Effect::Handles(ticket_id) => self.list.accepted(ticket_id),
            Effect::Loses(id) => {
                self.list.remove(&id);
            }
            Effect::Pulled => {
                let pulled = match event {
                    Some(Event::EventPulledInteractions(pulled)) => pulled.interactions,
                    _ => Vec::new(),
                };
                if pulled.is_empty() {
                    outcome = "nothing there";
                }
                for interaction in pulled.into_iter().filter_map(|pulled| pulled.interaction) {
                    let item = self.list.put(interaction, None).clone();
                    self.show(&item)?;
                }
            }
            Effect::WorkbinTypes { workbin, then } => {
                let types = match event {
                    Some(Event::EventWorkbinTypesInfo(info)) => info.workbin_types,
                    _ => Vec::new(),
                };
                return match workbin.info(&types, &self.agent_id, &self.place_id) {
                    Ok(workbin) => {
                        self.go_on_with_workbin(order, workbin, then);
                        Ok(())
                    }
                    Err(problem) => self.failed(&order, &problem),
                };
            }
            Effect::Shown => {
                let content = match event {
                    Some(Event::EventWorkbinContent(content)) => content.interactions,
                    _ => Vec::new(),
                };
                if content.is_empty() {
                    outcome = "nothing there";
                }
                content.iter().try_for_each(|interaction| {
                    let object = || {
                        let interaction = message_json::object("InteractionProperties", interaction);
                        json!({"order": order, "interaction": interaction})
                    };
                    self.output.either(|| printable(&format!("     {}", described(interaction))), object)
                })?;
            }
            Effect::None => {}
        }
        self.answered(&order, outcome)
    }

    fn answered(&self, order: &str, outcome: &str) -> io::Result<()> {
        let line = || printable(&format!("{order}: {outcome}"));
        self.output.either(line, || json!({"order": order, "outcome": outcome}))
    }

    /// Says that an order could not be carried out.
    fn failed(&self, order: &str, reason: &str) -> io::Result<()> {
        self.output.remark(&ProgressBar::hidden(), &format!("{order}: {reason}"));
        if self.output.is_json() {
            self.output.object(&json!({"order": order, "outcome": "failed", "reason": reason}))?;
        }
        Ok(())
    }
}
