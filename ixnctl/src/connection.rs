//! The two ways to the server: the protocol's stream for what is done, the inspection service for what is looked up.

use std::time::Duration;

use indicatif::ProgressBar;
use ixn_client::{Client, ClientError, ClientOptions, ErrorCode};
use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::{
    AgentStatus, ClientType, GetInteractionRequest, GetInteractionResponse, GetServerRequest,
    GetServerResponse, InteractionProperties, ListAgentsRequest, ListInteractionsRequest, ListQueuesRequest,
    ListViewsRequest, PageRequest, QueueStatus, ViewStatus,
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
/// How long a request may take, a restart of the server included.
const REQUEST_DEADLINE: Duration = Duration::from_secs(60);
/// The largest answer that is read, bytes.
const LARGEST_ANSWER_BYTES: usize = 64 << 20;

/// Connects and registers as `client_type`, waiting for the server as `--connect-timeout` says.
///
/// # Errors
/// The server cannot be reached or refuses the registration.
pub(crate) async fn connect(common: &Common, client_type: ClientType) -> Result<Client, Failure> {
    let options = ClientOptions {
        request_deadline: REQUEST_DEADLINE,
        ..ClientOptions::new(&common.server, &common.client_name, client_type)
    };
    connect_with(common, options).await
}

/// As [`connect`], with other options than those that all commands have.
///
/// # Errors
/// Those of [`connect`].
pub(crate) async fn connect_with(common: &Common, options: ClientOptions) -> Result<Client, Failure> {
    let options = ClientOptions {
        connect_timeout: attempt_timeout(common),
        connect_deadline: Duration::ZERO,
        ..options
    };
    reach(common, async || match Client::connect(options.clone()).await {
        Ok(client) => Ok(client),
        Err(ClientError::Unreachable { reason, .. }) => Err(NotReached::Yet(reason)),
        Err(ClientError::NotServing { refusal, .. }) => Err(NotReached::NotServing(refusal.to_string())),
        Err(error) => Err(NotReached::Ever(failure(common, error))),
    })
    .await
}

/// True when the server, not the request, is the reason.
pub(crate) fn is_unavailable(error: &ClientError) -> bool {
    use ErrorCode::{DatabaseUnavailable, NotPrimary, ShuttingDown};
    matches!(error.code(), Some(DatabaseUnavailable | NotPrimary | ShuttingDown))
        || matches!(
            error,
            ClientError::Unreachable { .. }
                | ClientError::OutcomeUnknown { .. }
                | ClientError::NotSent { .. }
                | ClientError::DeadlineExceeded { .. }
                | ClientError::Closed { .. }
        )
}

/// The end of a command because of this error.
pub(crate) fn failure(common: &Common, error: ClientError) -> Failure {
    match error {
        ClientError::InvalidOption { .. } | ClientError::TlsUnsupported { .. } => {
            Failure::Usage(error.to_string())
        }
        ClientError::Unreachable { reason, .. } => {
            Failure::Unavailable { server: common.server.clone(), reason }
        }
        error if is_unavailable(&error) && error.code().is_some() => {
            Failure::Unanswered { server: common.server.clone(), reason: error.to_string() }
        }
        error if is_unavailable(&error) => {
            Failure::Unavailable { server: common.server.clone(), reason: error.to_string() }
        }
        error => Failure::Refused(error.to_string()),
    }
}

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
        let mut rows = Vec::new();
        let mut start = String::new();
        loop {
            let request = ListQueuesRequest { page: page(start) };
            let mut client = self.client.clone();
            let answer = self.answer(client.list_queues(request)).await?;
            rows.extend(answer.queues);
            start = answer.next_page;
            if start.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// All views.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn views(&self) -> Result<Vec<ViewStatus>, Failure> {
        let mut rows = Vec::new();
        let mut start = String::new();
        loop {
            let request = ListViewsRequest { page: page(start) };
            let mut client = self.client.clone();
            let answer = self.answer(client.list_views(request)).await?;
            rows.extend(answer.views);
            start = answer.next_page;
            if start.is_empty() {
                return Ok(rows);
            }
        }
    }

    /// All agents who are logged in.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentStatus>, Failure> {
        let mut rows = Vec::new();
        let mut start = String::new();
        loop {
            let request = ListAgentsRequest { page: page(start) };
            let mut client = self.client.clone();
            let answer = self.answer(client.list_agents(request)).await?;
            rows.extend(answer.agents);
            start = answer.next_page;
            if start.is_empty() {
                return Ok(rows);
            }
        }
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
    Ok(endpoint.connect_timeout(attempt_timeout(common)))
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

fn page(start_after: String) -> Option<PageRequest> {
    Some(PageRequest { page_size: PAGE_ROWS, start_after })
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

    #[test]
    fn a_server_without_its_database_is_unavailable_and_one_that_refuses_a_request_is_not() {
        let refused = |code: ErrorCode, name: &str| ClientError::Refused {
            code: code as i32,
            name: name.to_owned(),
            description: String::new(),
        };
        assert!(is_unavailable(&refused(ErrorCode::DatabaseUnavailable, "DATABASE_UNAVAILABLE")));
        assert!(!is_unavailable(&refused(ErrorCode::UnknownQueue, "UNKNOWN_QUEUE")));
    }
}
