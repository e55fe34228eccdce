//! A client who has done nothing wrong.

use std::collections::BTreeSet;

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ClientType, RequestFindInteractions, RequestSubmit};
use ixn_tests::ixn_server::IxnServer;
use ixn_tests::stream::{Stream, envelope};

/// What everybody submits here; it waits on hold.
pub fn submission() -> RequestSubmit {
    RequestSubmit {
        media_type: "email".into(),
        queue: "inbox".into(),
        hold: true,
        ..RequestSubmit::default()
    }
}

/// A submit of the connection itself.
pub fn submit(request: RequestSubmit, reference_id: u64) -> ClientEnvelope {
    envelope(0, Request::RequestSubmit(request), reference_id)
}

/// The ids of all interactions that the server shows.
pub async fn found(stream: &mut Stream) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut start_after = String::new();
    loop {
        let find =
            RequestFindInteractions { number_of_interactions: 1_000, start_after, ..Default::default() };
        stream.send(vec![envelope(0, Request::RequestFindInteractions(find), u64::MAX)]).await;
        match stream.answer(u64::MAX).await {
            Event::EventFoundInteractions(page) => {
                ids.extend(page.interactions.into_iter().map(|interaction| interaction.interaction_id));
                start_after = page.next_page;
            }
            other => panic!("the search was answered by {other:?}"),
        }
        if start_after.is_empty() {
            return ids;
        }
    }
}

/// A media server beside the one that misbehaves.
pub struct Neighbour {
    pub stream: Stream,
    submitted: BTreeSet<String>,
    next: u64,
}

impl Neighbour {
    /// Registers, and submits one interaction.
    pub async fn of(server: &IxnServer) -> Self {
        let mut stream = server.stream().await;
        stream.register(ClientType::MediaServer).await;
        let mut neighbour = Self { stream, submitted: BTreeSet::new(), next: 100 };
        neighbour.submits().await;
        neighbour
    }

    /// Submits another one; answers its id.
    pub async fn submits(&mut self) -> String {
        self.next += 1;
        self.stream.send(vec![submit(submission(), self.next)]).await;
        match self.stream.answer(self.next).await {
            Event::EventAck(ack) => {
                self.submitted.insert(ack.interaction_id.clone());
                ack.interaction_id
            }
            other => panic!("the neighbour's submit was answered by {other:?}"),
        }
    }

    /// Connects again, after the server was away.
    pub async fn comes_back(&mut self, server: &IxnServer) {
        self.stream = server.stream().await;
        self.stream.register(ClientType::MediaServer).await;
    }

    /// Another one was acknowledged to him.
    pub fn also_has(&mut self, interaction_id: String) {
        self.submitted.insert(interaction_id);
    }

    /// He is served, all that was acknowledged to him is there, and nothing besides.
    pub async fn is_unharmed(&mut self) {
        self.submits().await;
        assert_eq!(found(&mut self.stream).await, self.submitted);
    }
}
