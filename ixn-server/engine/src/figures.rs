//! What the metrics show of the engine. Looking costs a slice at a time, like everything over many records.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;
use std::time::Duration;

use ixn_configuration::Executor;
use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientEnvelope, ClientType};

use crate::engine::Engine;
use crate::interactions::QueueCounts;
use crate::names::{AgentId, MediaTypeId};
use crate::sessions::{ClientRef, ConnectionId};

/// How many clients or agents one slice looks at.
const SLICE: usize = 1000;

/// How the router of this server is called beside external ones.
pub const BUILT_IN_ROUTER: &str = "built-in";

/// How many values a client type has, the unspecified one included.
const CLIENT_TYPES: usize = 6;

macro_rules! requests {
    ($($name:ident)*) => {
        /// The names of all requests, as messages are named.
        const REQUEST_NAMES: &[&str] = &[$(stringify!($name)),*];

        enum Position { $($name),* }

        fn position(request: &Request) -> usize {
            match request { $(Request::$name(_) => Position::$name as usize,)* }
        }
    };
}

requests! {
    RequestSubmit RequestAccept RequestStopProcessing RequestPull RequestPlaceInQueue RequestChangeProperties
    RequestRegisterClient RequestUnregisterClient RequestSubscribe RequestUnsubscribe RequestPublish
    RequestAgentLogin RequestAgentLogout RequestAgentAvailable RequestAgentNotAvailable RequestAddMedia
    RequestRemoveMedia RequestNotReadyForMedia RequestCancelNotReadyForMedia RequestChangeMediaStateReason
    RequestChangeAgentStateReason RequestDoNotDisturbOn RequestDoNotDisturbOff EventCurrentAgentStatus
    RequestReject RequestTransfer RequestConference RequestIntrude RequestLeaveInteraction RequestHold RequestResume
    RequestGetInteractionProperties RequestFindInteractions RequestPlaceInWorkbin RequestGetWorkbinContent
    RequestWorkbinNotifications RequestWorkbinCancelNotifications RequestGetWorkbinTypesInfo RequestTakeSnapshot
    RequestGetSnapshotInteractions RequestReleaseSnapshot RequestLockInteraction RequestUnlockInteraction
    RequestMoveInteractions RequestRouteCall RequestStartPlaceAgentStateReporting
    RequestStartPlaceAgentStateReportingAll RequestStopPlaceAgentStateReporting
    RequestStopPlaceAgentStateReportingAll RequestCustomReporting Request3rdServer Event3rdServerResponse
    Event3rdServerFault
}

/// How many requests of each name came from each type of client, since the start.
#[derive(Debug)]
pub(crate) struct RequestCounts([[u64; REQUEST_NAMES.len()]; CLIENT_TYPES]);

impl Default for RequestCounts {
    fn default() -> Self {
        Self([[0; REQUEST_NAMES.len()]; CLIENT_TYPES])
    }
}

impl RequestCounts {
    fn add(&mut self, client_type: ClientType, request: &Request) {
        let of_type = self.0.get_mut(client_type as usize);
        if let Some(count) = of_type.and_then(|counts| counts.get_mut(position(request))) {
            *count += 1;
        }
    }

    fn seen(&self) -> impl Iterator<Item = (ClientType, &'static str, u64)> {
        let by_type = self.0.iter().zip(0_i32..);
        by_type.flat_map(|(counts, number)| {
            let client_type = ClientType::try_from(number).unwrap_or_default();
            let named = counts.iter().zip(REQUEST_NAMES);
            named.filter(|(count, _)| **count > 0).map(move |(count, name)| (client_type, *name, *count))
        })
    }
}

