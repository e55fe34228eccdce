//! One agent who works by hand: offers and changes are shown, orders are read from standard input.

use std::io;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use ixn_client::{Client, ClientError, ClientEvent, DisconnectReason};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentLoginInfo, ClientType, ErrorCode, InteractionProperties, RequestAccept, RequestAgentLogout,
    RequestCancelNotReadyForMedia, RequestNotReadyForMedia, RequestPull, RequestReject, ServerEnvelope,
};
use serde_json::json;
use tokio::sync::mpsc;

use super::dialogue::{self, Order};
use super::requests::{self, Finish};
use super::worklist::Worklist;
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::message_json;
use crate::output::{Output, printable};

/// What the answer to an order changes.
enum Effect {
    /// He logged in.
    LoggedIn,
    /// He handles it now.
    Handles(String),
    /// He has it no longer.
    Loses(String),
    /// What was pulled is handled.
    Pulled,
    /// Nothing that is listed.
    None,
}

/// An order that was answered.
struct Answered {
    order: String,
    effect: Effect,
    answer: Result<ServerEnvelope, ClientError>,
}

/// Works until `quit`, the end of standard input or an interruption.
///
/// # Errors
/// The server is unavailable, or the agent cannot log in or was logged out.
pub(crate) async fn run(common: &Common, agent_id: &str, media: &[String]) -> Result<(), Failure> {
    let client = connection::connect(common, ClientType::AgentApplication).await?;
    let mut events = client.events();
    let mut desk = Desk {
        output: common.output(),
        client: client.clone(),
        agent_id: agent_id.to_owned(),
        media: media.to_vec(),
        list: Worklist::default(),
        running: FuturesUnordered::new(),
    };
    desk.send(format!("login {agent_id}"), Effect::LoggedIn, requests::login(agent_id, media));
    let mut lines = read_lines();
    let mut reading = true;
    loop {
        tokio::select! {
            biased;
            Some(answered) = desk.running.next() => desk.take_answer(answered)?,
            event = events.next() => match event {
                Some(event) => desk.take_event(common, event)?,
                None => break,
            },
            line = lines.recv(), if reading => match line.as_deref().map(dialogue::read) {
                None | Some(Ok(Order::Quit)) => reading = false,
                Some(Ok(order)) => desk.obey(order)?,
                Some(Err(problem)) => desk.complain(&problem),
            },
            _ = tokio::signal::ctrl_c() => break,
            else => break,
        }
        if !reading && desk.running.is_empty() {
            break;
        }
    }
    // When it fails the connection ends next in any case, and the server then does the same.
    let _ = client.request(Request::RequestAgentLogout(RequestAgentLogout::default())).await;
    client.close().await;
    Ok(())
}

struct Desk {
    output: Output,
    client: Client,
    agent_id: String,
    media: Vec<String>,
    list: Worklist,
    running: FuturesUnordered<BoxFuture<'static, Answered>>,
}

impl Desk {
    fn send(&self, order: String, effect: Effect, request: Request) {
        let client = self.client.clone();
        let answered = async move { Answered { order, effect, answer: client.request(request).await } };
        self.running.push(answered.boxed());
    }

    fn complain(&self, problem: &str) {
        self.output.remark(&ProgressBar::hidden(), problem);
    }

