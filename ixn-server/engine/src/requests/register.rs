//! RequestRegisterClient and RequestUnregisterClient: the vendor's public page Registration.
//!
//! A connection registers first as id 0; behind a Proxy connection each logical client then registers with its own
//! `proxy_client_id`.

use std::sync::Arc;

use ixn_proto::key_value_list::Limits;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    ClientType, ErrorCode, EventAck, KeyValueList, RegistrationInfo, RequestRegisterClient, ServerEnvelope,
};

use prost::Message;

use super::{Answer, Caller, Refusal, Result, validation};
use crate::engine::{Engine, Output};
use crate::sessions::{AnnouncedLimits, Client, ClientRef, Principal};

/// How many logical clients one connection may carry.
const MAX_CLIENTS_PER_CONNECTION: usize = 20_000;
/// How long a client's name may be.
const MAX_NAME_BYTES: usize = 128;
/// What this server has and another one of the same protocol might not have; `docs/protocol.md` says what they mean.
const CAPABILITIES: [&str; 3] = ["idempotency-keys", "login-resume", "reporting-resume"];

impl Engine {
    /// Says what every client that registers from now on is told.
    pub fn announce(&mut self, limits: AnnouncedLimits) {
        self.sessions.announced = limits;
    }

    pub(super) fn register(
        &mut self,
        client: ClientRef,
        reference_id: u64,
        request: &RequestRegisterClient,
        extension: Result<KeyValueList>,
    ) {
        let registered = extension.and_then(|extension| self.registered(client, request, &extension));
        match registered {
            Ok(event) => {
                let envelope = ServerEnvelope {
                    reference_id,
                    proxy_client_id: client.proxy_client_id,
                    event: Some(event),
                    ..ServerEnvelope::default()
                };
                self.output(Output::Send { client, envelope: envelope.encode_to_vec().into() });
            }
            Err(refusal) => {
                self.refuse(client, reference_id, &refusal);
                let connection = client.connection;
                if self.sessions.connections.get(&connection) == Some(&false) {
                    self.output(Output::Close { connection, reason: Some(refusal.text) });
                }
            }
        }
    }

    fn registered(
        &mut self,
        client: ClientRef,
        request: &RequestRegisterClient,
        extension: &KeyValueList,
    ) -> Result<Event> {
        let connection_is_registered =
            self.sessions.connections.get(&client.connection).copied().unwrap_or(false);
        if self.sessions.clients.contains_key(&client) {
            let text = "this client is registered already; unregister it first";
            return Err(Refusal::new(ErrorCode::AlreadyRegistered, text));
        }
        let name = validation::required("client_name", &request.client_name)?;
        if name.len() > MAX_NAME_BYTES {
            let text = format!("client_name has {} bytes; at most {MAX_NAME_BYTES} are allowed", name.len());
            return Err(Refusal::new(ErrorCode::LimitExceeded, text));
        }
        let client_type = match ClientType::try_from(request.client_type) {
            Ok(ClientType::Unspecified) | Err(_) => {
                let text = "client_type is missing or unknown; send the type of client that you are";
                return Err(Refusal::new(ErrorCode::InvalidValue, text));
            }
            Ok(client_type) => client_type,
        };
        if client.proxy_client_id == 0 {
            self.sessions.connections.insert(client.connection, true);
        } else if !connection_is_registered {
            let text = "the connection itself must register first, with proxy_client_id 0 and type PROXY";
            return Err(Refusal::new(ErrorCode::NotRegistered, text));
        } else if !self.is_proxy(client) {
            let text = "only a connection of type PROXY carries logical clients; register it as PROXY";
            return Err(Refusal::new(ErrorCode::NotPermitted, text));
        } else if self.sessions.clients_on(client.connection) > MAX_CLIENTS_PER_CONNECTION {
            let text =
                format!("a connection carries at most {MAX_CLIENTS_PER_CONNECTION} clients; open another");
            return Err(Refusal::new(ErrorCode::LimitExceeded, text));
        }
        let name: Arc<str> = name.into();
        self.sessions.insert(
            client,
            Client {
                name: Arc::clone(&name),
                client_type,
                principal: Principal { name },
                agent: None,
                waits_for: None,
                available_agent: None,
                wants_property_changes: client_type == ClientType::MediaServer
                    && validation::is_switched_on(extension, "event_properties_changed"),
                subscription: None,
            },
        );
        Ok(Event::EventAck(EventAck {
            registration: Some(RegistrationInfo {
                server_name: "ixn-server".into(),
                server_version: env!("CARGO_PKG_VERSION").into(),
                epoch: self.epoch.0,
                last_event_number: self.journal.last_event().0,
                tenant_id: self.vocabulary.tenant_id as i32,
                capabilities: CAPABILITIES.map(str::to_owned).into(),
                max_message_bytes: self.sessions.announced.message_bytes,
                max_user_data_bytes: Limits::default().bytes as u64,
                max_requests_in_flight: self.sessions.announced.requests_in_flight,
                continued_sessions: Vec::new(),
            }),
            ..EventAck::default()
        }))
    }

    fn is_proxy(&self, client: ClientRef) -> bool {
        let connection = ClientRef { proxy_client_id: 0, ..client };
        self.sessions
            .clients
            .get(&connection)
            .is_some_and(|registered| registered.client_type == ClientType::Proxy)
    }
}

/// RequestUnregisterClient. Unregistering the connection itself ends it.
pub(super) fn unregister(engine: &mut Engine, caller: &Caller) -> Result {
    engine.answer(caller, Event::EventAck(EventAck::default()));
    engine.forget_client(caller.client);
    if caller.client.proxy_client_id == 0 {
        let connection = caller.client.connection;
        engine.output(Output::Close { connection, reason: None });
    }
    Ok(Answer::Given)
}
