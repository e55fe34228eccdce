//! What happens to requests when the server refuses for now, or the connection is lost.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use std::time::Duration;

use futures::future::join_all;
use ixn_client::{
    Client, ClientError, ClientType, ErrorCode, IdempotencyKey, Request, RequestOptions, RequestSubmit,
    Trouble, WhenRefusedForNow,
    proto::{ClientEnvelope, EventRouteUsed, RequestAgentLogin, RequestPull, RequestRouteCall},
};
use stand_in::{Connection, StandIn, ack, ack_submit, answer_with, info, patiently, refuse};

async fn media_server() -> (StandIn, Client, Connection) {
    let mut server = StandIn::start();
    let options = server.options(ClientType::MediaServer);
    let (client, connection) = server.client(options).await;
    (server, client, connection)
}

fn submit(external_id: &str) -> RequestSubmit {
    RequestSubmit { external_id: external_id.to_owned(), ..Default::default() }
}

fn without_key() -> RequestOptions {
    RequestOptions { idempotency_key: IdempotencyKey::Off, ..Default::default() }
}

/// The envelope but for its number.
fn content(request: &ClientEnvelope) -> ClientEnvelope {
    ClientEnvelope { reference_id: 0, ..request.clone() }
}

#[tokio::test]
async fn a_refusal_for_now_is_repeated_with_the_same_key() {
    let (_server, client, mut connection) = media_server().await;
    let serve = async {
        let first = connection.next().await;
        connection.send([refuse(&first, ErrorCode::DatabaseUnavailable)]).await;
        let second = connection.next().await;
        connection.send([refuse(&second, ErrorCode::TooManyRequests)]).await;
        let third = connection.next().await;
        connection.send([ack_submit(&third, "1")]).await;
        [first, second, third]
    };
    let (answer, requests) = tokio::join!(client.submit(submit("1")), serve);
    assert_eq!(answer.unwrap().interaction_id, "1");
    assert!(!requests[0].idempotency_key.is_empty());
    assert_eq!(content(&requests[0]), content(&requests[1]));
    assert_eq!(content(&requests[0]), content(&requests[2]));
}

#[tokio::test]
async fn every_refusal_for_now_is_repeated_also_without_a_key_and_no_other_is() {
    let (_server, client, mut connection) = media_server().await;
    let client = client.with(without_key());
    for code in [
        ErrorCode::DatabaseUnavailable,
        ErrorCode::TooManyRequests,
        ErrorCode::ShuttingDown,
        ErrorCode::NotPrimary,
    ] {
        let serve = async {
            let first = connection.next().await;
            connection.send([refuse(&first, code)]).await;
            let second = connection.next().await;
            connection.send([ack(&second)]).await;
        };
        let (answer, ()) = tokio::join!(client.hold("1"), serve);
        answer.unwrap();
    }
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::LimitExceeded)]).await;
    };
    let (answer, ()) = tokio::join!(client.hold("1"), serve);
    assert_eq!(answer.unwrap_err().code(), Some(ErrorCode::LimitExceeded));
}

#[tokio::test]
async fn the_deadline_ends_the_repeats_with_the_last_refusal() {
    let (_server, client, mut connection) = media_server().await;
    let options = RequestOptions { deadline: Some(Duration::from_secs(2)), ..Default::default() };
    let client = client.with(options);
    let mut refused = 0;
    let serve = async {
        loop {
            let request = connection.next().await;
            refused += 1;
            connection.send([refuse(&request, ErrorCode::DatabaseUnavailable)]).await;
        }
    };
    let error = tokio::select! {
        answer = client.submit(submit("1")) => answer.unwrap_err(),
        () = serve => unreachable!(),
    };
    // The deadline itself may come while the last repeat is on its way.
    assert!(error.code() == Some(ErrorCode::DatabaseUnavailable) || error.outcome_is_unknown(), "{error}");
    assert!(refused > 1, "it was never repeated");
}

