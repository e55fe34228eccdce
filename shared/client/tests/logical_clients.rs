//! Logical clients behind one Proxy connection.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use ixn_client::{
    ClientError, ClientEvent, ClientType, DisconnectReason, ErrorCode, Event, LogicalClient, LogicalOptions,
    RegistrationInfo, Request, RequestOptions,
    proto::{ClientEnvelope, EventInvite},
};
use stand_in::{
    Connection, StandIn, ack, ack_registration, client_disconnected, event, info, patiently, refuse,
};

fn agent(number: usize) -> LogicalOptions {
    LogicalOptions::new(format!("agent {number}"), ClientType::AgentApplication)
}

fn registered_name(request: &ClientEnvelope) -> String {
    match &request.request {
        Some(Request::RequestRegisterClient(register)) => register.client_name.clone(),
        other => panic!("not a registration: {other:?}"),
    }
}

/// Acknowledges the next registrations: proxy client id and name.
async fn register(connection: &mut Connection, count: usize) -> BTreeMap<u32, String> {
    let requests = connection.take(count).await;
    connection.send(requests.iter().map(|request| ack_registration(request, info()))).await;
    requests.iter().map(|request| (request.proxy_client_id, registered_name(request))).collect()
}

async fn proxy_with(count: usize) -> (StandIn, ixn_client::Client, Connection, Vec<LogicalClient>) {
    let mut server = StandIn::start();
    let (proxy, mut connection) = server.client(server.options(ClientType::Proxy)).await;
    let asked = join_all((0..count).map(|number| proxy.logical(agent(number))));
    let (logical, _) = tokio::join!(asked, register(&mut connection, count));
    (server, proxy, connection, logical.into_iter().map(Result::unwrap).collect())
}

