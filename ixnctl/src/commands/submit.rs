//! `ixnctl submit`: JSON lines or real e-mail in, many in flight over one connection, answers told in order.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clap::Args;
use futures::{Stream, StreamExt as _};
use indicatif::ProgressBar;
use ixn_client::{Client, ClientError, IdempotencyKey, RequestOptions};
use ixn_proto::ClientType;
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc};

use crate::arguments::Common;
use crate::connection;
use crate::email::sources;
use crate::exit::Failure;
use crate::inspector::Inspector;
use crate::names;
use crate::submission::source::{Emails, Item, Lines, Place, Skip};
use crate::troubles::Teller;

/// Submits interactions.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// A file of JSON lines, one interaction each; - or nothing is standard input.
    #[arg(value_name = "FILE", conflicts_with = "eml")]
    pub file: Option<PathBuf>,
    /// Real e-mail instead: files, folders, Maildir folders and mbox files.
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub eml: Vec<PathBuf>,
    /// The queue of e-mail, and of lines that name none. Default: inbox.
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// How many submits may wait for their answers.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..=4096), value_name = "N")]
    pub in_flight: u16,
}

/// The queue of what names none.
const DEFAULT_QUEUE: &str = "inbox";

/// How one item ended.
enum Outcome {
    Submitted(String),
    Already(String),
    Skipped(Skip),
    Failed(ClientError),
    /// The server had gone before its turn.
    NotTried,
}

/// How many ended how.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    submitted: u64,
    already: u64,
    skipped: u64,
    failed: u64,
    not_tried: u64,
}

/// What the reading thread and the submitting task tell each other.
#[derive(Debug, Default)]
struct Progress {
    /// How many items are known of, read or not.
    known: AtomicU64,
    /// The server has gone: nothing further is begun.
    gone: AtomicBool,
    /// Ends the wait for further items then: who writes them may be silent for ever.
    no_more: Notify,
}

/// Submits all, then tells the sums.
///
/// # Errors
/// The server is unavailable, or a part was refused, or a part of the input is no interaction.
pub(crate) async fn run(common: &Common, submit: &Submit) -> Result<(), Failure> {
    let output = common.output();
    let progress = Arc::new(Progress::default());
    let input = Input::open(submit)?;
    let client = connection::connect(common, ClientType::MediaServer).await?;
    check_queue(common, submit).await?;
    let items = input.read_beside(usize::from(submit.in_flight), Arc::clone(&progress));
    let bar = output.progress(0);
    let teller = Teller::new(common, &client, &bar);
    let mut summary = Summary::default();
    let mut unavailable = None;
    let mut input_failed = false;
    {
        let answers = items
            .take_until(progress.no_more.notified())
            .map(|item| submit_one(&client, &teller, item, &progress))
            .buffered(usize::from(submit.in_flight));
        let mut answers = std::pin::pin!(answers);
        while let Some((place, outcome)) = answers.next().await {
            match &outcome {
                Outcome::NotTried => continue,
                Outcome::Failed(error) if connection::is_unavailable(error) => {
                    progress.gone.store(true, Ordering::Relaxed);
                    progress.no_more.notify_one();
                    unavailable.get_or_insert_with(|| error.clone());
                }
                Outcome::Skipped(skip) => input_failed |= skip.fails,
                _ => {}
            }
            bar.set_length(progress.known.load(Ordering::Relaxed));
            bar.inc(1);
            summary.count(&outcome);
            tell(common, &bar, &place, &outcome)?;
        }
    }
    teller.end().await;
    bar.finish_and_clear();
    // Those that were read ahead too.
    summary.not_tried = progress.known.load(Ordering::Relaxed).saturating_sub(summary.all());
    let unit = if submit.eml.is_empty() { "lines" } else { "files" };
    output.either(|| summary.sentence(unit), || summary.object(unit))?;
    match unavailable {
        Some(error) => Err(connection::failure(common, error)),
        None if summary.failed > 0 => Err(Failure::Partly(format!("the server refused {}", summary.failed))),
        None if input_failed => Err(Failure::Partly("a part of the input could not be used".to_owned())),
        None => Ok(()),
    }
}

/// A queue that all goes to must be there: else each item fails, or was submitted to another queue before. Lines may all
/// name queues of their own, so for them the default is not checked.
async fn check_queue(common: &Common, submit: &Submit) -> Result<(), Failure> {
    let default = (!submit.eml.is_empty()).then_some(DEFAULT_QUEUE);
    let Some(queue) = submit.queue.as_deref().or(default) else { return Ok(()) };
    names::check_queues([queue], &Inspector::connect(common).await?.queues().await?)
}

