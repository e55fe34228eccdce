//! Answers that take more than one engine step: each step does a bounded part of one of them, in turn. A search has what it
//! has found in hand, so only a few of them take turns at once.

use std::collections::{BTreeMap, VecDeque};

use ixn_proto::ErrorCode;

use super::clients::Loss;
use super::find_interactions::Search;
use super::pulls::PullId;
use super::topics::Publication;
use super::workbin_content::ContentPages;
use super::{Refusal, Result};
use crate::engine::{Engine, Output};
use crate::names::AgentId;
use crate::reporting::StatePages;
use crate::sessions::ClientRef;

/// About how large one envelope of a long answer becomes, in bytes: many clients take at most 4 MiB.
pub(crate) const PAGE_BYTES: usize = 2 << 20;
/// How many interactions an answer shows at most that is made in one step.
pub(crate) const MAX_SHOWN: usize = 500;
/// How many searches take turns.
const SEARCHES_IN_TURN: usize = 16;
/// How many of one client there may be, and how many in all.
const MAX_OF_CLIENT: usize = 100;
const MAX: usize = 10_000;

/// Something that goes on over several steps.
#[derive(Debug)]
pub(crate) enum Job {
    /// The pages of a workbin's content.
    WorkbinContent(Box<ContentPages>),
    /// A search for interactions.
    Search(Box<Search>),
    /// A publication to many subscribers.
    Publication(Box<Publication>),
    /// The full state for a reporting subscriber.
    State(Box<StatePages>),
    /// A pull that gives the agent what it has read.
    Pull(PullId),
    /// An agent who is being logged out.
    Logout(AgentId),
    /// Clients that are gone.
    Loss(Box<Loss>),
}

impl Job {
    /// The client that asked for it and has only so many under way; none: it must be done in any case.
    fn client(&self) -> Option<ClientRef> {
        match self {
            Self::WorkbinContent(pages) => Some(pages.caller.client),
            Self::Search(search) => Some(search.caller.client),
            Self::Publication(publication) => Some(publication.caller.client),
            Self::State(pages) => Some(pages.client),
            Self::Pull(_) | Self::Logout(_) | Self::Loss(_) => None,
        }
    }

    fn is_state_of(&self, client: ClientRef) -> bool {
        matches!(self, Self::State(pages) if pages.client == client)
    }

    fn is_search(&self) -> bool {
        matches!(self, Self::Search(_))
    }

    /// Whether it ends when its client is gone; a publication outlives its publisher.
    fn ends_with_client(&self) -> bool {
        !matches!(self, Self::Publication(_))
    }
}

/// Whether a job is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    GoesOn,
    /// When the client has read what was sent.
    GoesOnWhenRead,
    Done,
}

/// What goes on.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    active: VecDeque<Job>,
    /// How many searches are among them.
    searches: usize,
    /// Searches that have not begun.
    waiting: VecDeque<Job>,
    /// Until their clients have read what was sent.
    resting: BTreeMap<ClientRef, Vec<Job>>,
    of_client: BTreeMap<ClientRef, usize>,
    all: usize,
}

impl Jobs {
    /// Whether nothing can be done now.
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Lets what nobody waits for begin in its turn.
    pub(super) fn enqueue(&mut self, job: Job) {
        self.count_in(job.client());
        self.active.push_back(job);
    }

    /// Whether what this agent is offered is being taken back.
    pub(crate) fn take_back_from(&self, agent: AgentId) -> bool {
        self.active.iter().any(|job| matches!(job, Job::Loss(loss) if loss.concerns(agent)))
    }

    /// Ends what is done for a client that is gone.
    pub(super) fn forget(&mut self, client: ClientRef) {
        self.end(client, Job::ends_with_client);
    }

    /// Ends the full state that a client is being sent.
    pub(crate) fn forget_state(&mut self, client: ClientRef) {
        self.end(client, |job| job.is_state_of(client));
    }

