//! The way to the server for what is looked up: the inspection service.

use std::time::Duration;

use indicatif::ProgressBar;
use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::{
    AgentStatus, ExplainInteractionRequest, ExplainInteractionResponse, GetInteractionRequest,
    GetInteractionResponse, GetServerRequest, GetServerResponse, InteractionProperties, ListAgentsRequest,
    ListInteractionsRequest, ListQueuesRequest, ListViewsRequest, PageRequest, QueueStatus, ViewStatus,
};
use tokio::time::timeout;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};

use crate::arguments::Common;
use crate::exit::Failure;
use crate::first_contact::{NotReached, attempt_timeout, reach};
use crate::output::Remarks;
use crate::troubles::{SILENCE, silence};

/// How many rows are asked for at once: the most that the server gives.
const PAGE_ROWS: u32 = 1_000;
/// How long the server may take to answer one page.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// After how long without traffic the server is asked whether it is there, and how long it may take to say so: as the
/// protocol's stream does.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// The largest answer that is read, bytes.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// Looks up what the server has.
#[derive(Clone, Debug)]
pub(crate) struct Inspector {
    server: String,
    /// Where it is told that an answer takes long; `None` = somebody else tells.
    remarks: Option<Remarks>,
    client: InspectionClient<Channel>,
}

impl Inspector {
    /// Nothing is connected before the first question. For those who have a connection to the server already.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        Ok(Self::over(common, endpoint(common)?.connect_lazy(), None))
    }

    /// Connects, waiting for the server as `--connect-timeout` says. An answer that takes long is told of.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) async fn connect(common: &Common) -> Result<Self, Failure> {
        let endpoint = endpoint(common)?;
        let connect = async || endpoint.connect().await.map_err(|error| NotReached::Yet(innermost(&error)));
        let remarks = Remarks::new(common.output(), &ProgressBar::hidden());
        Ok(Self::over(common, reach(common, connect).await?, Some(remarks)))
    }

    fn over(common: &Common, channel: Channel, remarks: Option<Remarks>) -> Self {
        let client = InspectionClient::new(channel).max_decoding_message_size(LARGEST_ANSWER_BYTES);
        Self { server: common.server.clone(), remarks, client }
    }

    async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let say = |remark: String| {
            if let Some(remarks) = &self.remarks {
                remarks.say(&remark);
            }
        };
        let answered = wait_for_answer(&self.server, answer, say).await?;
        answered.map(Response::into_inner).map_err(|status| self.failure(&status))
    }

    /// All queues.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn queues(&self) -> Result<Vec<QueueStatus>, Failure> {
        all(async |page| {
            let mut client = self.client.clone();
            let answer = self.answer(client.list_queues(ListQueuesRequest { page })).await?;
            Ok((answer.queues, answer.next_page))
        })
        .await
    }

    /// All views.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn views(&self) -> Result<Vec<ViewStatus>, Failure> {
        all(async |page| {
            let mut client = self.client.clone();
            let answer = self.answer(client.list_views(ListViewsRequest { page })).await?;
            Ok((answer.views, answer.next_page))
        })
        .await
    }

    /// All agents who are logged in.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        all(async |page| {
            let mut client = self.client.clone();
            let answer = self.answer(client.list_agents(ListAgentsRequest { page })).await?;
            Ok((answer.agents, answer.next_page))
        })
        .await
    }

    /// One interaction.
    ///
    /// # Errors
    /// The server is unavailable, or has no such interaction.
    pub(crate) async fn interaction(&self, interaction_id: &str) -> Result<GetInteractionResponse, Failure> {
        let request = GetInteractionRequest { interaction_id: interaction_id.to_owned() };
        let mut client = self.client.clone();
        self.answer(client.get_interaction(request)).await
    }

    /// Why one interaction is where it is.
    ///
    /// # Errors
    /// The server is unavailable, or has no such interaction.
    pub(crate) async fn explanation(
        &self,
        interaction_id: &str,
    ) -> Result<ExplainInteractionResponse, Failure> {
        let request = ExplainInteractionRequest { interaction_id: interaction_id.to_owned() };
        let mut client = self.client.clone();
        self.answer(client.explain_interaction(request)).await
    }

    /// The server itself.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn server(&self) -> Result<GetServerResponse, Failure> {
        let mut client = self.client.clone();
        self.answer(client.get_server(GetServerRequest {})).await
    }

    /// Interactions page by page, at most `limit` in all.
    pub(crate) fn interactions(
        self,
        request: ListInteractionsRequest,
        limit: Option<u64>,
    ) -> InteractionPages {
        InteractionPages {
            inspector: self,
            request,
            left: limit.unwrap_or(u64::MAX),
            start: Some(String::new()),
        }
    }

    fn failure(&self, status: &Status) -> Failure {
        match status.code() {
            // The server says so itself.
            Code::Unavailable | Code::DeadlineExceeded if std::error::Error::source(status).is_none() => {
                Failure::Unanswered { server: self.server.clone(), reason: reason(status) }
            }
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
                Failure::Unavailable { server: self.server.clone(), reason: reason(status) }
            }
            Code::Unknown if std::error::Error::source(status).is_some() => {
                Failure::Unavailable { server: self.server.clone(), reason: reason(status) }
            }
            Code::Unimplemented => Failure::Refused(format!(
                "{} does not answer this question: is it an IXN server?",
                self.server
            )),
            _ => Failure::Refused(format!("the server refused it: {}", status.message())),
        }
    }
}

