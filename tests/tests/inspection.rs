//! The read-only service on the protocol's port: every call, over a server in which something of everything happens.
#![allow(clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use ixn_client::{ClientEvent, ClientType, Event, RequestSubmit};
use ixn_proto::inspection_client::InspectionClient;
use ixn_proto::key_value_list::Value;
use ixn_proto::{
    ExplainInteractionRequest, GetInteractionRequest, GetServerRequest, InteractionState, KeyValueList,
    ListAgentsRequest, ListInteractionsRequest, ListQueuesRequest, ListSessionsRequest,
    ListStrategiesRequest, ListViewsRequest, MediaState, PageRequest, PartyType, RequestAgentLogin,
};
use ixn_tests::ixn_server::IxnServer;
use ixn_tests::stream::channel;
use tonic::Code;

const CONFIGURATION: &str = "
media-types: [{name: email}]
agents: [{id: alice}]
strategies: [{name: general, max-submitted: 10, steps: [{targets: [{agent: alice}]}]}]
queues: [{name: inbox}, {name: manual}]
views:
  - {name: urgent, queue: inbox, strategy: general, condition: Priority > 5, order: Priority DESC}
  - {name: rest, queue: manual}
";

fn submit(queue: &str, priority: i32, subject: &str) -> RequestSubmit {
    RequestSubmit {
        queue: queue.into(),
        media_type: "email".into(),
        priority: Some(priority),
        user_data: Some(KeyValueList::from_entries([("Subject", Value::Text(subject))])),
        ..Default::default()
    }
}

fn two_rows(start_after: &str) -> Option<PageRequest> {
    Some(PageRequest { page_size: 2, start_after: start_after.into() })
}

