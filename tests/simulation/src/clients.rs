//! Clients and their connections: what they send, and what they make of what they hear.

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt};
use ixn_engine::Input;
use ixn_engine::sessions::ConnectionId;
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::*;
use ixn_sessions::OutboundStream;
use prost::Message;

use crate::keys::{Circumstances, Key};
use crate::requests::{self, AGENTS};
use crate::told;
use crate::who::{PROXY, Who};
use crate::world::World;

/// A connection as its clients see it.
pub struct Line {
    pub process: usize,
    connection: ConnectionId,
    stream: OutboundStream<String>,
    pub registered: BTreeSet<u32>,
}

/// A request on its way.
pub struct Sent {
    line: usize,
    proxy_client_id: u32,
    pub who: Option<Who>,
    pub request: Request,
    key: Option<Key>,
    /// Its key had been acknowledged before.
    was_acknowledged: bool,
    /// The newest durable event when it was sent.
    known: u64,
}

/// What a client finds when it reads.
enum Reading {
    /// Envelopes.
    Message(ServerMessage),
    /// Nothing yet.
    Nothing,
    /// The connection is closed.
    Closed,
}

/// Reads one message.
fn read(stream: &mut OutboundStream<String>) -> Reading {
    match stream.next().now_or_never() {
        None => Reading::Nothing,
        Some(Some(Ok(bytes))) => match ServerMessage::decode(bytes) {
            Ok(message) => Reading::Message(message),
            Err(error) => panic!("a message that does not decode: {error}"),
        },
        Some(Some(Err(_)) | None) => Reading::Closed,
    }
}

impl World {
    fn open(&mut self, line: usize) {
        if self.lines.contains_key(&line) {
            return;
        }
        self.connections += 1;
        let connection = ConnectionId(self.connections);
        let id = self.primary();
        let Some(process) = self.processes.get_mut(&id) else { return };
        let stream = process.connect(&self.database, self.now, connection);
        self.lines.insert(line, Line { process: id, connection, stream, registered: BTreeSet::new() });
        if line == PROXY {
            self.register(line, 0, "proxy".into(), ClientType::Proxy);
        }
    }

