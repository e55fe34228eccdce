//! One connection: requests, answers, limits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _, future::join_all, stream::FuturesUnordered};
use ixn_client::{
    ClientError, ClientType, ErrorCode, Event, RegistrationInfo, Request, RequestOptions, RequestSubmit,
    ServerEnvelope,
    proto::{
        ClientEnvelope, EventInteractionProperties, EventWorkbinContent, InteractionProperties,
        RequestGetInteractionProperties, RequestGetWorkbinContent,
    },
};
use stand_in::{StandIn, ack, ack_submit, answer_with, eventually, info, patiently, refuse};

fn submit(external_id: &str) -> RequestSubmit {
    RequestSubmit { external_id: external_id.to_owned(), ..Default::default() }
}

fn external_id(request: &ClientEnvelope) -> String {
    match &request.request {
        Some(Request::RequestSubmit(submit)) => submit.external_id.clone(),
        other => panic!("not a submit: {other:?}"),
    }
}

#[tokio::test]
async fn answers_in_any_order_reach_their_requests() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let asked = (0..500).map(|number| client.submit(submit(&number.to_string())));
    let serve = async {
        let mut requests = connection.take(500).await;
        fastrand::Rng::with_seed(1).shuffle(&mut requests);
        connection.send(requests.iter().map(|request| ack_submit(request, &external_id(request)))).await;
    };
    let (answers, ()) = tokio::join!(join_all(asked), serve);
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap().interaction_id, number.to_string());
    }
    assert!(connection.messages.len() < 100, "500 requests came in {:?}", connection.messages);
}

#[tokio::test]
async fn requests_of_one_client_arrive_in_order_each_with_a_key_of_its_own() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let asked: Vec<_> = (0..100).map(|number| client.submit(submit(&number.to_string()))).collect();
    let serve = async {
        let requests = connection.take(100).await;
        connection.send(requests.iter().map(ack)).await;
        requests
    };
    let (_, requests) = tokio::join!(join_all(asked), serve);
    let order: Vec<_> = requests.iter().map(external_id).collect();
    assert_eq!(order, (0..100).map(|number| number.to_string()).collect::<Vec<_>>());
    let keys: std::collections::BTreeSet<_> =
        requests.iter().map(|request| request.idempotency_key.clone()).collect();
    assert_eq!(keys.len(), 100);
    assert!(!keys.contains(""));
}

#[tokio::test]
async fn a_refusal_is_an_error_with_code_name_and_sentence() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::UnknownQueue)]).await;
    };
    let (answer, ()) = tokio::join!(client.submit(submit("1")), serve);
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::UnknownQueue));
    assert!(error.to_string().contains("UNKNOWN_QUEUE (20): UnknownQueue, says the test"), "{error}");
}

#[tokio::test]
async fn what_nobody_asked_for_or_nobody_knows_is_ignored() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let serve = async {
        let request = connection.next().await;
        let stranger = ClientEnvelope { reference_id: 999_999, ..Default::default() };
        let unknown_event = ServerEnvelope { event_number: 3, ..Default::default() };
        let unknown_receiver = ServerEnvelope { proxy_client_id: 77, ..ack(&ClientEnvelope::default()) };
        connection.send([ack(&stranger), unknown_event, unknown_receiver]).await;
        connection.send([ack_submit(&request, "1")]).await;
        let request = connection.next().await;
        // An answer of a kind that this version does not know.
        connection.send([ServerEnvelope { event: None, ..ack(&request) }]).await;
    };
    let ask = async {
        assert_eq!(client.submit(submit("1")).await.unwrap().interaction_id, "1");
        client.hold("1").await
    };
    let (answer, ()) = tokio::join!(ask, serve);
    assert_eq!(answer, Err(ClientError::UnexpectedAnswer { request: "RequestHold" }));
    assert_eq!(client.unclaimed_answers(), 1);
}