    fn end(&mut self, client: ClientRef, ends: impl Fn(&Job) -> bool) {
        if !self.of_client.contains_key(&client) {
            return;
        }
        let ends = |job: &Job| job.client() == Some(client) && ends(job);
        let before = self.active.len() + self.waiting.len();
        self.active.retain(|job| !ends(job));
        self.waiting.retain(|job| !ends(job));
        let mut ended = before - self.active.len() - self.waiting.len();
        self.searches = self.active.iter().filter(|job| job.is_search()).count();
        self.let_searches_begin();
        if let Some(mut resting) = self.resting.remove(&client) {
            ended += resting.extract_if(.., |job| ends(job)).count();
            if !resting.is_empty() {
                self.resting.insert(client, resting);
            }
        }
        self.count_out(Some(client), ended);
    }

    fn let_searches_begin(&mut self) {
        while self.searches < SEARCHES_IN_TURN
            && let Some(search) = self.waiting.pop_front()
        {
            self.searches += 1;
            self.active.push_back(search);
        }
    }

    fn count_in(&mut self, client: Option<ClientRef>) {
        let Some(client) = client else { return };
        *self.of_client.entry(client).or_default() += 1;
        self.all += 1;
    }

    fn count_out(&mut self, client: Option<ClientRef>, ended: usize) {
        let Some(client) = client else { return };
        self.all -= ended;
        if let Some(count) = self.of_client.get_mut(&client) {
            *count -= ended;
            if *count == 0 {
                self.of_client.remove(&client);
            }
        }
    }

    /// The client has read what was sent.
    pub(crate) fn go_on(&mut self, client: ClientRef) {
        self.active.extend(self.resting.remove(&client).into_iter().flatten());
    }
}

impl Engine {
    /// Begins what a request asks for, unless too much is under way; its first part is done now when it need not wait.
    pub(super) fn begin(&mut self, job: Job) -> Result<()> {
        let refused = |text: &str| Err(Refusal::new(ErrorCode::TooManyRequests, text));
        let of_client = job.client().and_then(|client| self.jobs.of_client.get(&client));
        if of_client.is_some_and(|count| *count >= MAX_OF_CLIENT) {
            return refused(
                "this client has too many searches and other long requests under way; wait for answers",
            );
        }
        if self.jobs.all >= MAX {
            return refused("too many searches and other long requests are under way; send it again later");
        }
        self.start(job);
        Ok(())
    }

    /// The same for what is never refused.
    pub(crate) fn start(&mut self, job: Job) {
        self.jobs.count_in(job.client());
        if !job.is_search() {
            self.work_on(job);
        } else if self.jobs.searches < SEARCHES_IN_TURN {
            self.jobs.searches += 1;
            self.work_on(job);
        } else {
            self.jobs.waiting.push_back(job);
        }
    }

    /// Does the next part of the job whose turn it is. Logouts of agents who have little are done several at once.
    pub(crate) fn work_on_jobs(&mut self) {
        let mut most = self.slices.returned;
        while let Some(job) = self.jobs.active.pop_front() {
            let is_logout = matches!(job, Job::Logout(_));
            self.work_on_part(job, &mut most);
            if !is_logout || most == 0 {
                break;
            }
        }
    }

    fn work_on(&mut self, job: Job) {
        self.work_on_part(job, &mut self.slices.returned.clone());
    }

    /// The next part; what it returns of what agents had is taken off `most`.
    fn work_on_part(&mut self, mut job: Job, most: &mut usize) {
        let progress = match &mut job {
            Job::WorkbinContent(pages) => self.send_workbin_page(pages),
            Job::Search(search) => self.search_on(search),
            Job::Publication(publication) => self.publish_on(publication),
            Job::State(pages) => self.send_state_page(pages),
            Job::Pull(pull) => self.give_pulled(*pull),
            Job::Logout(agent) => self.log_out_on(*agent, most),
            Job::Loss(loss) => self.forget_on(loss),
        };
        let client = job.client();
        match progress {
            Progress::GoesOn => self.jobs.active.push_back(job),
            Progress::GoesOnWhenRead => {
                let Some(client) = client else { return };
                self.output(Output::AwaitDrain(client));
                self.jobs.resting.entry(client).or_default().push(job);
            }
            Progress::Done => {
                self.jobs.count_out(client, 1);
                if job.is_search() {
                    self.jobs.searches -= 1;
                    self.jobs.let_searches_begin();
                }
            }
        }
    }
}