    fn register(&mut self, line: usize, proxy_client_id: u32, name: String, client_type: ClientType) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.registered.insert(proxy_client_id);
        }
        let client_type = client_type as i32;
        let request = RequestRegisterClient { client_name: name, client_type, ..Default::default() };
        self.send_from(line, proxy_client_id, Request::RequestRegisterClient(request), None);
    }

    pub(crate) fn ensure(&mut self, who: Who) {
        let (line, proxy_client_id) = who.line();
        self.open(line);
        if self.lines.get(&line).is_some_and(|line| line.registered.contains(&proxy_client_id)) {
            return;
        }
        let (name, client_type) = who.name();
        self.register(line, proxy_client_id, name, client_type);
        match who {
            Who::Desk(agent, _) => {
                self.send_from(line, proxy_client_id, requests::login(agent, true), None);
            }
            Who::Reporter(nth) => self.watchers.entry(nth).or_default().lost_connection(),
            Who::Media(_) | Who::Router(_) => {}
        }
    }

    pub(crate) fn send_from(
        &mut self,
        line: usize,
        proxy_client_id: u32,
        request: Request,
        key: Option<(String, String)>,
    ) {
        let Some(Line { process, connection, .. }) = self.lines.get(&line) else { return };
        let (process, connection) = (*process, *connection);
        self.references += 1;
        let who = Who::at(line, proxy_client_id);
        let was_acknowledged = self.ledger.sent(&request, key.as_ref(), self.latest / 1000);
        let envelope = ClientEnvelope {
            reference_id: self.references,
            proxy_client_id,
            idempotency_key: key.as_ref().map(|(_, key)| key.clone()).unwrap_or_default(),
            request: Some(request.clone()),
            extension: None,
        };
        let (reference_id, known) = (self.references, self.database.last_event());
        self.tell(|| format!("    {who:?} sends {reference_id}: {request:?} {key:?}"));
        let sent = Sent { line, proxy_client_id, who, request, key, was_acknowledged, known };
        self.sent.insert(reference_id, sent);
        self.step(process, Input::Request(connection, Box::new(envelope)));
    }

    pub(crate) fn send(&mut self, who: Who, request: Request, key: bool) {
        self.ensure(who);
        let (name, _) = who.name();
        let key = key.then(|| {
            self.keys += 1;
            (name.clone(), format!("key {}", self.keys))
        });
        if let Some((_, key)) = &key {
            self.repeatable.entry(name).or_default().push((request.clone(), key.clone()));
        }
        let (line, proxy_client_id) = who.line();
        self.send_from(line, proxy_client_id, request, key);
    }

    /// A connection is no more: nobody waits for its answers.
    pub(crate) fn forget_line(&mut self, line: usize) -> Option<Line> {
        let gone = self.lines.remove(&line)?;
        self.abandon(|sent| sent.line == line);
        for nth in 0..2 {
            if Who::Reporter(nth).line().0 == line {
                self.watchers.entry(nth).or_default().lost_connection();
            }
        }
        Some(gone)
    }

    fn abandon(&mut self, which: impl Fn(&Sent) -> bool) {
        let gone: Vec<u64> = self.sent.iter().filter(|(_, sent)| which(sent)).map(|(id, _)| *id).collect();
        for reference_id in gone {
            self.sent.remove(&reference_id);
            self.abandoned.insert(reference_id);
        }
    }

    /// A logical client is registered no more.
    pub(crate) fn forget_client(&mut self, line: usize, proxy_client_id: u32) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.registered.remove(&proxy_client_id);
        }
        self.abandon(|sent| (sent.line, sent.proxy_client_id) == (line, proxy_client_id));
        if let Some(Who::Reporter(nth)) = Who::at(line, proxy_client_id) {
            self.watchers.entry(nth).or_default().lost_connection();
        }
    }

    pub(crate) fn disconnect(&mut self, line: usize) {
        if let Some(gone) = self.forget_line(line) {
            self.step(gone.process, Input::Disconnected(gone.connection));
        }
    }

    /// Everybody reads what has come; a slow reader does not. Answers whether there was anything.
    pub(crate) fn read_lines(&mut self) -> bool {
        let mut any = false;
        for line in self.lines.keys().copied().collect::<Vec<_>>() {
            let is_ended = |process: &usize| self.processes.get(process).is_none_or(|of| of.ended.is_some());
            let ended = self.lines.get(&line).is_some_and(|line| is_ended(&line.process));
            if self.slow.contains(&line) && !ended {
                continue;
            }
            while let Some(Line { stream, .. }) = self.lines.get_mut(&line) {
                match read(stream) {
                    Reading::Nothing => break,
                    Reading::Closed => {
                        any = true;
                        self.tell(|| format!("    line {line} is closed"));
                        self.forget_line(line);
                    }
                    Reading::Message(message) => {
                        any = true;
                        for envelope in message.envelopes {
                            self.hear(line, &envelope);
                        }
                    }
                }
            }
        }
        any
    }

    fn hear(&mut self, line: usize, envelope: &ServerEnvelope) {
        self.replay.read(&self.database);
        self.hash.update(&line.to_le_bytes());
        self.hash.update(&envelope.encode_to_vec());
        let who = Who::at(line, envelope.proxy_client_id);
        self.tell(|| format!("    {who:?} hears {} {:?}", envelope.reference_id, envelope.event));
        if envelope.reference_id != 0 {
            self.hear_answer(line, envelope);
        }
        match &envelope.event {
            Some(Event::EventInvite(invite)) => {
                let Some(Who::Desk(agent, _)) = who else { panic!("an offer to {who:?}: {invite:?}") };
                let interaction = invite.interaction.clone().unwrap_or_default();
                self.replay.agrees_with_shown(&interaction, 0);
                let id = interaction.interaction_id;
                self.offers.entry(agent).or_default().push((invite.ticket_id, id));
            }
            Some(Event::EventRevoked(revoked)) if !matches!(who, Some(Who::Reporter(_))) => {
                for offers in self.offers.values_mut() {
                    offers.retain(|(ticket, _)| *ticket != revoked.ticket_id);
                }
            }
            Some(Event::EventClientDisconnected(_)) => self.forget_client(line, envelope.proxy_client_id),
            Some(Event::EventError(error)) => {
                assert!(!error.error_description.is_empty());
                assert_ne!(error.error_code(), ErrorCode::InternalError, "{error:?}");
            }
            _ => {}
        }
        if let Some(Who::Reporter(nth)) = who {
            self.watchers.entry(nth).or_default().hears(envelope, &self.replay);
        }
    }

    fn hear_answer(&mut self, line: usize, envelope: &ServerEnvelope) {
        let Some(event) = &envelope.event else { panic!("an answer without an event: {envelope:?}") };
        let reference_id = envelope.reference_id;
        if self.abandoned.contains(&reference_id) {
            return;
        }
        if matches!(event, Event::EventWorkbinContent(page) if page.more) {
            return;
        }
        let Some(sent) = self.sent.remove(&reference_id) else {
            panic!("an answer that nobody waits for: {envelope:?}");
        };
        assert_eq!((sent.line, sent.proxy_client_id), (line, envelope.proxy_client_id), "{envelope:?}");
        let agent = match sent.who {
            Some(Who::Desk(agent, _)) => Some(AGENTS[agent]),
            _ => None,
        };
        let by_primary = self.lines.get(&line).is_some_and(|line| line.process == self.primary());
        let how = Circumstances {
            at_seconds: self.latest / 1000,
            repeated: envelope.repeated,
            was_acknowledged: sent.was_acknowledged,
            by_primary,
        };
        self.ledger.answered(&sent.request, event, sent.key.clone(), agent, how);
        // One that was taken over from may read what is no longer so.
        let known = if by_primary { sent.known } else { 0 };
        if let (Event::EventAck(_), false) = (event, envelope.repeated)
            && let Some(told) = told::by(&sent.request, agent.unwrap_or_default())
        {
            assert!(
                self.replay.tells(&told, known),
                "'what was acknowledged is told' does not hold: no event tells of {:?}",
                sent.request
            );
        }
        match event {
            Event::EventInteractionProperties(shown) => {
                self.replay.agrees_with_shown(&shown.interaction.clone().unwrap_or_default(), known);
            }
            Event::EventPulledInteractions(pulled) => {
                for shown in &pulled.interactions {
                    let shown = shown.interaction.clone().unwrap_or_default();
                    // Of changes from now on he hears; those before must be in the answer.
                    let is_first = by_primary && !envelope.repeated;
                    let taken = is_first.then(|| {
                        self.replay.taken_after(&shown.interaction_id, agent.unwrap_or_default(), known)
                    });
                    self.replay.agrees_with_shown(&shown, taken.flatten().unwrap_or(known));
                }
            }
            Event::EventWorkbinContent(page) => {
                page.interactions.iter().for_each(|shown| self.replay.was_so(shown, known));
            }
            Event::EventFoundInteractions(page) => {
                page.interactions.iter().for_each(|shown| self.replay.was_so(shown, known));
            }
            Event::EventAck(EventAck { agent_login: Some(login), .. }) if !envelope.repeated => {
                self.replay.agrees_with_login(login, known);
            }
            Event::EventError(_) => {
                let reports = matches!(
                    sent.request,
                    Request::RequestStartPlaceAgentStateReportingAll(_)
                        | Request::RequestStartPlaceAgentStateReporting(_)
                );
                if let (Some(Who::Reporter(nth)), true) = (sent.who, reports) {
                    self.watchers.entry(nth).or_default().lost_connection();
                }
            }
            _ => {}
        }
        if let (Request::RequestSubmit(_), Event::EventAck(ack)) = (&sent.request, event)
            && !envelope.repeated
        {
            self.ids.push(ack.interaction_id.clone());
        }
    }
}
