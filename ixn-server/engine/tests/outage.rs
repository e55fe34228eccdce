//! While the database does not answer, nobody can be answered, and nobody's time runs out.

mod fixture;

use fixture::{Server, accept, login};
use ixn_engine::Input;
use ixn_proto::ClientType;

#[test]
fn an_offer_stays_open_and_its_agent_ready_however_long_the_database_is_away() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "hello");
    let carol = server.log_in("carol");
    let offer = server.invitation(carol);
    server.wait_seconds(10);
    server.step(Input::DatabaseSilent);
    server.wait_seconds(300);
    assert!(server.events(carol).is_empty(), "the offer is not revoked");
    server.step(Input::DatabaseAnswers);
    server.wait_seconds(19);
    assert!(server.events(carol).is_empty(), "he has the rest of his 30 s");
    server.ack(carol, accept(&offer));
}

#[test]
fn who_lost_his_connection_meanwhile_may_still_come_back() {
    let mut server = Server::start();
    let media = server.connect("mail server", ClientType::MediaServer);
    server.submit(media, "hello");
    let carol = server.log_in("carol");
    let offer = server.invitation(carol);
    server.ack(carol, accept(&offer));
    server.step(Input::DatabaseSilent);
    server.disconnect(carol);
    server.wait_seconds(300);
    server.step(Input::DatabaseAnswers);
    server.wait_seconds(59);
    let carol = server.connect("carol", ClientType::AgentApplication);
    let answer = server.ack(carol, login("carol"));
    assert!(answer.agent_login.is_some_and(|login| login.resumed), "he goes on");
}
