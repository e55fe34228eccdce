//! One registration: the connection's own, or that of a logical client.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use ixn_proto::RegistrationInfo;
use tokio::{sync::oneshot, time::Instant};

use super::{event_queue::EventQueue, pending::Pending};
use crate::{ClientError, LogicalOptions, request_nature::Login};

/// Ids of requests that were given up are swept once there are more than this and they are the most.
const STALE_IDS_KEPT: usize = 64;

/// How far a registration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The connection is not there.
    Unconnected,
    /// The connection is there; the registration is sent at this time.
    Due(Instant),
    /// The registration was sent and not answered yet.
    Registering,
    /// Requests may be sent.
    Registered,
    /// The client gave up on it; the text says why.
    Closed(String),
}

#[derive(Debug)]
pub(super) struct Registration {
    pub(super) profile: Arc<LogicalOptions>,
    pub(super) phase: Phase,
    /// How many sessions it has lost.
    pub(super) session: u64,
    /// Refused attempts since it last stood.
    pub(super) attempts: u32,
    /// Reference ids of requests to send, oldest first. Those of requests that were given up are skipped.
    pub(super) waiting: VecDeque<u64>,
    /// Those of requests that need a login, in their order, while there is none.
    pub(super) held: VecDeque<u64>,
    /// An agent is logged in through it, as the server answered on this connection.
    pub(super) logged_in: bool,
    /// How many of `waiting` were given up.
    pub(super) stale: usize,
    /// Requests sent and not answered on this connection.
    pub(super) in_flight: u32,
    /// The server's limit for that; 0 = none.
    pub(super) in_flight_limit: u32,
    /// Whether it stands in the line of those that send.
    pub(super) in_turn: bool,
    pub(super) events: EventQueue,
    /// Who waits for the first registration.
    pub(super) started: Option<oneshot::Sender<Result<(), ClientError>>>,
    pub(super) info: RegistrationInfo,
}

impl Registration {
    pub(super) fn new(profile: Arc<LogicalOptions>, events_capacity: usize) -> Self {
        Self {
            profile,
            phase: Phase::Unconnected,
            session: 0,
            attempts: 0,
            waiting: VecDeque::new(),
            held: VecDeque::new(),
            logged_in: false,
            stale: 0,
            in_flight: 0,
            in_flight_limit: 0,
            in_turn: false,
            events: EventQueue::new(events_capacity.max(1)),
            started: None,
            info: RegistrationInfo::default(),
        }
    }

    pub(super) fn can_send(&self) -> bool {
        self.phase == Phase::Registered
            && !self.waiting.is_empty()
            && (self.in_flight_limit == 0 || self.in_flight < self.in_flight_limit)
    }

    /// It stands: requests may be sent.
    pub(super) fn registered(&mut self, info: RegistrationInfo) {
        self.phase = Phase::Registered;
        self.attempts = 0;
        self.in_flight = 0;
        self.in_flight_limit = info.max_requests_in_flight;
        self.info = info;
    }

    /// Puts a request behind those that are to be sent, or that wait for a login as it does.
    pub(super) fn line_up(&mut self, reference_id: u64, login: Login) {
        if login == Login::Needed && !self.logged_in {
            self.held.push_back(reference_id);
        } else {
            self.waiting.push_back(reference_id);
        }
    }

    /// An agent is logged in: what waited for that may be sent.
    pub(super) fn agent_logged_in(&mut self) {
        self.logged_in = true;
        self.waiting.append(&mut self.held);
    }

    /// The session is gone, with the login: nothing is to be sent until it is lined up again.
    pub(super) fn session_lost(&mut self) {
        self.session += 1;
        self.waiting.clear();
        self.held.clear();
        self.logged_in = false;
        self.stale = 0;
        self.in_flight = 0;
    }

    /// One of the waiting requests was given up.
    pub(super) fn gave_up(&mut self, pending: &HashMap<u64, Pending>) {
        if !self.held.is_empty() {
            self.held.retain(|reference_id| pending.contains_key(reference_id));
        }
        self.stale += 1;
        if self.stale > STALE_IDS_KEPT && self.stale * 2 > self.waiting.len() {
            self.waiting.retain(|reference_id| pending.contains_key(reference_id));
            self.stale = 0;
        }
    }
}
