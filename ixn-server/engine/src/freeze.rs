//! Freezing what the batch changed into what the database writes.

use bytes::Bytes;
use prost::Message;

use crate::commit::{CommitBatch, CommitNumber};
use crate::engine::Engine;
use crate::gate::Source;

impl Source for Engine {
    fn has_changes(&self) -> bool {
        !self.journal.is_empty() || self.idempotency.has_new_rows()
    }

    fn freeze(&mut self, number: CommitNumber) -> CommitBatch {
        debug_assert_eq!(number, self.batch, "commits are numbered without gaps");
        let (first_event, last_event, events) = self.journal.take_events();
        let hot = std::mem::take(&mut self.journal.interactions);
        let cold = std::mem::take(&mut self.journal.contents);
        let agents = std::mem::take(&mut self.journal.agents);
        self.journal.born.clear();
        let mut batch = CommitBatch {
            number,
            epoch: self.epoch,
            first_event,
            last_event,
            counters: self.counters,
            at_milliseconds: self.now.0,
            events,
            hot: hot
                .into_iter()
                .filter_map(|key| {
                    let row = self.interactions.get(key)?.to_row(&self.vocabulary);
                    Some((key, Bytes::from(row.encode_to_vec())))
                })
                .collect(),
            cold: cold
                .into_iter()
                .filter_map(|key| Some((key, self.contents.get(key)?.ok()?.as_bytes().clone())))
                .collect(),
            deleted: std::mem::take(&mut self.journal.deleted).into_iter().collect(),
            agents: Vec::new(),
            deleted_agents: Vec::new(),
            idempotency: self.idempotency.take_new_rows(),
            hash: 0,
        };
        for agent in agents {
            let name = self.vocabulary.agents.name(agent).to_owned();
            match self.agents.get(&agent) {
                Some(state) => {
                    let row = state.to_row(&self.vocabulary);
                    batch.agents.push((name, Bytes::from(row.encode_to_vec())));
                }
                None => batch.deleted_agents.push(name),
            }
        }
        batch.agents.sort();
        batch.deleted_agents.sort();
        batch.hash = batch.content_hash();
        self.batch = number.next();
        batch
    }
}
