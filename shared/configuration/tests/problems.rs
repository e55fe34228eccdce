//! Every mistake of a file is told, all at once, each at its place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its own functions too")]

use ixn_configuration::{Configuration, SAMPLE};

/// The problems of the text, one line each.
fn problems(text: &str) -> Vec<String> {
    let problems = Configuration::parse(text, "ixn.yaml").map(|_| "it has no problem").unwrap_err();
    problems.as_slice().iter().map(ToString::to_string).collect()
}

/// An expected problem that ends in `…` is only a beginning.
fn assert_problems(text: &str, expected: &[&str]) {
    let found = problems(text);
    let is_expected = |(found, expected): (&String, &&str)| match expected.strip_suffix('…') {
        Some(beginning) => found.starts_with(beginning),
        None => found == expected,
    };
    let first_wrong = found.iter().zip(expected).position(|pair| !is_expected(pair));
    assert!(
        first_wrong.is_none() && found.len() == expected.len(),
        "from no. {:?} on other than expected, found:\n{}",
        first_wrong.map(|index| index + 1),
        found.join("\n")
    );
}

#[test]
fn all_kinds_of_mistakes_are_told_in_one_go() {
    assert_problems(
        r#"options:
  delivering-timout: 30s
  handling-timeout: 2d
queues:
  - name: inbox
  - name: inbox
views:
  - name: billing
    queue: inbx
    enabled: maybe
    condition: Subjct = 'x'
  - queue: inbox
"#,
        &[
            "ixn.yaml:2:3: options: there is no field 'delivering-timout' here; did you mean 'delivering-timeout'?",
            "ixn.yaml:3:21: options: handling-timeout: 2d is not from 1min to 1d",
            "ixn.yaml:6:11: queue 'inbox': there is a queue 'inbox' already in line 5",
            "ixn.yaml:9:12: view 'billing': there is no queue 'inbx'; did you mean 'inbox'?",
            "ixn.yaml:10:14: view 'billing': enabled: expected true or false, found 'maybe'",
            "ixn.yaml:11:16: view 'billing': condition: unknown property 'Subjct'…",
            "ixn.yaml:12:5: view no. 2: the field 'name' is missing",
        ],
    );
}

#[test]
fn missing_references_are_told_with_the_nearest_name() {
    assert_problems(
        r#"media-types: [{name: email}]
queues: [{name: inbox}]
skills: [{name: Billing}]
agents:
  - id: alice
    skills: { Biling: 3, Billing: 101 }
    capacity-rule: desk
agent-groups:
  - name: team
    agents: [alice, alicia]
    skills: Billing > 0 | Korean > 0
capacity-rules:
  - name: desks
    media: { emial: 3, email: 1001 }
    total: 2000
workbins:
  - name: drafts
    owner: agent
    queue: draft
  - name: returned
    owner: agent
views:
  - {name: a, queue: returned/PrivateQueue, strategy: s}
  - {name: b, queue: drafts/PrivateQueue, strategy: strategy}
strategies:
  - name: s
    overflow-queue: overflow
    steps:
      - targets:
          - agent: alic
          - agent-group: teams
          - skills: "Billing >= 3 & English >= 3"
        timeout: 1min
"#,
        &[
            "ixn.yaml:6:15: agent 'alice': there is no skill 'Biling'; did you mean 'Billing'?",
            "ixn.yaml:6:35: agent 'alice': skills: Billing: 101 is not from 0 to 100",
            "ixn.yaml:7:20: agent 'alice': there is no capacity rule 'desk'; did you mean 'desks'?",
            "ixn.yaml:10:21: agent group 'team': there is no agent 'alicia'; did you mean 'alice'?",
            "ixn.yaml:11:27: agent group 'team': skills: there is no skill 'Korean'",
            "ixn.yaml:14:14: capacity rule 'desks': there is no media type 'emial'; did you mean 'email'?",
            "ixn.yaml:14:31: capacity rule 'desks': media: email: 1001 is not from 0 to 1000",
            "ixn.yaml:15:12: capacity rule 'desks': total: 2000 is not from 0 to 1000",
            "ixn.yaml:19:12: workbin 'drafts': there is no queue 'draft'",
            "ixn.yaml:24:22: view 'b': there is no queue 'drafts/PrivateQueue'",
            "ixn.yaml:24:53: view 'b': there is no strategy 'strategy'",
            "ixn.yaml:27:21: strategy 's': there is no queue 'overflow'",
            "ixn.yaml:30:20: strategy 's': there is no agent 'alic'; did you mean 'alice'?",
            "ixn.yaml:31:26: strategy 's': there is no agent group 'teams'; did you mean 'team'?",
            "ixn.yaml:32:37: strategy 's': skills: there is no skill 'English'",
        ],
    );
}