#[tokio::test]
async fn repeats_can_be_turned_off() {
    let (_server, client, mut connection) = media_server().await;
    let client =
        client.with(RequestOptions { when_refused_for_now: WhenRefusedForNow::Fail, ..Default::default() });
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::ShuttingDown)]).await;
    };
    let (answer, ()) = tokio::join!(client.submit(submit("1")), serve);
    assert_eq!(answer.unwrap_err().code(), Some(ErrorCode::ShuttingDown));
}

#[tokio::test]
async fn a_login_that_was_refused_for_now_is_not_repeated_in_the_next_session() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::AgentApplication);
    (options.retry.initial, options.retry.max) = (Duration::from_secs(1), Duration::from_secs(1));
    let (client, mut connection) = server.client(options).await;
    let login = client.agent_login(RequestAgentLogin::default());
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::DatabaseUnavailable)]).await;
        connection.fail().await;
        server.accept_registered(info()).await
    };
    // When its wait was very short, the repeat was on its way on the connection that was lost.
    let (login, mut connection) = tokio::join!(login, serve);
    assert!(login.as_ref().is_err_and(ClientError::session_was_lost), "{login:?}");
    let serve = async {
        let request = connection.next().await;
        assert!(matches!(request.request, Some(Request::RequestHold(_))), "{request:?}");
        connection.send([ack(&request)]).await;
    };
    let (held, ()) = tokio::join!(client.hold("1"), serve);
    held.unwrap();
}

#[tokio::test]
async fn a_repeat_that_is_refused_for_now_stays_unknown_when_the_client_closes() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::MediaServer);
    (options.retry.initial, options.retry.max) = (Duration::from_secs(1), Duration::from_secs(1));
    let (client, mut connection) = server.client(options).await;
    let serve = async {
        connection.next().await;
        connection.fail().await;
        let mut connection = server.accept_registered(info()).await;
        let repeated = connection.next().await;
        connection.send([refuse(&repeated, ErrorCode::DatabaseUnavailable)]).await;
        // Behind the refusal: its answer says that the refusal was read.
        let (held, ()) = tokio::join!(client.hold("1"), async {
            let mut request = connection.next().await;
            while !matches!(request.request, Some(Request::RequestHold(_))) {
                request = connection.next().await;
            }
            connection.send([ack(&request)]).await;
        });
        held.unwrap();
        tokio::join!(client.close(), connection.closed());
    };
    let (submitted, ()) = tokio::join!(client.submit(submit("1")), serve);
    let error = submitted.unwrap_err();
    assert!(error.outcome_is_unknown(), "{error}");
}

#[tokio::test]
async fn requests_with_a_key_are_sent_again_in_order_and_identical_after_a_loss() {
    let (mut server, client, mut connection) = media_server().await;
    let ask = join_all((0..50).map(|number| client.submit(submit(&number.to_string()))));
    let serve = async {
        let before = connection.take(50).await;
        connection.send(before[..10].iter().map(|request| ack_submit(request, "before"))).await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let after = connection.take(40).await;
        connection.send(after.iter().map(|request| ack_submit(request, "after"))).await;
        (before, after, connection)
    };
    let (answers, (before, after, _connection)) = tokio::join!(ask, serve);
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().interaction_id).collect();
    assert!(ids[..10].iter().all(|id| id == "before"));
    assert!(ids[10..].iter().all(|id| id == "after"));
    assert_eq!(before[10..], after[..]);
}

#[tokio::test]
async fn a_given_key_is_used_as_it_is() {
    let (mut server, client, mut connection) = media_server().await;
    let key = IdempotencyKey::Given("mail-4711".to_owned());
    let client = client.with(RequestOptions { idempotency_key: key, ..Default::default() });
    let serve = async {
        let before = connection.next().await;
        connection.fail().await;
        let mut connection = server.accept_registered(info()).await;
        let after = connection.next().await;
        connection.send([ack_submit(&after, "1")]).await;
        (before, after, connection)
    };
    let (answer, (before, after, _connection)) = tokio::join!(client.submit(submit("1")), serve);
    answer.unwrap();
    assert_eq!(before.idempotency_key, "mail-4711");
    assert_eq!(before, after);
}