#[tokio::test]
async fn a_change_without_an_answer_has_an_unknown_outcome_and_a_question_just_timed_out() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let soon = RequestOptions { deadline: Some(Duration::from_millis(500)), ..Default::default() };
    let hasty = client.with(soon);
    let (submitted, read) = tokio::join!(hasty.submit(submit("1")), hasty.get_properties("1"));
    let requests = connection.take(2).await;
    match submitted.unwrap_err() {
        ClientError::OutcomeUnknown { idempotency_key, .. } => {
            assert_eq!(idempotency_key, requests[0].idempotency_key);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(read, Err(ClientError::DeadlineExceeded { .. })), "{read:?}");
    // Late answers go nowhere, and later requests are not disturbed.
    connection.send([ack_submit(&requests[0], "late"), ack(&requests[1])]).await;
    let serve = async {
        let request = connection.next().await;
        connection.send([ack_submit(&request, "2")]).await;
    };
    let (answer, ()) = tokio::join!(client.submit(submit("2")), serve);
    assert_eq!(answer.unwrap().interaction_id, "2");
    assert_eq!(client.unclaimed_answers(), 2);
}

#[tokio::test]
async fn at_most_as_many_requests_are_in_flight_as_the_server_wants() {
    let mut server = StandIn::start();
    let limited = RegistrationInfo { max_requests_in_flight: 3, ..info() };
    let (client, mut connection) = server.client_with(server.options(ClientType::MediaServer), limited).await;
    let ask = join_all((0..10).map(|number| client.submit(submit(&number.to_string()))));
    let serve = async {
        let mut seen = Vec::new();
        while seen.len() < 10 {
            let count = 3.min(10 - seen.len());
            let requests = connection.take(count).await;
            assert!(connection.next().now_or_never().is_none(), "a fourth request came");
            connection.send(requests.iter().map(ack)).await;
            seen.extend(requests.iter().map(external_id));
        }
        seen
    };
    let (answers, seen) = tokio::join!(ask, serve);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(seen, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_request_that_is_dropped_before_it_is_sent_is_never_sent() {
    let mut server = StandIn::start();
    let limited = RegistrationInfo { max_requests_in_flight: 1, ..info() };
    let (client, mut connection) = server.client_with(server.options(ClientType::MediaServer), limited).await;
    let mut asked: Vec<_> =
        (0..300).map(|number| Box::pin(client.submit(submit(&number.to_string())))).collect();
    for request in &mut asked {
        assert!(request.now_or_never().is_none());
    }
    let first = connection.next().await;
    assert_eq!(external_id(&first), "0");
    // The first was sent, its answer goes nowhere; of the others only the last is wanted.
    let last = asked.pop().unwrap();
    drop(asked);
    let serve = async {
        connection.send([ack_submit(&first, "0")]).await;
        let request = connection.next().await;
        connection.send([ack_submit(&request, &external_id(&request))]).await;
    };
    let (answer, ()) = tokio::join!(last, serve);
    assert_eq!(answer.unwrap().interaction_id, "299");
}

#[tokio::test]
async fn a_request_larger_than_the_server_accepts_is_not_sent() {
    let mut server = StandIn::start();
    let limited = RegistrationInfo { max_message_bytes: 1000, ..info() };
    let (client, mut connection) = server.client_with(server.options(ClientType::MediaServer), limited).await;
    let error = client.submit(submit(&"x".repeat(1000))).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { limit: 1000, .. }), "{error}");
    let ask = join_all((0..10).map(|_| client.submit(submit(&"x".repeat(400)))));
    let serve = async {
        let requests = connection.take(10).await;
        connection.send(requests.iter().map(ack)).await;
    };
    let (answers, ()) = tokio::join!(ask, serve);
    assert!(answers.iter().all(Result::is_ok));
    assert!(connection.messages.iter().all(|count| *count <= 2), "{:?}", connection.messages);
}