#[test]
fn strategies_that_would_never_do_what_they_say_are_told() {
    assert_problems(
        r#"queues: [{name: inbox}]
agents: [{id: a}]
views:
  - {name: pulled, queue: inbox}
  - {name: routed, queue: inbox, strategy: empty}
  - {name: off, queue: inbox, enabled: false}
strategies:
  - name: empty
  - name: holes
    overflow-queue: inbox
    steps:
      - targets: [{agent: a}]
      - targets: []
        timeout: 0s
      - targets: [{agent: a}]
  - name: engine
    executor: {external: " ors"}
    overflow-queue: inbox
    steps:
      - targets: [{agent: a}]
"#,
        &[
            "ixn.yaml:8:5: strategy 'empty': there are no steps, so nobody is ever asked",
            "ixn.yaml:12:9: strategy 'holes': step no. 1 has no timeout, so the next one is never reached",
            "ixn.yaml:13:9: strategy 'holes': step no. 2 has no targets",
            "ixn.yaml:14:18: strategy 'holes': timeout: 0s is not from 1s to 365d",
            "ixn.yaml:15:9: strategy 'holes': the last step has no timeout, so overflow-queue is never used",
            "ixn.yaml:17:26: strategy 'engine': executor: a name has no blanks at its beginning or end",
            "ixn.yaml:18:21: strategy 'engine': overflow-queue: a strategy of a routing engine has none; the engine decides itself",
            "ixn.yaml:20:7: strategy 'engine': steps: a strategy of a routing engine has none; the engine decides itself",
        ],
    );
}

#[test]
fn wrong_types_are_told_and_reading_goes_on() {
    assert_problems(
        r#"queues: {name: inbox}
views: []
agents:
  - id: 1001
    skills: [English]
    capacity-rule: 7
  - id: true
  - alice
workbins:
  - {name: w, owner: anyone}
  - {name: v, owner: {agent: a}}
strategies:
  - name: s
    executor: urs
    steps:
      - targets:
          - {agent: a, skills: b}
          - agent
          - {group: x}
          - {agent-group: [x]}
        timeout: soon
      - target: []
    max-submitted: -1
custom-properties:
  - {name: Priority, type: integer}
  - {name: x, type: int}
"#,
        &[
            "ixn.yaml:1:9: queues: expected a list, one '- name: …' for each queue",
            "ixn.yaml:5:13: agent '1001': skills: expected a mapping, found a list",
            "ixn.yaml:6:20: agent '1001': there is no capacity rule '7'",
            "ixn.yaml:7:9: agent no. 2: id: expected a text, found true",
            "ixn.yaml:8:5: agent no. 3: expected a mapping, found 'alice'",
            "ixn.yaml:10:22: workbin 'w': owner: expected one of agent, agent-group, place, place-group, found 'anyone'",
            "ixn.yaml:11:22: workbin 'v': owner: expected only 'agent', without a value",
            "ixn.yaml:14:15: strategy 's': executor: expected one of built-in, external, found 'urs'",
            "ixn.yaml:17:13: strategy 's': steps: targets: expected exactly one of agent, agent-group, skills",
            "ixn.yaml:18:13: strategy 's': steps: targets: expected 'agent: …', found only the key",
            "ixn.yaml:19:13: strategy 's': steps: targets: expected one of agent, agent-group, skills, found 'group'",
            "ixn.yaml:20:27: strategy 's': steps: targets: expected a text, found a list",
            "ixn.yaml:21:18: strategy 's': steps: timeout: expected a duration such as 30s, 180min or 12h (units d, h, min, s, ms), found 'soon'",
            "ixn.yaml:22:9: strategy 's': steps: there is no field 'target' here; did you mean 'targets'?",
            "ixn.yaml:23:20: strategy 's': max-submitted: expected a whole number, not negative, found -1",
            "ixn.yaml:25:12: custom property 'Priority': custom property 'Priority' has a name of the system property Priority; choose another key",
            "ixn.yaml:26:21: custom property 'x': type: expected one of string, integer, timestamp, found 'int'",
        ],
    );
}