#[tokio::test]
async fn every_call_shows_what_is_there() {
    let server = IxnServer::command().configuration(CONFIGURATION).start().await;
    let media = server.client("mail server", ClientType::MediaServer).await;
    let urgent = media.submit(submit("inbox", 9, "burning")).await.unwrap().interaction_id;
    media.submit(submit("inbox", 1, "can wait")).await.unwrap();
    for number in 0..3 {
        media.submit(submit("manual", 0, &format!("by hand {number}"))).await.unwrap();
    }
    let desktop = server.client("alice's desktop", ClientType::AgentApplication).await;
    let mut events = desktop.events();
    let media_list = vec![MediaState { media_type_name: "email".into(), ready: true, reason: None }];
    let login = RequestAgentLogin { agent_id: "alice".into(), media_list, ..Default::default() };
    desktop.agent_login(login).await.unwrap();
    let ticket_id = loop {
        if let Some(ClientEvent::Event(envelope)) = events.next().await
            && let Some(Event::EventInvite(invite)) = envelope.event
        {
            break invite.ticket_id;
        }
    };
    desktop.accept(ticket_id, &urgent).await.unwrap();

    let mut look = InspectionClient::new(channel(server.address).await.unwrap());

    let queues = look.list_queues(ListQueuesRequest::default()).await.unwrap().into_inner().queues;
    let names: Vec<_> = queues.iter().map(|queue| queue.queue_name.as_str()).collect();
    assert_eq!(names, ["inbox", "manual"]);
    let [inbox, manual] = &*queues else { panic!("{queues:?}") };
    assert_eq!((&*inbox.views, inbox.retired), (&["urgent".to_owned()][..], false));
    assert_eq!((inbox.media[0].on_agent, inbox.media[0].waiting_processing), (1, 1));
    assert_eq!((manual.media[0].waiting_processing, manual.media[0].current_length), (3, 3));

    let views = look.list_views(ListViewsRequest::default()).await.unwrap().into_inner().views;
    let [rest, urgent_view] = &*views else { panic!("{views:?}") };
    assert_eq!(
        (rest.view_name.as_str(), rest.have_interactions, rest.strategy_name.as_str()),
        ("rest", 3, "")
    );
    assert!(rest.index_bytes > 0 && rest.enabled && rest.check_interval_seconds > 0, "{rest:?}");
    assert_eq!((urgent_view.strategy_name.as_str(), urgent_view.queue_name.as_str()), ("general", "inbox"));
    assert_eq!(urgent_view.condition, "Priority > 5");
    assert_eq!(urgent_view.order, "Priority desc");

    let strategies =
        look.list_strategies(ListStrategiesRequest::default()).await.unwrap().into_inner().strategies;
    let [general] = &*strategies else { panic!("{strategies:?}") };
    assert_eq!((general.strategy_name.as_str(), general.executor.as_str()), ("general", "built-in"));
    assert_eq!((general.total_submitted, general.currently_submitted, general.max_submitted), (1, 0, 10));
    assert!(general.current_capacity == 10 && general.last_submitted_at > 0 && general.load_count == 1);
    assert_eq!(general.views, ["urgent"]);

    let agents = look.list_agents(ListAgentsRequest::default()).await.unwrap().into_inner().agents;
    let [alice] = &*agents else { panic!("{agents:?}") };
    assert_eq!(alice.agent.as_ref().unwrap().agent_id, "alice");
    assert_eq!((&*alice.interaction_ids, alice.connected), (&[urgent.clone()][..], true));
    let of_email = &alice.media[0];
    assert_eq!((of_email.handling, of_email.delivering, of_email.capacity), (1, 0, 1));
    assert!(of_email.ready && of_email.idle_since == 0, "{of_email:?}");

    let sessions = look.list_sessions(ListSessionsRequest::default()).await.unwrap().into_inner().sessions;
    let [mail_server, of_alice] = &*sessions else { panic!("{sessions:?}") };
    assert_eq!(mail_server.client_name, "mail server");
    // Its registration and five submits, all answered.
    assert_eq!((mail_server.total_requests_received, mail_server.requests_in_flight), (6, 0));
    assert_eq!(mail_server.outbound_queue_bytes, 0);
    assert!(mail_server.connected_at > 0 && mail_server.peer_address.starts_with("127.0.0.1:"));
    assert_eq!((of_alice.agent_id.as_str(), of_alice.client_type()), ("alice", ClientType::AgentApplication));

    let by_hand = |start_after: &str| ListInteractionsRequest {
        queue: "manual".into(),
        condition: "MediaType = 'email'".into(),
        page: two_rows(start_after),
    };
    let first = look.list_interactions(by_hand("")).await.unwrap().into_inner();
    assert_eq!(first.interactions.len(), 2);
    let last = look.list_interactions(by_hand(&first.next_page)).await.unwrap().into_inner();
    assert_eq!((last.interactions.len(), last.next_page.as_str()), (1, ""));
    let wrong = ListInteractionsRequest { condition: "Priority >".into(), ..Default::default() };
    assert_eq!(look.list_interactions(wrong).await.unwrap_err().code(), Code::InvalidArgument);

    let request = GetInteractionRequest { interaction_id: urgent };
    let shown = look.get_interaction(request).await.unwrap().into_inner();
    let interaction = shown.interaction.unwrap();
    assert_eq!(interaction.interaction_state(), InteractionState::Handling);
    assert_eq!(interaction.user_data.as_ref().unwrap().get_text("Subject"), Some("burning"));
    assert!(shown.parties.iter().any(|party| party.party_type() == PartyType::Agent), "{:?}", shown.parties);
    let unknown = GetInteractionRequest { interaction_id: "nothing".into() };
    assert_eq!(look.get_interaction(unknown).await.unwrap_err().code(), Code::NotFound);

    let waiting = &first.interactions[0].interaction_id;
    let request = ExplainInteractionRequest { interaction_id: waiting.clone() };
    let explained = look.explain_interaction(request).await.unwrap().into_inner();
    assert_eq!(
        explained.explanation,
        "it waits in queue 'manual'; view 'rest' shows it and feeds no strategy, so it stays until an agent pulls it"
    );
    let unknown = ExplainInteractionRequest { interaction_id: "nothing".into() };
    assert_eq!(look.explain_interaction(unknown).await.unwrap_err().code(), Code::NotFound);

    let about = look.get_server(GetServerRequest::default()).await.unwrap().into_inner();
    assert_eq!((about.database_kind.as_str(), about.database_fsync), ("sqlite", Some(true)));
    assert_eq!((about.current_clients, about.agent_logged_in_count, about.current_interactions), (2, 1, 5));
    // Two registrations, five submits, a login and an accept.
    assert_eq!((about.total_requests_received, about.total_requests_handled), (9, 9));
    assert_eq!((about.current_request_queue_size, about.current_database_requests), (0, 0));
    assert!(about.total_database_requests > 0 && about.commit_number > 0 && about.last_event_number > 0);
    assert!(about.database_round_trip_microseconds > 0 && about.resident_memory_bytes > 0);
    assert!(about.started_at > 0 && about.switch_to_primary_time > 0);
    assert_eq!(about.server_version, env!("CARGO_PKG_VERSION"));
}
