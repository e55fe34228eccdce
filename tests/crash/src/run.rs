//! Round after round: work, something goes wrong, quiet, look.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use fastrand::Rng;
use futures::FutureExt as _;
use ixn_client::{Client, ClientType};
use ixn_tests::disk::Disk;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::check::{Finding, Kind, check};
use crate::clients::{Clients, Floor, Sizes, audit};
use crate::faults::strike;
use crate::ledger::{Ledger, Operation};
use crate::observe;
use crate::plan::{Fault, Round, round};
use crate::stage::{DatabaseKind, Stage};

/// How many interactions are read whole after each round.
const SAMPLES: usize = 300;
/// How many findings are written down in full.
const MOST_FINDINGS: usize = 1000;
/// The file system of our own, when a fault takes one.
const DISK_BYTES: u64 = 6 << 30;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's program.
    pub server: PathBuf,
    /// The database.
    pub database: DatabaseKind,
    /// How many rounds.
    pub rounds: u32,
    /// What the randomness comes from.
    pub seed: u64,
    /// What may go wrong.
    pub faults: Vec<Fault>,
    /// How many interactions are submitted in each round.
    pub submits_per_round: u32,
    /// Where results are written.
    pub out: PathBuf,
    /// Go on after the last round whose result is there, over a new database.
    pub resume: bool,
    /// How many clients.
    pub sizes: Sizes,
    /// How long a round may go without any acknowledged submit, faults included; also how long agents may take to come to
    /// rest, and reporting to catch up then.
    pub patience: Duration,
    /// PostgreSQL without `fsync`: a power cut then loses what was acknowledged, and this must find it.
    pub without_fsync: bool,
}

/// What came of it: the last line, and the last file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// Acknowledged submits.
    pub acknowledged: u64,
    /// Acknowledged, and not there.
    pub lost: u64,
    /// There twice, or never asked for.
    pub duplicated: u64,
    /// Owned by two.
    pub double_owned: u64,
    /// Gaps in reporting, and what it told otherwise than the server shows.
    pub event_gaps: u64,
    /// Rounds that were checked.
    pub rounds: u64,
    /// The seed.
    pub seed: u64,
    /// Reporting events that were checked.
    pub events: u64,
    /// How often each fault struck.
    pub faults: BTreeMap<String, u64>,
    /// Faults that this machine does not allow, and why.
    pub skipped: BTreeMap<String, String>,
    /// Why it ended early; absent = it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Where the evidence lies; absent = there is nothing to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<PathBuf>,
}

impl Outcome {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.lost + self.duplicated + self.double_owned + self.event_gaps == 0 && self.error.is_none()
    }

    fn add(&mut self, result: &Value) {
        let number = |key: &str| result[key].as_u64().unwrap_or_default();
        self.acknowledged += number("acknowledged");
        self.lost += number("lost");
        self.duplicated += number("duplicated");
        self.double_owned += number("double_owned");
        self.event_gaps += number("event_gaps");
        self.events += number("events");
        self.rounds += 1;
        let fault = result["fault"].as_str().unwrap_or_default();
        *self.faults.entry(fault.to_owned()).or_default() += number("strikes");
    }
}

/// Carries the plan out. `tell` hears the result of each round, a JSON object, as it is there.
///
/// # Errors
/// It could not begin. What goes wrong later is in the outcome.
pub async fn carry_out(mut plan: Plan, mut tell: impl FnMut(&Value)) -> anyhow::Result<Outcome> {
    fs::create_dir_all(&plan.out).with_context(|| format!("the folder {}", plan.out.display()))?;
    let mut outcome = Outcome { seed: plan.seed, ..Default::default() };
    let file = plan.out.join("rounds.jsonl");
    let first = if plan.resume { earlier_rounds(&plan, &file, &mut outcome)? } else { 0 };
    if first == 0 {
        File::create(&file)?;
    }
    let disk = disk(&mut plan, &mut outcome);
    if plan.faults.is_empty() {
        bail!("no fault is left to try: {:?}", outcome.skipped);
    }
    let mut scene = None;
    if first < plan.rounds {
        scene = Some(Scene::begin(&plan, disk, first).await?);
    }
    for number in first..plan.rounds {
        let Some(scene) = &mut scene else { break };
        let planned = round(plan.seed, number, &plan.faults);
        // The harness says with a panic what it waited for in vain.
        let result = AssertUnwindSafe(scene.round(&plan, number, &planned)).catch_unwind().await;
        let result = result.unwrap_or_else(|panic| Err(anyhow!("{}", panic_text(&*panic))));
        let findings = match result {
            Ok((result, findings)) => {
                let mut results = OpenOptions::new().append(true).create(true).open(&file)?;
                writeln!(results, "{result}")?;
                outcome.add(&result);
                tell(&result);
                findings
            }
            Err(error) => {
                outcome.error = Some(format!("round {number} ({:?}): {error:#}", planned.fault));
                Vec::new()
            }
        };
        if !outcome.is_clean() {
            let evidence = plan.out.join(format!("evidence-round-{number}"));
            scene.keep_evidence(&evidence, &findings, outcome.error.as_deref())?;
            outcome.evidence = Some(evidence);
            break;
        }
    }
    if let Some(mut scene) = scene {
        scene.stage.keep_logs(&plan.out)?;
    }
    fs::write(plan.out.join("result.json"), format!("{}\n", serde_json::to_string(&outcome)?))?;
    Ok(outcome)
}