#[test]
fn a_condition_goes_on_behind_an_unknown_property() {
    assert_problems(
        "queues: [{name: q}]\nviews: [{name: v, queue: q, condition: InQueues = 'a' AND Nothing = 1 AND}]\n",
        &[
            "ixn.yaml:2:40: view 'v': condition: property 'InQueues' is a list of queues…",
            "ixn.yaml:2:59: view 'v': condition: unknown property 'Nothing'…",
            "ixn.yaml:2:74: view 'v': condition: …",
        ],
    );
}

/// What the server does not do yet is no field, so that nobody relies on it.
#[test]
fn what_would_have_no_effect_is_no_field() {
    for option in [
        "max-interactions-per-snapshot: 500",
        "default-max-submission-rate: 10/second",
        "router-reconnect-timeout: 60s",
        "reload-delete-confirmation-percent: 10",
    ] {
        let key = option.split(':').next().unwrap();
        let expected = format!("ixn.yaml:2:3: options: there is no field '{key}' here…");
        assert_problems(&format!("options:\n  {option}\n"), &[&expected]);
    }
    for field in ["freeze-interval: 5s", "max-submitted: 10"] {
        let key = field.split(':').next().unwrap();
        let expected = format!("ixn.yaml:5:5: view 'v': there is no field '{key}' here…");
        let text = format!("queues: [{{name: q}}]\nviews:\n  - name: v\n    queue: q\n    {field}\n");
        assert_problems(&text, &[&expected]);
    }
}

#[test]
fn names_are_checked() {
    let (fits, long) = ("ä".repeat(128), "ä".repeat(129));
    assert_problems(
        &format!(
            "queues:\n  - name: \"\"\n  - name: \" a\"\n  - name: \"a\\0b\"\n  - name: {long}\n  - name: {fits}\n"
        ),
        &[
            "ixn.yaml:2:11: queue no. 1: name: the name is empty",
            "ixn.yaml:3:11: queue ' a': name: a name has no blanks at its beginning or end",
            "ixn.yaml:4:11: queue 'a\0b': name: a name has no control characters",
            &format!(
                "ixn.yaml:5:11: queue '{long}': name: this name has at most 256 bytes, and here it has 258"
            ),
        ],
    );
    let (fits, long) = ("x".repeat(243), "x".repeat(244));
    assert_problems(
        &format!(
            "queues: [{{name: q}}]\nworkbins:\n  - {{name: {fits}, owner: agent}}\n  - {{name: {long}, owner: agent}}\n  \
             - {{name: {long}y, owner: agent, queue: q}}\n"
        ),
        &[&format!(
            "ixn.yaml:4:12: workbin '{long}': name: its private queue has the name of the workbin and '/PrivateQueue', \
             257 bytes; at most 256 are possible, so shorten the name or give the workbin a queue"
        )],
    );
    let long = "e".repeat(129);
    assert_problems(
        &format!("strategies:\n  - {{name: s, executor: {{external: {long}}}}}\n"),
        &["ixn.yaml:2:36: strategy 's': executor: this name has at most 128 bytes, and here it has 129"],
    );
}

