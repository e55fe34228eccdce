//! One agent who works by hand: offers and changes are shown, orders are read from standard input.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use ixn_client::{Client, ClientError, ClientEvent, DisconnectReason, RequestOptions};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentLoginInfo, ClientType, ErrorCode, InteractionProperties, RequestAgentLogout, ServerEnvelope,
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::dialogue::{self, Order};
use super::orders::Effect;
use super::requests;
use super::roster::Roster;
use super::worker::LOGOUT_DEADLINE;
use super::worklist::{Item, Worklist, described};
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::message_json;
use crate::output::{Output, printable};
use crate::troubles::{Teller, Waiting};

/// How long `quit` waits for the answers that are on their way.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(30);

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
pub(crate) async fn run(common: &Common, agent_id: &str, roster: &Roster) -> Result<(), Failure> {
    let client = connection::connect(common, ClientType::AgentApplication).await?;
    let mut events = client.events();
    let teller = Teller::new(common, &client, &ProgressBar::hidden());
    let mut desk = Desk {
        output: common.output(),
        client: client.clone(),
        waiting: teller.waiting(),
        agent_id: agent_id.to_owned(),
        media: roster.media.clone(),
        known_agents: roster.known_agents.clone(),
        place_id: String::new(),
        list: Worklist::default(),
        running: FuturesUnordered::new(),
    };
    desk.send(format!("login {agent_id}"), Effect::LoggedIn, login(agent_id, &roster.media));
    let mut lines = read_lines();
    let mut reading = true;
    let mut unanswered = 0;
    let mut give_up = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(answered) = desk.running.next() => desk.take_answer(answered)?,
            event = events.next() => match event {
                Some(event) => desk.take_event(common, event)?,
                None => break,
            },
            line = lines.recv(), if reading => match line.as_deref().map(dialogue::read) {
                None | Some(Ok(Order::Quit)) => {
                    reading = false;
                    give_up = Instant::now() + ANSWERS_DEADLINE;
                }
                Some(Ok(order)) => desk.obey(order)?,
                Some(Err(problem)) => desk.complain(&problem),
            },
            () = sleep_until(give_up), if !reading => {
                unanswered = desk.running.len();
                break;
            }
            _ = tokio::signal::ctrl_c() => break,
            else => break,
        }
        if !reading && desk.running.is_empty() {
            break;
        }
    }
    // When it fails the connection ends next in any case, and the server then does the same.
    let logout = Request::RequestAgentLogout(RequestAgentLogout::default());
    let options = RequestOptions { deadline: Some(LOGOUT_DEADLINE), ..RequestOptions::default() };
    let _ = client.request_with(logout, options).await;
    teller.end().await;
    client.close().await;
    if unanswered > 0 {
        let reason = format!("{unanswered} orders had no answer: whether they were carried out is not known");
        return Err(Failure::Unavailable { server: common.server.clone(), reason });
    }
    Ok(())
}

/// What he has before him.
pub(super) struct Desk {
    pub(super) output: Output,
    client: Client,
    /// Tells when answers take long.
    waiting: Arc<Waiting>,
    agent_id: String,
    pub(super) media: Vec<String>,
    /// The agents of the configuration, among whom a wrong name is looked for.
    known_agents: Vec<String>,
    /// Where he is logged in.
    place_id: String,
    pub(super) list: Worklist,
    running: FuturesUnordered<BoxFuture<'static, Answered>>,
}

impl Desk {
    /// Sends the request of an order, again and again under the same key until it is answered; after a lost connection
    /// once he is logged in again.
    pub(super) fn send(&self, order: String, effect: Effect, request: Request) {
        let after_login = !matches!(effect, Effect::LoggedIn);
        let client = self.client.with(RequestOptions { after_login, ..RequestOptions::until_answered() });
        let waiting = Arc::clone(&self.waiting);
        let answered = async move {
            let answer = waiting.during(client.request(request)).await;
            Answered { order, effect, answer }
        };
        self.running.push(answered.boxed());
    }

    /// Says what is wrong.
    pub(super) fn complain(&self, problem: &str) {
        self.output.remark(&ProgressBar::hidden(), problem);
    }

    /// Shows what is offered and handled.
    pub(super) fn show_list(&self) -> io::Result<()> {
        if self.list.items().is_empty() && !self.output.is_json() {
            return self.output.line("nothing is offered or handled");
        }
        self.list.items().iter().try_for_each(|item| self.show(item))
    }

    fn show(&self, item: &Item) -> io::Result<()> {
        let object = || {
            let interaction = message_json::object("InteractionProperties", &item.interaction);
            json!({"number": item.number, "ticket_id": item.ticket_id, "interaction": interaction})
        };
        self.output.either(|| printable(&item.line()), object)
    }

    fn take_answer(&mut self, answered: Answered) -> Result<(), Failure> {
        let Answered { order, effect, answer } = answered;
        let event = match answer {
            Ok(answer) => answer.event,
            // The client connects again and the login is repeated then.
            Err(error) if matches!(effect, Effect::LoggedIn) && error.session_was_lost() => return Ok(()),
            Err(error) if matches!(effect, Effect::LoggedIn) => {
                let reason = requests::login_refused(&error, &self.agent_id, &self.known_agents);
                return Err(Failure::Refused(reason));
            }
            Err(error) => {
                if error.code() == Some(ErrorCode::UnknownInteraction)
                    && let Effect::Loses(id) = effect
                {
                    self.list.remove(&id);
                }
                return Ok(self.failed(&order, &error.to_string())?);
            }
        };
        let mut outcome = "done";
        match effect {
            Effect::LoggedIn => {
                let login = match event {
                    Some(Event::EventAck(ack)) => ack.agent_login.unwrap_or_default(),
                    _ => AgentLoginInfo::default(),
                };
                self.place_id = login.place_id;
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
                    Err(problem) => Ok(self.failed(&order, &problem)?),
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
        self.output.either(
            || printable(&format!("{order}: {outcome}")),
            || json!({"order": order, "outcome": outcome}),
        )?;
        Ok(())
    }

    /// Says that an order could not be carried out.
    fn failed(&self, order: &str, reason: &str) -> io::Result<()> {
        self.complain(&format!("{order}: {reason}"));
        if self.output.is_json() {
            self.output.object(&json!({"order": order, "outcome": "failed", "reason": reason}))?;
        }
        Ok(())
    }

    fn take_event(&mut self, common: &Common, event: ClientEvent) -> Result<(), Failure> {
        let envelope = match event {
            ClientEvent::Event(envelope) => envelope,
            ClientEvent::Disconnected { reason: DisconnectReason::Refused(refusal) } => {
                let server = common.server.clone();
                return Err(Failure::Unavailable { server, reason: refusal.to_string() });
            }
            // The teller says so.
            ClientEvent::Disconnected { .. } => return Ok(()),
            ClientEvent::Reconnected { .. } => {
                let login = login(&self.agent_id, &self.media);
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

fn login(agent_id: &str, media: &[String]) -> Request {
    Request::RequestAgentLogin(requests::login(agent_id, media))
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
