//! Looking without changing anything: what the read-only Inspection service answers.

use std::collections::BTreeSet;

use ixn_conditions::{Condition, Schema};
use ixn_configuration::Executor;
use ixn_proto::{
    AgentMediaStatus, AgentStatus, ExplainInteractionResponse, GetInteractionResponse, GetServerResponse,
    ListAgentsResponse, ListInteractionsRequest, ListInteractionsResponse, ListQueuesResponse,
    ListSessionsResponse, ListStrategiesResponse, ListViewsResponse, PageRequest, QueueMediaCounters,
    QueueStatus, SessionStatus, StrategyStatus, ViewStatus,
};

use crate::commit::InteractionKey;
use crate::engine::Engine;
use crate::figures::BUILT_IN_ROUTER;
use crate::names::{Id, MediaTypeId, QueueId};
use crate::sessions::{ClientRef, ConnectionId};

/// Rows of a page when none are asked for.
const DEFAULT_PAGE_ROWS: usize = 100;
/// Rows of a page at most.
const MAX_PAGE_ROWS: usize = 1000;
/// Interactions that one page looks at, whether they match or not: a page may be short and still have a next one.
const MAX_LOOKED_AT: usize = 1000;

/// A question.
#[derive(Clone, Debug)]
pub enum InspectionRequest {
    /// Queues and their counters.
    Queues(PageRequest),
    /// Views and what they show.
    Views(PageRequest),
    /// Strategies and what they have.
    Strategies(PageRequest),
    /// Logged-in agents.
    Agents(PageRequest),
    /// Registered clients.
    Sessions(PageRequest),
    /// Interactions, by key.
    Interactions(ListInteractionsRequest),
    /// One interaction, by id.
    Interaction(String),
    /// Why one interaction is where it is, by id.
    Explain(String),
    /// The server.
    Server,
}

/// An answer; `None` inside means that there is no such object.
#[derive(Clone, Debug, PartialEq)]
pub enum InspectionResponse {
    /// Queues.
    Queues(ListQueuesResponse),
    /// Views.
    Views(ListViewsResponse),
    /// Strategies.
    Strategies(ListStrategiesResponse),
    /// Agents.
    Agents(ListAgentsResponse),
    /// Sessions, without what only the shell knows of a connection.
    Sessions(ListSessionsResponse),
    /// Interactions.
    Interactions(ListInteractionsResponse),
    /// One interaction.
    Interaction(Option<Box<GetInteractionResponse>>),
    /// Why one interaction is where it is.
    Explain(Option<Box<ExplainInteractionResponse>>),
    /// The server, without what only the shell knows.
    Server(GetServerResponse),
    /// The question cannot be answered; the sentence says why.
    Refused(String),
}

/// How many rows a page has.
fn page_rows(request: &PageRequest) -> usize {
    match request.page_size as usize {
        0 => DEFAULT_PAGE_ROWS,
        size => size.min(MAX_PAGE_ROWS),
    }
}

/// A page of names in order, and the name after which the next begins. Of many names only the page's are sorted.
fn page<'a>(mut names: Vec<&'a str>, request: &PageRequest) -> (Vec<&'a str>, String) {
    let size = page_rows(request);
    names.retain(|name| request.start_after.is_empty() || *name > request.start_after.as_str());
    let is_last = names.len() <= size;
    if !is_last {
        names.select_nth_unstable(size);
        names.truncate(size);
    }
    names.sort_unstable();
    let next = names.last().filter(|_| !is_last).map(|last| (*last).to_owned());
    (names, next.unwrap_or_default())
}

impl Engine {
    pub(crate) fn inspect(&self, request: &InspectionRequest) -> InspectionResponse {
        match request {
            InspectionRequest::Queues(request) => InspectionResponse::Queues(self.list_queues(request)),
            InspectionRequest::Views(request) => InspectionResponse::Views(self.list_views(request)),
            InspectionRequest::Strategies(request) => {
                InspectionResponse::Strategies(self.list_strategies(request))
            }
            InspectionRequest::Agents(request) => InspectionResponse::Agents(self.list_agents(request)),
            InspectionRequest::Sessions(request) => InspectionResponse::Sessions(self.list_sessions(request)),
            InspectionRequest::Interactions(request) => match self.list_interactions(request) {
                Ok(response) => InspectionResponse::Interactions(response),
                Err(reason) => InspectionResponse::Refused(reason),
            },
            InspectionRequest::Interaction(id) => {
                InspectionResponse::Interaction(self.get_interaction(id).map(Box::new))
            }
            InspectionRequest::Explain(id) => InspectionResponse::Explain(self.explain(id).map(Box::new)),
            InspectionRequest::Server => InspectionResponse::Server(self.describe_server()),
        }
    }

