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
