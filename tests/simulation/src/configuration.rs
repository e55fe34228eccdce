//! The two configurations between which a run changes.

use ixn_configuration::Configuration;

const TEXT: &str = r#"
options:
  delivering-timeout: 30s
  agent-reconnect-timeout: 60s
media-types: [{name: email}, {name: chat, handling-timeout: 5min}]
custom-properties: [{name: Subject, type: string}]
queues: [{name: inbox}, {name: overflow}, {name: archive}, {name: done, completed: true}]
skills: [{name: Billing}]
agents:
  - {id: alice, skills: {Billing: 5}, capacity-rule: several}
  - {id: bob, skills: {Billing: 1}}
  - {id: carol}
capacity-rules: [{name: several, media: {email: 2, chat: 1}}]
agent-groups: [{name: everybody, agents: [alice, bob, carol]}]
strategies:
  - name: billing
    steps:
      - {targets: [{skills: "Billing >= 3"}], timeout: 10s}
      - {targets: [{skills: "Billing >= 1"}], timeout: 10s}
    overflow-queue: overflow
  - name: rest
    steps:
      - {targets: [{agent-group: everybody}]}
views:
  - {name: billing, queue: inbox, condition: "Subject like '%invoice%'", strategy: billing}
  - {name: rest, queue: inbox, condition: "Subject is null or not Subject like '%invoice%'", strategy: rest}
  - {name: aged, queue: archive, condition: "_age() > 300 and Priority > 0", strategy: rest}
  - {name: forgotten, queue: drafts/PrivateQueue, condition: "_time_in_queue() > 600", strategy: rest}
  - {name: everything, queue: overflow, order: Priority desc}
workbins: [{name: drafts, owner: agent}]
"#;

/// The configuration with which a run begins; its views look at the clock too.
pub fn first() -> String {
    TEXT.to_owned()
}

/// Carol is gone, bob has no skill any more, each agent has one desk at a time, a view and the workbin have other orders.
pub fn other() -> String {
    TEXT.replace("  - {id: carol}\n", "")
        .replace(", carol]", "]")
        .replace("options:\n", "options:\n  allow-multiple-agent-connections: force-logout\n")
        .replace("  - {id: bob, skills: {Billing: 1}}\n", "  - {id: bob}\n")
        .replace("order: Priority desc", "order: Priority")
        .replace("{name: drafts, owner: agent}", "{name: drafts, owner: agent, order: Priority desc}")
}

/// Reads one of them.
pub fn parse(text: &str) -> Configuration {
    Configuration::parse(text, "simulation.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}
