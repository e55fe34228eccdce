//! One agent who works by hand: offers and changes are shown, orders are read from standard input.

use std::io::{self, BufRead as _};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use indicatif::ProgressBar;
use ixn_client::{Client, ClientError, ClientEvent, DisconnectReason, RequestOptions};
use ixn_proto::client_envelope::Request;
use ixn_proto::{AgentLoginInfo, ClientType, InteractionProperties, RequestAgentLogout, ServerEnvelope};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::held::find_held;
use super::orders::Effect;
use super::requests::{self, LOGIN_PATIENCE};
use super::roster::Roster;
use super::worker::LOGOUT_DEADLINE;
use super::worklist::{Item, Worklist};
use crate::arguments::Common;
use crate::connection;
use crate::exit::Failure;
use crate::message_json;
use crate::output::{Output, printable};
use crate::troubles::{Teller, Waiting};

/// How long `quit` waits for the answers that are on their way.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(30);

/// What was answered.
pub(super) enum Answered {
    /// A login; `None` = its session was lost, and the next one is logged in.
    Login(Result<Option<AgentLoginInfo>, ClientError>),
    /// All that he handles, when the answer to the login had no room for it.
    Held(Result<Vec<InteractionProperties>, ClientError>),
    /// An order.
    Order { order: String, effect: Effect, answer: Result<Box<ServerEnvelope>, ClientError> },
}

/// Works until `quit`, the end of standard input or an interruption.
///
/// # Errors
/// The server is unavailable, or the agent cannot log in or was logged out.
pub(crate) async fn run(common: &Common, agent_id: &str, roster: &Roster) -> Result<(), Failure> {
    let client = connection::connect(common, ClientType::AgentApplication).await?;
    let mut events = client.events();
    let teller = Teller::new(common, &client, &ProgressBar::hidden());
    let mut by_hand = ByHand {
        output: common.output(),
        client: client.clone(),
        waiting: teller.waiting(),
        agent_id: agent_id.to_owned(),
        media: roster.media.clone(),
        known_agents: roster.known_agents.clone(),
        place_id: String::new(),
        list: Worklist::default(),
        running: FuturesUnordered::new(),
        unanswered_orders: 0,
    };
    by_hand.log_in(Duration::ZERO);
    let mut lines = read_lines();
    let mut reading = true;
    let mut give_up = Instant::now();
    // One for the whole time: a signal that comes between two of them would be nobody's.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        tokio::select! {
            biased;
            _ = &mut interrupted => break,
            Some(answered) = by_hand.running.next() => by_hand.take_answer(answered)?,
            event = events.next() => {
                // The answers of before it may have come since the look above: a login first, then an offer.
                while let Some(Some(answered)) = by_hand.running.next().now_or_never() {
                    by_hand.take_answer(answered)?;
                }
                match event {
                    Some(event) => by_hand.take_event(common, event)?,
                    None => break,
                }
            }
            line = lines.recv(), if reading => {
                let quits = match line {
                    Some(line) => by_hand.typed(&line)?,
                    None => true,
                };
                if quits {
                    reading = false;
                    give_up = Instant::now() + ANSWERS_DEADLINE;
                }
            }
            () = sleep_until(give_up), if !reading => break,
        }
        if !reading && by_hand.running.is_empty() {
            break;
        }
    }
    let unanswered = by_hand.unanswered_orders;
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
pub(super) struct ByHand {
    pub(super) output: Output,
    client: Client,
    /// Tells when answers take long.
    waiting: Arc<Waiting>,
    pub(super) agent_id: String,
    pub(super) media: Vec<String>,
    /// The agents of the configuration, among whom a wrong name is looked for.
    pub(super) known_agents: Vec<String>,
    /// Where he is logged in.
    pub(super) place_id: String,
    pub(super) list: Worklist,
    running: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// How many of them are orders; the others belong to logins.
    pub(super) unanswered_orders: usize,
}

impl ByHand {
    /// Logs in, and waits for that while the server's database is away.
    fn log_in(&self, patience: Duration) {
        let client = self.client.with(RequestOptions::until_answered());
        let waiting = Arc::clone(&self.waiting);
        let login = requests::login(&self.agent_id, &self.media);
        let answered =
            async move { Answered::Login(waiting.during(requests::log_in(&client, login, patience)).await) };
        self.running.push(answered.boxed());
    }

    /// Finds all that he handles.
    pub(super) fn find_held(&self) {
        let (client, waiting) = (self.client.clone(), Arc::clone(&self.waiting));
        let agent_id = self.agent_id.clone();
        let answered = async move { Answered::Held(waiting.during(find_held(&client, &agent_id)).await) };
        self.running.push(answered.boxed());
    }

    /// Sends the request of an order, again and again under the same key until it is answered; after a lost connection
    /// once he is logged in again.
    pub(super) fn send(&mut self, order: String, effect: Effect, request: Request) {
        self.unanswered_orders += 1;
        let options = RequestOptions { after_login: true, ..RequestOptions::until_answered() };
        let (client, waiting) = (self.client.with(options), Arc::clone(&self.waiting));
        let answered = async move {
            let answer = waiting.during(client.request(request)).await;
            Answered::Order { order, effect, answer: answer.map(Box::new) }
        };
        self.running.push(answered.boxed());
    }

    /// Shows what is offered and handled.
    pub(super) fn show_list(&self) -> io::Result<()> {
        if self.list.items().is_empty() && !self.output.is_json() {
            return self.output.line("nothing is offered or handled");
        }
        self.list.items().iter().try_for_each(|item| self.show(item))
    }

    pub(super) fn show(&self, item: &Item) -> io::Result<()> {
        let object = || {
            let interaction = message_json::object("InteractionProperties", &item.interaction);
            json!({"number": item.number, "ticket_id": item.ticket_id, "interaction": interaction})
        };
        self.output.either(|| printable(&item.line()), object)
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
                self.log_in(LOGIN_PATIENCE);
                return Ok(());
            }
        };
        if self.output.is_json() {
            self.output.object(&message_json::envelope(&envelope))?;
        }
        let said = envelope.event.as_ref().and_then(|event| self.list.happened(event));
        if let Some(said) = said.filter(|_| !self.output.is_json()) {
            self.output.line(&printable(&said))?;
        }
        match requests::happened(*envelope) {
            Ok(_) => Ok(()),
            Err(reason) => Err(Failure::Refused(format!("agent {}: {reason}", self.agent_id))),
        }
    }
}

/// The lines of standard input, read by a thread of its own.
fn read_lines() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::task::spawn_blocking(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        // What cannot be read is the end.
        while input.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.blocking_send(std::mem::take(&mut line)).is_err() {
                break;
            }
        }
    });
    receiver
}