#[tokio::test]
async fn the_pages_of_an_answer_come_as_one() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::AgentApplication)).await;
    let page = |request: &ClientEnvelope, ids: &[&str], more: bool| {
        let interactions = ids
            .iter()
            .map(|id| InteractionProperties { interaction_id: (*id).to_owned(), ..Default::default() })
            .collect();
        let content =
            EventWorkbinContent { interactions, more, number_of_interactions: 5, ..Default::default() };
        answer_with(request, Event::EventWorkbinContent(content))
    };
    let serve = async {
        let request = connection.next().await;
        connection.send([page(&request, &["1", "2"], true)]).await;
        connection.send([page(&request, &["3", "4"], true)]).await;
        connection.send([page(&request, &["5"], false)]).await;
    };
    let (content, ()) = tokio::join!(client.get_workbin_content(RequestGetWorkbinContent::default()), serve);
    let content = content.unwrap();
    let ids: Vec<_> = content.interactions.iter().map(|found| found.interaction_id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "5"]);
    assert!(!content.more);
}

#[tokio::test]
async fn thousands_in_flight_on_one_connection_all_come_back() {
    const REQUESTS: usize = 20_000;
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let serving = tokio::spawn(async move {
        for _ in 0..REQUESTS {
            let request = connection.next().await;
            let id = match &request.request {
                Some(Request::RequestGetInteractionProperties(get)) => get.interaction_id.clone(),
                other => panic!("{other:?}"),
            };
            let interaction = Some(InteractionProperties { interaction_id: id, ..Default::default() });
            let properties = EventInteractionProperties { interaction, ..Default::default() };
            connection.send([answer_with(&request, Event::EventInteractionProperties(properties))]).await;
        }
    });
    let mut asked = FuturesUnordered::new();
    for number in 0..REQUESTS {
        let client = client.clone();
        asked.push(async move {
            let interaction_id = number.to_string();
            let request = RequestGetInteractionProperties { interaction_id: interaction_id.clone() };
            let found = client.get_interaction_properties(request).await.unwrap();
            assert_eq!(found.interaction.unwrap().interaction_id, interaction_id);
        });
    }
    patiently("all answers", async { while asked.next().await.is_some() {} }).await;
    serving.await.unwrap();
}

#[tokio::test]
async fn closing_unregisters_and_ends_the_stream() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let mut events = client.events();
    let serve = async {
        let request = connection.next().await;
        assert!(matches!(request.request, Some(Request::RequestUnregisterClient(_))), "{request:?}");
        connection.send([ack(&request)]).await;
        connection.closed().await;
    };
    patiently("the end", async { tokio::join!(client.close(), serve) }).await;
    assert_eq!(events.next().await, None);
    assert!(matches!(client.submit(submit("1")).await, Err(ClientError::Closed { .. })));
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_stream() {
    let mut server = StandIn::start();
    let (client, connection) = server.client(server.options(ClientType::MediaServer)).await;
    let mut events = client.events();
    drop(client.clone());
    assert!(client.is_connected());
    drop(client);
    connection.closed().await;
    assert_eq!(patiently("the end", events.next()).await, None);
}

#[tokio::test]
async fn what_has_no_answer_is_sent_without_a_reference() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    client.respond_to_call(Ok(Default::default())).await.unwrap();
    let sent = connection.next().await;
    assert!(matches!(sent.request, Some(Request::Event3rdServerResponse(_))), "{sent:?}");
    assert_eq!(sent.reference_id, 0);
    eventually("nothing is awaited", || {
        (client.unclaimed_answers() == 0).then_some(()).ok_or_else(|| "an answer".to_owned())
    })
    .await;
}

#[tokio::test]
async fn an_agents_status_is_answered_as_requests_are() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::ReportingEngine)).await;
    let serve = async {
        let accepted = connection.next().await;
        connection.send([ack(&accepted)]).await;
        let refused = connection.next().await;
        connection.send([refuse(&refused, ErrorCode::AgentNotLoggedIn)]).await;
        accepted
    };
    let ask = async {
        client.current_agent_status(Default::default()).await.unwrap();
        client.current_agent_status(Default::default()).await.unwrap_err()
    };
    let (error, accepted) = tokio::join!(ask, serve);
    assert!(matches!(accepted.request, Some(Request::EventCurrentAgentStatus(_))), "{accepted:?}");
    assert_eq!(error.code(), Some(ErrorCode::AgentNotLoggedIn));
    assert_eq!(client.unclaimed_answers(), 0);
}
