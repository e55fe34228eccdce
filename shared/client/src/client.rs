//! The handle of a registration, and how a request travels.

use std::{sync::Arc, time::Duration};

use ixn_proto::{
    ClientType, RegistrationInfo, RequestUnregisterClient, ServerEnvelope, client_envelope::Request,
    server_envelope::Event,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use uuid::Uuid;

use crate::{
    ClientError, ClientOptions, Events, IdempotencyKey, LogicalOptions, Refusal, RequestOptions, Trouble,
    WhenRefusedForNow,
    answer::{Waited, wait_for_answer},
    codec::{PackedMessage, encode_body},
    connection::endpoint,
    request_nature::{Login, Nature, login, nature, waits_for_a_person},
    shared::Shared,
    state::{Failure, Outgoing},
    task::{connect_first, run},
};

/// The longest name of a client, bytes; the server accepts no longer one.
const MAX_NAME_BYTES: usize = 128;
/// How long a farewell may take.
const CLOSE_TIME: Duration = Duration::from_secs(2);

/// A registered client: the connection's own registration, or a logical client behind a Proxy connection. Cloning is
/// cheap, clones share the registration, and any number of requests may be in flight.
///
/// When the last clone of a logical client is dropped, it is unregistered; when the last handle of a connection is
/// dropped, the connection closes.
#[derive(Clone, Debug)]
pub struct Client {
    handle: Arc<Handle>,
    request_options: RequestOptions,
}

/// A logical client behind a Proxy connection: a [`Client`] like any other.
pub type LogicalClient = Client;

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    proxy_client_id: u32,
    _connection: Arc<ConnectionHandle>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.proxy_client_id != 0 {
            self.shared.remove_logical(self.proxy_client_id);
        }
    }
}

/// Closes the connection when nobody has it any more.
#[derive(Debug)]
struct ConnectionHandle(Arc<Shared>);

impl Drop for ConnectionHandle {
    fn drop(&mut self) {
        self.0.close(ClientError::closed("all its handles were dropped"));
    }
}

impl Client {
    /// Connects and registers. A task of the current tokio runtime serves the connection from then on: it reconnects
    /// and registers again, this client and its logical ones, whenever the connection is lost.
    ///
    /// # Errors
    /// `InvalidOption`, `TlsUnsupported`, `RegistrationRefused` at once; `Unreachable` or
    /// `NotServing` after [`connect_deadline`](ClientOptions::connect_deadline).
    pub async fn connect(options: ClientOptions) -> Result<Self, ClientError> {
        let endpoint = endpoint(&options)?;
        check_profile(&options.client_name, options.client_type)?;
        let shared = Arc::new(Shared::new(options));
        let first = connect_first(&shared, &endpoint).await?;
        // Before anybody can ask: the registration stands.
        shared.state.lock().connected(first.info.clone(), Instant::now());
        let connection = Arc::new(ConnectionHandle(Arc::clone(&shared)));
        tokio::spawn(run(Arc::clone(&shared), endpoint, first));
        let handle = Handle { shared, proxy_client_id: 0, _connection: connection };
        Ok(Self { handle: Arc::new(handle), request_options: RequestOptions::default() })
    }

    /// Registers a logical client behind this Proxy connection. Refusals for now are tried again until the deadline.
    ///
    /// # Errors
    /// `InvalidOption`, `RegistrationRefused`, `Closed`; `DeadlineExceeded` when the server does not answer.
    pub async fn logical(&self, options: LogicalOptions) -> Result<LogicalClient, ClientError> {
        let shared = &self.handle.shared;
        if shared.options.client_type != ClientType::Proxy {
            let problem = "only a Proxy has logical clients: connect as ClientType::Proxy".to_owned();
            return Err(ClientError::InvalidOption { option: "client_type", problem });
        }
        check_profile(&options.client_name, options.client_type)?;
        let waited = self.request_deadline();
        let deadline = after(waited);
        let (proxy_client_id, started) =
            shared.state.lock().add_logical(Arc::new(options), Instant::now())?;
        // From here on a drop, this future's too, takes the logical client away again.
        let handle = Handle {
            shared: Arc::clone(shared),
            proxy_client_id,
            _connection: Arc::clone(&self.handle._connection),
        };
        shared.task.notify_one();
        match timeout_at(deadline, started).await {
            Ok(Ok(result)) => result?,
            Ok(Err(_)) => return Err(ClientError::closed("it was closed while registering")),
            Err(_) => {
                let hint = "the server did not register the logical client: try again later";
                return Err(ClientError::DeadlineExceeded { waited, hint });
            }
        }
        Ok(Self { handle: Arc::new(handle), request_options: RequestOptions::default() })
    }