/// What the metrics show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Registered clients, by type; logical ones count as clients too.
    pub clients: BTreeMap<ClientType, u64>,
    /// Requests of registered clients since the start, by type of client and name; without those that never came.
    pub requests: Vec<(ClientType, &'static str, u64)>,
    /// The names of the configured queues.
    pub queues: Vec<Arc<str>>,
    /// The names of the configured media types.
    pub media_types: Vec<Arc<str>>,
    /// The counters of queues and media types, without those that are all zero. Retired ones are among them.
    pub queue_media: Vec<QueueMediaFigures>,
    /// The configured views.
    pub views: Vec<ViewFigures>,
    /// The configured strategies.
    pub strategies: Vec<StrategyFigures>,
    /// Logged-in agents.
    pub agents_logged_in: u64,
    /// Logged-in agents by the media types that they have added.
    pub agent_media: Vec<AgentMediaFigures>,
    /// User data in the cache.
    pub content_cache_bytes: u64,
    /// Remembered idempotency keys.
    pub idempotency_keys: u64,
    /// The age up to which the key of a submit is still known.
    pub idempotency_reach: Duration,
}

/// A media type in a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueMediaFigures {
    /// The queue.
    pub queue: Arc<str>,
    /// The media type.
    pub media_type: Arc<str>,
    /// Its interactions.
    pub counts: QueueCounts,
}

/// A view.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewFigures {
    /// Its name.
    pub name: Arc<str>,
    /// How many interactions it shows.
    pub interactions: u64,
    /// About what its index takes in memory.
    pub index_bytes: u64,
}

/// A strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct StrategyFigures {
    /// Its name.
    pub name: Arc<str>,
    /// The router that executes it: [`BUILT_IN_ROUTER`], or an external one.
    pub router: Arc<str>,
    /// How often the router has it loaded.
    pub load_count: u64,
    /// Interactions submitted to it since the start.
    pub total_submitted: u64,
    /// Interactions in it now.
    pub currently_submitted: u64,
    /// How many may be in it at once; none: no limit.
    pub max_submitted: Option<u64>,
    /// When an interaction was last submitted to it, Unix seconds; 0 never.
    pub last_submitted_at_seconds: u64,
}

/// A media type of logged-in agents.
#[derive(Clone, Debug, PartialEq)]
pub struct AgentMediaFigures {
    /// The media type.
    pub media_type: Arc<str>,
    /// Agents who have added it.
    pub agents: u64,
    /// Those of them who are ready for it and may be disturbed.
    pub ready: u64,
}

/// Figures that are being gathered.
#[derive(Debug, Default)]
pub struct Gathering {
    stage: Stage,
    clients: BTreeMap<ClientType, u64>,
    /// Agents who have added a medium, and those who are ready for it.
    agent_media: BTreeMap<MediaTypeId, (u64, u64)>,
}

/// What the next slice looks at.
#[derive(Clone, Copy, Debug)]
enum Stage {
    ClientsAfter(Option<ClientRef>),
    AgentsAfter(Option<AgentId>),
}

impl Default for Stage {
    fn default() -> Self {
        Self::ClientsAfter(None)
    }
}

impl Engine {
    /// Counts a request that has arrived. Those of clients that have not registered have no type and are not counted.
    pub(crate) fn count_request(&mut self, connection: ConnectionId, envelope: &ClientEnvelope) {
        let Some(request) = &envelope.request else { return };
        let client = ClientRef { connection, proxy_client_id: envelope.proxy_client_id };
        let client_type = match (request, self.sessions.clients.get(&client)) {
            (_, Some(registered)) => registered.client_type,
            (Request::RequestRegisterClient(register), None) => register.client_type(),
            _ => return,
        };
        if client_type != ClientType::Unspecified {
            self.request_counts.add(client_type, request);
        }
    }

