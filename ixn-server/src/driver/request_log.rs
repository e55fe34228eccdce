//! The way of each request, in lines of level debug: taken, carried out, answered. `docs/metrics.md` says how to read them.
//! While that level is off nothing is looked at and nothing kept.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Instant;

use bytes::Bytes;
use ixn_engine::Output;
use ixn_engine::commit::CommitNumber;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, ErrorCode, ServerEnvelope, error_code};
use prost::Message as _;
use tracing::{Level, debug, enabled};

/// What the lines are called in `--log-level`, also for those who refuse requests before the engine sees them.
macro_rules! target {
    () => {
        "ixn_server::requests"
    };
}
pub(crate) use target;

/// What is on its way.
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    is_on: bool,
    /// When requests that have no answer yet arrived.
    arrived: BTreeMap<(ClientRef, u64), Instant>,
}

impl RequestLog {
    /// Looks at the level, once a turn.
    pub(super) fn turn(&mut self) {
        self.is_on = enabled!(target: target!(), Level::DEBUG);
        if !self.is_on {
            self.arrived.clear();
        }
    }

    /// The engine takes requests of a connection; `name` knows what a client registered as.
    pub(super) fn taken<'a>(
        &mut self,
        connection: ConnectionId,
        envelopes: &[ClientEnvelope],
        arrived: Instant,
        name: impl Fn(ClientRef) -> Option<&'a str>,
    ) {
        if !self.is_on {
            return;
        }
        for envelope in envelopes {
            let client = ClientRef { connection, proxy_client_id: envelope.proxy_client_id };
            debug!(
                target: target!(),
                connection = connection.0,
                proxy_client_id = client.proxy_client_id,
                reference_id = envelope.reference_id,
                request = envelope.request.as_ref().map(kind),
                client = match &envelope.request {
                    Some(Request::RequestRegisterClient(register)) => Some(&*register.client_name),
                    _ => name(client),
                },
                "request taken"
            );
            if envelope.reference_id != 0 {
                self.arrived.insert((client, envelope.reference_id), arrived);
            }
        }
    }

    /// The engine has put these out; they leave with a commit, or at once when it is durable already.
    pub(super) fn carried_out(&self, outputs: &[Output], commit: CommitNumber) {
        if !self.is_on {
            return;
        }
        for output in outputs {
            let Output::Send { client, envelope } = output else { continue };
            let Some(answer) = Answer::of(envelope) else { continue };
            debug!(
                target: target!(),
                connection = client.connection.0,
                proxy_client_id = client.proxy_client_id,
                reference_id = answer.reference_id,
                commit = commit.0,
                "request carried out"
            );
        }
    }

    /// An envelope leaves for a client.
    pub(super) fn leaves(&mut self, client: ClientRef, envelope: &Bytes) {
        if !self.is_on {
            return;
        }
        let Some(answer) = Answer::of(envelope) else { return };
        // Further pages of an answer tell no time.
        let arrived = self.arrived.remove(&(client, answer.reference_id));
        debug!(
            target: target!(),
            connection = client.connection.0,
            proxy_client_id = client.proxy_client_id,
            reference_id = answer.reference_id,
            event = answer.event,
            error = answer.error,
            microseconds = arrived.map(|arrived| arrived.elapsed().as_micros() as u64),
            "request answered"
        );
    }

    /// A client is gone: what it has under way may never be answered.
    pub(super) fn forget(&mut self, client: ClientRef) {
        let of_client = self.arrived.range((client, 0)..=(client, u64::MAX));
        for request in of_client.map(|(request, _)| *request).collect::<Vec<_>>() {
            self.arrived.remove(&request);
        }
    }
}

/// What a line says of an answer.
struct Answer {
    reference_id: u64,
    event: Option<String>,
    error: Option<&'static str>,
}

impl Answer {
    /// None for events that nobody asked for.
    fn of(envelope: &Bytes) -> Option<Self> {
        let envelope = ServerEnvelope::decode(envelope.clone()).ok()?;
        let error = match &envelope.event {
            Some(Event::EventError(error)) => {
                Some(ErrorCode::try_from(error.error_code).map_or("unknown", error_code::name))
            }
            _ => None,
        };
        (envelope.reference_id != 0).then(|| Self {
            reference_id: envelope.reference_id,
            event: envelope.event.as_ref().map(kind),
            error,
        })
    }
}

/// The name of the message in a request or an event: its variant's.
pub(crate) fn kind(variant: &impl fmt::Debug) -> String {
    /// Takes the name and refuses the rest, so that a large message is not written out.
    struct Name(String);
    impl Write for Name {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            let (name, rest) = text.split_once('(').map_or((text, None), |(name, rest)| (name, Some(rest)));
            self.0.push_str(name);
            rest.map_or(Ok(()), |_| Err(fmt::Error))
        }
    }
    let mut name = Name(String::new());
    // It fails as soon as the name is known.
    let _ = write!(name, "{variant:?}");
    name.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_is_called_as_its_message() {
        assert_eq!(kind(&Request::RequestSubmit(Default::default())), "RequestSubmit");
        assert_eq!(kind(&Request::Event3rdServerFault(Default::default())), "Event3rdServerFault");
        assert_eq!(kind(&Event::EventAck(Default::default())), "EventAck");
    }
}