/// Adds what earlier runs of the same plan came to; answers the first round to do.
fn earlier_rounds(plan: &Plan, file: &Path, outcome: &mut Outcome) -> anyhow::Result<u32> {
    let Ok(file) = File::open(file) else { return Ok(0) };
    let mut first = 0;
    for line in BufReader::new(file).lines() {
        let result: Value = serde_json::from_str(&line?).context("a line of rounds.jsonl")?;
        if result["seed"].as_u64() != Some(plan.seed) {
            bail!("the results in {} have seed {}: use another folder", plan.out.display(), result["seed"]);
        }
        outcome.add(&result);
        first = result["round"].as_u64().unwrap_or_default() as u32 + 1;
    }
    Ok(first)
}

/// The file system that some faults take. Where it is not to be had, those faults are skipped.
fn disk(plan: &mut Plan, outcome: &mut Outcome) -> Option<Disk> {
    if !plan.faults.iter().any(|fault| fault.takes_a_disk()) {
        return None;
    }
    match Disk::mount(DISK_BYTES) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            for fault in plan.faults.iter().filter(|fault| fault.takes_a_disk()) {
                outcome.skipped.insert(name(*fault), reason.clone());
            }
            plan.faults.retain(|fault| !fault.takes_a_disk());
            None
        }
    }
}

/// A running stage with its clients, which end before it.
struct Scene {
    clients: Clients,
    floor: Arc<Floor>,
    look: Client,
    stage: Stage,
    events_before: u64,
    patience: Duration,
}

impl Scene {
    async fn begin(plan: &Plan, disk: Option<Disk>, first: u32) -> anyhow::Result<Self> {
        let start =
            Stage::start(plan.server.clone(), plan.database, plan.sizes.agents, disk, plan.without_fsync);
        let start = AssertUnwindSafe(start).catch_unwind().await;
        let stage = start.unwrap_or_else(|panic| Err(anyhow!("{}", panic_text(&*panic))))?;
        let ledger = Ledger::begin(&plan.out.join(format!("ledger-from-round-{first}")))?;
        let floor = Arc::new(Floor::new(stage.url(), format!("crash-{:x}", plan.seed), ledger));
        let clients = Clients::start(&floor, plan.sizes, plan.seed ^ u64::from(first)).await?;
        let look = floor.connect("look", ClientType::MediaServer).await.context("no connection to look")?;
        Ok(Self { clients, floor, look, stage, events_before: 0, patience: plan.patience })
    }

    async fn round(
        &mut self,
        plan: &Plan,
        number: u32,
        planned: &Round,
    ) -> anyhow::Result<(Value, Vec<Finding>)> {
        let began = Instant::now();
        let mut random = Rng::with_seed(planned.seed);
        let acknowledged_before = self.floor.acknowledged();
        let limit = self.floor.done() + plan.submits_per_round;
        self.clients.hearing.begin_round();
        self.floor.limit.send_replace(limit);

        let mut done = Vec::new();
        for hit in &planned.hits {
            let at = acknowledged_before
                + u64::from(plan.submits_per_round) * u64::from(hit.at_thousandths) / 1000;
            self.until("submits before the fault", || self.floor.acknowledged() >= at).await?;
            sleep(hit.later).await;
            done.push(strike(planned.fault, &mut self.stage, &mut random).await?);
            if let Some(status) = self.stage.server.process.exit_status() {
                bail!("the server ended by itself ({status}) after: {done:?}");
            }
        }
        self.until("all submits of the round", || self.floor.done() >= limit).await?;
        let working = began.elapsed();
        // From here on agents do nothing.
        let floor = Arc::clone(&self.floor);
        let quiet =
            timeout(self.patience, floor.gate.write()).await.context("the agents do not come to rest")?;
        if let Some(failure) = floor.failure() {
            bail!("{failure}");
        }
        if let Some(status) = self.stage.server.process.exit_status() {
            bail!("the server ended by itself ({status}) after: {done:?}");
        }
        // What the server shows comes from its memory; what it shows after a kill comes from the database.
        self.stage.server.process.kill();
        self.stage.restart().await.context("the start after everything came to rest")?;
        let last = observe::last_event(&floor.url).await?;
        self.until_heard(last).await?;
        let findings = self.look_at_all(number, &mut random).await?;
        drop(quiet);

        let of = |kind| findings.iter().filter(|finding| finding.kind == kind).count();
        let events = last - self.events_before;
        self.events_before = last;
        let result = json!({
            "round": number,
            "seed": plan.seed,
            "fault": name(planned.fault),
            "strikes": done.len(),
            "done": done,
            "acknowledged": floor.acknowledged() - acknowledged_before,
            "lost": of(Kind::Lost),
            "duplicated": of(Kind::Duplicated),
            "double_owned": of(Kind::DoubleOwned),
            "event_gaps": of(Kind::EventGap),
            "events": events,
            "deeds": self.deeds(),
            "refusals": floor.take_refusals(),
            "working_seconds": working.as_secs_f64(),
            "checking_seconds": (began.elapsed() - working).as_secs_f64(),
        });
        Ok((result, findings))
    }