    fn list_queues(&self, request: &PageRequest) -> ListQueuesResponse {
        let configured = self.setup.queues.keys().copied();
        let counted = self.interactions.counts().iter().filter(|(_, counts)| counts.total() > 0);
        let all: BTreeSet<QueueId> = configured.chain(counted.map(|((queue, _), _)| *queue)).collect();
        let names = all.into_iter().map(|queue| self.vocabulary.queues.name(queue)).collect();
        let (names, next_page) = page(names, request);
        let queues = names.into_iter().filter_map(|name| {
            let queue = self.vocabulary.queues.find(name)?;
            let setup = self.setup.queues.get(&queue);
            let workbin = self.setup.workbins.iter().find(|(_, workbin)| workbin.queue == queue);
            let counts = self.interactions.counts().range((queue, MediaTypeId::from_index(0))..);
            let counts = counts.take_while(|((of, _), _)| *of == queue);
            Some(QueueStatus {
                queue_name: name.to_owned(),
                retired: setup.is_none(),
                workbin_type_id: workbin
                    .map(|(id, _)| self.vocabulary.workbins.name(*id).to_owned())
                    .unwrap_or_default(),
                views: setup
                    .map(|setup| {
                        setup.views.iter().map(|view| self.setup.views[*view].name.clone()).collect()
                    })
                    .unwrap_or_default(),
                media: counts
                    .map(|((_, media_type), counts)| QueueMediaCounters {
                        media_name: self.vocabulary.media_types.name(*media_type).to_owned(),
                        waiting_processing: counts.waiting_processing,
                        in_processing: counts.in_processing(),
                        in_router: counts.in_router,
                        on_agent: counts.on_agent,
                        current_length: counts.current_length,
                    })
                    .collect(),
            })
        });
        ListQueuesResponse { queues: queues.collect(), next_page }
    }

    fn list_views(&self, request: &PageRequest) -> ListViewsResponse {
        let (names, next_page) =
            page(self.setup.views.iter().map(|view| view.name.as_str()).collect(), request);
        let views = names.into_iter().filter_map(|name| {
            let (position, view) = self.setup.views.iter().enumerate().find(|(_, view)| view.name == name)?;
            let strategy = view.strategy.map(|id| self.vocabulary.strategies.name(id).to_owned());
            Some(ViewStatus {
                view_name: name.to_owned(),
                queue_name: self.vocabulary.queues.name(view.queue).to_owned(),
                strategy_name: strategy.unwrap_or_default(),
                enabled: view.enabled,
                condition: view.condition.to_string(),
                order: view.order.to_string(),
                have_interactions: self.views.len(position) as u64,
                index_bytes: self.views.bytes(position) as u64,
                check_interval_seconds: u32::try_from(view.check_interval.as_secs()).unwrap_or(u32::MAX),
            })
        });
        ListViewsResponse { views: views.collect(), next_page }
    }

    fn list_strategies(&self, request: &PageRequest) -> ListStrategiesResponse {
        let names = self.setup.strategies.keys().map(|id| self.vocabulary.strategies.name(*id)).collect();
        let (names, next_page) = page(names, request);
        let strategies = names.into_iter().filter_map(|name| {
            let id = self.vocabulary.strategies.find(name)?;
            let setup = self.setup.strategies.get(&id)?;
            let counts = self.strategies.get(&id).copied().unwrap_or_default();
            let views = self.setup.views.iter().filter(|view| view.strategy == Some(id));
            Some(StrategyStatus {
                strategy_name: name.to_owned(),
                executor: match &setup.executor {
                    Executor::BuiltIn => BUILT_IN_ROUTER.to_owned(),
                    Executor::External(name) => name.clone(),
                },
                load_count: u32::from(setup.executor == Executor::BuiltIn),
                total_submitted: counts.total,
                currently_submitted: counts.current as u64,
                current_capacity: setup.max_submitted.saturating_sub(counts.current) as u64,
                max_submitted: setup.max_submitted as u64,
                last_submitted_at: (counts.last_submitted_at.0 / 1000) as i64,
                views: views.map(|view| view.name.clone()).collect(),
            })
        });
        ListStrategiesResponse { strategies: strategies.collect(), next_page }
    }