    /// Looks at one more slice; answers the figures when it was the last one.
    pub fn gather(&self, gathering: &mut Gathering) -> Option<Figures> {
        match gathering.stage {
            Stage::ClientsAfter(after) => {
                let rest = self.sessions.clients.range((after.map_or(Unbounded, Excluded), Unbounded));
                let mut last = None;
                for (position, (client, registered)) in (1..=SLICE).zip(rest) {
                    *gathering.clients.entry(registered.client_type).or_default() += 1;
                    last = (position == SLICE).then_some(*client);
                }
                gathering.stage = match last {
                    Some(_) => Stage::ClientsAfter(last),
                    None => Stage::AgentsAfter(None),
                };
                None
            }
            Stage::AgentsAfter(after) => {
                let rest = self.agents.range((after.map_or(Unbounded, Excluded), Unbounded));
                let mut last = None;
                for (position, (agent, state)) in (1..=SLICE).zip(rest) {
                    for (media_type, media) in &state.media {
                        let (agents, ready) = gathering.agent_media.entry(*media_type).or_default();
                        *agents += 1;
                        *ready += u64::from(media.ready && !state.do_not_disturb);
                    }
                    last = (position == SLICE).then_some(*agent);
                }
                gathering.stage = Stage::AgentsAfter(last);
                last.is_none().then(|| self.figures(std::mem::take(gathering)))
            }
        }
    }

    fn figures(&self, gathered: Gathering) -> Figures {
        let words = &self.vocabulary;
        let queue_media = self.interactions.counts().iter();
        Figures {
            clients: gathered.clients,
            requests: self.request_counts.seen().collect(),
            queues: self.setup.queues.keys().map(|queue| words.queues.shared(*queue)).collect(),
            media_types: self.setup.media_types.keys().map(|id| words.media_types.shared(*id)).collect(),
            queue_media: queue_media
                .filter(|(_, counts)| **counts != QueueCounts::default())
                .map(|((queue, media_type), counts)| QueueMediaFigures {
                    queue: words.queues.shared(*queue),
                    media_type: words.media_types.shared(*media_type),
                    counts: *counts,
                })
                .collect(),
            views: self
                .setup
                .views
                .iter()
                .enumerate()
                .map(|(position, view)| ViewFigures {
                    name: view.name.as_str().into(),
                    interactions: self.views.len(position) as u64,
                    index_bytes: self.views.bytes(position) as u64,
                })
                .collect(),
            strategies: self.strategy_figures(),
            agents_logged_in: self.agents.len() as u64,
            agent_media: gathered
                .agent_media
                .into_iter()
                .map(|(media_type, (agents, ready))| AgentMediaFigures {
                    media_type: words.media_types.shared(media_type),
                    agents,
                    ready,
                })
                .collect(),
            content_cache_bytes: self.contents.bytes() as u64,
            idempotency_keys: self.idempotency.len() as u64,
            idempotency_reach: self.idempotency.reach(self.now),
        }
    }

    fn strategy_figures(&self) -> Vec<StrategyFigures> {
        let strategies = self.setup.strategies.iter().map(|(id, setup)| {
            let counts = self.strategies.get(id).copied().unwrap_or_default();
            let (router, load_count) = match &setup.executor {
                Executor::BuiltIn => (BUILT_IN_ROUTER, 1),
                Executor::External(name) => (name.as_str(), 0),
            };
            StrategyFigures {
                name: self.vocabulary.strategies.shared(*id),
                router: router.into(),
                load_count,
                total_submitted: counts.total,
                currently_submitted: counts.current as u64,
                max_submitted: (setup.max_submitted != usize::MAX).then_some(setup.max_submitted as u64),
                last_submitted_at_seconds: counts.last_submitted_at.0 / 1000,
            }
        });
        strategies.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_the_protocol_has_the_name_of_its_message() {
        let name = |request| REQUEST_NAMES[position(&request)];
        assert_eq!(name(Request::RequestSubmit(Default::default())), "RequestSubmit");
        assert_eq!(name(Request::RequestMoveInteractions(Default::default())), "RequestMoveInteractions");
        assert_eq!(name(Request::Event3rdServerFault(Default::default())), "Event3rdServerFault");
    }

    #[test]
    fn client_types_fit_the_table() {
        let types = (0..).map_while(|number| ClientType::try_from(number).ok());
        assert_eq!(types.count(), CLIENT_TYPES, "as many types as rows");
    }
}
