//! The background task of one connection: reads it, registers logical clients, connects again.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ixn_proto::{ServerEnvelope, ServerMessage, client_envelope::Request};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Streaming, transport::Endpoint};

use crate::{
    ClientError, DisconnectReason,
    client::after,
    codec::encode_body,
    connection::{AttemptError, Connection, open, status_text},
    request_nature::Login,
    shared::Shared,
    state::{Delivery, Drain, Outgoing},
};

/// How long a server that asked to go may take to answer what was sent and close.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a closed stream may take to be flushed and ended by the server.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

/// The first connection: tries until the options' `connect_deadline`.
pub(crate) async fn connect_first(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
) -> Result<Connection, ClientError> {
    let options = &shared.options;
    let deadline = after(options.connect_deadline);
    let mut attempt = 0;
    loop {
        let server = options.server.clone();
        let (error, reconnect_after) = match open(shared, endpoint).await {
            Ok(connection) => return Ok(connection),
            Err(AttemptError::Refused(refusal)) => {
                let client_name = options.client_name.clone();
                return Err(ClientError::RegistrationRefused { client_name, refusal });
            }
            Err(AttemptError::ForNow { reason, reconnect_after }) => {
                (ClientError::Unreachable { server, reason }, reconnect_after)
            }
            Err(AttemptError::NotServing { refusal, reconnect_after }) => {
                (ClientError::NotServing { server, refusal }, reconnect_after)
            }
        };
        tracing::debug!(%error, "cannot connect yet");
        let retry_at = Instant::now() + shared.state.lock().reconnect_wait(attempt, reconnect_after);
        if retry_at >= deadline {
            return Err(error);
        }
        sleep_until(retry_at).await;
        attempt += 1;
    }
}

/// Serves the connection, and those after it, until the client is over.
pub(crate) async fn run(shared: Arc<Shared>, endpoint: Endpoint, first: Connection) {
    let mut connection = first;
    let mut attempt = 0;
    loop {
        let connected_at = Instant::now();
        let lost = serve(&shared, connection).await;
        let Some((reason, drain)) = lost else { break };
        if shared.state.lock().is_closing() {
            break;
        }
        tracing::warn!(server = shared.options.server, %reason, "the connection is lost, connecting again");
        shared.state.lock().lost(&reason);
        shared.troubles.lost(reason);
        // Who drops new connections at once must not be asked again at once.
        if connected_at.elapsed() > shared.options.reconnect.max {
            attempt = 0;
        }
        let asked = drain.map(|drain| drain.reconnect_after);
        match connect_again(&shared, &endpoint, &mut attempt, asked).await {
            Some(again) => connection = again,
            None => break,
        }
    }
    shared.close(ClientError::closed("it was closed"));
    shared.ended.send_replace(true);
}

/// Tries until it succeeds; `None` when the client is over.
async fn connect_again(
    shared: &Arc<Shared>,
    endpoint: &Endpoint,
    attempt: &mut u32,
    mut asked: Option<Duration>,
) -> Option<Connection> {
    loop {
        let retry_at = Instant::now() + shared.state.lock().reconnect_wait(*attempt, asked.take());
        *attempt = attempt.saturating_add(1);
        let opened = tokio::select! {
            () = closing(shared) => return None,
            opened = async {
                sleep_until(retry_at).await;
                open(shared, endpoint).await
            } => opened,
        };
        match opened {
            Ok(connection) => {
                tracing::info!(server = shared.options.server, "connected again");
                shared.state.lock().connected(connection.info.clone(), Instant::now());
                shared.troubles.connected();
                return Some(connection);
            }
            Err(AttemptError::ForNow { reason, reconnect_after }) => {
                tracing::debug!(server = shared.options.server, reason, "cannot connect yet");
                asked = reconnect_after;
            }
            Err(AttemptError::NotServing { refusal, reconnect_after }) => {
                tracing::debug!(server = shared.options.server, %refusal, "cannot connect yet");
                asked = reconnect_after;
            }
            Err(AttemptError::Refused(refusal)) => {
                tracing::error!(server = shared.options.server, %refusal, "the server refuses the registration");
                let client_name = shared.options.client_name.clone();
                let error = ClientError::RegistrationRefused { client_name, refusal: refusal.clone() };
                shared.state.lock().give_up(&DisconnectReason::Refused(refusal), error);
                return None;
            }
        }
    }
}

