//! What the stand-in answers when it is looked into.

use ixn_proto::inspection_server::Inspection;
use ixn_proto::*;
use tonic::{Request, Response, Status};

use super::Service;

impl Service {
    /// Never, when nothing is to be looked up.
    async fn answers(&self) {
        let looks_up_nothing = self.world.lock().unwrap().looks_up_nothing;
        if looks_up_nothing {
            std::future::pending::<()>().await;
        }
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Inspection for Service {
    async fn list_queues(&self, _: Request<ListQueuesRequest>) -> Answer<ListQueuesResponse> {
        self.answers().await;
        let world = self.world.lock().unwrap();
        let queues = ["inbox", "overflow", "load"].map(|queue_name| {
            let in_queue = world.interactions.values().filter(|interaction| interaction.queue == queue_name);
            let (mut waiting_processing, mut in_processing) = (0, 0);
            for interaction in in_queue {
                *if interaction.assigned_to.is_empty() {
                    &mut waiting_processing
                } else {
                    &mut in_processing
                } += 1;
            }
            let media_name = "email".to_owned();
            let media = vec![QueueMediaCounters {
                media_name,
                waiting_processing,
                in_processing,
                ..Default::default()
            }];
            QueueStatus { queue_name: queue_name.to_owned(), media, ..Default::default() }
        });
        Ok(Response::new(ListQueuesResponse { queues: queues.to_vec(), ..Default::default() }))
    }

    async fn list_views(&self, _: Request<ListViewsRequest>) -> Answer<ListViewsResponse> {
        self.answers().await;
        let view = ViewStatus {
            view_name: "everything".to_owned(),
            queue_name: "inbox".to_owned(),
            strategy_name: "general".to_owned(),
            enabled: true,
            ..Default::default()
        };
        Ok(Response::new(ListViewsResponse { views: vec![view], ..Default::default() }))
    }

    async fn explain_interaction(
        &self,
        _: Request<ExplainInteractionRequest>,
    ) -> Answer<ExplainInteractionResponse> {
        Err(Status::not_found("there is no such interaction"))
    }

    async fn list_agents(&self, _: Request<ListAgentsRequest>) -> Answer<ListAgentsResponse> {
        Ok(Response::new(ListAgentsResponse::default()))
    }

    /// Two rows a page, so that several pages are needed.
    async fn list_interactions(
        &self,
        request: Request<ListInteractionsRequest>,
    ) -> Answer<ListInteractionsResponse> {
        let request = request.into_inner();
        if request.condition == "?" {
            return Err(Status::invalid_argument("the condition cannot be understood at 1"));
        }
        let page = request.page.unwrap_or_default();
        let world = self.world.lock().unwrap();
        let mut rows = world.interactions.values().filter(|interaction| {
            (request.queue.is_empty() || interaction.queue == request.queue)
                && interaction.interaction_id > page.start_after
        });
        let size = page.page_size.min(2) as usize;
        let interactions: Vec<InteractionProperties> = rows.by_ref().take(size).cloned().collect();
        let last = interactions.last().map(|interaction| interaction.interaction_id.clone());
        let next_page = rows.next().and(last).unwrap_or_default();
        Ok(Response::new(ListInteractionsResponse { interactions, next_page }))
    }

    async fn get_interaction(
        &self,
        request: Request<GetInteractionRequest>,
    ) -> Answer<GetInteractionResponse> {
        let id = request.into_inner().interaction_id;
        let interaction = self.world.lock().unwrap().interactions.get(&id).cloned();
        let interaction =
            interaction.ok_or_else(|| Status::not_found(format!("no interaction has the id {id}")))?;
        Ok(Response::new(GetInteractionResponse { interaction: Some(interaction), ..Default::default() }))
    }

    async fn list_strategies(&self, _: Request<ListStrategiesRequest>) -> Answer<ListStrategiesResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn list_sessions(&self, _: Request<ListSessionsRequest>) -> Answer<ListSessionsResponse> {
        Err(Status::unimplemented("not asked for"))
    }

    async fn get_server(&self, _: Request<GetServerRequest>) -> Answer<GetServerResponse> {
        let last_event_number = self.world.lock().unwrap().last_event_number();
        Ok(Response::new(GetServerResponse { last_event_number, ..Default::default() }))
    }
}
