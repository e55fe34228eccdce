//! Who gets into a strategy that has little room, and who gets out of it first.

mod fixture;

use fixture::{CONFIGURATION, Server, accept, email, stop};
use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientType, RequestSubmit};

#[test]
fn views_that_feed_one_strategy_take_turns() {
    let text = CONFIGURATION
        .replace("  - name: rest\n", "  - name: rest\n    max-submitted: 1\n")
        .replace("workbins:", "  - {name: later, queue: archive, strategy: rest}\nworkbins:");
    let mut server = Server::with(&text);
    let media = server.connect("mail server", ClientType::MediaServer);
    for queue in ["inbox", "inbox", "inbox", "archive", "archive"] {
        let submit = RequestSubmit { queue: queue.into(), ..email("hello") };
        server.ack(media, Request::RequestSubmit(submit));
    }
    let carol = server.log_in("carol");
    let queues: Vec<String> = (0..5)
        .map(|_| {
            let offer = server.invitation(carol);
            server.ack(carol, accept(&offer));
            let interaction = offer.interaction.unwrap_or_default();
            server.ack(carol, stop(&interaction.interaction_id));
            interaction.queue
        })
        .collect();
    assert_eq!(queues, ["inbox", "archive", "inbox", "archive", "inbox"]);
}

#[test]
fn what_a_view_no_longer_selects_is_not_routed_however_many_there_are() {
    let text = CONFIGURATION.replace(
        "workbins:",
        "  - {name: fresh, queue: archive, strategy: late, condition: \"_age() < 300\"}\nworkbins:",
    );
    let late = "  - {name: late, max-submitted: 1, steps: [{targets: [{agent: bob}]}]}\nviews:";
    let mut server = Server::with(&text.replace("views:", late));
    let media = server.connect("mail server", ClientType::MediaServer);
    let ids: Vec<String> = (0..200)
        .map(|_| {
            let submit = RequestSubmit { queue: "archive".into(), ..email("hello") };
            server.ack(media, Request::RequestSubmit(submit)).interaction_id
        })
        .collect();
    // In one step all of them are too old, and the one that holds the place makes room.
    server.now += 300_000;
    let before = server.reported.len();
    server.ack(media, stop(&ids[0]));
    let reported = server.reported_since(before);
    assert!(!reported.contains(&"EventTakenFromQueue".to_owned()), "{reported:?}");
}
