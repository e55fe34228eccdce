//! A new configuration comes into force while everything goes on.
//!
//! Queues that are gone become retired by not being there; agents that are gone are logged out and their work returns; what
//! a strategy that is gone was routing returns to its queue. The first step only exchanges the setup; everything that
//! concerns many agents or interactions follows in slices. First every agent finds his new places; only then is work offered
//! again, the most urgent first over all strategies, so that a changed configuration does not change who gets what. Beside
//! that, views and workbins that were defined anew are filled: until that is done they show a part. What is no longer needed
//! is handed to the shell, which lets go of it where that delays nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ixn_proto::InteractionOperation;

use crate::commit::InteractionKey;
use crate::compile::{Compiled, Compiler};
use crate::engine::{Engine, Output};
use crate::interaction::Interaction;
use crate::names::AgentId;
use crate::routing::lines::{Lines, Urgency};
use crate::setup::Setup;
use crate::views::Views;
use crate::vocabulary::ConfiguredNames;
use crate::wire::{Actor, server_reason};
use crate::workbins::contents::WorkbinContents;

/// What is left to do since the configuration changed.
#[derive(Debug, Default)]
pub(crate) struct Changeover {
    /// Agents who have yet to find their places, or to be logged out.
    agents: Vec<AgentId>,
    /// What waits for an agent: as it stood in the lines of before, and what has come since.
    waiting: Vec<BTreeSet<Urgency>>,
    /// Views and workbins that were defined anew lack the interactions after this one.
    unindexed_after: Option<InteractionKey>,
}

impl Changeover {
    /// Whether everything is done.
    pub(crate) fn is_over(&self) -> bool {
        self.agents.is_empty() && self.unindexed_after.is_none() && self.waiting.is_empty()
    }

    /// Whether agents and those who wait for them are yet to be brought together.
    pub(crate) fn holds_offers(&self) -> bool {
        !self.agents.is_empty() || !self.waiting.is_empty()
    }

    /// Lets an interaction wait for its turn. One that needs none any more by then is passed over.
    pub(crate) fn enqueue(&mut self, urgency: Urgency) {
        match self.waiting.first_mut() {
            Some(come_since) => drop(come_since.insert(urgency)),
            None => self.waiting.push(BTreeSet::from([urgency])),
        }
    }

    /// The most urgent of those who wait.
    fn next_waiting(&mut self) -> Option<Urgency> {
        let lines = self.waiting.iter().enumerate();
        let (_, line) = lines.filter_map(|(line, waiting)| Some((waiting.first()?, line))).min()?;
        self.waiting.get_mut(line)?.pop_first()
    }

    /// Whether all views and workbins hold what they should.
    pub(crate) fn is_indexed(&self) -> bool {
        self.unindexed_after.is_none()
    }
}

/// What a changed configuration has left behind. Letting go of it may take long: not on the engine's thread.
#[derive(Debug)]
pub struct Discarded {
    _setup: Setup,
    _names: ConfiguredNames,
    _views: Views,
    _workbins: WorkbinContents,
    _lines: Lines,
}

/// One pile of rubbish is as good as another.
impl PartialEq for Discarded {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Engine {
    /// What makes configurations ready for this engine. Ask for it when everything is restored.
    pub fn compiler(&self) -> Compiler {
        Compiler::new(&self.vocabulary)
    }

    /// Puts a configuration into force.
    pub(crate) fn reconfigure(&mut self, compiled: Compiled) {
        let Compiled { setup, names } = compiled;
        if !self.vocabulary.is_part_of(&names) {
            let text = "it was made ready for another server; read the file again";
            return self.output(Output::ConfigurationRefused(text.to_owned()));
        }
        let names = self.vocabulary.replace_configured(names);
        let old = std::mem::replace(&mut self.setup, setup);
        let views = self.views.reconfigure(&old, &self.setup);
        let workbins = self.workbins.contents.reconfigure(&old, &self.setup);
        if views.to_fill || workbins.to_fill {
            self.changeover.unindexed_after = Some(InteractionKey(0));
        }
        let mut lines = std::mem::take(&mut self.lines);
        // What an earlier change has left to do is done with this one. The first is for what comes from now on.
        self.changeover.waiting.insert(0, BTreeSet::new());
        self.changeover.waiting.extend(lines.take_waiting());
        self.setup_generation += 1;
        self.changeover.agents = self.agents.keys().rev().copied().collect();
        self.wake.views.extend(0..self.setup.views.len());
        let discarded = Discarded {
            _setup: old,
            _names: names,
            _views: views.discarded,
            _workbins: workbins.discarded,
            _lines: lines,
        };
        self.output(Output::Discard(Box::new(discarded)));
    }

    /// Goes on with what is left to do, one slice a step.
    pub(crate) fn change_over(&mut self) {
        if self.changeover.is_over() {
            return;
        }
        for _ in 0..self.slices.agents {
            let Some(agent) = self.changeover.agents.pop() else { break };
            if self.setup.agents.contains_key(&agent) {
                self.relist(agent);
            } else {
                let reason = server_reason("AgentDeleted", "the agent is no longer configured");
                self.log_out(agent, &Actor::Server, Some(reason));
            }
        }
        if self.changeover.agents.is_empty() {
            self.offer_slice();
        }
        self.index_slice();
    }

    /// Offers what waits, the most urgent first.
    fn offer_slice(&mut self) {
        for _ in 0..self.slices.offers {
            match self.changeover.next_waiting() {
                Some(urgency) => self.offer_now(urgency.key()),
                None => return self.changeover.waiting.clear(),
            }
        }
    }

    /// Fills views and workbins that were defined anew.
    fn index_slice(&mut self) {
        let Some(after) = self.changeover.unindexed_after else { return };
        let keys: Vec<InteractionKey> =
            self.interactions.after(after).take(self.slices.rows).map(|row: &Interaction| row.key).collect();
        for key in &keys {
            self.reindex(*key);
        }
        self.changeover.unindexed_after = keys.last().copied();
    }

    /// Queues that are no longer configured, and how many interactions are in each.
    pub fn retired_queues(&self) -> BTreeMap<Arc<str>, u64> {
        let mut retired = BTreeMap::new();
        for ((queue, _), counts) in self.interactions.counts() {
            if counts.total() > 0 && !self.setup.queues.contains_key(queue) {
                *retired.entry(self.vocabulary.queues.shared(*queue)).or_default() += counts.total();
            }
        }
        retired
    }

    /// Media types that are no longer configured, and how many interactions have each.
    pub fn retired_media_types(&self) -> BTreeMap<Arc<str>, u64> {
        let mut retired = BTreeMap::new();
        for ((_, media_type), counts) in self.interactions.counts() {
            if counts.total() > 0 && !self.setup.media_types.contains_key(media_type) {
                *retired.entry(self.vocabulary.media_types.shared(*media_type)).or_default() +=
                    counts.total();
            }
        }
        retired
    }

    /// The strategy that routed it is gone.
    pub(crate) fn strategy_is_gone(&mut self, key: InteractionKey) {
        let reason = server_reason("StrategyDeleted", "the strategy is no longer configured");
        self.return_to_queue(key, InteractionOperation::PlaceBack, &Actor::Server, Some(reason));
    }
}
