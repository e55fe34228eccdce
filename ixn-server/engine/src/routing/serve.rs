//! An agent is free: over all strategies that target him he gets the highest priority, then the oldest.

use crate::engine::Engine;
use crate::names::AgentId;
use crate::routing::lines::{LineId, Urgency};

impl Engine {
    /// Offers a free agent the most urgent interaction that waits for him. Each offer wakes him again while he is free.
    pub(crate) fn serve_agent(&mut self, agent: AgentId) {
        let (Some(setup), Some(state)) = (self.setup.agents.get(&agent), self.agents.get(&agent)) else {
            return;
        };
        let mut best: Option<(Urgency, LineId)> = None;
        for &media_type in state.listed.keys() {
            for &(strategy, step) in &setup.reached_by {
                let line = LineId { strategy, step, media_type };
                let first = self.lines.waiting(line).find(|urgency| {
                    let row = self.interactions.get(urgency.key());
                    row.is_some_and(|row| !self.has_declined(row, agent))
                });
                if let Some(urgency) = first
                    && best.is_none_or(|(best, _)| urgency < best)
                {
                    best = Some((urgency, line));
                }
            }
        }
        if let Some((urgency, line)) = best {
            self.lines.dequeue(line, urgency);
            self.invite(urgency.key(), agent);
        }
    }
}
