//! One sending of a request, and the wait for its answer.

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    ClientError,
    shared::Shared,
    state::{Outcome, Outgoing},
};

/// What became of one sending.
pub(crate) struct Waited {
    /// The outcome; `None` when the deadline came first.
    pub(crate) outcome: Option<Outcome>,
    /// It may have been carried out, whatever the outcome says.
    pub(crate) sent: bool,
}

/// Sends a request, and waits for its answer until the deadline.
///
/// # Errors
/// The client or the registration is over; `NotSent` when the session of the request is.
pub(crate) async fn wait_for_answer(
    shared: &Shared,
    outgoing: Outgoing,
    deadline: Instant,
) -> Result<Waited, ClientError> {
    let (reference_id, answer) = shared.state.lock().enqueue(outgoing)?;
    let mut request = Waiting { shared, reference_id, answer, done: false };
    match timeout_at(deadline, &mut request.answer).await {
        Ok(outcome) => {
            request.done = true;
            let outcome = outcome.map_err(|_| ClientError::closed("it was closed"))?;
            Ok(Waited { sent: outcome.sent_before, outcome: Some(outcome) })
        }
        Err(_) => Ok(request.give_up()),
    }
}

/// A request that is given up when its future is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    reference_id: u64,
    answer: oneshot::Receiver<Outcome>,
    done: bool,
}

impl Waiting<'_> {
    /// The deadline is over. An answer that came in this very moment counts.
    fn give_up(mut self) -> Waited {
        self.done = true;
        let sent = self.shared.state.lock().give_up_request(self.reference_id);
        match self.answer.try_recv() {
            Ok(outcome) => Waited { sent: outcome.sent_before, outcome: Some(outcome) },
            Err(_) => Waited { outcome: None, sent },
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.shared.state.lock().give_up_request(self.reference_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use ixn_proto::{EventAck, RegistrationInfo, ServerEnvelope, server_envelope::Event};

    use super::*;
    use crate::{ClientOptions, request_nature::Login, state::NextMessage};

    #[test]
    fn an_answer_that_comes_while_the_request_is_given_up_counts() {
        let shared = Shared::new(ClientOptions::default());
        let mut state = shared.state.lock();
        let (connection, _) = state.connecting();
        state.connected(RegistrationInfo::default(), Instant::now());
        let outgoing = Outgoing {
            proxy_client_id: 0,
            body: bytes::Bytes::new(),
            repeatable: true,
            session: None,
            login: Login::Unconcerned,
            unanswered: false,
        };
        let (reference_id, answer) = state.enqueue(outgoing).unwrap();
        let sent = state.next_message(connection, 1 << 16, &mut Context::from_waker(Waker::noop()));
        assert!(matches!(sent, NextMessage::Message(_)), "{sent:?}");
        let ack = Some(Event::EventAck(EventAck::default()));
        state.deliver(
            Box::new(ServerEnvelope { reference_id, event: ack, ..Default::default() }),
            Instant::now(),
        );
        drop(state);
        let given_up = Waiting { shared: &shared, reference_id, answer, done: false }.give_up();
        assert!(given_up.outcome.is_some_and(|outcome| outcome.result.is_ok()));
    }
}
