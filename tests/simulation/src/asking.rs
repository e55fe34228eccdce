//! Operations as requests: who asks what about which interaction.

use ixn_proto::client_envelope::Request;
use ixn_proto::*;

use crate::clients::Line;
use crate::operations::Op;
use crate::requests::{self, AGENTS, QUEUES, VIEWS};
use crate::who::Who;
use crate::world::World;

impl World {
    #[allow(clippy::too_many_lines, reason = "one arm for each operation")]
    /// Carries an operation out, without what follows.
    pub(crate) fn begin(&mut self, op: &Op) {
        match op {
            Op::Submit { who, invoice, priority, hold, media, queue, workbin, key } => {
                let mut request = requests::submit(*invoice, self.next_note());
                request.priority = Some(*priority);
                request.hold = *hold;
                request.media_type = requests::MEDIA[*media].into();
                request.is_online = *media == 1;
                match workbin {
                    Some(owner) => request.workbin = Some(requests::workbin(*owner)),
                    None => request.queue = QUEUES[*queue].into(),
                }
                self.send(*who, Request::RequestSubmit(request), *key);
            }
            Op::Login { agent, desk, ready } => {
                self.send(Who::Desk(*agent, *desk), requests::login(*agent, *ready), false);
            }
            Op::Logout { who } => self.send(*who, Request::RequestAgentLogout(Default::default()), false),
            Op::Medium { who, media, what, key } => self.send(*who, requests::medium(*media, *what), *key),
            Op::DoNotDisturb { who, on, key } => {
                let request = match on {
                    true => Request::RequestDoNotDisturbOn(Default::default()),
                    false => Request::RequestDoNotDisturbOff(Default::default()),
                };
                self.send(*who, request, *key);
            }
            Op::Answer { agent, desk, offer, accept, key } => {
                self.answer((*agent, *desk), *offer, *accept, *key)
            }
            Op::Stop { who, nth, key } => {
                let interaction_id = self.id_for(*who, *nth);
                let stop = RequestStopProcessing { interaction_id, reason: None };
                self.send(*who, Request::RequestStopProcessing(stop), *key);
            }
            Op::Leave { who, nth, key } => {
                let interaction_id = self.id_for(*who, *nth);
                let leave = RequestLeaveInteraction { interaction_id, reason: None };
                self.send(*who, Request::RequestLeaveInteraction(leave), *key);
            }
            Op::Hold { who, nth, hold, key } => {
                let interaction_id = self.id_for(*who, *nth);
                let request = match hold {
                    true => Request::RequestHold(RequestHold { interaction_id, ..Default::default() }),
                    false => Request::RequestResume(RequestResume { interaction_id, ..Default::default() }),
                };
                self.send(*who, request, *key);
            }
            Op::PlaceInQueue { who, nth, queue, held, key } => {
                let (interaction_id, queue) = (self.id_for(*who, *nth), QUEUES[*queue].into());
                let request = RequestPlaceInQueue { interaction_id, queue, is_held: *held, reason: None };
                self.send(*who, Request::RequestPlaceInQueue(request), *key);
            }
            Op::PlaceInWorkbin { who, nth, owner, key } => {
                let (interaction_id, workbin) = (self.id_for(*who, *nth), Some(requests::workbin(*owner)));
                let request = RequestPlaceInWorkbin { interaction_id, workbin, reason: None };
                self.send(*who, Request::RequestPlaceInWorkbin(request), *key);
            }
            Op::Change { who, nth, priority, invoice, online, key } => {
                let mut request = RequestChangeProperties {
                    interaction_id: self.id_for(*who, *nth),
                    priority: *priority,
                    is_online: online.filter(|_| !matches!(who, Who::Desk(..))),
                    ..Default::default()
                };
                if let Some(invoice) = invoice {
                    requests::change_user_data(&mut request, *invoice, self.next_note());
                }
                self.send(*who, Request::RequestChangeProperties(request), *key);
            }
            Op::PullView { who, view, most, key } => {
                let pull = RequestPull {
                    view_id: VIEWS[*view].into(),
                    number_of_interactions: *most,
                    ..Default::default()
                };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::PullIds { who, nth, key } => {
                let mut ids = KeyValueList::new();
                for nth in nth {
                    ids.push_text(&self.id(*nth), "");
                }
                let pull = RequestPull {
                    view_id: "_system_".into(),
                    pull_parameters: Some(ids),
                    ..Default::default()
                };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::PullWorkbin { who, owner, most, key } => {
                let workbin = Some(requests::workbin(*owner));
                let pull = RequestPull { workbin, number_of_interactions: *most, ..Default::default() };
                self.send(*who, Request::RequestPull(pull), *key);
            }
            Op::Look { who, nth, what } => {
                let request = requests::look(self.id_for(*who, *nth), *what, *nth % AGENTS.len());
                self.send(*who, request, false);
            }
            Op::Status { agent, media, remaining } => {
                let media_type_name = requests::MEDIA[*media].into();
                let status = EventCurrentAgentStatus {
                    agent_id: AGENTS[*agent].into(),
                    media_capacity_list: vec![MediaCapacity { media_type_name, remaining: *remaining }],
                    ..Default::default()
                };
                self.send(Who::Reporter(0), Request::EventCurrentAgentStatus(status), false);
            }
            Op::Again { who, nth } => self.repeat(*who, *nth),
            Op::Report { nth, resume, with_interactions, selected } => {
                self.report(*nth, *resume, *with_interactions, selected);
            }
            Op::Unregister { who } => {
                let (line, proxy_client_id) = who.line();
                let is_registered = |line: &Line| line.registered.contains(&proxy_client_id);
                if self.lines.get(&line).is_some_and(is_registered) {
                    let unregister = Request::RequestUnregisterClient(Default::default());
                    self.send_from(line, proxy_client_id, unregister, None);
                    self.forget_client(line, proxy_client_id);
                    if proxy_client_id == 0 {
                        self.disconnect(line);
                    }
                }
            }
            Op::Disconnect { who } => self.disconnect(who.line().0),
            Op::Slow { who, slow: true } => drop(self.slow.insert(who.line().0)),
            Op::Slow { who, slow: false } => drop(self.slow.remove(&who.line().0)),
            other => self.disturb(other),
        }
    }

    fn next_note(&mut self) -> u64 {
        self.notes += 1;
        self.notes
    }

    fn answer(&mut self, (agent, desk): (usize, usize), offer: usize, accept: bool, key: bool) {
        let offers = self.offers.entry(agent).or_default();
        let Some((ticket_id, interaction_id)) = offers.iter().rev().nth(offer).cloned() else { return };
        if offer == 0 {
            offers.pop();
        }
        let request = match accept {
            true => Request::RequestAccept(RequestAccept { ticket_id, interaction_id }),
            false => Request::RequestReject(RequestReject { ticket_id, interaction_id, reason: None }),
        };
        self.send(Who::Desk(agent, desk), request, key);
    }

    /// A client sends one of its last requests with a key once more.
    fn repeat(&mut self, who: Who, nth: usize) {
        let (name, _) = who.name();
        let known = self.repeatable.get(&name).and_then(|requests| requests.iter().rev().nth(nth));
        if let Some((request, key)) = known.cloned() {
            self.ensure(who);
            let (line, proxy_client_id) = who.line();
            self.send_from(line, proxy_client_id, request, Some((name, key)));
        }
    }

    /// A reporting engine subscribes anew on a new connection: what is on its way on the old one belongs to what was before.
    pub(crate) fn report(&mut self, nth: usize, resume: bool, with_interactions: bool, selected: &[usize]) {
        let who = Who::Reporter(nth);
        self.disconnect(who.line().0);
        self.ensure(who);
        let watcher = self.watchers.entry(nth).or_default();
        let after = watcher.last().filter(|_| resume);
        watcher.subscribed(after, with_interactions, requests::selection(selected));
        self.send(who, requests::start_reporting(after, with_interactions, selected), false);
    }

    /// One of the interactions that the agent handles, or any of the newest.
    fn id_for(&self, who: Who, nth: usize) -> String {
        if let Who::Desk(agent, _) = who
            && let Some(id) = self.replay.handled_by(AGENTS[agent]).get(nth / 2)
        {
            return id.clone();
        }
        self.id(nth)
    }

    fn id(&self, nth: usize) -> String {
        let newest_first = self.ids.iter().rev().nth(nth % self.ids.len().max(1));
        newest_first.cloned().unwrap_or_else(|| "nothing".into())
    }
}
