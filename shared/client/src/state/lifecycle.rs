//! The connection comes, goes, and ends.

use ixn_proto::RegistrationInfo;
use tokio::time::Instant;

use super::{Failure, Link, Phase, State};
use crate::{ClientError, DisconnectReason};

impl State {
    /// A new connection is being made: its number, and the reference id of its registration.
    pub(crate) fn connecting(&mut self) -> (u64, u64) {
        self.connection += 1;
        self.wake_sender();
        (self.connection, self.take_reference_id())
    }

    /// The connection stands and is registered: requests flow, logical clients register.
    pub(crate) fn connected(&mut self, info: RegistrationInfo, now: Instant) {
        self.link = Link::Up;
        let was_connected = std::mem::replace(&mut self.was_connected, true);
        if let Some(own) = self.registrations.get_mut(&0) {
            own.registered(info.clone());
            if was_connected {
                own.events.reconnected(info);
            }
        }
        self.line_up(0);
        let logical: Vec<u32> = self
            .registrations
            .iter()
            .filter(|(id, registration)| **id != 0 && registration.phase == Phase::Unconnected)
            .map(|(id, _)| *id)
            .collect();
        for proxy_client_id in logical {
            self.make_due(proxy_client_id, now);
        }
        self.wake_sender();
    }

    /// The connection is gone.
    pub(crate) fn lost(&mut self, reason: &DisconnectReason) {
        self.link = Link::Down;
        // What still sends on the old connection ends.
        self.connection += 1;
        self.due.clear();
        self.registering.clear();
        self.turn.clear();
        for registration in self.registrations.values_mut() {
            registration.in_turn = false;
            if registration.phase == Phase::Registered {
                registration.events.disconnected(reason.clone());
            }
            if !matches!(registration.phase, Phase::Closed(_)) {
                registration.phase = Phase::Unconnected;
            }
        }
        self.take_back(None, &reason.to_string());
        self.wake_sender();
    }

    /// Sorts out the requests of one registration, or of all, whose session is gone: some are sent again, in their
    /// old order; the others fail.
    pub(super) fn take_back(&mut self, only: Option<u32>, reason: &str) {
        let concerns = |proxy_client_id: u32| only.is_none_or(|only| only == proxy_client_id);
        let mut kept = Vec::new();
        let mut failed = Vec::new();
        for (reference_id, pending) in &mut self.pending {
            if !concerns(pending.request.proxy_client_id) {
                continue;
            }
            let waits = pending.answer.is_some();
            let may_go_on =
                if pending.sent { pending.request.repeatable } else { pending.request.session.is_none() };
            if waits && may_go_on {
                pending.send_again();
                kept.push((pending.request.proxy_client_id, *reference_id, pending.request.login));
            } else {
                failed.push(*reference_id);
            }
        }
        for registration in self
            .registrations
            .iter_mut()
            .filter(|(id, _)| concerns(**id))
            .map(|(_, registration)| registration)
        {
            registration.session_lost();
        }
        kept.sort_unstable_by_key(|(proxy_client_id, reference_id, _)| (*proxy_client_id, *reference_id));
        for (proxy_client_id, reference_id, login) in kept {
            if let Some(registration) = self.registrations.get_mut(&proxy_client_id) {
                registration.line_up(reference_id, login);
            }
        }
        failed.sort_unstable();
        for reference_id in failed {
            if let Some(pending) = self.pending.remove(&reference_id) {
                let maybe_carried_out = pending.sent || pending.sent_before;
                let reason = reason.to_owned();
                pending.finish(Err(if maybe_carried_out {
                    Failure::LostAfterSending(reason)
                } else {
                    Failure::LostBeforeSending(reason)
                }));
            }
        }
    }

    /// The end was asked for: a loss is no longer made good.
    pub(crate) fn start_closing(&mut self) {
        self.closing = true;
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing || self.closed.is_some()
    }

    /// The client is over: everything fails, every reader ends. The first reason counts.
    pub(crate) fn close(&mut self, error: ClientError) {
        if self.closed.is_some() {
            return;
        }
        for (_, pending) in self.pending.drain() {
            let failure = if pending.sent || pending.sent_before {
                Failure::LostAfterSending(error.to_string())
            } else {
                Failure::Closed(error.clone())
            };
            pending.finish(Err(failure));
        }
        for registration in self.registrations.values_mut() {
            registration.session_lost();
            registration.events.end();
            if let Some(started) = registration.started.take() {
                drop(started.send(Err(error.clone())));
            }
        }
        self.turn.clear();
        self.due.clear();
        self.registering.clear();
        self.closed = Some(error);
        self.wake_sender();
    }

    /// The client gives up on the server: readers are told why before they end.
    pub(crate) fn give_up(&mut self, reason: &DisconnectReason, error: ClientError) {
        for registration in self.registrations.values_mut() {
            registration.events.disconnected(reason.clone());
        }
        self.close(error);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }
}
