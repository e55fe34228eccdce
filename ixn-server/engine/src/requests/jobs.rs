//! Answers that take more than one engine step: each step does a bounded part of one of them, in turn.

use std::collections::VecDeque;

use super::find_interactions::Search;
use super::topics::Publication;
use super::workbin_content::ContentPages;
use crate::engine::{Engine, Output};
use crate::sessions::ClientRef;

/// About how large one envelope of a long answer becomes, in bytes: many clients take at most 4 MiB.
pub(super) const PAGE_BYTES: usize = 2 << 20;

/// Something that goes on over several steps.
#[derive(Debug)]
pub(crate) enum Job {
    /// The pages of a workbin's content.
    WorkbinContent(Box<ContentPages>),
    /// A search for interactions.
    Search(Box<Search>),
    /// A publication to many subscribers.
    Publication(Box<Publication>),
}

impl Job {
    /// For whom it is done; a publication outlives its publisher.
    fn client(&self) -> Option<ClientRef> {
        match self {
            Self::WorkbinContent(pages) => Some(pages.caller.client),
            Self::Search(search) => Some(search.caller.client),
            Self::Publication(_) => None,
        }
    }
}

/// Whether a job is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    GoesOn,
    /// When the client has read what was sent.
    GoesOnWhenRead,
    Done,
}

/// What goes on.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    active: VecDeque<Job>,
    /// Until their clients have read what was sent.
    resting: Vec<Job>,
}

impl Jobs {
    /// Whether nothing can be done now.
    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Ends what is done for a client that is gone.
    pub(super) fn forget(&mut self, client: ClientRef) {
        self.active.retain(|job| job.client() != Some(client));
        self.resting.retain(|job| job.client() != Some(client));
    }

    /// The client has read what was sent.
    pub(crate) fn go_on(&mut self, client: ClientRef) {
        self.active.extend(self.resting.extract_if(.., |job| job.client() == Some(client)));
    }
}

impl Engine {
    /// Does the first part of a job now.
    pub(super) fn begin(&mut self, job: Job) {
        self.work_on(job);
    }

    /// Does the next part of the job whose turn it is.
    pub(crate) fn work_on_jobs(&mut self) {
        if let Some(job) = self.jobs.active.pop_front() {
            self.work_on(job);
        }
    }

    fn work_on(&mut self, mut job: Job) {
        let progress = match &mut job {
            Job::WorkbinContent(pages) => self.send_workbin_page(pages),
            Job::Search(search) => self.search_on(search),
            Job::Publication(publication) => self.publish_on(publication),
        };
        match progress {
            Progress::GoesOn => self.jobs.active.push_back(job),
            Progress::GoesOnWhenRead => {
                if let Some(client) = job.client() {
                    self.output(Output::AwaitDrain(client));
                }
                self.jobs.resting.push(job);
            }
            Progress::Done => {}
        }
    }
}
