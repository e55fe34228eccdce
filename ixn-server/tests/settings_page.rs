//! The table of settings in the manual is the table of options of the program. `IXN_REWRITE_DOCS=1` writes it anew.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a panic is how a test says what went wrong")]

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, CommandFactory};
use ixn_server::settings::Options;

const BEGIN: &str = "<!-- generated: settings -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_manual_lists_every_setting() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let before = std::fs::read_to_string(&page).unwrap();
    let begin = before.find(BEGIN).unwrap() + BEGIN.len();
    let end = begin + before[begin..].find(END).unwrap();
    let mut after = before.clone();
    after.replace_range(begin..end, &table());
    if std::env::var_os("IXN_REWRITE_DOCS").is_some_and(|value| value == "1") {
        std::fs::write(&page, after).unwrap();
        return;
    }
    let differing = before.lines().zip(after.lines()).find(|(old, new)| old != new);
    assert!(
        before == after,
        "docs/configuration.md is out of date; run the test with IXN_REWRITE_DOCS=1. First difference: {differing:?}"
    );
}

fn table() -> String {
    let mut table = String::from("| setting | variable | default | meaning |\n| --- | --- | --- | --- |\n");
    let command = Options::command();
    for option in command.get_arguments().filter(|option| option.get_long().is_some()) {
        let name = option.get_long().unwrap();
        let variable = format!("IXN_{}", name.to_uppercase().replace('-', "_"));
        let (default, meaning) = (default(option), meaning(option));
        writeln!(table, "| `--{name}` | `{variable}` | {default} | {meaning} |").unwrap();
    }
    table
}

fn default(option: &Arg) -> String {
    let values: Vec<_> = option.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if values.is_empty() { "none".to_owned() } else { format!("`{}`", values.join(",")) }
}

fn meaning(option: &Arg) -> String {
    let help = option.get_long_help().or(option.get_help()).unwrap();
    help.to_string().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