    fn list_agents(&self, request: &PageRequest) -> ListAgentsResponse {
        let names = self.agents.keys().map(|agent| self.vocabulary.agents.name(*agent)).collect();
        let (names, next_page) = page(names, request);
        let agents = names.into_iter().filter_map(|name| {
            let agent = self.vocabulary.agents.find(name)?;
            let state = self.agents.get(&agent)?;
            let setup = self.setup.agents.get(&agent);
            let of_medium = |keys: &BTreeSet<InteractionKey>, media_type| {
                let rows = keys.iter().filter_map(|key| self.interactions.get(*key));
                rows.filter(|row| row.media_type == media_type).count() as u32
            };
            let media = state.media.iter().map(|(media_type, media)| AgentMediaStatus {
                media_name: self.vocabulary.media_types.name(*media_type).to_owned(),
                ready: media.ready,
                handling: of_medium(&state.handled, *media_type),
                delivering: of_medium(&state.offered, *media_type),
                capacity: setup.map_or(0, |setup| setup.capacity_for(*media_type)),
                idle_since: match state.total_load() {
                    0 => (state.idle_since.0 / 1000) as i64,
                    _ => 0,
                },
            });
            let held = state.handled.iter().filter_map(|key| self.interactions.get(*key));
            Some(AgentStatus {
                agent: Some(self.agent_info(agent)),
                media: media.collect(),
                interaction_ids: held.map(|row| self.id_of(row)).collect(),
                connected: !state.clients.is_empty(),
            })
        });
        ListAgentsResponse { agents: agents.collect(), next_page }
    }

    fn list_sessions(&self, request: &PageRequest) -> ListSessionsResponse {
        let size = page_rows(request);
        // A page goes on after "CONNECTION/PROXY".
        let after = request.start_after.split_once('/').and_then(|(connection, proxy)| {
            Some(ClientRef {
                connection: ConnectionId(connection.parse().ok()?),
                proxy_client_id: proxy.parse().ok()?,
            })
        });
        let clients =
            self.sessions.clients.iter().filter(|(client, _)| after.is_none_or(|after| **client > after));
        let page: Vec<_> = clients.take(size + 1).collect();
        let next_page = match page.get(size - 1) {
            Some((client, _)) if page.len() > size => {
                format!("{}/{}", client.connection.0, client.proxy_client_id)
            }
            _ => String::new(),
        };
        let sessions = page.into_iter().take(size).map(|(client, registered)| SessionStatus {
            connection_number: client.connection.0,
            proxy_client_id: client.proxy_client_id,
            client_name: registered.name.to_string(),
            client_type: registered.client_type as i32,
            agent_id: registered
                .agent
                .map(|agent| self.vocabulary.agents.name(agent).to_owned())
                .unwrap_or_default(),
            ..SessionStatus::default()
        });
        ListSessionsResponse { sessions: sessions.collect(), next_page }
    }

    fn list_interactions(
        &self,
        request: &ListInteractionsRequest,
    ) -> Result<ListInteractionsResponse, String> {
        let condition =
            Condition::parse(&request.condition, &self.schema()).map_err(|error| error.to_string())?;
        let queue = match request.queue.as_str() {
            "" => None,
            name => match self.vocabulary.queues.find(name) {
                Some(queue) => Some(queue),
                None => return Err(format!("there is no queue '{name}'")),
            },
        };
        let page = request.page.clone().unwrap_or_default();
        let size = page_rows(&page);
        // A page goes on after the interaction's submit sequence number.
        let after = match page.start_after.as_str() {
            "" => InteractionKey(0),
            text => InteractionKey(text.parse().map_err(|_| "start_after is not a page of ours".to_owned())?),
        };
        let now_seconds = (self.now.0 / 1000) as i64;
        let mut response = ListInteractionsResponse::default();
        for (looked_at, row) in self.interactions.after(after).enumerate() {
            if looked_at >= MAX_LOOKED_AT || response.interactions.len() >= size {
                response.next_page = (row.key.0 - 1).to_string();
                break;
            }
            let in_queue = queue.is_none_or(|queue| row.queue == queue);
            if in_queue && condition.evaluate(&row.facts(&self.vocabulary), now_seconds).is_true() {
                response.interactions.push(self.properties(row));
            }
        }
        Ok(response)
    }

    fn schema(&self) -> Schema {
        crate::compile::schema(&self.setup, &self.vocabulary).unwrap_or_default()
    }

    fn get_interaction(&self, id: &str) -> Option<GetInteractionResponse> {
        let key = self.interactions.find(&self.vocabulary, id)?;
        let row = self.interactions.get(key)?;
        Some(GetInteractionResponse {
            interaction: Some(self.properties(row)),
            parties: self.parties(row),
            session_id: 0,
        })
    }

    fn describe_server(&self) -> GetServerResponse {
        let routers = self.sessions.clients.values();
        GetServerResponse {
            server_name: "ixn-server".into(),
            server_version: env!("CARGO_PKG_VERSION").into(),
            epoch: self.epoch.0,
            last_event_number: self.journal.last_event().0,
            tenant_id: self.vocabulary.tenant_id as i32,
            current_clients: self.sessions.clients.len() as u64,
            current_routers: routers
                .filter(|client| client.client_type == ixn_proto::ClientType::RoutingEngine)
                .count() as u64,
            agent_logged_in_count: self.agents.len() as u64,
            current_interactions: self.interactions.len() as u64,
            ..GetServerResponse::default()
        }
    }
}