/// Waits for an answer: that there is none yet is said once, and after [`ANSWER_TIMEOUT`] it is given up.
async fn wait_for_answer<T>(
    server: &str,
    answer: impl Future<Output = T>,
    say: impl Fn(String),
) -> Result<T, Failure> {
    let mut answer = std::pin::pin!(answer);
    if let Ok(answered) = timeout(SILENCE, &mut answer).await {
        return Ok(answered);
    }
    say(silence(server));
    timeout(ANSWER_TIMEOUT - SILENCE, answer).await.map_err(|_| {
        let reason = format!("no answer within {ANSWER_TIMEOUT:?}");
        Failure::Unanswered { server: server.to_owned(), reason }
    })
}

fn endpoint(common: &Common) -> Result<Endpoint, Failure> {
    let server = &common.server;
    let endpoint = Endpoint::from_shared(server.clone())
        .map_err(|error| Failure::Usage(format!("--server {server}: {error}")))?;
    let (interval, answer_within) = KEEPALIVE;
    Ok(endpoint
        .connect_timeout(attempt_timeout(common))
        .http2_keep_alive_interval(interval)
        .keep_alive_timeout(answer_within)
        .keep_alive_while_idle(true))
}

/// The innermost cause: what wraps it says only that there is a transport.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn reason(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    }
}

/// All rows of a list: pages are asked for until there is no next one.
async fn all<T>(
    ask: impl AsyncFn(Option<PageRequest>) -> Result<(Vec<T>, String), Failure>,
) -> Result<Vec<T>, Failure> {
    let mut rows = Vec::new();
    let mut start_after = String::new();
    loop {
        let (page, next) = ask(Some(PageRequest { page_size: PAGE_ROWS, start_after })).await?;
        rows.extend(page);
        if next.is_empty() {
            return Ok(rows);
        }
        start_after = next;
    }
}

/// A list of interactions, page by page.
#[derive(Debug)]
pub(crate) struct InteractionPages {
    inspector: Inspector,
    request: ListInteractionsRequest,
    left: u64,
    start: Option<String>,
}

impl InteractionPages {
    /// The next page, without user data; `None` at the end.
    ///
    /// # Errors
    /// The server is unavailable, or refuses the condition.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<InteractionProperties>>, Failure> {
        let Some(start) = self.start.take().filter(|_| self.left > 0) else { return Ok(None) };
        let mut page = PageRequest { page_size: PAGE_ROWS, start_after: start };
        page.page_size = u32::try_from(self.left).unwrap_or(PAGE_ROWS).min(PAGE_ROWS);
        let request = ListInteractionsRequest { page: Some(page), ..self.request.clone() };
        let mut client = self.inspector.client.clone();
        let answer = self.inspector.answer(client.list_interactions(request)).await?;
        let mut rows = answer.interactions;
        rows.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= rows.len() as u64;
        self.start = Some(answer.next_page).filter(|start| !start.is_empty());
        Ok(Some(rows))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_said_to_and_given_up_as_one_that_runs() {
        let said = RefCell::new(Vec::new());
        let say = |remark| said.borrow_mut().push(remark);
        let started = Instant::now();
        let late = sleep(SILENCE * 2);
        assert!(wait_for_answer("it", late, say).await.is_ok());
        assert_eq!(said.borrow().len(), 1, "{said:?}");
        assert!(said.borrow()[0].starts_with("no answer from it for 5s"), "{said:?}");
        let never = std::future::pending::<()>();
        let failure = wait_for_answer("it", never, say).await.unwrap_err();
        assert_eq!(started.elapsed(), SILENCE * 2 + ANSWER_TIMEOUT);
        let text = failure.to_string();
        assert!(text.contains("runs, but does not answer: no answer within 60s"), "{text}");
        assert!(text.contains("database") && !text.contains("start"), "{text}");
    }
}