    /// The same registration with other options for its requests: `client.with(options).submit(…)`.
    #[must_use]
    pub fn with(&self, request_options: RequestOptions) -> Self {
        Self { handle: Arc::clone(&self.handle), request_options }
    }

    /// The id of this logical client on its connection; 0 = the connection itself.
    pub fn proxy_client_id(&self) -> u32 {
        self.handle.proxy_client_id
    }

    /// What the client was last registered with.
    pub fn registration(&self) -> RegistrationInfo {
        self.handle.shared.state.lock().registration_info(self.handle.proxy_client_id)
    }

    /// The number of the registration's session, or of its next one while there is none: a lost registration is one
    /// session less. For those who try again what belongs to a session, such as a login.
    pub fn session(&self) -> u64 {
        self.handle.shared.state.lock().session(self.handle.proxy_client_id)
    }

    /// Whether the registration stands at this moment.
    pub fn is_connected(&self) -> bool {
        self.handle.shared.state.lock().is_connected(self.handle.proxy_client_id)
    }

    /// How many answers came on this connection that nobody waited for: their requests had been dropped or had timed
    /// out, or the server made a mistake.
    pub fn unclaimed_answers(&self) -> u64 {
        self.handle.shared.state.lock().unclaimed_answers()
    }

    /// What keeps requests of this connection from being answered; `None` = nothing. It changes back and forth with
    /// every refusal and answer: who tells people should wait for it to last.
    pub fn trouble(&self) -> watch::Receiver<Option<Trouble>> {
        self.handle.shared.troubles.watch()
    }

    /// The events of this registration. Taking them again ends the [`Events`] of before.
    ///
    /// Take them before the first request that causes some. What came earlier is there too, up to
    /// [`events_capacity`](ClientOptions::events_capacity).
    pub fn events(&self) -> Events {
        let shared = Arc::clone(&self.handle.shared);
        let proxy_client_id = self.handle.proxy_client_id;
        let reader = shared.state.lock().new_event_reader(proxy_client_id);
        Events { shared, proxy_client_id, reader }
    }

    /// Sends a request and waits for its answer, with the options of this handle (see [`Client::with`]).
    ///
    /// When the connection is lost before the answer:
    /// - a request that only reads, a routing instruction, and any request with an idempotency key is sent again;
    /// - a request without a key that changes an interaction fails with `OutcomeUnknown`, unless it had not been
    ///   sent: then it goes out on the next connection;
    /// - what belongs to the session (logins, media states, subscriptions, pulls, transfers) fails: `NotSent`, or
    ///   `OutcomeUnknown`.
    ///
    /// Submit, change properties, place, stop, leave, hold, resume, accept, reject and custom reporting get a random
    /// key by themselves.
    ///
    /// Dropping the future gives the request up: if it was not sent yet it never is, else its answer is ignored. So
    /// do not drop a pull. The answer's pages, where it has several (`EventWorkbinContent`), come as one.
    ///
    /// # Errors
    /// `Refused`, `OutcomeUnknown`, `NotSent`, `DeadlineExceeded`, `TooLarge`, `Closed`.
    pub async fn request(&self, request: Request) -> Result<ServerEnvelope, ClientError> {
        self.request_with(request, self.request_options.clone()).await
    }