async fn submit_one(client: &Client, teller: &Teller, item: Item, progress: &Progress) -> (Place, Outcome) {
    let submission = match item.submission {
        Ok(submission) => submission,
        Err(skip) => return (item.place, Outcome::Skipped(skip)),
    };
    if progress.gone.load(Ordering::Relaxed) {
        return (item.place, Outcome::NotTried);
    }
    let idempotency_key = submission.idempotency_key.map_or(IdempotencyKey::Automatic, IdempotencyKey::Given);
    let options = RequestOptions { idempotency_key, ..RequestOptions::default() };
    let outcome = match teller.during(client.with(options).submit(submission.request)).await {
        Ok(submitted) if submitted.repeated => Outcome::Already(submitted.interaction_id),
        Ok(submitted) => Outcome::Submitted(submitted.interaction_id),
        Err(error) => Outcome::Failed(error),
    };
    (item.place, outcome)
}

fn tell(common: &Common, bar: &ProgressBar, place: &Place, outcome: &Outcome) -> io::Result<()> {
    let output = common.output();
    let (name, detail) = match outcome {
        Outcome::Submitted(id) => ("submitted", json!({ "interaction_id": id })),
        Outcome::Already(id) => ("already", json!({ "interaction_id": id })),
        Outcome::Skipped(skip) => ("skipped", json!({ "reason": skip.reason })),
        Outcome::Failed(error) => ("failed", json!({ "reason": error.to_string() })),
        Outcome::NotTried => return Ok(()),
    };
    if let Some(reason) = detail.get("reason").and_then(Value::as_str) {
        output.remark(bar, &format!("{name} {place}: {reason}"));
    }
    if output.is_json() {
        let mut object = json!({ "outcome": name });
        if let (Some(object), Value::Object(detail)) = (object.as_object_mut(), detail) {
            let (key, value) = place.field();
            object.insert(key.to_owned(), value);
            object.extend(detail);
        }
        output.object(&object)?;
    }
    Ok(())
}

impl Summary {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Submitted(_) => self.submitted += 1,
            Outcome::Already(_) => self.already += 1,
            Outcome::Skipped(_) => self.skipped += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::NotTried => {}
        }
    }

    fn all(&self) -> u64 {
        self.submitted + self.already + self.skipped + self.failed + self.not_tried
    }

    fn object(&self, unit: &str) -> Value {
        let Self { submitted, already, skipped, failed, not_tried } = self;
        json!({
            unit: self.all(), "submitted": submitted, "already": already, "skipped": skipped, "failed": failed,
            "not_tried": not_tried
        })
    }

    fn sentence(&self, unit: &str) -> String {
        let Self { submitted, already, skipped, failed, not_tried } = self;
        let all = self.all();
        let not_tried = if *not_tried > 0 { format!(", {not_tried} not tried") } else { String::new() };
        format!(
            "{all} {unit}: {submitted} submitted, {already} there already, {skipped} skipped, {failed} failed{not_tried}"
        )
    }
}

/// Where the items come from.
enum Input {
    Lines(Lines<Box<dyn BufRead + Send>>),
    Emails(Emails),
}

impl Input {
    fn open(submit: &Submit) -> Result<Self, Failure> {
        let queue = submit.queue.clone().unwrap_or_else(|| DEFAULT_QUEUE.to_owned());
        if !submit.eml.is_empty() {
            for path in &submit.eml {
                sources::check(path)
                    .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            }
            return Ok(Self::Emails(Emails { paths: submit.eml.clone(), queue }));
        }
        let reader: Box<dyn BufRead + Send> = match &submit.file {
            Some(path) if path.as_os_str() != "-" => {
                let file = File::open(path);
                let file = file.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
                Box::new(BufReader::new(file))
            }
            _ => Box::new(BufReader::new(io::stdin())),
        };
        Ok(Self::Lines(Lines { reader, queue }))
    }

    /// Reads on a thread of its own, at most `ahead` items further than they are taken.
    fn read_beside(self, ahead: usize, progress: Arc<Progress>) -> impl Stream<Item = Item> {
        let (sender, receiver) = mpsc::channel(ahead);
        tokio::task::spawn_blocking(move || {
            let known = &progress.known;
            let mut each = |item| {
                if progress.gone.load(Ordering::Relaxed) || sender.blocking_send(item).is_err() {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            // A break means that nobody wants more.
            let _ = match self {
                Self::Lines(lines) => lines.read(known, &mut each),
                Self::Emails(emails) => emails.read(known, &mut each),
            };
        });
        futures::stream::unfold(
            receiver,
            |mut receiver| async move { Some((receiver.recv().await?, receiver)) },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_adds_up() {
        let mut summary = Summary::default();
        summary.count(&Outcome::Submitted("1".into()));
        summary.count(&Outcome::Already("1".into()));
        summary.count(&Outcome::Skipped(Skip { reason: "x".into(), fails: false }));
        summary.count(&Outcome::NotTried);
        summary.not_tried = 2;
        let expected =
            json!({"files": 5, "submitted": 1, "already": 1, "skipped": 1, "failed": 0, "not_tried": 2});
        assert_eq!(summary.object("files"), expected);
        assert_eq!(
            summary.sentence("lines"),
            "5 lines: 1 submitted, 1 there already, 1 skipped, 0 failed, 2 not tried"
        );
    }
}