    fn obey(&mut self, order: Order) -> io::Result<()> {
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

    fn show_list(&self) -> io::Result<()> {
        if self.list.items().is_empty() && !self.output.is_json() {
            return self.output.line("nothing is offered or handled");
        }
        self.list.items().iter().try_for_each(|item| {
            let object = || {
                let interaction = message_json::object("InteractionProperties", &item.interaction);
                json!({"number": item.number, "ticket_id": item.ticket_id, "interaction": interaction})
            };
            self.output.either(|| printable(&item.line()), object)
        })
    }

    fn take_answer(&mut self, answered: Answered) -> Result<(), Failure> {
        let Answered { order, effect, answer } = answered;
        let event = match answer {
            Ok(answer) => answer.event,
            // The client connects again and the login is repeated then.
            Err(ClientError::NotSent { .. } | ClientError::OutcomeUnknown { .. })
                if matches!(effect, Effect::LoggedIn) =>
            {
                return Ok(());
            }
            Err(error) if matches!(effect, Effect::LoggedIn) => {
                return Err(Failure::Refused(error.to_string()));
            }
            Err(error) => {
                self.complain(&format!("{order}: {error}"));
                if error.code() == Some(ErrorCode::UnknownInteraction)
                    && let Effect::Loses(id) = effect
                {
                    self.list.remove(&id);
                }
                if self.output.is_json() {
                    let reason = error.to_string();
                    self.output.object(&json!({"order": order, "outcome": "failed", "reason": reason}))?;
                }
                return Ok(());
            }
        };
        match effect {
            Effect::LoggedIn => {
                let login = match event {
                    Some(Event::EventAck(ack)) => ack.agent_login.unwrap_or_default(),
                    _ => AgentLoginInfo::default(),
                };
                self.list
                    .replace(login.interactions.into_iter().filter_map(|held| held.interaction).collect());
            }
            Effect::Handles(id) => self.list.accepted(&id),
            Effect::Loses(id) => {
                self.list.remove(&id);
            }
            Effect::Pulled => {
                let pulled = match event {
                    Some(Event::EventPulledInteractions(pulled)) => pulled.interactions,
                    _ => Vec::new(),
                };
                for interaction in pulled.into_iter().filter_map(|pulled| pulled.interaction) {
                    self.list.put(interaction, None);
                }
                self.show_list()?;
            }
            Effect::None => {}
        }
        self.output
            .either(|| printable(&format!("{order}: done")), || json!({"order": order, "outcome": "done"}))?;
        Ok(())
    }

    fn take_event(&mut self, common: &Common, event: ClientEvent) -> Result<(), Failure> {
        let envelope = match event {
            ClientEvent::Event(envelope) => envelope,
            ClientEvent::Disconnected { reason: DisconnectReason::Refused(refusal) } => {
                let server = common.server.clone();
                return Err(Failure::Unavailable { server, reason: refusal.to_string() });
            }
            ClientEvent::Disconnected { reason } => {
                self.complain(&reason.to_string());
                return Ok(());
            }
            ClientEvent::Reconnected { .. } => {
                self.complain("connected again");
                let login = requests::login(&self.agent_id, &self.media);
                self.send(format!("login {}", self.agent_id), Effect::LoggedIn, login);
                return Ok(());
            }
        };
        if self.output.is_json() {
            self.output.object(&message_json::envelope(&envelope))?;
        }
        let said = self.said(&envelope);
        if let Some(said) = said.filter(|_| !self.output.is_json()) {
            self.output.line(&printable(&said))?;
        }
        match requests::happened(*envelope) {
            Ok(_) => Ok(()),
            Err(reason) => Err(Failure::Refused(format!("agent {}: {reason}", self.agent_id))),
        }
    }

    /// Brings the list up to date; what to say about the event.
    fn said(&mut self, envelope: &ServerEnvelope) -> Option<String> {
        let id = |interaction: &Option<InteractionProperties>| {
            interaction.as_ref().map(|interaction| interaction.interaction_id.clone()).unwrap_or_default()
        };
        match envelope.event.as_ref()? {
            Event::EventInvite(invite) => {
                let interaction = invite.interaction.clone().unwrap_or_default();
                Some(self.list.put(interaction, Some(invite.ticket_id)).line())
            }
            Event::EventRevoked(revoked) => {
                let item = self.list.remove(&id(&revoked.interaction))?;
                let reason = revoked.reason.clone().unwrap_or_default().reason_system_name;
                Some(format!(
                    "{:>3}  taken away ({})",
                    item.number,
                    if reason.is_empty() { "no reason" } else { &reason }
                ))
            }
            Event::EventPropertiesChanged(changed) => {
                let id = id(&changed.interaction);
                let item = self.list.items().iter().find(|item| item.interaction.interaction_id == id)?;
                Some(format!("{:>3}  changed", item.number))
            }
            Event::EventForcedAgentStateChange(change) => {
                let operation = change.agent_state_change_operation().as_str_name();
                let operation = operation.trim_start_matches("AGENT_STATE_CHANGE_OPERATION_").to_lowercase();
                Some(format!("the server says: {} {}", operation.replace('_', " "), change.media_type_name))
            }
            _ => None,
        }
    }
}

/// The lines of standard input, read by a thread of its own.
fn read_lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::task::spawn_blocking(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
