//! Submits interactions and watches what happens to them.
//!
//! Start a server (`cargo run -p ixn-server`), then `cargo run -p ixn-client --example submit_and_watch`.
//! Arguments: the server's address (default `http://127.0.0.1:7120`), and how many to submit (default 3).

use std::{error::Error, time::Duration};

use ixn_client::{
    Client, ClientOptions, ClientType, KeyValueList, ReportingItem, ReportingOptions, RequestSubmit,
};
use tokio::time::timeout;

/// How long to wait for further events.
const QUIET_TIME: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "http://127.0.0.1:7120".to_owned());
    let count: u32 = arguments.next().map_or(Ok(3), |count| count.parse())?;

    // One connection sees everything that happens …
    let options = ClientOptions::new(&server, "example-watcher", ClientType::ReportingEngine);
    let watcher = Client::connect(options).await?;
    let registration = watcher.registration();
    println!("connected to {} {}", registration.server_name, registration.server_version);
    let mut reporting = watcher.reporting(ReportingOptions::default()).await?;

    // … the other one submits.
    let options = ClientOptions::new(&server, "example-submitter", ClientType::MediaServer);
    let submitter = Client::connect(options).await?;
    for number in 1..=count {
        let mut user_data = KeyValueList::new();
        user_data.push_text("Subject", &format!("Example {number}"));
        let submitted = submitter
            .submit(RequestSubmit {
                queue: "inbox".to_owned(),
                media_type: "email".to_owned(),
                user_data: Some(user_data),
                ..Default::default()
            })
            .await?;
        println!("submitted {}", submitted.interaction_id);
    }

    while let Ok(Some(item)) = timeout(QUIET_TIME, reporting.next()).await {
        match item? {
            ReportingItem::State(state) => println!("{} agents are logged in", state.agents.len()),
            ReportingItem::StateEnd(end) => println!("the state is complete up to {}", end.event_number),
            ReportingItem::Event { number, event, .. } => {
                let text = format!("{event:?}");
                let name = text.split(['(', ' ']).next().unwrap_or_default();
                println!("{number} {name}");
            }
            ReportingItem::Gap(gap) => println!("events before {} are gone", gap.oldest_held),
            ReportingItem::Disconnected(reason) => println!("disconnected: {reason}"),
            ReportingItem::Resumed { after } => println!("resumed after {after:?}"),
            ReportingItem::Other(_) => {}
        }
    }
    submitter.close().await;
    watcher.close().await;
    Ok(())
}
