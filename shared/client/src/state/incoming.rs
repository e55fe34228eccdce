//! What the server sends: answers, events, the end of a registration.

use std::time::Duration;

use ixn_proto::{EventClientDisconnected, ServerEnvelope, server_envelope::Event};
use tokio::time::Instant;

use super::{Link, Phase, State};
use crate::{ClientError, DisconnectReason, Refusal, request_nature::Login};

/// What became of one envelope.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// It is with its receiver, or nobody wants it.
    Done,
    /// Its receiver's events are full: bring it again when there is room.
    Blocked(Box<ServerEnvelope>),
    /// The server is about to close the connection.
    Drain(Drain),
}

/// The server's wish that the client goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drain {
    pub(crate) refusal: Refusal,
    /// How long to wait before coming back.
    pub(crate) reconnect_after: Duration,
}

impl From<EventClientDisconnected> for Drain {
    fn from(event: EventClientDisconnected) -> Self {
        Self {
            refusal: Refusal::new(event.error_code, event.error_description),
            reconnect_after: Duration::from_millis(u64::from(event.reconnect_after_milliseconds)),
        }
    }
}

impl State {
    /// Takes one envelope.
    pub(crate) fn deliver(&mut self, envelope: Box<ServerEnvelope>, now: Instant) -> Delivery {
        if envelope.reference_id != 0 {
            self.answer(envelope, now);
            return Delivery::Done;
        }
        // Looked at in its place: an event is large, and most only pass through.
        match &envelope.event {
            Some(Event::EventClientDisconnected(event)) => {
                let drain = Drain::from(event.clone());
                if envelope.proxy_client_id == 0 {
                    self.link = Link::Draining;
                    return Delivery::Drain(drain);
                }
                self.logical_lost(envelope.proxy_client_id, drain, now);
                Delivery::Done
            }
            Some(_) => self.push_event(envelope),
            None => {
                tracing::debug!("an event of a kind that this version does not know was ignored");
                Delivery::Done
            }
        }
    }

    fn push_event(&mut self, envelope: Box<ServerEnvelope>) -> Delivery {
        let Some(registration) = self.registrations.get_mut(&envelope.proxy_client_id) else {
            tracing::debug!(proxy_client_id = envelope.proxy_client_id, "an event for nobody was ignored");
            return Delivery::Done;
        };
        if let Some(Event::EventAgentConnectionClosed(_)) = envelope.event {
            registration.logged_in = false;
        }
        match registration.events.push(envelope) {
            Ok(()) => Delivery::Done,
            Err(envelope) => {
                self.reading_stopped = true;
                Delivery::Blocked(envelope)
            }
        }
    }

    fn answer(&mut self, envelope: Box<ServerEnvelope>, now: Instant) {
        let reference_id = envelope.reference_id;
        let Some(pending) = self.pending.get_mut(&reference_id).filter(|pending| pending.sent) else {
            self.unclaimed_answers += 1;
            tracing::debug!(reference_id, "an answer that nobody waits for was ignored");
            return;
        };
        let Some(envelope) = pending.collect(envelope) else { return };
        let Some(pending) = self.pending.remove(&reference_id) else { return };
        let proxy_client_id = pending.request.proxy_client_id;
        if pending.registers {
            self.registration_answer(proxy_client_id, envelope, now);
            return;
        }
        if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
            registration.in_flight = registration.in_flight.saturating_sub(1);
            if let Some(Event::EventAck(_)) = envelope.event {
                match pending.request.login {
                    Login::Begins => registration.agent_logged_in(),
                    Login::Ends => registration.logged_in = false,
                    Login::Needed | Login::Unconcerned => {}
                }
            }
        }
        if pending.answer.is_none() {
            self.unclaimed_answers += 1;
        }
        pending.finish(Ok(envelope));
        self.line_up(proxy_client_id);
    }

    fn registration_answer(&mut self, proxy_client_id: u32, envelope: Box<ServerEnvelope>, now: Instant) {
        let Some(registration) = self.registrations.get_mut(&proxy_client_id) else { return };
        let refusal = match envelope.event {
            Some(Event::EventAck(ack)) => {
                let info = ack.registration.unwrap_or_default();
                registration.registered(info.clone());
                match registration.started.take() {
                    // Who waited may have gone: then its handle's end removes the logical client.
                    Some(started) => drop(started.send(Ok(()))),
                    None => registration.events.reconnected(info),
                }
                self.line_up(proxy_client_id);
                return;
            }
            Some(Event::EventError(error)) => Refusal::from(error),
            _ => Refusal::new(0, "the registration was answered by an unexpected event".to_owned()),
        };
        if refusal.is_for_now_at_registration() {
            let wait = self.backoff.wait(registration.attempts);
            registration.attempts += 1;
            self.make_due(proxy_client_id, now + wait);
            return;
        }
        let client_name = registration.profile.client_name.clone();
        let error = ClientError::RegistrationRefused { client_name, refusal: refusal.clone() };
        registration.phase = Phase::Closed(error.to_string());
        match registration.started.take() {
            Some(started) => drop(started.send(Err(error.clone()))),
            None => registration.events.disconnected(DisconnectReason::Refused(refusal)),
        }
        registration.events.end();
        self.fail_registration(proxy_client_id, &error);
    }

    /// The server ended the registration of one logical client.
    fn logical_lost(&mut self, proxy_client_id: u32, drain: Drain, now: Instant) {
        let Some(registration) = self.registrations.get_mut(&proxy_client_id) else { return };
        if registration.phase != Phase::Registered {
            return;
        }
        tracing::warn!(proxy_client_id, reason = %drain.refusal, "the server ended a logical client");
        let attempt = registration.attempts;
        registration.attempts += 1;
        let reason = DisconnectReason::EndedByServer(drain.refusal);
        registration.phase = Phase::Unconnected;
        registration.events.disconnected(reason.clone());
        self.take_back(Some(proxy_client_id), &reason.to_string());
        self.make_due(proxy_client_id, now + self.backoff.wait_after(attempt, drain.reconnect_after));
    }
}
