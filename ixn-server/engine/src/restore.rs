//! Starting with what the database holds. Nothing that was acknowledged is missing; what was on its way to somebody goes
//! back to where it can be offered again.

use ixn_proto::InteractionOperation;
use prost::{DecodeError, Message};

use crate::agents::AgentState;
use crate::commit::{IdempotencyRow, InteractionKey};
use crate::engine::{Engine, Timer};
use crate::interaction::{Interaction, State};
use crate::names::{AgentId, TooManyNames};
use crate::row::{AgentRow, InteractionRow};
use crate::wire::{Actor, server_reason};

/// A stored row that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// It does not decode.
    #[error("{row} cannot be read: {source}")]
    Damaged {
        /// Which row.
        row: String,
        /// Why.
        source: DecodeError,
    },
    /// It has more names than there may be.
    #[error(transparent)]
    Names(#[from] TooManyNames),
}

impl Engine {
    /// Takes a stored interaction in.
    pub fn restore_interaction(&mut self, key: InteractionKey, row: &[u8]) -> Result<(), RestoreError> {
        let row = InteractionRow::decode(row)
            .map_err(|source| RestoreError::Damaged { row: format!("interaction {key}"), source })?;
        let interaction = Interaction::from_row(key, row, &mut self.vocabulary)?;
        if interaction.state != State::Queued {
            self.unsettled.push(key);
        }
        self.show(&interaction);
        self.interactions.insert(interaction);
        Ok(())
    }

    /// Takes a stored agent in.
    pub fn restore_agent(&mut self, name: &str, row: &[u8]) -> Result<(), RestoreError> {
        let row = AgentRow::decode(row)
            .map_err(|source| RestoreError::Damaged { row: format!("agent '{name}'"), source })?;
        let agent = self.vocabulary.agents.intern(name)?;
        let state = AgentState::from_row(row, &mut self.vocabulary)?;
        self.agents.insert(agent, state);
        Ok(())
    }

    /// Takes a stored idempotency key in; they come in the order in which they were written.
    pub fn restore_idempotency(&mut self, row: &IdempotencyRow) {
        let answer = self.answer_to_keep(&row.answer);
        self.idempotency.restore(row, answer, self.now);
    }

    /// Everything is restored: agents may come back for a while, what was being routed or offered returns to its queue.
    pub fn recover(&mut self) {
        let agents: Vec<AgentId> = self.agents.keys().copied().collect();
        let deadline = self.now.after(self.setup.options.agent_reconnect_timeout);
        for agent in &agents {
            let timer = self.timers.set(deadline, Timer::Reconnect(*agent));
            if let Some(state) = self.agents.get_mut(agent) {
                state.reconnect_timer = Some(timer);
            }
        }
        for key in std::mem::take(&mut self.unsettled) {
            self.recover_interaction(key);
        }
        for agent in agents {
            if !self.setup.agents.contains_key(&agent) {
                let reason = server_reason("AgentDeleted", "the agent is no longer configured");
                self.log_out(agent, &Actor::Server, Some(reason));
            }
        }
    }

    fn recover_interaction(&mut self, key: InteractionKey) {
        let Some(row) = self.interactions.get(key) else { return };
        let media_type = row.media_type;
        let invited: Vec<AgentId> = row.invitations().iter().map(|invitation| invitation.agent).collect();
        let holders: Vec<AgentId> = row.agents().iter().map(|party| party.agent).collect();
        let (present, gone): (Vec<_>, Vec<_>) =
            holders.into_iter().partition(|agent| self.agents.contains_key(agent));
        for agent in &present {
            if let Some(state) = self.agents.get_mut(agent) {
                state.handled.insert(key);
            }
            self.add_load(*agent, media_type, 1);
            self.restart_handling_timer(key, *agent);
        }
        for agent in invited {
            if let Some(state) = self.agents.get_mut(&agent) {
                state.offered.insert(key);
                self.add_load(agent, media_type, 1);
            }
        }
        let reason = server_reason("Recovery", "the server was restarted");
        if present.is_empty() {
            self.return_to_queue(key, InteractionOperation::Recovery, &Actor::Server, Some(reason));
            return;
        }
        for agent in gone {
            self.leave(key, agent, InteractionOperation::Recovery, &Actor::Server, Some(reason.clone()));
        }
    }
}
