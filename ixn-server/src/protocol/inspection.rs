//! The read-only `Inspection` service. Answers leave only when all that they may show is durable.

use std::sync::{Arc, mpsc};

use ixn_engine::commit::InteractionKey;
use ixn_engine::inspection::{InspectionRequest, InspectionResponse};
use ixn_proto::inspection_server::Inspection;
use ixn_proto::{
    ExplainInteractionRequest, ExplainInteractionResponse, GetInteractionRequest, GetInteractionResponse,
    GetServerRequest, GetServerResponse, KeyValueList, ListAgentsRequest, ListAgentsResponse,
    ListInteractionsRequest, ListInteractionsResponse, ListQueuesRequest, ListQueuesResponse,
    ListSessionsRequest, ListSessionsResponse, ListStrategiesRequest, ListStrategiesResponse,
    ListViewsRequest, ListViewsResponse,
};
use ixn_store::Database;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

use crate::driver::Message;

/// What the shell adds to the engine's description of the server.
pub(crate) type Describe = Arc<dyn Fn(&mut GetServerResponse) + Send + Sync>;

/// The service.
#[derive(Clone)]
pub(crate) struct InspectionService {
    driver: mpsc::Sender<Message>,
    database: Arc<dyn Database>,
    describe: Describe,
}

impl InspectionService {
    pub(crate) fn new(
        driver: mpsc::Sender<Message>,
        database: Arc<dyn Database>,
        describe: Describe,
    ) -> Self {
        Self { driver, database, describe }
    }

    /// Reads an interaction's user data: what the engine answered is durable, so the database has it.
    async fn add_user_data(&self, response: &mut GetInteractionResponse) -> Result<(), Status> {
        let Some(interaction) = &mut response.interaction else { return Ok(()) };
        let key = InteractionKey(interaction.submit_seq);
        let rows = self.database.contents(&[key]).await.map_err(|error| {
            Status::unavailable(format!("the user data cannot be read: {error}; ask again later"))
        })?;
        let data = rows.into_iter().next().map(|(_, data)| KeyValueList::from_encoded(data));
        interaction.user_data = data;
        Ok(())
    }

    async fn ask(&self, request: InspectionRequest) -> Result<InspectionResponse, Status> {
        let ending = || Status::unavailable("the server is ending; ask again");
        let (sender, receiver) = oneshot::channel();
        self.driver.send(Message::Inspect(request, sender)).map_err(|_| ending())?;
        match receiver.await.map_err(|_| ending())? {
            InspectionResponse::Refused(reason) => Err(Status::invalid_argument(reason)),
            response => Ok(response),
        }
    }
}

fn no_interaction(id: &str) -> Status {
    Status::not_found(format!("there is no interaction '{id}'; it may have been stopped"))
}

/// Asks the engine and takes the answer of the right kind apart.
macro_rules! ask {
    ($self:ident, $kind:ident, $request:expr) => {
        match $self.ask(InspectionRequest::$kind($request)).await? {
            InspectionResponse::$kind(response) => Ok(Response::new(response)),
            _ => Err(Status::internal("the engine answered another question")),
        }
    };
}

#[tonic::async_trait]
impl Inspection for InspectionService {
    async fn list_queues(
        &self,
        request: Request<ListQueuesRequest>,
    ) -> Result<Response<ListQueuesResponse>, Status> {
        ask!(self, Queues, request.into_inner().page.unwrap_or_default())
    }

    async fn list_views(
        &self,
        request: Request<ListViewsRequest>,
    ) -> Result<Response<ListViewsResponse>, Status> {
        ask!(self, Views, request.into_inner().page.unwrap_or_default())
    }

    async fn list_strategies(
        &self,
        request: Request<ListStrategiesRequest>,
    ) -> Result<Response<ListStrategiesResponse>, Status> {
        ask!(self, Strategies, request.into_inner().page.unwrap_or_default())
    }

    async fn list_agents(
        &self,
        request: Request<ListAgentsRequest>,
    ) -> Result<Response<ListAgentsResponse>, Status> {
        ask!(self, Agents, request.into_inner().page.unwrap_or_default())
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        ask!(self, Sessions, request.into_inner().page.unwrap_or_default())
    }

    async fn list_interactions(
        &self,
        request: Request<ListInteractionsRequest>,
    ) -> Result<Response<ListInteractionsResponse>, Status> {
        ask!(self, Interactions, request.into_inner())
    }

    async fn get_interaction(
        &self,
        request: Request<GetInteractionRequest>,
    ) -> Result<Response<GetInteractionResponse>, Status> {
        let id = request.into_inner().interaction_id;
        match self.ask(InspectionRequest::Interaction(id.clone())).await? {
            InspectionResponse::Interaction(Some(mut response)) => {
                self.add_user_data(&mut response).await?;
                Ok(Response::new(*response))
            }
            _ => Err(no_interaction(&id)),
        }
    }

    async fn explain_interaction(
        &self,
        request: Request<ExplainInteractionRequest>,
    ) -> Result<Response<ExplainInteractionResponse>, Status> {
        let id = request.into_inner().interaction_id;
        match self.ask(InspectionRequest::Explain(id.clone())).await? {
            InspectionResponse::Explain(Some(response)) => Ok(Response::new(*response)),
            _ => Err(no_interaction(&id)),
        }
    }

    async fn get_server(
        &self,
        _request: Request<GetServerRequest>,
    ) -> Result<Response<GetServerResponse>, Status> {
        match self.ask(InspectionRequest::Server).await? {
            InspectionResponse::Server(mut response) => {
                (self.describe)(&mut response);
                Ok(Response::new(response))
            }
            _ => Err(Status::internal("the engine answered another question")),
        }
    }
}
