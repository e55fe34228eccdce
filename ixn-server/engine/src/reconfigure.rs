//! A new configuration comes into force while everything goes on.
//!
//! Queues that are gone become retired by not being there; agents that are gone are logged out and their work returns; what
//! a strategy that is gone was routing returns to its queue. Views are filled anew in slices: until a slice has come by, a
//! view misses interactions that nothing else touches, for milliseconds.

use ixn_configuration::Configuration;
use ixn_proto::InteractionOperation;

use crate::commit::InteractionKey;
use crate::compile::{CompileError, compile};
use crate::engine::{Engine, Output};
use crate::interaction::Interaction;
use crate::names::AgentId;
use crate::views::Views;
use crate::wire::{Actor, server_reason};
use crate::workbins::contents::WorkbinContents;

/// How many rows one step looks at.
const SLICE: usize = 500;

impl Engine {
    /// Puts a configuration into force, or says why it cannot be.
    pub(crate) fn reconfigure(&mut self, configuration: &Configuration) {
        if let Err(error) = self.try_reconfigure(configuration) {
            self.output(Output::ConfigurationRefused(error.to_string()));
        }
    }

    fn try_reconfigure(&mut self, configuration: &Configuration) -> Result<(), CompileError> {
        let setup = compile(configuration, &mut self.vocabulary)?;
        let agents: Vec<AgentId> = self.agents.keys().copied().collect();
        for agent in &agents {
            self.unlist(*agent);
        }
        let waiting = std::mem::take(&mut self.lines).all_waiting();
        self.setup = setup;
        self.views = Views::new(&self.setup);
        self.workbins.contents = WorkbinContents::default();
        self.unindexed_after = Some(InteractionKey(0));
        for agent in agents {
            if self.setup.agents.contains_key(&agent) {
                self.relist(agent);
            } else {
                let reason = server_reason("AgentDeleted", "the agent is no longer configured");
                self.log_out(agent, &Actor::Server, Some(reason), None);
            }
        }
        for key in waiting {
            self.offer(key);
        }
        self.wake.views.extend(0..self.setup.views.len());
        Ok(())
    }

    /// Fills the views anew, one slice a step.
    pub(crate) fn index_slice(&mut self) {
        let Some(after) = self.unindexed_after else { return };
        let keys: Vec<InteractionKey> =
            self.interactions.after(after).take(SLICE).map(|row: &Interaction| row.key).collect();
        for key in &keys {
            self.reindex(*key);
        }
        self.unindexed_after = keys.last().copied();
    }

    /// The strategy that routed it is gone.
    pub(crate) fn strategy_is_gone(&mut self, key: InteractionKey) {
        let reason = server_reason("StrategyDeleted", "the strategy is no longer configured");
        self.return_to_queue(key, InteractionOperation::PlaceBack, &Actor::Server, Some(reason));
    }
}
