//! What a process does with what its gate lets out: commits, answers, subscriptions.

use std::mem::take;
use std::sync::Arc;

use bytes::Bytes;
use ixn_engine::commit::{CommitBatch, CommitNumber};
use ixn_engine::gate::Action;
use ixn_engine::sessions::{ClientRef, ConnectionId};
use ixn_engine::{Input, Output};
use ixn_proto::server_envelope::Event;
use ixn_proto::{ClientEnvelope, EventAck, ServerEnvelope};
use ixn_sessions::{Closed, Overflow, PushError};
use prost::Message;

use crate::database::Database;
use crate::offers;
use crate::process::Process;

/// What the database has to do for a process.
#[derive(Clone, Debug)]
pub enum Job {
    Commit(Arc<CommitBatch>),
    LookUp(CommitNumber),
}

/// An output and the commit that must be durable before it may leave.
#[derive(Debug, PartialEq)]
pub struct Stamped {
    pub output: Output,
    pub depends_on: CommitNumber,
}

impl Process {
    /// Acknowledges what nobody has carried out.
    pub(crate) fn acknowledge(&mut self, connection: ConnectionId, envelope: &ClientEnvelope) {
        let answer = ServerEnvelope {
            reference_id: envelope.reference_id,
            proxy_client_id: envelope.proxy_client_id,
            event: Some(Event::EventAck(EventAck::default())),
            ..ServerEnvelope::default()
        };
        let client = ClientRef { connection, proxy_client_id: envelope.proxy_client_id };
        self.send(client, answer.encode_to_vec().into());
    }

    /// Does what the gate says.
    pub(crate) fn perform(&mut self, database: &Database, actions: Vec<Action<Stamped>>) {
        for action in actions {
            match action {
                Action::Release { durable, batch, outputs } => {
                    if let Some(batch) = batch {
                        self.engine.durable(durable);
                        self.commit_began = None;
                        if take(&mut self.is_silent) {
                            self.own_inputs.push(Input::DatabaseAnswers);
                        }
                        if let Some(record) = database.record(batch.number) {
                            record.known_at.set(Some(self.engine.now().0));
                        }
                    }
                    for stamped in outputs {
                        let record = database.record(stamped.depends_on);
                        assert!(
                            record.is_some_and(|record| record.identity.epoch.0 <= self.epoch),
                            "'nothing leaves before its commit' does not hold: commit {}: {:?}",
                            stamped.depends_on,
                            stamped.output
                        );
                        self.release(stamped.output);
                    }
                    self.followers.publish(durable);
                }
                Action::Commit { batch, after } => {
                    self.commit_began.get_or_insert(self.engine.now().0);
                    if after.is_zero() {
                        if take(&mut self.steps) == 1 {
                            offers::are_meant(&batch);
                        }
                        self.held = self.pace.spacing;
                    }
                    self.job = Some(Job::Commit(batch));
                }
                Action::LookUp(number) => self.job = Some(Job::LookUp(number)),
                Action::Fenced => self.end("fenced"),
                Action::Abort { .. } => self.end("refused"),
            }
        }
    }

    fn end(&mut self, why: &'static str) {
        self.ended = Some(why);
        for link in take(&mut self.links).into_values() {
            link.close(Closed::With(why.to_owned()));
        }
    }

    fn release(&mut self, output: Output) {
        match output {
            Output::Send { client, envelope } => self.send(client, envelope),
            Output::Close { connection, reason } => {
                if let Some(link) = self.links.remove(&connection) {
                    link.close(reason.map_or(Closed::Normally, Closed::With));
                }
            }
            Output::ConfigurationRefused(reason) => panic!("a configuration is refused: {reason}"),
            Output::Inspected { response, .. } => self.inspected = Some(*response),
            Output::Discard(_) => {}
            Output::Subscribe { client, after_event, filter } => {
                self.followers.subscribe(client, after_event, filter);
            }
            Output::ChangeSubscription(client, filter) => self.followers.change(client, filter),
            Output::Unsubscribe(client) => {
                self.followers.unsubscribe(client);
                if let Some(link) = self.links.get(&client.connection) {
                    link.readmit(client.proxy_client_id);
                }
            }
            Output::AwaitDrain(client) => self.followers.when_drained(client),
        }
    }

    fn send(&mut self, client: ClientRef, envelope: Bytes) {
        let Some(link) = self.links.get(&client.connection) else { return };
        let Some(envelope) = self.defect.map_or(Some(envelope.clone()), |defect| defect.damage(envelope))
        else {
            return;
        };
        match link.push(client.proxy_client_id, envelope) {
            Ok(()) | Err(PushError::Closed | PushError::Dropped) => {}
            Err(PushError::Overflow(Overflow::Client)) => {
                self.own_inputs.push(Input::ClientOverflowed(client));
            }
            Err(PushError::Overflow(Overflow::Connection)) => {
                link.abort("too much waits".to_owned());
                self.own_inputs.push(Input::Disconnected(client.connection));
            }
        }
    }
}
