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
use ixn_store::{Database, StoreError};
use tokio::sync::{Semaphore, oneshot};
use tonic::{Request, Response, Status};

use crate::driver::{Look, Message};
use crate::intake::Intake;

/// How many looks may wait for their answers: as long as the database is away, each of these waits.
const LOOKS: usize = 100;

/// What the shell adds to the engine's description of the server.
pub(crate) type Describe = Arc<dyn Fn(&mut GetServerResponse) + Send + Sync>;

/// The service.
#[derive(Clone)]
pub(crate) struct InspectionService {
    driver: mpsc::Sender<Message>,
    database: Arc<dyn Database>,
    intake: Intake,
    describe: Describe,
    looks: Arc<Semaphore>,
}

impl InspectionService {
    pub(crate) fn new(
        driver: mpsc::Sender<Message>,
        database: Arc<dyn Database>,
        intake: Intake,
        describe: Describe,
    ) -> Self {
        Self { driver, database, intake, describe, looks: Arc::new(Semaphore::new(LOOKS)) }
    }

    /// Reads an interaction's user data: what the engine answered is durable, so the database has it.
    async fn add_user_data(&self, response: &mut GetInteractionResponse) -> Result<(), Status> {
        let Some(interaction) = &mut response.interaction else { return Ok(()) };
        let key = InteractionKey(interaction.submit_seq);
        let rows = self.database.contents(&[key]).await.map_err(|error| match error {
            StoreError::Damaged(_) => Status::data_loss(format!(
                "the user data cannot be read: {error}; restore its row of the table contents from a backup, or stop \
                 the interaction"
            )),
            StoreError::Newer(_) => Status::data_loss(format!("the user data cannot be read: {error}")),
            _ => Status::unavailable(format!("the user data cannot be read: {error}; ask again later")),
        })?;
        let data = rows.into_iter().next().map(|(_, data)| KeyValueList::from_encoded(data));
        interaction.user_data = data;
        Ok(())
    }

    async fn ask(&self, request: InspectionRequest) -> Result<InspectionResponse, Status> {
        let away = || Status::unavailable("the database has been away for some time; ask again later");
        let ending = || Status::unavailable("the server is ending; ask again");
        if self.intake.is_refusing() {
            return Err(away());
        }
        let place = Arc::clone(&self.looks).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!("{LOOKS} others wait for their answers; ask again later"))
        })?;
        let (sender, receiver) = oneshot::channel();
        let look = Look { answer: sender, _place: place };
        self.driver.send(Message::Inspect(request, look)).map_err(|_| ending())?;
        let answer = tokio::select! {
            answer = receiver => answer.map_err(|_| ending())?,
            () = self.intake.refusing() => return Err(away()),
        };
        match answer {
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tonic::Code;

    use crate::fake_database::FakeDatabase;
    use crate::intake::Flow;

    #[tokio::test]
    async fn looks_are_refused_when_too_many_wait_and_while_the_database_is_away() {
        let (driver, messages) = mpsc::channel();
        let intake = Intake::new(1 << 20);
        let describe: Describe = Arc::new(|_| {});
        let service =
            InspectionService::new(driver, Arc::new(FakeDatabase::default()), intake.clone(), describe);
        let look = || Box::pin(service.ask(InspectionRequest::Server));
        let mut waiting: Vec<_> = (0..LOOKS).map(|_| look()).collect();
        assert!(waiting.iter_mut().all(|look| look.now_or_never().is_none()));
        assert_eq!(look().await.unwrap_err().code(), Code::ResourceExhausted);
        intake.set_flow(Flow::Refusing);
        for look in waiting {
            assert_eq!(look.await.unwrap_err().code(), Code::Unavailable);
        }
        assert_eq!(messages.try_iter().count(), LOOKS);
        assert_eq!(look().await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(messages.try_iter().count(), 0, "the engine is not asked");
    }
}