#[test]
fn mistakes_in_conditions_point_into_the_text() {
    let found = problems(
        r#"queues: [{name: q}]
views:
  - name: plain
    queue: q
    condition: Priority > 3 AND Nothing = 1
  - name: single
    queue: q
    condition: 'MediaType = ''chat'' AND Nothing = 1'
  - name: folded
    queue: q
    condition: >-
      Priority > 3
      AND
        Nothing = 1
  - name: literal
    queue: q
    order: |
      Priority desc,
      Nothing
  - name: escaped
    queue: q
    condition: "Prior\x69ty > 3 AND Nothing = 1"
"#,
    );
    let places: Vec<_> =
        found.iter().map(|problem| problem.split(": ").take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        places,
        [
            "ixn.yaml:5:33 view 'plain'",
            "ixn.yaml:8:42 view 'single'",
            "ixn.yaml:14:9 view 'folded'",
            "ixn.yaml:19:7 view 'literal'",
            "ixn.yaml:22:16 view 'escaped'",
        ],
        "found:\n{}",
        found.join("\n")
    );
    assert!(found[4].ends_with("(byte 17 of the text)"), "{}", found[4]);
}

#[test]
fn a_file_that_is_no_configuration_is_one_problem() {
    for (text, expected) in [
        ("", "ixn.yaml: the file is empty; start from the sample configuration"),
        ("# nothing\n", "ixn.yaml: the file is empty; start from the sample configuration"),
        (
            "- a\n",
            "ixn.yaml: expected a mapping with keys such as queues, views and agents; start from the sample configuration",
        ),
        ("queues: [\n", "ixn.yaml:1:9: this is not YAML: unclosed bracket '['"),
        ("queus: []\n", "ixn.yaml:1:1: there is no section 'queus'; did you mean 'queues'?"),
    ] {
        assert_problems(text, &[expected]);
    }
}

#[test]
fn repeated_keys_are_told() {
    assert_problems(
        "queues:\n  - name: a\n    name: b\nqueues: []\n",
        &["ixn.yaml:3:5: queue 'a': 'name' is given twice", "ixn.yaml:4:1: 'queues' is given twice"],
    );
}

#[test]
fn a_lost_section_does_not_make_every_reference_a_problem() {
    assert_problems(
        "queue:\n  - name: inbox\nviews:\n  - {name: v, queue: inbox}\n",
        &["ixn.yaml:1:1: there is no section 'queue'; did you mean 'queues'?"],
    );
    // The people are the agents, perhaps; the queues are there, and the view names none of them.
    assert_problems(
        r#"people: [{id: alice}]
queues: [{name: inbox}]
views: [{name: v, queue: inbx, condition: "Lang = 'de'"}]
agent-groups: [{name: all, agents: [alice]}]
workbins: 7
strategies:
  - {name: s, overflow-queue: drafts/PrivateQueue, steps: [{targets: [{agent: alice}], timeout: 1min}]}
"#,
        &[
            "ixn.yaml:1:1: there is no section 'people'; known are: …",
            "ixn.yaml:3:26: view 'v': there is no queue 'inbx'; did you mean 'inbox'?",
            "ixn.yaml:5:11: workbins: expected a list, one '- name: …' for each workbin",
        ],
    );
}

