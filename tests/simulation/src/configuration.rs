//! The configurations between which a run changes.

use ixn_configuration::Configuration;

const TEXT: &str = r#"
options:
  delivering-timeout: 30s
  agent-reconnect-timeout: 60s
media-types: [{name: email}, {name: chat, handling-timeout: 5min}]
custom-properties: [{name: Subject, type: string}, {name: Size, type: integer}]
queues: [{name: inbox}, {name: overflow}, {name: archive}, {name: done, completed: true}]
skills: [{name: Billing}]
agents:
  - {id: alice, skills: {Billing: 5}, capacity-rule: several}
  - {id: bob, skills: {Billing: 1}}
  - {id: carol}
  - {id: dave, skills: {Billing: 3}}
  - {id: erin, capacity-rule: several}
  - {id: frank}
  - {id: grace, skills: {Billing: 4}, capacity-rule: several}
capacity-rules: [{name: several, media: {email: 2, chat: 1}}]
agent-groups: [{name: everybody, agents: [alice, bob, carol, dave, erin, frank, grace]}]
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

/// How many there are.
pub const COUNT: usize = 3;

/// One of them, by its number; a run begins with the first. Its views look at the clock too.
pub fn text(number: usize) -> String {
    match number {
        0 => TEXT.to_owned(),
        1 => other(),
        _ => third(),
    }
}

/// Carol and frank are gone, bob has no skill any more, each agent has one desk at a time, a view and the workbin have other
/// orders.
fn other() -> String {
    TEXT.replace("  - {id: carol}\n", "")
        .replace("  - {id: frank}\n", "")
        .replace("carol, dave, erin, frank,", "dave, erin,")
        .replace("options:\n", "options:\n  allow-multiple-agent-connections: force-logout\n")
        .replace("  - {id: bob, skills: {Billing: 1}}\n", "  - {id: bob}\n")
        .replace("order: Priority desc", "order: Priority")
        .replace("{name: drafts, owner: agent}", "{name: drafts, owner: agent, order: Priority desc}")
}

/// A strategy is gone with the view that fed it, and a queue with its view: the views behind them move up. Another view has
/// another condition, two properties another type, the workbin another order; agents can take more.
fn third() -> String {
    let begin = TEXT.find("  - name: billing").unwrap_or_default();
    let end = TEXT.find("  - name: rest").unwrap_or_default();
    let mut text = TEXT.to_owned();
    text.replace_range(begin..end, "");
    text.lines()
        .filter(|line| !line.contains("name: billing, queue") && !line.contains("queue: archive"))
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .replace(", {name: archive}", "")
        .replace("Subject is null or not Subject like '%invoice%'", "Priority > 0 or Size = '3'")
        .replace("{name: Subject, type: string}, {name: Size, type: integer}", SIZE_IS_TEXT)
        .replace("order: Priority desc", "order: Size")
        .replace("{name: drafts, owner: agent}", "{name: drafts, owner: agent, order: Size desc}")
        .replace("media: {email: 2, chat: 1}", "media: {email: 3, chat: 2}")
}

const SIZE_IS_TEXT: &str = "{name: Size, type: string}, {name: Subject, type: string}";

/// Reads one of them.
pub fn parse(text: &str) -> Configuration {
    Configuration::parse(text, "simulation.yaml").unwrap_or_else(|problems| panic!("{problems}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_read_and_are_different() {
        let names =
            |text: &str| -> Vec<String> { parse(text).views.iter().map(|view| view.name.clone()).collect() };
        assert_eq!(names(&text(0)), ["billing", "rest", "aged", "forgotten", "everything"]);
        assert_eq!(parse(&text(1)).agents.len(), 5);
        assert_eq!(names(&text(2)), ["rest", "forgotten", "everything"]);
        assert_eq!(parse(&text(2)).strategies.len(), 1);
        assert!(text(2).contains("Size = '3'") && text(2).contains("order: Size desc"));
    }
}