    /// What else the server has acknowledged, all rounds of this database together.
    fn deeds(&self) -> Value {
        let ledger = self.floor.ledger();
        let of = |operation| ledger.book().acknowledged(operation);
        json!({
            "accepted": of(Operation::Accept),
            "rejected": of(Operation::Reject),
            "changed": of(Operation::Change),
            "placed": of(Operation::Place),
            "stopped": of(Operation::Stop),
        })
    }

    /// Compares ledger, server and reporting. Everything is at rest.
    async fn look_at_all(&self, number: u32, random: &mut Rng) -> anyhow::Result<Vec<Finding>> {
        let rows = observe::rows(&self.look).await?;
        let samples = observe::choose(self.floor.ledger().book(), SAMPLES, random);
        let mut findings = observe::sample(&self.look, &samples).await?;
        let (from, to, told) = {
            let heard = self.clients.hearing.heard();
            findings.extend(check(self.floor.ledger().book(), &heard.picture, &rows));
            (heard.from, heard.picture.last(), heard.fingerprint)
        };
        // From 0 a subscription would begin with what is now.
        if from > 0 {
            let again = audit(&self.floor, number, from, to).await?;
            if again.is_some_and(|again| again != told) {
                let text = format!("events {} to {to}, read again, are others", from + 1);
                findings.push(Finding { kind: Kind::EventGap, number: None, text });
            }
        }
        Ok(findings)
    }

    /// Waits while submits go on being acknowledged.
    async fn until(&self, what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
        let (mut last, mut moved) = (self.progress(), Instant::now());
        while !condition() {
            if let Some(failure) = self.floor.failure() {
                bail!("{failure}");
            }
            let now = self.progress();
            if now != last {
                (last, moved) = (now, Instant::now());
            }
            if moved.elapsed() > self.patience {
                let (patience, refusals) = (self.patience, self.floor.take_refusals());
                bail!(
                    "no progress for {patience:?} while waiting for {what}: {now:?}, refusals {refusals:?}"
                );
            }
            sleep(Duration::from_micros(500)).await;
        }
        Ok(())
    }

    fn progress(&self) -> (u64, u32) {
        (self.floor.acknowledged(), self.floor.done())
    }

    async fn until_heard(&self, last: u64) -> anyhow::Result<()> {
        let give_up = Instant::now() + self.patience;
        loop {
            let heard = self.clients.hearing.heard().picture.last();
            if heard >= last {
                return Ok(());
            }
            if Instant::now() > give_up {
                bail!("the reporting subscriber stands at {heard}, {last} is the last event");
            }
            sleep(Duration::from_millis(2)).await;
        }
    }

    fn keep_evidence(
        &mut self,
        folder: &Path,
        findings: &[Finding],
        error: Option<&str>,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        self.stage.keep_logs(folder)?;
        if let Some(error) = error {
            fs::write(folder.join("error.txt"), error)?;
        }
        let mut lines = String::new();
        for finding in findings.iter().take(MOST_FINDINGS) {
            lines.push_str(&serde_json::to_string(finding)?);
            lines.push('\n');
        }
        fs::write(folder.join("findings.jsonl"), lines)?;
        let numbers: HashSet<u32> =
            findings.iter().take(MOST_FINDINGS).filter_map(|finding| finding.number).collect();
        let records = self.floor.ledger().about(&numbers)?;
        let records: Vec<String> = records.iter().map(ToString::to_string).collect();
        fs::write(folder.join("ledger.txt"), records.join("\n") + "\n")?;
        Ok(())
    }
}

fn name(fault: Fault) -> String {
    serde_json::to_value(fault).ok().and_then(|name| Some(name.as_str()?.to_owned())).unwrap_or_default()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text")
}