#[test]
fn a_broken_object_exists_and_the_rest_of_it_is_checked() {
    assert_problems(
        r#"custom-properties:
  - {name: Language, type: strng}
  - {name: Size}
queues:
  - {name: inbox, completed: maybe}
  - {nam: done}
views:
  - name: no-queue
    strategy: bilings
    condition: Language = 'de' AND Size > 3 AND Langage = 1 AND Colour = 'red' AND
  - {name: two, queues: inbox, strategy: billing, order: Size}
  - {queue: nowhere}
strategies:
  - name: billing
    overflow-queue: [done]
    steps:
      - targets: everybody
        timeout: 1min
      - timeout: 1min
      - targets: [{agent: alcie}, {skills: Biling > 1}]
        timeout: 1min
skills: [{name: Billing}]
agents: [{id: alice, skills: {Billing: high}, capacity-rule: desk}]
workbins: [{name: drafts, ownr: agent, queue: done}, {name: returned, order: Colour}]
capacity-rules: [{name: desk, total: 5}]
queues:
  - {name: late}
  - {name: inbox}
"#,
        &[
            "ixn.yaml:2:28: custom property 'Language': type: expected one of string, integer, timestamp, found 'strng'",
            "ixn.yaml:3:5: custom property 'Size': the field 'type' is missing",
            "ixn.yaml:5:30: queue 'inbox': completed: expected true or false, found 'maybe'",
            "ixn.yaml:6:6: queue no. 2: there is no field 'nam' here; did you mean 'name'?",
            "ixn.yaml:8:5: view 'no-queue': the field 'queue' is missing",
            "ixn.yaml:9:15: view 'no-queue': there is no strategy 'bilings'; did you mean 'billing'?",
            "ixn.yaml:10:49: view 'no-queue': condition: unknown property 'Langage'; did you mean …",
            "ixn.yaml:10:65: view 'no-queue': condition: unknown property 'Colour'; …",
            "ixn.yaml:10:83: view 'no-queue': condition: …",
            "ixn.yaml:11:17: view 'two': there is no field 'queues' here; did you mean 'queue'?",
            "ixn.yaml:12:5: view no. 3: the field 'name' is missing",
            "ixn.yaml:12:13: view no. 3: there is no queue 'nowhere'",
            "ixn.yaml:15:21: strategy 'billing': overflow-queue: expected a text, found a list",
            "ixn.yaml:17:18: strategy 'billing': steps: targets: expected a list, found 'everybody'",
            "ixn.yaml:19:9: strategy 'billing': steps: the field 'targets' is missing",
            "ixn.yaml:20:27: strategy 'billing': there is no agent 'alcie'; did you mean 'alice'?",
            "ixn.yaml:20:44: strategy 'billing': skills: there is no skill 'Biling'; did you mean 'Billing'?",
            "ixn.yaml:23:40: agent 'alice': skills: Billing: expected a whole number, not negative, found 'high'",
            "ixn.yaml:24:27: workbin 'drafts': there is no field 'ownr' here; did you mean 'owner'?",
            "ixn.yaml:24:54: workbin 'returned': the field 'owner' is missing",
            "ixn.yaml:24:78: workbin 'returned': order: unknown property 'Colour'; …",
            "ixn.yaml:25:18: capacity rule 'desk': the field 'media' is missing",
            "ixn.yaml:26:1: 'queues' is given twice",
            "ixn.yaml:28:12: queue 'inbox': there is a queue 'inbox' already in line 5",
        ],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("absent.yaml");
    let problems = Configuration::read(&path).unwrap_err().to_string();
    assert!(problems.starts_with(&format!("{}: cannot read the file: ", path.display())), "{problems}");
    std::fs::write(&path, b"queues: [\xff]").unwrap();
    let problems = Configuration::read(&path).unwrap_err().to_string();
    assert!(problems.ends_with("the file is not UTF-8 from byte 9 on"), "{problems}");
}

#[test]
fn a_sample_with_a_line_missing_is_read_or_refused_with_places() {
    let lines: Vec<_> = SAMPLE.lines().collect();
    let mut refused = 0;
    for missing in 0..lines.len() {
        let text = [&lines[..missing], &lines[missing + 1..]].concat().join("\n");
        let Err(problems) = Configuration::parse(&text, "sample.yaml") else { continue };
        for problem in problems.as_slice() {
            assert!(problem.position.is_some(), "without line {}: {problem}", missing + 1);
        }
        refused += 1;
    }
    assert!(refused > 50, "only {refused} of {} lines matter", lines.len());
}

#[test]
fn no_beginning_of_the_sample_panics() {
    for end in (0..SAMPLE.len()).step_by(7).filter(|end| SAMPLE.is_char_boundary(*end)) {
        let _ = Configuration::parse(&SAMPLE[..end], "sample.yaml");
    }
}
