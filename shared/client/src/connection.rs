//! One attempt to connect and register.

use std::{collections::VecDeque, error::Error, sync::Arc, time::Duration};

use http::{Uri, uri::PathAndQuery};
use ixn_proto::{
    RegistrationInfo, ServerEnvelope, ServerMessage, client_envelope::Request, server_envelope::Event,
};
use tokio::time::timeout_at;
use tonic::{Status, Streaming, client::Grpc, transport::Endpoint};

use crate::{
    ClientError, ClientOptions, Refusal,
    client::after,
    codec::{PackedMessage, StreamCodec, encode_body},
    shared::{Outbound, Shared},
    state::Drain,
};

/// The HTTP/2 flow-control windows: large, so that throughput does not hang on the round trip.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A connection that is registered.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Streaming<ServerMessage>,
    pub(crate) info: RegistrationInfo,
    /// What came together with the answer to the registration.
    pub(crate) early: VecDeque<ServerEnvelope>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) enum AttemptError {
    /// It can succeed later.
    ForNow { reason: String, reconnect_after: Option<Duration> },
    /// As that; it is the server that said so.
    NotServing { refusal: Refusal, reconnect_after: Option<Duration> },
    /// The server refused the registration, and would again.
    Refused(Refusal),
}

impl AttemptError {
    fn for_now(reason: impl Into<String>) -> Self {
        Self::ForNow { reason: reason.into(), reconnect_after: None }
    }
}

/// The endpoint that the options describe.
pub(crate) fn endpoint(options: &ClientOptions) -> Result<Endpoint, ClientError> {
    let server = &options.server;
    let invalid = |problem: String| ClientError::InvalidOption { option: "server", problem };
    let uri: Uri = server
        .parse()
        .map_err(|error| invalid(format!("`{server}` is not an address ({error}): use http://host:port")))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => return Err(ClientError::TlsUnsupported { server: server.clone() }),
        _ => return Err(invalid(format!("`{server}` does not begin with http://: use http://host:port"))),
    }
    if uri.port_u16().is_none() {
        return Err(invalid(format!("`{server}` has no port: use http://host:port")));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
        return Err(invalid(format!("`{server}` goes on after the port: use http://host:port")));
    }
    Ok(Endpoint::from(uri)
        .connect_timeout(options.connect_timeout)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// Connects and registers, within the options' `connect_timeout`.
pub(crate) async fn open(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<Connection, AttemptError> {
    let timeout = shared.options.connect_timeout;
    match timeout_at(after(timeout), attempt(shared, endpoint)).await {
        Ok(result) => result,
        Err(_) => Err(AttemptError::for_now(format!("it did not answer within {timeout:?}"))),
    }
}

async fn attempt(shared: &Arc<Shared>, endpoint: &Endpoint) -> Result<Connection, AttemptError> {
    let channel = endpoint.connect().await.map_err(|error| AttemptError::for_now(innermost(&error)))?;
    let profile = shared.options.profile();
    let request = Request::RequestRegisterClient(profile.registration());
    let (connection, reference_id) = shared.state.lock().connecting();
    let mut registration = PackedMessage::default();
    registration.push(reference_id, encode_body(0, String::new(), profile.extension, request));
    let outbound = Outbound { shared: Arc::clone(shared), connection, registration: Some(registration) };

    let mut grpc = Grpc::new(channel).max_decoding_message_size(shared.options.max_message_bytes);
    grpc.ready().await.map_err(|error| AttemptError::for_now(chain(&error)))?;
    let path = PathAndQuery::from_static("/ixn.v1.InteractionServer/Connect");
    let stream = grpc
        .streaming(tonic::Request::new(outbound), path, StreamCodec)
        .await
        .map_err(|status| AttemptError::for_now(status_text(&status)))?
        .into_inner();
    registered(stream, reference_id).await
}

/// Waits for the answer to the registration.
async fn registered(
    mut stream: Streaming<ServerMessage>,
    reference_id: u64,
) -> Result<Connection, AttemptError> {
    loop {
        let message = match stream.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return Err(AttemptError::for_now("it closed the stream at the registration")),
            Err(status) => return Err(AttemptError::for_now(status_text(&status))),
        };
        let mut envelopes = VecDeque::from(message.envelopes);
        while let Some(envelope) = envelopes.pop_front() {
            let answers = envelope.reference_id == reference_id;
            match envelope.event {
                Some(Event::EventAck(ack)) if answers => {
                    let info = ack.registration.unwrap_or_default();
                    return Ok(Connection { stream, info, early: envelopes });
                }
                // An error without a number can only be about the one request that was sent.
                Some(Event::EventError(error)) if answers || envelope.reference_id == 0 => {
                    let refusal = Refusal::from(error);
                    return Err(if refusal.is_for_now_at_registration() {
                        AttemptError::NotServing { refusal, reconnect_after: None }
                    } else {
                        AttemptError::Refused(refusal)
                    });
                }
                Some(Event::EventClientDisconnected(event)) if envelope.proxy_client_id == 0 => {
                    let drain = Drain::from(event);
                    return Err(AttemptError::NotServing {
                        refusal: drain.refusal,
                        reconnect_after: Some(drain.reconnect_after),
                    });
                }
                _ => tracing::debug!("an event before the registration was ignored"),
            }
        }
    }
}

/// A status as a sentence.
pub(crate) fn status_text(status: &Status) -> String {
    let (message, code) = (status.message(), status.code());
    let cause = status.source().map(chain).unwrap_or_default();
    if cause.contains(message) { format!("{cause} ({code:?})") } else { format!("{message} ({code:?})") }
}

/// The innermost cause of an error: what wraps it says only that there is a transport.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// An error with its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use ixn_proto::ClientType;

    use super::*;

    fn refused(server: &str) -> String {
        let options = ClientOptions::new(server, "test", ClientType::MediaServer);
        endpoint(&options).expect_err(server).to_string()
    }

    #[test]
    fn only_http_host_and_port_make_an_address() {
        for server in ["http://127.0.0.1:7120", "http://ixn.example:7120/", "http://[::1]:7120"] {
            endpoint(&ClientOptions::new(server, "test", ClientType::MediaServer)).expect(server);
        }
        assert!(refused("https://ixn.example:7120").contains("use an http:// address"));
        for server in
            ["", "localhost:7120", "http://localhost", "http://localhost:7120/x", "ftp://a:1", "http://a b:1"]
        {
            assert!(refused(server).ends_with("use http://host:port"), "{}", refused(server));
        }
    }
}