    /// As [`Client::request`], with options of its own.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn request_with(
        &self,
        request: Request,
        options: RequestOptions,
    ) -> Result<ServerEnvelope, ClientError> {
        let shared = &*self.handle.shared;
        let nature = nature(&request);
        let login = if options.after_login { Login::Needed } else { login(&request) };
        let waited = options.deadline.unwrap_or_else(|| default_deadline(&shared.options, &request));
        let deadline = after(waited);
        let idempotency_key = match options.idempotency_key {
            IdempotencyKey::Automatic if nature == Nature::Change => Uuid::new_v4().to_string(),
            IdempotencyKey::Automatic | IdempotencyKey::Off => String::new(),
            IdempotencyKey::Given(key) => key,
        };
        let repeatable = matches!(nature, Nature::Read | Nature::Instruction) || !idempotency_key.is_empty();
        let proxy_client_id = self.handle.proxy_client_id;
        let outlives_session = repeatable || nature != Nature::Session;
        let outgoing = Outgoing {
            proxy_client_id,
            body: encode_body(proxy_client_id, idempotency_key.clone(), options.extension, request),
            repeatable,
            session: (!outlives_session).then(|| self.session()),
            login,
            unanswered: false,
        };
        self.check_size(&outgoing)?;

        let unknown =
            |reason: String| ClientError::OutcomeUnknown { reason, idempotency_key: idempotency_key.clone() };
        let mut maybe_carried_out = false;
        let mut attempt = 0;
        let mut last_refusal: Option<Refusal> = None;
        loop {
            let waiting = wait_for_answer(shared, outgoing.clone(), deadline);
            let Waited { outcome, sent } = match waiting.await {
                Err(error) if maybe_carried_out => return Err(unknown(error.to_string())),
                waited => waited?,
            };
            maybe_carried_out |= sent && nature != Nature::Read;
            let refusal = match outcome.map(|outcome| outcome.result) {
                None if maybe_carried_out => return Err(unknown(format!("no answer within {waited:?}"))),
                // What the repeats were refused for says more than that the last one had no answer.
                None => {
                    let no_answer = || deadline_exceeded(waited, sent);
                    return Err(last_refusal.map_or_else(no_answer, ClientError::from));
                }
                Some(Ok(envelope)) => match envelope.event {
                    Some(Event::EventError(error)) => Refusal::from(error),
                    _ => {
                        shared.troubles.answered();
                        return Ok(*envelope);
                    }
                },
                Some(Err(Failure::LostAfterSending(reason))) if nature == Nature::Read => {
                    return Err(ClientError::Closed { reason });
                }
                Some(Err(Failure::LostAfterSending(reason))) => return Err(unknown(reason)),
                Some(Err(Failure::Closed(error))) if maybe_carried_out => {
                    return Err(unknown(error.to_string()));
                }
                Some(Err(Failure::Closed(error))) => return Err(error),
                Some(Err(Failure::LostBeforeSending(reason))) => return Err(ClientError::NotSent { reason }),
            };
            if !refusal.is_for_now() {
                shared.troubles.answered();
                return Err(refusal.into());
            }
            shared.troubles.refused(&refusal);
            let retry_at = Instant::now() + shared.options.retry.wait(attempt);
            let give_up = retry_at >= deadline || options.when_refused_for_now == WhenRefusedForNow::Fail;
            if give_up {
                // The refused sending changed nothing, an earlier one on a lost connection may have.
                return Err(if maybe_carried_out { unknown(refusal.to_string()) } else { refusal.into() });
            }
            attempt += 1;
            last_refusal = Some(refusal);
            sleep_until(retry_at).await;
        }
    }

    /// Sends something that has no answer: `Event3rdServerResponse`, `Event3rdServerFault`. Returns when it was handed to the connection.
    ///
    /// # Errors
    /// `NotSent` when the connection was lost before, `DeadlineExceeded`, `TooLarge`, `Closed`.
    pub async fn notify(&self, event: Request) -> Result<(), ClientError> {
        let shared = &*self.handle.shared;
        let waited = self.request_deadline();
        let proxy_client_id = self.handle.proxy_client_id;
        let extension = self.request_options.extension.clone();
        let outgoing = Outgoing {
            proxy_client_id,
            body: encode_body(proxy_client_id, String::new(), extension, event),
            repeatable: false,
            session: Some(self.session()),
            login: Login::Unconcerned,
            unanswered: true,
        };
        self.check_size(&outgoing)?;
        let outcome = wait_for_answer(shared, outgoing, after(waited)).await?.outcome;
        match outcome.map(|outcome| outcome.result) {
            Some(Ok(_)) => Ok(()),
            Some(Err(Failure::Closed(error))) => Err(error),
            Some(Err(Failure::LostAfterSending(reason) | Failure::LostBeforeSending(reason))) => {
                Err(ClientError::NotSent { reason })
            }
            None => Err(deadline_exceeded(waited, false)),
        }
    }

    /// The options for requests of this handle.
    pub(crate) fn request_options(&self) -> &RequestOptions {
        &self.request_options
    }

    /// How long a request of this handle may take when a person does not decide.
    pub(crate) fn request_deadline(&self) -> Duration {
        self.request_options.deadline.unwrap_or(self.handle.shared.options.request_deadline)
    }

    fn check_size(&self, outgoing: &Outgoing) -> Result<(), ClientError> {
        let mut message = PackedMessage::default();
        message.push(u64::MAX, outgoing.body.clone());
        let bytes = message.encoded_bytes();
        let limit = self.handle.shared.state.lock().max_message_bytes();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if limit != 0 && bytes > limit { Err(ClientError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// Ends the registration: of a logical client, or of the whole connection with all its logical clients, which
    /// then closes. Requests in flight fail. Waits for the server's answer, at most 2 s.
    pub async fn close(&self) {
        let shared = &self.handle.shared;
        let is_logical = self.handle.proxy_client_id != 0;
        if !is_logical {
            shared.state.lock().start_closing();
            shared.task.notify_one();
        }
        if self.is_connected() {
            let request = Request::RequestUnregisterClient(RequestUnregisterClient::default());
            let options = RequestOptions {
                deadline: Some(CLOSE_TIME),
                when_refused_for_now: WhenRefusedForNow::Fail,
                ..Default::default()
            };
            if let Err(error) = self.request_with(request, options).await {
                tracing::debug!(%error, "the registration was not ended in order");
            }
        }
        if is_logical {
            shared.forget_logical(self.handle.proxy_client_id);
            return;
        }
        shared.close(ClientError::closed("it was closed"));
        let mut ended = shared.ended.subscribe();
        // It fails only when the sender is gone, and this handle has it.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

fn check_profile(client_name: &str, client_type: ClientType) -> Result<(), ClientError> {
    if client_name.is_empty() {
        let problem = "it is required: name the client".to_owned();
        return Err(ClientError::InvalidOption { option: "client_name", problem });
    }
    if client_name.len() > MAX_NAME_BYTES {
        let problem = format!("it has {} bytes: at most {MAX_NAME_BYTES} are allowed", client_name.len());
        return Err(ClientError::InvalidOption { option: "client_name", problem });
    }
    if client_type == ClientType::Unspecified {
        let problem = "it is required: choose one of the client types".to_owned();
        return Err(ClientError::InvalidOption { option: "client_type", problem });
    }
    Ok(())
}

/// The moment after this time; one that nobody lives to see when it cannot be counted.
pub(crate) fn after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or_else(|| now + Duration::from_secs(30 * 365 * 86_400))
}

fn default_deadline(options: &ClientOptions, request: &Request) -> Duration {
    match request {
        Request::RequestPull(pull) => {
            let hold = Duration::from_millis(u64::from(pull.hold_milliseconds));
            options.request_deadline.saturating_add(hold)
        }
        request if waits_for_a_person(request) => options.decision_deadline,
        _ => options.request_deadline,
    }
}

fn deadline_exceeded(waited: Duration, sent: bool) -> ClientError {
    let hint = if sent {
        "the server is slow, or the events are not taken: look at both, then ask again"
    } else {
        "it was never sent, because the server is away or has too many requests: send it again later"
    };
    ClientError::DeadlineExceeded { waited, hint }
}

#[cfg(test)]
mod tests {
    use ixn_proto::{RequestPull, RequestTransfer};

    use super::*;

    #[test]
    fn a_name_that_the_server_would_refuse_is_refused_at_once() {
        assert!(check_profile(&"x".repeat(128), ClientType::MediaServer).is_ok());
        let refused = check_profile(&"x".repeat(129), ClientType::MediaServer).unwrap_err();
        assert!(refused.to_string().contains("129 bytes"), "{refused}");
    }

    #[test]
    fn a_held_pull_and_what_a_person_decides_may_take_longer() {
        let options = ClientOptions::default();
        let pull = RequestPull { hold_milliseconds: 10_000, ..Default::default() };
        let deadline = |request| default_deadline(&options, &request);
        assert_eq!(deadline(Request::RequestPull(pull)), Duration::from_secs(40));
        assert_eq!(deadline(Request::RequestTransfer(RequestTransfer::default())), Duration::from_secs(600));
        assert_eq!(deadline(Request::RequestSubmit(Default::default())), Duration::from_secs(30));
    }

    #[test]
    fn a_time_without_end_is_no_overflow() {
        assert!(after(Duration::MAX) > after(Duration::from_secs(86_400)));
    }
}
