//! Who waits for whom. A *line* is one step of one strategy for one medium: the interactions that wait there, the highest
//! priority first, then the oldest; and the agents that the step reaches and who are free, the least loaded first, then
//! the longest idle.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::agents::Standing;
use crate::commit::InteractionKey;
use crate::names::{AgentId, MediaTypeId, StrategyId};

/// Names a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId {
    /// The strategy.
    pub strategy: StrategyId,
    /// Its step, from 0.
    pub step: usize,
    /// The medium.
    pub media_type: MediaTypeId,
}

/// How urgent a waiting interaction is: the smallest is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    priority: Reverse<i32>,
    key: InteractionKey,
}

impl Urgency {
    /// The highest priority first, then the oldest submission.
    pub fn new(priority: i32, key: InteractionKey) -> Self {
        Self { priority: Reverse(priority), key }
    }

    /// The interaction.
    pub fn key(self) -> InteractionKey {
        self.key
    }
}

#[derive(Debug, Default)]
struct Line {
    waiting: BTreeSet<Urgency>,
    free: BTreeSet<(Standing, AgentId)>,
}

/// An interaction that waits in a line.
pub(crate) type Waiting = (LineId, Urgency);
/// A free agent of a line.
pub(crate) type Listed = (LineId, Standing, AgentId);

/// All lines.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<LineId, Line>,
}

impl Lines {
    /// Lets an interaction wait.
    pub fn enqueue(&mut self, line: LineId, urgency: Urgency) {
        self.lines.entry(line).or_default().waiting.insert(urgency);
    }

    /// Takes a waiting interaction out; answers whether it waited there.
    pub fn dequeue(&mut self, line: LineId, urgency: Urgency) -> bool {
        self.lines.get_mut(&line).is_some_and(|line| line.waiting.remove(&urgency))
    }

    /// Whether an interaction waits there.
    pub fn holds(&self, line: LineId, urgency: Urgency) -> bool {
        self.lines.get(&line).is_some_and(|line| line.waiting.contains(&urgency))
    }

    /// Lists a free agent.
    pub fn list(&mut self, line: LineId, standing: Standing, agent: AgentId) {
        self.lines.entry(line).or_default().free.insert((standing, agent));
    }

    /// Takes an agent off the list, by the standing he was listed with.
    pub fn unlist(&mut self, line: LineId, standing: Standing, agent: AgentId) {
        if let Some(line) = self.lines.get_mut(&line) {
            line.free.remove(&(standing, agent));
        }
    }

    /// Takes out who waits, line by line.
    pub(crate) fn take_waiting(&mut self) -> impl Iterator<Item = BTreeSet<Urgency>> {
        let waiting = self.lines.values_mut().map(|line| std::mem::take(&mut line.waiting));
        waiting.filter(|waiting| !waiting.is_empty())
    }

    /// Everything that waits, and every agent who is listed.
    pub(crate) fn contents(&self) -> (BTreeSet<Waiting>, BTreeSet<Listed>) {
        let waiting =
            self.lines.iter().flat_map(|(id, line)| line.waiting.iter().map(|urgency| (*id, *urgency)));
        let free = self
            .lines
            .iter()
            .flat_map(|(id, line)| line.free.iter().map(|(standing, agent)| (*id, *standing, *agent)));
        (waiting.collect(), free.collect())
    }

    /// The free agents of a line, the best first.
    pub fn free(&self, line: LineId) -> impl Iterator<Item = AgentId> {
        self.lines.get(&line).into_iter().flat_map(|line| line.free.iter().map(|(_, agent)| *agent))
    }

    /// The waiting interactions of a line, the most urgent first.
    pub fn waiting(&self, line: LineId) -> impl Iterator<Item = Urgency> {
        self.lines.get(&line).into_iter().flat_map(|line| line.waiting.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::Id;
    use crate::time::Milliseconds;

    #[test]
    fn priority_goes_before_age_and_load_before_idleness() {
        let line =
            LineId { strategy: StrategyId::from_index(0), step: 0, media_type: MediaTypeId::from_index(0) };
        let mut lines = Lines::default();
        for (priority, key) in [(0, 1), (5, 3), (5, 2), (-1, 0)] {
            lines.enqueue(line, Urgency::new(priority, InteractionKey(key)));
        }
        let order: Vec<u64> = lines.waiting(line).map(|urgency| urgency.key().0).collect();
        assert_eq!(order, [2, 3, 1, 0]);

        let agent = |n| AgentId::from_index(n);
        for (load, idle_since, n) in [(1, 10, 0), (0, 30, 1), (0, 20, 2)] {
            lines.list(line, Standing { load, idle_since: Milliseconds(idle_since) }, agent(n));
        }
        assert_eq!(lines.free(line).collect::<Vec<_>>(), [agent(2), agent(1), agent(0)]);
        lines.unlist(line, Standing { load: 0, idle_since: Milliseconds(20) }, agent(2));
        assert_eq!(lines.free(line).next(), Some(agent(1)));
    }
}
