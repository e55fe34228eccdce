//! Keeping each agent's place in the lines that reach him.

use crate::engine::Engine;
use crate::names::{AgentId, MediaTypeId};
use crate::routing::lines::LineId;

impl Engine {
    /// Counts an offer or interaction in (+1) or out (-1).
    pub(crate) fn add_load(&mut self, agent: AgentId, media_type: MediaTypeId, change: i32) {
        if let Some(media) = self.agents.get_mut(&agent).and_then(|state| state.media.get_mut(&media_type)) {
            media.load = media.load.saturating_add_signed(change);
        }
        self.relist(agent);
    }

    /// Puts the agent where his state says he belongs; wakes him when he can take something.
    pub(crate) fn relist(&mut self, agent: AgentId) {
        let Some(setup) = self.setup.agents.get(&agent) else { return };
        let Some(state) = self.agents.get_mut(&agent) else { return };
        let mut is_free = false;
        let mut before = state.take_listed(self.setup_generation);
        for media_type in state.media.keys().copied().collect::<Vec<_>>() {
            let old = before.remove(&media_type);
            let new = state.standing(setup, media_type).ok();
            is_free |= new.is_some();
            if let Some(standing) = new {
                state.listed.insert(media_type, standing);
            }
            if old == new {
                continue;
            }
            for &(strategy, step) in &setup.reached_by {
                let line = LineId { strategy, step, media_type };
                if let Some(standing) = old {
                    self.lines.unlist(line, standing, agent);
                }
                if let Some(standing) = new {
                    self.lines.list(line, standing, agent);
                }
            }
        }
        // Media that he removed.
        for (media_type, standing) in before {
            for &(strategy, step) in &setup.reached_by {
                self.lines.unlist(LineId { strategy, step, media_type }, standing, agent);
            }
        }
        if is_free {
            self.wake.agents.insert(agent);
        }
    }

    /// Takes the agent out of all lists.
    pub(crate) fn unlist(&mut self, agent: AgentId) {
        let Some(state) = self.agents.get_mut(&agent) else { return };
        let listed = state.take_listed(self.setup_generation);
        let reached_by = self.setup.agents.get(&agent).map(|setup| &setup.reached_by[..]).unwrap_or(&[]);
        for (media_type, standing) in listed {
            for &(strategy, step) in reached_by {
                self.lines.unlist(LineId { strategy, step, media_type }, standing, agent);
            }
        }
    }
}
