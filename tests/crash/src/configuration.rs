//! The server's configuration: the one that clients count on, and others that replace it for a while.

use std::fmt::Write as _;

use fastrand::Rng;

use crate::names::agent_id;

/// What differs. Agents stay: what a deleted one holds goes back to its queue, which no ledger of clients could foretell.
#[derive(Debug)]
struct Configuration {
    /// Whether the queue that is routed is there, and its view.
    work: bool,
    /// Whether the queue that nobody looks at is there.
    parked: bool,
    view: &'static str,
    order: &'static str,
    strategy: &'static str,
    /// How many of the agents are in the group that the strategy asks.
    group: u16,
    /// How many interactions an agent may have.
    capacity: u8,
}

/// Two queues, one of them routed to all agents. No time runs out during a test.
pub fn usual(agents: u16) -> String {
    let usual = Configuration {
        work: true,
        parked: true,
        view: "work",
        order: "SubmitSeq",
        strategy: "anybody",
        group: agents,
        capacity: 3,
    };
    usual.to_yaml(agents)
}

/// Another one, with which clients can go on, perhaps after refusals; or one that no server takes.
pub fn other(agents: u16, random: &mut Rng) -> String {
    let one = |random: &mut Rng, of: [&'static str; 2]| of[usize::from(random.bool())];
    let other = Configuration {
        work: random.u8(..4) > 0,
        parked: random.u8(..4) > 0,
        view: one(random, ["work", "all-work"]),
        order: one(random, ["SubmitSeq", "Priority desc, Count"]),
        strategy: one(random, ["anybody", "whoever"]),
        group: random.u16(1..=agents),
        capacity: random.u8(1..=3),
    };
    let mut yaml = other.to_yaml(agents);
    if random.u8(..5) == 0 {
        yaml.push_str("  - ident: nobody\n");
    }
    yaml
}

impl Configuration {
    fn to_yaml(&self, agents: u16) -> String {
        let Self { view, order, strategy, group, capacity, .. } = self;
        let mut yaml = String::from(
            "options:
  delivering-timeout: 600s
  agent-reconnect-timeout: 3600s
media-types:
  - name: email
custom-properties:
  - name: Count
    type: integer
queues:
",
        );
        for (queue, _) in [("work", self.work), ("parked", self.parked)].iter().filter(|(_, there)| *there) {
            let _ = writeln!(yaml, "  - name: {queue}");
        }
        if self.work {
            let _ = writeln!(
                yaml,
                "views:
  - name: {view}
    queue: work
    strategy: {strategy}
    order: {order}"
            );
        }
        let _ = writeln!(
            yaml,
            "strategies:
  - name: {strategy}
    steps:
      - targets:
          - agent-group: everybody
capacity-rules:
  - name: several
    media: {{ email: {capacity} }}
    total: {capacity}
agent-groups:
  - name: everybody
    agents:"
        );
        for number in 1..=*group {
            let _ = writeln!(yaml, "      - {}", agent_id(number));
        }
        yaml.push_str("agents:\n");
        for number in 1..=agents {
            let _ = writeln!(yaml, "  - id: {}\n    capacity-rule: several", agent_id(number));
        }
        yaml
    }
}
