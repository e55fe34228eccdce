//! The configuration objects that a server needs for a load.

use std::fmt::Write as _;

use super::names::{MEDIA_TYPE, QUEUE, QUEUED, agent_id};

/// The YAML file: so many agents with room for one interaction each, a queue whose view offers to all of them, and a
/// queue that nobody routes.
pub(crate) fn configuration(agents: u32) -> String {
    let mut yaml = format!(
        "# For ixnctl load --agents {agents}\n\
         media-types:\n  - name: {MEDIA_TYPE}\n\
         queues:\n  - name: {QUEUE}\n  - name: {QUEUED}\n    description: Nobody routes it\n\
         skills:\n  - name: Load\n\
         capacity-rules:\n  - name: one\n    media: {{{MEDIA_TYPE}: 1}}\n\
         strategies:\n  - name: load\n    steps:\n      - targets: [{{skills: Load > 0}}]\n\
         views:\n  - name: load\n    queue: {QUEUE}\n    strategy: load\n\
         agents:\n"
    );
    for number in 1..=agents {
        // Writing to a string cannot fail.
        let _ = writeln!(yaml, "  - {{id: {}, skills: {{Load: 1}}, capacity-rule: one}}", agent_id(number));
    }
    yaml
}

#[cfg(test)]
mod tests {
    use ixn_configuration::Configuration;

    use super::*;

    #[test]
    fn it_has_no_mistake_and_its_strategy_reaches_every_agent() {
        let read = Configuration::parse(&configuration(12), "load.yaml").unwrap();
        assert_eq!(read.agents.len(), 12);
        assert_eq!(read.strategy_agents(&read.strategies[0]).len(), 12);
        assert_eq!(read.views.iter().filter(|view| view.queue == QUEUED).count(), 0);
    }
}