#[tokio::test]
async fn without_a_key_the_outcome_of_what_was_sent_is_unknown_and_nothing_is_sent_again() {
    let (mut server, client, mut connection) = media_server().await;
    let keyless = client.with(without_key());
    let serve = async {
        connection.take(1).await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let next = connection.next().await;
        connection.send([ack(&next)]).await;
        (next, connection)
    };
    let ask = async {
        let lost = keyless.submit(submit("1")).await;
        (lost, client.stop("2").await)
    };
    let ((lost, next), (request, _connection)) = tokio::join!(ask, serve);
    match lost.unwrap_err() {
        ClientError::OutcomeUnknown { idempotency_key, .. } => assert_eq!(idempotency_key, ""),
        other => panic!("{other:?}"),
    }
    next.unwrap();
    assert!(matches!(request.request, Some(Request::RequestStopProcessing(_))), "{request:?}");
}

#[tokio::test]
async fn what_was_not_sent_goes_out_on_the_next_connection_unless_it_belongs_to_the_session() {
    let mut server = StandIn::start();
    let limited = ixn_client::RegistrationInfo { max_requests_in_flight: 1, ..info() };
    let options = server.options(ClientType::AgentApplication);
    let (client, mut connection) = server.client_with(options, limited).await;
    let keyless = client.with(without_key());
    let ask = async {
        tokio::join!(
            keyless.get_properties("sent"),
            keyless.stop("waits"),
            client.agent_login(RequestAgentLogin::default()),
        )
    };
    let serve = async {
        let read = connection.next().await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let requests = connection.take(2).await;
        assert_eq!(requests[0], read);
        assert!(matches!(requests[1].request, Some(Request::RequestStopProcessing(_))), "{requests:?}");
        let properties = ixn_client::Event::EventInteractionProperties(Default::default());
        connection.send([answer_with(&requests[0], properties), ack(&requests[1])]).await;
        connection
    };
    let ((read, stopped, login), _connection) = tokio::join!(ask, serve);
    read.unwrap();
    stopped.unwrap();
    assert!(matches!(login, Err(ClientError::NotSent { .. })), "{login:?}");
}

#[tokio::test]
async fn a_login_or_a_pull_that_was_sent_is_not_repeated_but_a_routing_instruction_is() {
    let mut server = StandIn::start();
    let options = server.options(ClientType::RoutingEngine);
    let (client, mut connection) = server.client(options).await;
    let ask = async {
        tokio::join!(client.pull(RequestPull::default()), client.route_call(RequestRouteCall::default()))
    };
    let serve = async {
        let before = connection.take(2).await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let after = connection.next().await;
        assert_eq!(after, before[1]);
        let used = ixn_client::Event::EventRouteUsed(EventRouteUsed::default());
        connection.send([answer_with(&after, used)]).await;
        connection
    };
    let ((pulled, routed), _connection) = tokio::join!(ask, serve);
    assert!(pulled.unwrap_err().outcome_is_unknown());
    routed.unwrap();
}

