//! The reporting stream and its resumption.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod stand_in;

use ixn_client::{
    ClientError, ClientType, ErrorCode, Event, Reporting, ReportingItem, ReportingOptions, Request,
    RequestOptions, ServerEnvelope, WhenRefusedForNow,
    proto::{
        ClientEnvelope, EventHeld, EventPublished, EventReportingGap, EventReportingState,
        EventReportingStateEnd, RequestStartPlaceAgentStateReportingAll,
    },
};
use stand_in::{Connection, StandIn, ack, event, info, patiently, refuse};

fn start(request: &ClientEnvelope) -> &RequestStartPlaceAgentStateReportingAll {
    match &request.request {
        Some(Request::RequestStartPlaceAgentStateReportingAll(start)) => start,
        other => panic!("not a start: {other:?}"),
    }
}

fn held(number: u64) -> ServerEnvelope {
    ServerEnvelope {
        event_number: number,
        event_time_milliseconds: 1_000_000 + number as i64,
        ..event(0, Event::EventHeld(EventHeld::default()))
    }
}

fn state() -> ServerEnvelope {
    event(0, Event::EventReportingState(EventReportingState::default()))
}

fn state_end(event_number: u64) -> ServerEnvelope {
    event(0, Event::EventReportingStateEnd(EventReportingStateEnd { event_number }))
}

/// Acknowledges the start and says after which number it was.
async fn started(connection: &mut Connection) -> u64 {
    let request = connection.next().await;
    connection.send([ack(&request)]).await;
    start(&request).resume_after_event.unwrap_or(0)
}

/// The next item as a word.
async fn next(reporting: &mut Reporting) -> String {
    match patiently("an item", reporting.next()).await {
        Some(Ok(ReportingItem::State(_))) => "state".to_owned(),
        Some(Ok(ReportingItem::StateEnd(end))) => format!("state end {}", end.event_number),
        Some(Ok(ReportingItem::Gap(gap))) => format!("gap {} to {}", gap.asked, gap.oldest_held),
        Some(Ok(ReportingItem::Event { number, time_milliseconds, event: Event::EventHeld(_) })) => {
            assert_eq!(time_milliseconds, 1_000_000 + number as i64);
            format!("event {number}")
        }
        Some(Ok(ReportingItem::Disconnected(_))) => "disconnected".to_owned(),
        Some(Ok(ReportingItem::Resumed { after })) => format!("resumed {}", after.unwrap_or(0)),
        Some(Ok(ReportingItem::Other(_))) => "other".to_owned(),
        other => panic!("{other:?}"),
    }
}

async fn reporting(options: ReportingOptions) -> (StandIn, Reporting, Connection, u64) {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::ReportingEngine)).await;
    let (reporting, after) = tokio::join!(client.reporting(options), started(&mut connection));
    (server, reporting.unwrap(), connection, after)
}

async fn expect(reporting: &mut Reporting, items: &[&str]) {
    for item in items {
        assert_eq!(next(reporting).await, *item);
    }
}

#[tokio::test]
async fn after_a_loss_it_goes_on_after_the_last_number() {
    let (mut server, mut reporting, connection, after) = reporting(ReportingOptions::default()).await;
    assert_eq!(after, 0);
    connection.send([state(), state(), state_end(10), held(11), held(12)]).await;
    expect(&mut reporting, &["state", "state", "state end 10", "event 11", "event 12"]).await;
    for last in [12, 13] {
        assert_eq!(reporting.last_number(), last);
        if last == 12 {
            connection.send([held(13)]).await;
            expect(&mut reporting, &["event 13"]).await;
        }
    }
    connection.fail().await;
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        assert_eq!(started(&mut connection).await, 13);
        connection.send([held(14)]).await;
        connection
    };
    let ((), connection) =
        tokio::join!(expect(&mut reporting, &["disconnected", "resumed 13", "event 14"]), serve);
    drop(connection);
}

#[tokio::test]
async fn a_loss_before_the_state_is_complete_asks_for_all_of_it_again() {
    let (mut server, mut reporting, connection, _) = reporting(ReportingOptions::default()).await;
    connection.send([state()]).await;
    expect(&mut reporting, &["state"]).await;
    connection.end();
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        assert_eq!(started(&mut connection).await, 0);
        connection.send([state(), state_end(20)]).await;
        connection
    };
    let items = ["disconnected", "resumed 0", "state", "state end 20"];
    let ((), _connection) = tokio::join!(expect(&mut reporting, &items), serve);
}

