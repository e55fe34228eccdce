//! The two ways to the server: the protocol's stream for what is done, the inspection service for what is looked up.

use std::time::Duration;

use ixn_client::{Client, ClientError, ClientOptions};
use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::{
    AgentStatus, ClientType, GetInteractionRequest, GetInteractionResponse, GetServerRequest,
    GetServerResponse, InteractionProperties, ListAgentsRequest, ListInteractionsRequest, ListQueuesRequest,
    ListViewsRequest, PageRequest, QueueStatus, ViewStatus,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::arguments::Common;
use crate::exit::Failure;
use crate::first_contact::{NotReached, attempt_timeout, reach};

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
        connect_timeout: attempt_timeout(common),
        connect_deadline: Duration::ZERO,
        request_deadline: REQUEST_DEADLINE,
        ..ClientOptions::new(&common.server, &common.client_name, client_type)
    };
    reach(common, async || match Client::connect(options.clone()).await {
        Ok(client) => Ok(client),
        Err(ClientError::Unreachable { reason, .. }) => Err(NotReached::Yet(reason)),
        Err(error) => Err(NotReached::Ever(failure(common, error))),
    })
    .await
}

/// True when the server, not the request, is the reason.
pub(crate) fn is_unavailable(error: &ClientError) -> bool {
    matches!(
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
    client: InspectionClient<Channel>,
}

impl Inspector {
    /// Nothing is connected before the first question. For those who have a connection to the server already.
    ///
    /// # Errors
    /// The address cannot be used.
    pub(crate) fn new(common: &Common) -> Result<Self, Failure> {
        Ok(Self::over(common, endpoint(common)?.connect_lazy()))
    }

    /// Connects, waiting for the server as `--connect-timeout` says.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub(crate) async fn connect(common: &Common) -> Result<Self, Failure> {
        let endpoint = endpoint(common)?;
        let connect = async || endpoint.connect().await.map_err(|error| NotReached::Yet(innermost(&error)));
        Ok(Self::over(common, reach(common, connect).await?))
    }

    fn over(common: &Common, channel: Channel) -> Self {
        let client = InspectionClient::new(channel).max_decoding_message_size(LARGEST_ANSWER_BYTES);
        Self { server: common.server.clone(), client }
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
            let answer = self.client.clone().list_queues(request).await;
            let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
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
            let answer = self.client.clone().list_views(request).await;
            let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
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
            let answer = self.client.clone().list_agents(request).await;
            let answer = answer.map_err(|status| self.failure(&status))?.into_inner();
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
        let answer = self.client.clone().get_interaction(request).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
    }

    /// The server itself.
    ///
    /// # Errors
    /// The server is unavailable.
    pub(crate) async fn server(&self) -> Result<GetServerResponse, Failure> {
        let answer = self.client.clone().get_server(GetServerRequest {}).await;
        Ok(answer.map_err(|status| self.failure(&status))?.into_inner())
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

fn endpoint(common: &Common) -> Result<Endpoint, Failure> {
    let server = &common.server;
    let endpoint = Endpoint::from_shared(server.clone())
        .map_err(|error| Failure::Usage(format!("--server {server}: {error}")))?;
    Ok(endpoint.connect_timeout(attempt_timeout(common)).timeout(ANSWER_TIMEOUT))
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
        let answer = self.inspector.client.list_interactions(request).await;
        let answer = answer.map_err(|status| self.inspector.failure(&status))?.into_inner();
        let mut rows = answer.interactions;
        rows.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= rows.len() as u64;
        self.start = Some(answer.next_page).filter(|start| !start.is_empty());
        Ok(Some(rows))
    }
}
