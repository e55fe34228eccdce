//! Routing, reporting, topics and external services.

use ixn_proto::{
    Event3rdServerFault, Event3rdServerResponse, KeyValueList, Request3rdServer, RequestPublish,
    RequestStopPlaceAgentStateReportingAll, RequestSubscribe, RequestUnsubscribe, client_envelope::Request,
    server_envelope::Event,
};

use super::{acknowledged, answered};
use crate::{Client, ClientError};

impl Client {
    /// Subscribes to topics, on this connection.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn subscribe(&self, topics: &[&str]) -> Result<(), ClientError> {
        let ps_topic_list = Some(topic_list(topics));
        let request = Request::RequestSubscribe(RequestSubscribe { ps_topic_list });
        self.acknowledged("RequestSubscribe", request).await.map(drop)
    }

    /// Ends subscriptions to topics; none named = all.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn unsubscribe(&self, topics: &[&str]) -> Result<(), ClientError> {
        let ps_topic_list = Some(topic_list(topics));
        let request = Request::RequestUnsubscribe(RequestUnsubscribe { ps_topic_list });
        self.acknowledged("RequestUnsubscribe", request).await.map(drop)
    }

    /// Publishes to everybody subscribed to a topic.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn publish(&self, topic: &str, content: KeyValueList) -> Result<(), ClientError> {
        let ps_topic = topic.to_owned();
        let request = Request::RequestPublish(RequestPublish { ps_topic, content: Some(content) });
        self.acknowledged("RequestPublish", request).await.map(drop)
    }

    /// Ends reporting for all of the server's tenant.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn stop_reporting_all(&self) -> Result<(), ClientError> {
        let request = RequestStopPlaceAgentStateReportingAll::default();
        let request = Request::RequestStopPlaceAgentStateReportingAll(request);
        self.acknowledged("RequestStopPlaceAgentStateReportingAll", request).await.map(drop)
    }

    /// Calls an external service and waits for its answer. The outer error is that of the call, the inner one the
    /// service's own fault.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn call_external_service(
        &self,
        request: Request3rdServer,
    ) -> Result<Result<Event3rdServerResponse, Event3rdServerFault>, ClientError> {
        match self.request(Request::Request3rdServer(request)).await?.event {
            Some(Event::Event3rdServerResponse(response)) => Ok(Ok(response)),
            Some(Event::Event3rdServerFault(fault)) => Ok(Err(fault)),
            _ => Err(ClientError::UnexpectedAnswer { request: "Request3rdServer" }),
        }
    }

    /// An external service answers a call. There is no answer.
    ///
    /// # Errors
    /// Those of [`Client::notify`].
    pub async fn respond_to_call(
        &self,
        answer: Result<Event3rdServerResponse, Event3rdServerFault>,
    ) -> Result<(), ClientError> {
        self.notify(match answer {
            Ok(response) => Request::Event3rdServerResponse(response),
            Err(fault) => Request::Event3rdServerFault(fault),
        })
        .await
    }
}

fn topic_list(topics: &[&str]) -> KeyValueList {
    let mut list = KeyValueList::new();
    for topic in topics {
        list.push_integer(topic, 1);
    }
    list
}

acknowledged! {
    /// Starts reporting for all. The events come through [`Client::events`](crate::Client::events);
    /// [`Client::reporting`](crate::Client::reporting) also resumes by itself.
    start_reporting_all(RequestStartPlaceAgentStateReportingAll);
    /// Starts reporting for chosen places and agents. The events come through
    /// [`Client::events`](crate::Client::events).
    start_reporting(RequestStartPlaceAgentStateReporting);
    /// Ends reporting for chosen places and agents.
    stop_reporting(RequestStopPlaceAgentStateReporting);
    /// Sends a custom event to reporting.
    custom_reporting(RequestCustomReporting);
}

answered! {
    /// A router's instruction. A repeat after a lost connection gets the first result again.
    route_call(RequestRouteCall) -> EventRouteUsed;
}