#[tokio::test]
async fn an_event_between_the_pages_does_not_make_the_state_complete() {
    let (mut server, mut reporting, connection, _) = reporting(ReportingOptions::default()).await;
    connection.send([state(), held(101)]).await;
    expect(&mut reporting, &["state", "event 101"]).await;
    assert_eq!(reporting.last_number(), 0);
    connection.end();
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        let request = connection.next().await;
        assert_eq!(start(&request).resume_after_event, None);
        connection.send([ack(&request), state(), state_end(110)]).await;
        connection
    };
    let items = ["disconnected", "resumed 0", "state", "state end 110"];
    let ((), _connection) = tokio::join!(expect(&mut reporting, &items), serve);
}

#[tokio::test]
async fn an_event_between_the_pages_does_not_come_again_after_the_state() {
    let (mut server, mut reporting, connection, _) = reporting(ReportingOptions::default()).await;
    connection.send([state(), held(101), state_end(100), held(101)]).await;
    expect(&mut reporting, &["state", "event 101", "state end 100"]).await;
    assert_eq!(reporting.last_number(), 101);
    connection.end();
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        assert_eq!(started(&mut connection).await, 101);
        connection.send([held(102)]).await;
        connection
    };
    let items = ["disconnected", "resumed 101", "event 102"];
    let ((), _connection) = tokio::join!(expect(&mut reporting, &items), serve);
}

#[tokio::test]
async fn a_start_is_sent_with_the_options_of_its_handle() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::ReportingEngine)).await;
    let fail = RequestOptions { when_refused_for_now: WhenRefusedForNow::Fail, ..Default::default() };
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::DatabaseUnavailable)]).await;
    };
    let client = client.with(fail);
    let (refused, ()) = tokio::join!(client.reporting(ReportingOptions::default()), serve);
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::DatabaseUnavailable));
}

#[tokio::test]
async fn it_starts_after_the_given_number_and_a_gap_forgets_it() {
    let options = ReportingOptions { after: Some(500), with_interactions: true, ..Default::default() };
    let (mut server, mut reporting, connection, after) = reporting(options).await;
    assert_eq!(after, 500);
    let gap = EventReportingGap { asked: 500, oldest_held: 900 };
    connection.send([event(0, Event::EventReportingGap(gap)), state()]).await;
    expect(&mut reporting, &["gap 500 to 900", "state"]).await;
    connection.end();
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        assert_eq!(started(&mut connection).await, 0);
        // A database that began again counts from lower numbers.
        connection.send([state_end(30), held(31)]).await;
        connection
    };
    let items = ["disconnected", "resumed 0", "state end 30", "event 31"];
    let ((), _connection) = tokio::join!(expect(&mut reporting, &items), serve);
}

#[tokio::test]
async fn what_came_already_is_left_out_and_what_is_not_reporting_comes_too() {
    let (_server, mut reporting, connection, _) =
        reporting(ReportingOptions { after: Some(5), ..Default::default() }).await;
    let published = event(0, Event::EventPublished(EventPublished::default()));
    connection.send([held(5), held(6), held(6), published, held(7)]).await;
    expect(&mut reporting, &["event 6", "other", "event 7"]).await;
}

#[tokio::test]
async fn workbins_and_external_services_are_asked_for_by_the_registered_tenant() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::ReportingEngine)).await;
    let options =
        ReportingOptions { workbins: true, external_services: vec!["*".to_owned()], ..Default::default() };
    let serve = async {
        let request = connection.next().await;
        connection.send([ack(&request)]).await;
        request
    };
    let (reporting, request) = tokio::join!(client.reporting(options), serve);
    reporting.unwrap();
    let asked = start(&request);
    assert_eq!(asked.external_service_list, ["*"]);
    let tenants = asked.tenant_list.clone().unwrap();
    let entries: Vec<_> = tenants.entries().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].key, info().tenant_id.to_string());
}

#[tokio::test]
async fn a_refused_start_is_an_error_at_first_and_later() {
    let mut server = StandIn::start();
    let (client, mut connection) = server.client(server.options(ClientType::MediaServer)).await;
    let serve = async {
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::NotPermitted)]).await;
    };
    let (refused, ()) = tokio::join!(client.reporting(ReportingOptions::default()), serve);
    assert_eq!(refused.unwrap_err().code(), Some(ErrorCode::NotPermitted));

    let (reporting, _) =
        tokio::join!(client.reporting(ReportingOptions::default()), started(&mut connection));
    let mut reporting = reporting.unwrap();
    connection.end();
    let serve = async {
        let mut connection = server.accept_registered(info()).await;
        let request = connection.next().await;
        connection.send([refuse(&request, ErrorCode::NotPermitted)]).await;
        connection
    };
    let read = async {
        assert_eq!(next(&mut reporting).await, "disconnected");
        let refused = patiently("the error", reporting.next()).await;
        assert!(matches!(refused, Some(Err(ClientError::Refused(_)))), "{refused:?}");
        assert_eq!(patiently("the end", reporting.next()).await, None);
    };
    let ((), _connection) = tokio::join!(read, serve);
}
