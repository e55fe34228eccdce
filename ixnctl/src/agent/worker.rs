//! One agent who works by himself: the shell around his [`Desk`], on one logical client of the crew's connection.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use ixn_client::{ClientError, ClientEvent, DisconnectReason, Events, LogicalClient, RequestOptions};
use ixn_proto::RequestAgentLogout;
use ixn_proto::client_envelope::Request;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::desk::{Action, Desk, Input};
use super::refusals::Refusals;
use super::requests::{self, Finish, LOGIN_PATIENCE};
use crate::output::Remarks;
use crate::troubles::Waiting;

/// How long an agent who is told to end waits for the answers that are on their way.
const ANSWERS_DEADLINE: Duration = Duration::from_secs(30);

/// How long his logout may take.
pub(super) const LOGOUT_DEADLINE: Duration = Duration::from_secs(10);

/// How all agents of a crew work.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// How long one thinks about each interaction.
    pub think: Duration,
    /// What he does then.
    pub finish: Finish,
    /// The media types that he is ready for.
    pub media: Vec<String>,
    /// The agents of the configuration, among whom a wrong name is looked for.
    pub known_agents: Vec<String>,
}

/// What the agents of a crew have done and have.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Acknowledged accepts.
    pub accepted: AtomicU64,
    /// Acknowledged ends of work.
    pub finished: AtomicU64,
    /// Interactions that they have or are about to have.
    pub holding: AtomicU64,
    /// Agents whose login stands.
    pub logged_in: AtomicU64,
    /// Requests whose answers nobody waited for any more at the end.
    pub unanswered: AtomicU64,
}

/// One agent at work.
pub(super) struct Worker {
    pub agent_id: String,
    pub client: LogicalClient,
    pub plan: Arc<Plan>,
    pub tally: Arc<Tally>,
    pub refusals: Arc<Refusals>,
    pub remarks: Remarks,
    /// Tells when answers take long.
    pub waiting: Arc<Waiting>,
    /// True = take the answers that are on their way and log out.
    pub end: watch::Receiver<bool>,
}

/// A desk, and what is on its way to it.
#[derive(Default)]
struct Work {
    desk: Desk,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    /// How many of `running` are requests; the others only think.
    requests: usize,
    /// What the tally knows of the desk.
    told: Counts,
}

/// What is over.
enum Done {
    /// He thought.
    Thought(Input),
    /// A request was answered, or never will be.
    Answered(Option<Input>),
    /// He cannot log in.
    LoginFailed(ClientError),
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    accepted: u64,
    finished: u64,
    holding: u64,
    logged_in: u64,
}

impl Worker {
    /// Works until told to end.
    ///
    /// # Errors
    /// A sentence: he cannot log in, or his login was ended by somebody else.
    pub(super) async fn run(mut self) -> Result<(), String> {
        let mut events = self.client.events();
        let mut work = Work::default();
        let ended = self.work(&mut events, &mut work).await;
        let Counts { accepted, finished, .. } = work.told;
        self.tell(&mut work, Counts { accepted, finished, holding: 0, logged_in: 0 });
        if ended.is_ok() {
            self.tally.unanswered.fetch_add(work.requests as u64, Ordering::Relaxed);
            let logout = Request::RequestAgentLogout(RequestAgentLogout::default());
            let options = RequestOptions { deadline: Some(LOGOUT_DEADLINE), ..RequestOptions::default() };
            // When it fails the connection ends next in any case, and the server then does the same.
            let _ = self.client.request_with(logout, options).await;
        }
        ended.map_err(|reason| format!("agent {}: {reason}", self.agent_id))
    }

    async fn work(&mut self, events: &mut Events, work: &mut Work) -> Result<(), String> {
        self.log_in(work, Duration::ZERO);
        let mut give_up = None;
        loop {
            if *self.end.borrow_and_update() && give_up.is_none() {
                give_up = Some(Instant::now() + ANSWERS_DEADLINE);
            }
            if give_up.is_some() && work.requests == 0 {
                return Ok(());
            }
            tokio::select! {
                biased;
                Some(done) = work.running.next() => self.take_done(work, done)?,
                event = events.next() => {
                    // The answers of before it may have come since the look above: an accept first, then its end.
                    while let Some(Some(done)) = work.running.next().now_or_never() {
                        self.take_done(work, done)?;
                    }
                    let event = event.ok_or("the connection is closed")?;
                    self.take_event(work, event, give_up.is_some())?;
                }
                led = self.end.changed(), if give_up.is_none() => led.map_err(|_| "the crew is gone")?,
                () = wait_until(give_up) => return Ok(()),
            }
        }
    }