#[tokio::test]
async fn a_refusal_of_the_repeat_does_not_hide_that_the_first_sending_may_have_worked() {
    let (mut server, client, mut connection) = media_server().await;
    let options = RequestOptions { when_refused_for_now: WhenRefusedForNow::Fail, ..Default::default() };
    let client = client.with(options);
    let serve = async {
        connection.next().await;
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let again = connection.next().await;
        connection.send([refuse(&again, ErrorCode::DatabaseUnavailable)]).await;
        (again.idempotency_key, connection)
    };
    let (answer, (key, _connection)) = tokio::join!(client.submit(submit("1")), serve);
    match answer.unwrap_err() {
        ClientError::OutcomeUnknown { idempotency_key, .. } => assert_eq!(idempotency_key, key),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refusals_for_now_and_losses_can_be_watched_until_they_are_over() {
    let (mut server, client, mut connection) = media_server().await;
    let mut trouble = client.trouble();
    let refusing = |trouble: &Option<Trouble>| matches!(trouble, Some(Trouble::Refusing(_)));
    let away = |trouble: &Option<Trouble>| matches!(trouble, Some(Trouble::Away(_)));
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::DatabaseUnavailable)]).await;
        patiently("refused", trouble.wait_for(refusing)).await.unwrap();
        let request = connection.next().await;
        connection.send([ack_submit(&request, "1")]).await;
        patiently("answered", trouble.wait_for(Option::is_none)).await.unwrap();
        connection.end();
        patiently("away", trouble.wait_for(away)).await.unwrap();
        let connection = server.accept_registered(info()).await;
        patiently("connected", trouble.wait_for(Option::is_none)).await.unwrap();
        connection
    };
    let (answer, _connection) = tokio::join!(client.submit(submit("1")), serve);
    assert_eq!(answer.unwrap().interaction_id, "1");
}

#[tokio::test]
async fn until_answered_means_the_same_key_however_long_it_takes() {
    let mut server = StandIn::start();
    let mut options = server.options(ClientType::MediaServer);
    options.request_deadline = Duration::from_millis(50);
    let (client, mut connection) = server.client(options).await;
    let client = client.with(RequestOptions::until_answered());
    let serve = async {
        let first = connection.next().await;
        // Its answer does not come: the connection is lost, and then the database is away for longer than a deadline.
        connection.end();
        let mut connection = server.accept_registered(info()).await;
        let away_since = tokio::time::Instant::now();
        loop {
            let again = connection.next().await;
            assert_eq!(content(&again), content(&first));
            if away_since.elapsed() > Duration::from_millis(200) {
                connection.send([ack(&again)]).await;
                return connection;
            }
            connection.send([refuse(&again, ErrorCode::DatabaseUnavailable)]).await;
        }
    };
    let (answer, _connection) = tokio::join!(client.stop("1"), serve);
    answer.unwrap();
}

#[tokio::test]
async fn what_needs_a_login_is_sent_again_after_the_answer_to_the_next_one() {
    let mut server = StandIn::start();
    let options = server.options(ClientType::AgentApplication);
    let (client, mut connection) = server.client(options).await;
    let after_login = RequestOptions { after_login: true, ..RequestOptions::until_answered() };
    let working = client.with(after_login);
    let login = async || {
        let login = client.agent_login(RequestAgentLogin::default()).await;
        login.map(drop)
    };
    let first_login = async {
        let request = connection.next().await;
        connection.send([ack(&request)]).await;
    };
    let (logged_in, ()) = tokio::join!(login(), first_login);
    logged_in.unwrap();
    let lost = async {
        let sent = connection.next().await;
        connection.end();
        (sent, server.accept_registered(info()).await)
    };
    let ask = async {
        let (stopped, (sent, connection)) = tokio::join!(working.stop("sent"), async {
            let (sent, mut connection) = lost.await;
            let serve = async {
                // A refused login holds it back as well.
                let request = connection.next().await;
                connection.send([refuse(&request, ErrorCode::AgentAlreadyLoggedIn)]).await;
                let request = connection.next().await;
                assert!(matches!(request.request, Some(Request::RequestAgentLogin(_))), "{request:?}");
                connection.send([ack(&request)]).await;
                let again = connection.next().await;
                assert_eq!(again, sent, "the same key");
                connection.send([ack(&again)]).await;
            };
            let logins = async {
                assert!(login().await.is_err());
                login().await.unwrap();
            };
            tokio::join!(serve, logins);
            (sent, connection)
        });
        stopped.unwrap();
        assert!(!sent.idempotency_key.is_empty());
        connection.send([]).await;
    };
    patiently("the repeated stop", Box::pin(ask)).await;
}