/// Waits until the client is to end.
async fn closing(shared: &Shared) {
    while !shared.state.lock().is_closing() {
        shared.task.notified().await;
    }
}

/// Serves one registered connection until it is lost; `None` when the client is over.
async fn serve(shared: &Arc<Shared>, connection: Connection) -> Option<(DisconnectReason, Option<Drain>)> {
    let Connection { mut stream, early, .. } = connection;
    let mut drain: Option<(Drain, Instant)> = None;
    let mut envelopes = early;
    loop {
        if let Some(asked) = deliver_all(shared, &mut envelopes).await {
            drain = Some((asked, Instant::now() + DRAIN_TIME));
        }
        if shared.state.lock().is_closed() {
            drop(timeout_at(Instant::now() + FAREWELL_TIME, read_to_end(&mut stream)).await);
            return None;
        }
        register_due(shared);
        let next_due = shared.state.lock().next_due();
        let wake_at = next_due.into_iter().chain(drain.as_ref().map(|(_, until)| *until)).min();
        let broken = tokio::select! {
            biased;
            message = stream.message() => match message {
                Ok(Some(message)) => {
                    envelopes = message.envelopes.into();
                    continue;
                }
                Ok(None) => "the server closed the stream".to_owned(),
                Err(status) => status_text(&status),
            },
            () = shared.task.notified() => continue,
            () = sleep_until_some(wake_at) => {
                if drain.as_ref().is_none_or(|(_, until)| Instant::now() < *until) {
                    continue;
                }
                "the server did not close the stream".to_owned()
            }
        };
        return Some(match drain {
            Some((asked, _)) => (DisconnectReason::EndedByServer(asked.refusal.clone()), Some(asked)),
            None => (DisconnectReason::Lost(broken), None),
        });
    }
}

/// Brings every envelope to its receiver, waiting where one has no room. Tells when the server asked to go.
async fn deliver_all(shared: &Arc<Shared>, envelopes: &mut VecDeque<ServerEnvelope>) -> Option<Drain> {
    let mut drain = None;
    while !envelopes.is_empty() {
        let blocked = {
            let mut state = shared.state.lock();
            let now = Instant::now();
            let mut blocked = false;
            while let Some(envelope) = envelopes.pop_front() {
                match state.deliver(Box::new(envelope), now) {
                    Delivery::Done => {}
                    Delivery::Drain(asked) => drain = Some(asked),
                    Delivery::Blocked(envelope) => {
                        envelopes.push_front(*envelope);
                        blocked = true;
                        break;
                    }
                }
            }
            if state.is_closed() {
                envelopes.clear();
                blocked = false;
            }
            blocked
        };
        if blocked {
            shared.task.notified().await;
            register_due(shared);
        }
    }
    drain
}

/// Sends the registrations of the logical clients that are due.
fn register_due(shared: &Arc<Shared>) {
    let due = shared.state.lock().take_due(Instant::now());
    for (proxy_client_id, profile) in due {
        // Encoded outside of the lock: it asks the application for its routing sessions.
        let request = Request::RequestRegisterClient(profile.registration());
        let body = encode_body(proxy_client_id, String::new(), profile.extension.clone(), request);
        shared.state.lock().enqueue_registration(Outgoing {
            proxy_client_id,
            body,
            repeatable: false,
            session: None,
            login: Login::Unconcerned,
            unanswered: false,
        });
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn read_to_end(stream: &mut Streaming<ServerMessage>) {
    while let Ok(Some(_)) = stream.message().await {}
}