    fn take_done(&self, work: &mut Work, done: Done) -> Result<(), String> {
        work.requests -= usize::from(!matches!(done, Done::Thought(_)));
        match done {
            Done::Thought(input) | Done::Answered(Some(input)) => self.act(work, input),
            Done::Answered(None) => {}
            Done::LoginFailed(error) => {
                return Err(requests::login_refused(&error, &self.agent_id, &self.plan.known_agents));
            }
        }
        Ok(())
    }

    fn take_event(&self, work: &mut Work, event: ClientEvent, ending: bool) -> Result<(), String> {
        match event {
            ClientEvent::Event(envelope) => match requests::happened(*envelope)? {
                // Who leaves takes nothing new: the offer returns when he logs out.
                Some(Input::Invited { .. }) if ending => {}
                Some(input) => self.act(work, input),
                None => {}
            },
            ClientEvent::Disconnected { reason: reason @ DisconnectReason::Refused(_) } => {
                return Err(reason.to_string());
            }
            ClientEvent::Disconnected { .. } => self.act(work, Input::Disconnected),
            ClientEvent::Reconnected { .. } => self.log_in(work, LOGIN_PATIENCE),
        }
        Ok(())
    }

    fn log_in(&self, work: &mut Work, patience: Duration) {
        let client = self.client.with(RequestOptions::until_answered());
        let (waiting, plan) = (Arc::clone(&self.waiting), Arc::clone(&self.plan));
        let login = requests::login(&self.agent_id, &plan.media);
        work.requests += 1;
        work.running.push(Box::pin(async move {
            match waiting.during(requests::log_in(&client, login, patience)).await {
                Ok(login) => Done::Answered(login.map(|login| requests::logged_in(login, &plan.media))),
                Err(error) => Done::LoginFailed(error),
            }
        }));
    }

    /// Lets the desk know, and does what it says.
    fn act(&self, work: &mut Work, input: Input) {
        for action in work.desk.handle(input) {
            if let Action::Think { interaction_id } = action {
                let think = self.plan.think;
                work.running.push(Box::pin(async move {
                    sleep(think).await;
                    Done::Thought(Input::Thought { interaction_id })
                }));
                continue;
            }
            let (refusals, remarks) = (Arc::clone(&self.refusals), self.remarks.clone());
            let refused = move |order, error: &ClientError| {
                if let Some(first) = refusals.count(order, error) {
                    remarks.say(&first);
                }
            };
            let (client, agent_id) = (self.client.clone(), self.agent_id.clone());
            let request = requests::carry_out(client, agent_id, action, self.plan.finish.clone(), refused);
            work.requests += 1;
            let waiting = Arc::clone(&self.waiting);
            work.running.push(Box::pin(async move { Done::Answered(waiting.during(request).await) }));
        }
        let counts = Counts {
            accepted: work.desk.accepted(),
            finished: work.desk.finished(),
            holding: work.desk.holding() as u64,
            logged_in: u64::from(work.desk.is_logged_in()),
        };
        self.tell(work, counts);
    }

    /// Brings the tally from what it knows to `counts`.
    fn tell(&self, work: &mut Work, counts: Counts) {
        let told = std::mem::replace(&mut work.told, counts);
        for (total, told, now) in [
            (&self.tally.accepted, told.accepted, counts.accepted),
            (&self.tally.finished, told.finished, counts.finished),
            (&self.tally.holding, told.holding, counts.holding),
            (&self.tally.logged_in, told.logged_in, counts.logged_in),
        ] {
            // Wraps around when it shrinks, as adding to an atomic does.
            total.fetch_add(now.wrapping_sub(told), Ordering::Relaxed);
        }
    }
}

async fn wait_until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
