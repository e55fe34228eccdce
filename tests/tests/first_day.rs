//! What a new user does on the first day, on both databases: real e-mails in, routed by skill, accepted and finished by
//! agents, every step reported; and the server killed in the middle of it.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "test code alone: a panic is how a test says what went wrong"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use ixn_tests::ixn_server::LIMIT;
use ixn_tests::postgres::TestDatabase;
use ixn_tests::reporting_log::{Story, all_stopped};
use ixn_tests::wait;
use ixn_tests::working_day::{WorkingDay, last_line};

/// The agents of the sample configuration.
const AGENTS: usize = 4;

#[tokio::test]
async fn real_emails_reach_an_agent_with_the_skill_on_the_embedded_database() {
    real_emails_reach_an_agent_with_the_skill(None).await;
}

#[tokio::test]
async fn real_emails_reach_an_agent_with_the_skill_on_postgresql() {
    let database = TestDatabase::create().await;
    real_emails_reach_an_agent_with_the_skill(Some(database.url())).await;
}

#[tokio::test]
async fn a_killed_server_goes_on_where_it_was_on_the_embedded_database() {
    a_killed_server_goes_on_where_it_was(None).await;
}

#[tokio::test]
async fn a_killed_server_goes_on_where_it_was_on_postgresql() {
    let database = TestDatabase::create().await;
    a_killed_server_goes_on_where_it_was(Some(database.url())).await;
}

async fn real_emails_reach_an_agent_with_the_skill(database_url: Option<&str>) {
    let day = WorkingDay::begin(database_url).await;
    let watch = day.watch().await;
    let emails = real_emails();
    let emails = emails.to_str().unwrap();

    // There before the first e-mail: who comes later may find that a step has relaxed, and others are asked.
    let mut agents = day.ixnctl(&["agent", "--auto", "--think", "1ms"]);
    wait::until(LIMIT, "the agents to be logged in", async || {
        let logins = watch.log().matches("\"event\":\"event_agent_login\"").count();
        if logins == AGENTS { Ok(()) } else { Err(format!("{logins} of {AGENTS}")) }
    })
    .await;

    let summary = last_line(&mut day.ixnctl(&["submit", "--eml", emails])).await;
    let submitted = summary["submitted"].as_u64().unwrap();
    assert!(submitted >= 80, "{summary}");
    assert_eq!(summary["files"].as_u64(), Some(submitted + summary["skipped"].as_u64().unwrap()));

    let again = last_line(&mut day.ixnctl(&["submit", "--eml", emails])).await;
    assert_eq!((again["submitted"].as_u64(), again["already"].as_u64()), (Some(0), Some(submitted)));

    let stories = all_stopped(&watch, submitted as usize).await;
    assert_eq!(stories.len() as u64, submitted);
    agents.signal("INT");
    let worked = last_line(&mut agents).await;
    assert_eq!((worked["accepted"].as_u64(), worked["stopped"].as_u64()), (Some(submitted), Some(submitted)));
    for (id, story) in &stories {
        assert_eq!((story.submitted, story.stopped), (1, 1), "{id}: {story:?}");
        let strategy = expected_strategy(story);
        assert_eq!(story.strategies, [strategy], "{id}: {story:?}");
        let [agent] = &story.agents[..] else { panic!("{id} had one agent: {story:?}") };
        assert!(agents_of(strategy).contains(&agent.as_str()), "{id}: {story:?}");
    }
    assert_eq!(day.open_interactions().await, 0);
}

/// What the sample configuration's views say, in other words.
fn expected_strategy(story: &Story) -> &'static str {
    let subject = story.subject.as_deref().unwrap_or_default();
    let about_billing = ["invoice", "Invoice", "INVOICE", "payment", "Payment"];
    if about_billing.iter().any(|word| subject.contains(word))
        || story.from.starts_with("billing@")
        || story.from.contains("@billing.")
    {
        "billing"
    } else if story.has_attachment {
        "documents"
    } else {
        "general"
    }
}

/// Whom the first step of a strategy reaches; with agents who work at once no later step is needed.
fn agents_of(strategy: &str) -> &'static [&'static str] {
    match strategy {
        "billing" => &["alice"],
        "documents" => &["bob"],
        _ => &["alice", "carol", "dave"],
    }
}

async fn a_killed_server_goes_on_where_it_was(database_url: Option<&str>) {
    const INTERACTIONS: usize = 1500;
    let mut day = WorkingDay::begin(database_url).await;
    let watch = day.watch().await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for number in 0..INTERACTIONS {
        let subject = ["invoice", "question", "payment"][number % 3];
        writeln!(
            file,
            r#"{{"media_type":"email","queue":"inbox","idempotency_key":"day-{number}","user_data":{{"Subject":"{subject} {number}"}}}}"#
        )
        .unwrap();
    }
    let mut submit = day.ixnctl(&["submit", file.path().to_str().unwrap()]);
    let seen = |kind: &str| watch.log().matches(&format!("\"event\":\"{kind}\"")).count();
    wait::until(LIMIT, "the first are submitted", async || {
        let submitted = seen("event_interaction_submitted");
        if submitted >= 20 { Ok(()) } else { Err(format!("{submitted} of 20")) }
    })
    .await;
    let work = ["agent", "--auto", "--think", "0ms", "--until-empty", "--timeout", "55s"];
    let mut agents = day.ixnctl(&work);

    for after in [100, 600] {
        wait::until(LIMIT, "the agents have finished some", async || {
            let stopped = seen("event_processing_stopped");
            if stopped >= after { Ok(()) } else { Err(format!("{stopped} of {after}")) }
        })
        .await;
        day.server.kill_and_start_again().await;
    }

    let summary = last_line(&mut submit).await;
    let known = summary["submitted"].as_u64().unwrap() + summary["already"].as_u64().unwrap();
    assert_eq!(known, INTERACTIONS as u64, "{summary}");
    agents.wait_for_exit(LIMIT).await;
    if day.open_interactions().await > 0 {
        // The agents may have seen an empty queue while the submitter was still coming back.
        last_line(&mut day.ixnctl(&work)).await;
    }
    let stories = all_stopped(&watch, INTERACTIONS).await;
    assert_eq!(stories.len(), INTERACTIONS);
    for (id, story) in &stories {
        assert_eq!((story.submitted, story.stopped), (1, 1), "{id}: {story:?}");
    }
    assert_eq!(day.open_interactions().await, 0);
    assert!(day.server.process.exit_status().is_none(), "the server still runs");
}

/// The e-mails that the MIME library ships with its source, from cargo's own folder.
fn real_emails() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "mail-parser").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap().join("resources")
}
