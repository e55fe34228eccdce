//! How fast batches are committed: commits per second and microseconds per row, for both databases.
//!
//! `cargo run --release -p ixn-store --example commit_speed -- [URL…]`; without an address SQLite in a temporary folder.
//! PostgreSQL needs an empty database: what is written stays there.

use std::error::Error;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ixn_engine::commit::{CommitBatch, CommitNumber, EventNumber, InteractionKey, TakenOver};
use ixn_store::{Database, OpenOptions, Upkeep, Writer};

const HOT_BYTES: usize = 250;
const COLD_BYTES: usize = 1024;
const EVENT_BYTES: usize = 200;
/// A lifecycle: inserted hot and cold, updated twice, deleted hot and cold. In reality the steps of one interaction fall
/// into different commits, so each batch inserts some, updates older ones and deletes the oldest.
const ROWS_PER_LIFECYCLE: usize = 6;
const EVENTS_PER_LIFECYCLE: usize = 8;
/// Interactions that are open all the time.
const OPEN: u64 = 20_000;
const RUN: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut urls: Vec<String> = std::env::args().skip(1).collect();
    let folder = tempfile::tempdir()?;
    if urls.is_empty() {
        urls.push(format!("sqlite://{}/ixn.db", folder.path().display()));
    }
    for url in urls {
        let options = OpenOptions { holder: "commit_speed".to_owned(), ..OpenOptions::default() };
        let database = ixn_store::open(&url, &options).await?;
        measure(&*database).await?;
    }
    Ok(())
}

async fn measure(database: &dyn Database) -> Result<(), Box<dyn Error>> {
    let info = database.info().await?;
    println!("\n{} {} ({})", info.kind, info.version, info.durability);
    println!("{HOT_BYTES} B hot, {COLD_BYTES} B cold, {EVENT_BYTES} B an event, {OPEN} open interactions");
    let (taken, mut writer) = database.take_over(1).await?;
    let mut load = Load::new(taken);
    for _ in 0..OPEN / 1000 {
        let batch = load.inserts(1000);
        writer.commit(&batch).await?;
    }
    println!(
        "{:>12} {:>10} {:>12} {:>10} {:>10} {:>10}",
        "lifecycles", "rows", "commits/s", "ms p50", "ms p99", "µs/row"
    );
    for lifecycles in [1, 2, 17, 170, 1000] {
        run(database, &mut *writer, &mut load, lifecycles).await?;
    }
    let (began, mut rows) = (Instant::now(), 0);
    database.load_interactions(&mut |page| rows += page.len()).await?;
    println!("{rows} hot rows read in {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

async fn run(
    database: &dyn Database,
    writer: &mut dyn Writer,
    load: &mut Load,
    lifecycles: u64,
) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    let mut busy = Duration::ZERO;
    while busy < RUN {
        let batch = load.mix(lifecycles);
        let began = Instant::now();
        writer.commit(&batch).await?;
        times.push(began.elapsed());
        busy += began.elapsed();
        if times.len().is_multiple_of(1000) {
            let below = CommitNumber(batch.number.0.saturating_sub(10_000));
            let upkeep = Upkeep { newest: batch.number, log_below: below, ..Upkeep::default() };
            database.maintain(&upkeep).await?;
        }
    }
    times.sort_unstable();
    let rows = lifecycles as usize * ROWS_PER_LIFECYCLE;
    let milliseconds = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1e3;
    println!(
        "{lifecycles:>12} {rows:>10} {:>12.0} {:>10.2} {:>10.2} {:>10.1}",
        times.len() as f64 / busy.as_secs_f64(),
        milliseconds(50),
        milliseconds(99),
        busy.as_secs_f64() * 1e6 / (times.len() * rows) as f64,
    );
    Ok(())
}

/// Makes batches: keys grow, the oldest go.
struct Load {
    taken: TakenOver,
    oldest: u64,
    next: u64,
}

impl Load {
    fn new(taken: TakenOver) -> Self {
        let next = taken.counters.next_interaction;
        Self { taken, oldest: next, next }
    }

    fn inserts(&mut self, count: u64) -> CommitBatch {
        let mut batch = self.empty(count as usize);
        for key in self.next..self.next + count {
            batch.hot.push((InteractionKey(key), text(HOT_BYTES)));
            batch.cold.push((InteractionKey(key), text(COLD_BYTES)));
        }
        self.next += count;
        batch.counters.next_interaction = self.next;
        batch.hash = batch.content_hash();
        batch
    }

    fn mix(&mut self, lifecycles: u64) -> CommitBatch {
        let middle = self.oldest + OPEN / 2;
        let updated = (middle..middle + 2 * lifecycles).map(|key| (InteractionKey(key), text(HOT_BYTES)));
        let mut hot: Vec<_> = updated.collect();
        let mut batch = self.inserts(lifecycles);
        hot.append(&mut batch.hot);
        batch.hot = hot;
        batch.deleted = (self.oldest..self.oldest + lifecycles).map(InteractionKey).collect();
        self.oldest += lifecycles;
        batch.hash = batch.content_hash();
        batch
    }

    fn empty(&mut self, lifecycles: usize) -> CommitBatch {
        let events = lifecycles * EVENTS_PER_LIFECYCLE;
        self.taken.number = self.taken.number.next();
        let first_event = self.taken.last_event.next();
        self.taken.last_event = EventNumber(self.taken.last_event.0 + events as u64);
        CommitBatch {
            number: self.taken.number,
            epoch: self.taken.epoch,
            first_event,
            last_event: self.taken.last_event,
            counters: self.taken.counters,
            at_milliseconds: self.taken.at_milliseconds,
            events: (0..events).flat_map(|_| text(EVENT_BYTES)).collect(),
            hot: Vec::new(),
            cold: Vec::new(),
            deleted: Vec::new(),
            agents: Vec::new(),
            deleted_agents: Vec::new(),
            idempotency: Vec::new(),
            hash: 0,
        }
    }
}

/// Half of it repeats, as names and values of attributes do; half does not.
fn text(bytes: usize) -> Bytes {
    let mut text = Vec::with_capacity(bytes + 32);
    while text.len() < bytes {
        text.extend_from_slice(b"CustomerSegment=");
        text.extend_from_slice(format!("{:016x}", fastrand::u64(..)).as_bytes());
    }
    text.truncate(bytes);
    text.into()
}