#[tokio::test]
async fn each_logical_client_has_its_own_requests_and_events() {
    let (_server, _proxy, mut connection, logical) = proxy_with(3).await;
    let mut events: Vec<_> = logical.iter().map(LogicalClient::events).collect();
    for (number, client) in logical.iter().enumerate() {
        let serve = async {
            let request = connection.next().await;
            assert_eq!(request.proxy_client_id, client.proxy_client_id());
            let invite = EventInvite { ticket_id: number as u64, ..Default::default() };
            connection
                .send([event(request.proxy_client_id, Event::EventInvite(invite)), ack(&request)])
                .await;
        };
        let (answer, ()) = tokio::join!(client.cancel_not_ready_for_media("email"), serve);
        answer.unwrap();
    }
    for (number, events) in events.iter_mut().enumerate() {
        match patiently("the invite", events.next()).await {
            Some(ClientEvent::Event(envelope)) => match envelope.event {
                Some(Event::EventInvite(invite)) => assert_eq!(invite.ticket_id, number as u64),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn dropping_the_last_clone_unregisters_and_ends_the_events() {
    let (_server, _proxy, mut connection, mut logical) = proxy_with(2).await;
    let client = logical.remove(0);
    let mut events = client.events();
    let id = client.proxy_client_id();
    drop(client.clone());
    drop(client);
    let request = connection.next().await;
    assert!(matches!(request.request, Some(Request::RequestUnregisterClient(_))), "{request:?}");
    assert_eq!(request.proxy_client_id, id);
    connection.send([ack(&request)]).await;
    assert_eq!(patiently("the end", events.next()).await, None);
    // The other one goes on.
    let serve = async {
        let request = connection.next().await;
        connection.send([ack(&request)]).await;
    };
    let (answer, ()) = tokio::join!(logical[0].do_not_disturb_on(), serve);
    answer.unwrap();
}

#[tokio::test]
async fn closing_waits_for_the_answer() {
    let (_server, _proxy, mut connection, logical) = proxy_with(1).await;
    let serve = async {
        let request = connection.next().await;
        assert!(matches!(request.request, Some(Request::RequestUnregisterClient(_))), "{request:?}");
        connection.send([ack(&request)]).await;
    };
    tokio::join!(logical[0].close(), serve);
    assert!(matches!(logical[0].do_not_disturb_on().await, Err(ClientError::Closed { .. })));
}

#[tokio::test]
async fn a_thousand_logical_clients_register_again_after_a_reconnect() {
    const CLIENTS: usize = 1000;
    let (mut server, proxy, connection, logical) = proxy_with(CLIENTS).await;
    let expected: BTreeMap<u32, String> = logical
        .iter()
        .enumerate()
        .map(|(number, client)| (client.proxy_client_id(), format!("agent {number}")))
        .collect();
    let mut events: Vec<_> = logical.iter().map(LogicalClient::events).collect();
    connection.fail().await;
    let mut connection = server.accept_registered(info()).await;
    let mut requests = connection.take(CLIENTS).await;
    let names: BTreeMap<u32, String> =
        requests.iter().map(|request| (request.proxy_client_id, registered_name(request))).collect();
    assert_eq!(names, expected);
    assert!(connection.messages.len() < 100, "{} messages", connection.messages.len());
    let again = RegistrationInfo { epoch: 2, ..info() };
    fastrand::Rng::with_seed(2).shuffle(&mut requests);
    connection.send(requests.iter().map(|request| ack_registration(request, again.clone()))).await;
    for events in &mut events {
        let lost = patiently("the loss", events.next()).await;
        assert!(matches!(lost, Some(ClientEvent::Disconnected { reason: DisconnectReason::Lost(_) })));
        let back = patiently("the reconnect", events.next()).await;
        assert_eq!(back, Some(ClientEvent::Reconnected { registration: again.clone() }));
    }
    drop(proxy);
    let serve = async {
        let request = connection.next().await;
        connection.send([ack(&request)]).await;
    };
    let (answer, ()) = tokio::join!(logical[CLIENTS - 1].do_not_disturb_on(), serve);
    answer.unwrap();
}

#[tokio::test]
async fn a_request_waits_until_its_logical_client_is_registered_again() {
    let (mut server, _proxy, connection, logical) = proxy_with(2).await;
    connection.end();
    let mut connection = server.accept_registered(info()).await;
    let registrations = connection.take(2).await;
    connection.send([refuse(&registrations[0], ErrorCode::TooManyRequests)]).await;
    connection.send([ack_registration(&registrations[1], info())]).await;
    let serve = async {
        // The refused one is tried again; then its request comes.
        let again = connection.next().await;
        assert_eq!(registered_name(&again), "agent 0");
        connection.send([ack_registration(&again, info())]).await;
        let request = connection.next().await;
        assert_eq!(request.proxy_client_id, again.proxy_client_id);
        connection.send([ack(&request)]).await;
    };
    let (answer, ()) = tokio::join!(logical[0].stop("1"), serve);
    answer.unwrap();
}

#[tokio::test]
async fn a_logical_client_that_the_server_ended_registers_again_after_the_wait() {
    let (_server, _proxy, mut connection, logical) = proxy_with(2).await;
    let mut events = logical[0].events();
    let id = logical[0].proxy_client_id();
    let ask = async { tokio::join!(logical[0].stop("1"), logical[0].do_not_disturb_on()) };
    let serve = async {
        let requests = connection.take(2).await;
        let told_at = tokio::time::Instant::now();
        connection.send([client_disconnected(id, ErrorCode::LimitExceeded, 40)]).await;
        let registration = connection.next().await;
        assert!(told_at.elapsed() >= Duration::from_millis(40), "it came back too early");
        assert_eq!((registration.proxy_client_id, registered_name(&registration).as_str()), (id, "agent 0"));
        connection.send([ack_registration(&registration, info())]).await;
        let again = connection.next().await;
        assert_eq!(again, requests[0]);
        connection.send([ack(&again)]).await;
    };
    let ((stopped, disturbed), ()) = tokio::join!(ask, serve);
    stopped.unwrap();
    assert!(disturbed.unwrap_err().outcome_is_unknown());
    match patiently("the loss", events.next()).await {
        Some(ClientEvent::Disconnected { reason: DisconnectReason::EndedByServer(refusal) }) => {
            assert_eq!(refusal.name, "LIMIT_EXCEEDED");
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(events.next().await, Some(ClientEvent::Reconnected { .. })));
}

#[tokio::test]
async fn a_refused_logical_client_is_an_error_and_leaves_the_others_alone() {
    let (_server, proxy, mut connection, logical) = proxy_with(1).await;
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::NotPermitted)]).await;
    };
    let (refused, ()) = tokio::join!(proxy.logical(agent(9)), serve);
    let error = refused.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::NotPermitted));
    assert!(error.to_string().contains("`agent 9`"), "{error}");
    assert!(logical[0].is_connected());
}

#[tokio::test]
async fn a_logical_client_that_is_never_registered_times_out_and_is_taken_back() {
    let mut server = StandIn::start();
    let (proxy, mut connection) = server.client(server.options(ClientType::Proxy)).await;
    let hasty =
        proxy.with(RequestOptions { deadline: Some(Duration::from_millis(500)), ..Default::default() });
    let error = hasty.logical(agent(1)).await.unwrap_err();
    assert!(matches!(error, ClientError::DeadlineExceeded { .. }), "{error}");
    assert_eq!(registered_name(&connection.next().await), "agent 1");
    let farewell = connection.next().await;
    assert!(matches!(farewell.request, Some(Request::RequestUnregisterClient(_))), "{farewell:?}");
}

#[tokio::test]
async fn only_a_proxy_has_logical_clients() {
    let mut server = StandIn::start();
    let (client, _connection) = server.client(server.options(ClientType::MediaServer)).await;
    let error = client.logical(agent(1)).await.unwrap_err();
    assert!(error.to_string().contains("connect as ClientType::Proxy"), "{error}");
}
