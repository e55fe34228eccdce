//! User data that the database cannot give back: the interaction goes on without it, and nothing overwrites it.

mod fixture;

use fixture::*;
use ixn_engine::sessions::ClientRef;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;

fn subject(text: &str) -> Option<KeyValueList> {
    let mut list = KeyValueList::new();
    list.push_text("Subject", text);
    Some(list)
}

fn change(id: &str, text: &str) -> Request {
    Request::RequestChangeProperties(RequestChangeProperties {
        interaction_id: id.into(),
        changed_properties: subject(text),
        ..Default::default()
    })
}

/// A server whose database has one interaction in this queue with user data that cannot be read, after a restart, which
/// leaves nothing in memory; with a media server's client.
fn damaged_in(queue: &str) -> (Server, ClientRef, String) {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    let request = RequestSubmit { queue: queue.into(), ..email("hello") };
    let id = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let mut server = server.restart(CONFIGURATION);
    server.damaged.extend(server.database.cold.keys());
    let media = server.connect("mail server", ClientType::MediaServer);
    (server, media, id)
}

#[test]
fn a_change_of_it_is_refused_until_the_row_is_restored() {
    let (mut server, media, id) = damaged_in("archive");
    let (rows, commits) = (server.database.cold.clone(), server.commits.len());
    assert_eq!(server.refused(media, change(&id, "an invoice")), ErrorCode::UnreadableUserData);
    assert_eq!(server.refused(media, change(&id, "an invoice")), ErrorCode::UnreadableUserData, "again");
    assert_eq!(server.commits.len(), commits, "a refused request changes nothing");

    // What is no user data can be changed, and everything but user data is told.
    let request =
        RequestChangeProperties { interaction_id: id.clone(), priority: Some(3), ..Default::default() };
    server.ack(media, Request::RequestChangeProperties(request));
    let state = server.state_of(media, &id).unwrap();
    assert_eq!((state.user_data, state.priority), (None, 3));
    assert_eq!(state.custom_properties, subject("hello"), "they are not in the damaged row");
    assert_eq!(server.database.cold, rows);

    server.damaged.clear();
    assert_eq!(server.state_of(media, &id).unwrap().user_data, subject("hello"));
    server.ack(media, change(&id, "an invoice"));
    assert_eq!(server.state_of(media, &id).unwrap().user_data, subject("an invoice"));
}

#[test]
fn requests_that_wait_for_it_together_are_all_answered() {
    let (mut server, media, id) = damaged_in("archive");
    let other = server.connect("chat server", ClientType::MediaServer);
    server.loads_are_held = true;
    let changed = server.request(media, change(&id, "an invoice"), "");
    let looked = server.request(
        other,
        Request::RequestGetInteractionProperties(RequestGetInteractionProperties {
            interaction_id: id.clone(),
        }),
        "",
    );
    let stopped = server.request(media, stop(&id), "");
    server.deliver_loads();
    let Some(Event::EventError(error)) = server.answer_to(media, changed).event else { panic!() };
    assert_eq!(error.error_code(), ErrorCode::UnreadableUserData);
    let Some(Event::EventInteractionProperties(state)) = server.answer_to(other, looked).event else {
        panic!()
    };
    assert_eq!(state.interaction.unwrap().user_data, None);
    assert!(matches!(server.answer_to(media, stopped).event, Some(Event::EventAck(_))));
    assert!(server.database.cold.is_empty(), "it ends as any other");
}

#[test]
fn an_agent_gets_the_interaction_without_it() {
    let (mut server, _, id) = damaged_in("inbox");
    let carol = server.log_in("carol");
    let invitation = server.invitation(carol);
    assert_eq!(invitation.interaction.as_ref().unwrap().user_data, None);
    server.ack(carol, accept(&invitation));
    assert_eq!(server.refused(carol, change(&id, "an invoice")), ErrorCode::UnreadableUserData);
    server.ack(carol, stop(&id));

    let (mut server, media, id) = damaged_in("archive");
    let request = RequestSubmit { queue: "archive".into(), ..email("hello") };
    let whole = server.ack(media, Request::RequestSubmit(request)).interaction_id;
    let carol = server.log_in("carol");
    let mut ids = KeyValueList::new();
    ids.push_text(&id, "");
    ids.push_text(&whole, "");
    let request =
        RequestPull { view_id: "_system_".into(), pull_parameters: Some(ids), ..Default::default() };
    let Event::EventPulledInteractions(answer) = server.ask(carol, Request::RequestPull(request)) else {
        panic!()
    };
    let pulled = answer.interactions.into_iter().filter_map(|pulled| pulled.interaction);
    let pulled: Vec<_> = pulled.map(|it| (it.interaction_id, it.user_data)).collect();
    assert_eq!(pulled, [(id, None), (whole, subject("hello"))]);
}
