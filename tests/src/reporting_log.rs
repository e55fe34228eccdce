//! What a day's reporting amounts to: `ixnctl watch` writes it down, this reads it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ixn_server::LIMIT;
use crate::process::Server;
use crate::wait;

/// One interaction as reporting saw it.
#[derive(Debug, Default)]
pub struct Story {
    /// How often its submit was reported.
    pub submitted: usize,
    /// How often its end was reported.
    pub stopped: usize,
    /// Its subject.
    pub subject: Option<String>,
    /// Its sender.
    pub from: String,
    /// Whether it had an attachment.
    pub has_attachment: bool,
    /// The strategies that routed it.
    pub strategies: Vec<String>,
    /// The agents who had it.
    pub agents: Vec<String>,
}

/// Reads what `ixnctl watch` has printed; checks that event numbers have no gap.
pub fn stories(watch: &Server) -> BTreeMap<String, Story> {
    let mut stories = BTreeMap::<String, Story>::new();
    let mut last = 0;
    for line in watch.log().lines().filter(|line| line.starts_with('{')) {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let event_number = number(&event["event_number"]);
        let kind = event["event"].as_str().unwrap_or_default().to_owned();
        if event_number == 0 || kind == "event_reporting_state_end" {
            continue;
        }
        assert_eq!(event_number, last + 1, "event numbers have no gap");
        last = event_number;
        let body = &event[&kind];
        let Some(id) = body["interaction"]["interaction_id"].as_str() else { continue };
        let story = stories.entry(id.to_owned()).or_default();
        match kind.as_str() {
            "event_interaction_submitted" => {
                story.submitted += 1;
                let data = &body["interaction"]["custom_properties"];
                story.subject = data["Subject"].as_str().map(str::to_owned);
                story.from = data["FromAddress"].as_str().unwrap_or_default().to_owned();
                story.has_attachment = number(&data["_ContainsAttachment"]) == 1;
            }
            "event_party_added" => {
                let party = &body["party"];
                for (name, list) in [("strategy_id", &mut story.strategies), ("agent_id", &mut story.agents)]
                {
                    let name = party[name].as_str().unwrap_or_default();
                    if !name.is_empty() {
                        list.push(name.to_owned());
                    }
                }
            }
            "event_processing_stopped" => story.stopped += 1,
            _ => {}
        }
    }
    stories
}

/// Waits until reporting has seen this many interactions end.
pub async fn all_stopped(watch: &Server, expected: usize) -> BTreeMap<String, Story> {
    wait::until(LIMIT, "every stop is reported", async || {
        let stories = stories(watch);
        let stopped: usize = stories.values().map(|story| story.stopped).sum();
        if stopped >= expected { Ok(stories) } else { Err(format!("{stopped} of {expected}")) }
    })
    .await
}

/// A number as protobuf's JSON writes it: those of 64 bits are text.
pub fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}
