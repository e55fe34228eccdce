//! What happens around the clients: to processes, database, configuration and clock.

use ixn_engine::Slices;

use crate::configuration;
use crate::operations::Op;
use crate::process::{Pace, Process};
use crate::world::{START, World};

/// So many deadlines are kept while time passes; what comes behind them is late.
const DEADLINES: usize = 100;
impl World {
    pub(crate) fn kill(&mut self, process: usize) {
        self.processes.remove(&process);
        let lines: Vec<usize> =
            self.lines.iter().filter(|(_, line)| line.process == process).map(|(line, _)| *line).collect();
        for line in lines {
            self.forget_line(line);
        }
    }

    pub(crate) fn start(&mut self) {
        let process = Process::start(&mut self.database, &self.text, self.now, self.pace);
        self.processes.insert(self.started, process);
        self.started += 1;
    }

    /// What happens to processes, database and clock.
    pub(crate) fn disturb(&mut self, op: &Op) {
        match op {
            Op::Seconds(seconds) => self.let_pass(seconds * 1000),
            Op::ClockBack(milliseconds) => self.now = self.now.saturating_sub(*milliseconds).max(START),
            Op::HoldLoads(holds) => self.holds_loads = *holds,
            Op::Next(fate) => self.fates.push_back(*fate),
            Op::Hangs(hangs) => self.hangs = *hangs,
            Op::LateBatch => self.database.late_batch_arrives(),
            Op::Trim(kept) => self.database.trim(*kept),
            Op::Heartbeat => {
                for process in self.processes.values_mut() {
                    process.heartbeat(&self.database);
                }
            }
            Op::Kill => {
                self.kill(self.primary());
                self.start();
            }
            Op::TakeOver => self.start(),
            Op::KillOld => {
                let oldest = self.processes.keys().next().copied().unwrap_or_default();
                if oldest != self.primary() {
                    self.kill(oldest);
                }
            }
            Op::Turns(turns) => self.go_on_in(Pace { turns: *turns, ..self.pace }),
            Op::Spacing(spacing) => self.go_on_in(Pace { spacing: *spacing, ..self.pace }),
            Op::Slices(size) => {
                let slices = Slices::of(*size);
                self.go_on_in(Pace { slices, ..self.pace });
            }
            Op::KeepContents(keeps) => {
                self.go_on_in(Pace { kept_bytes: if *keeps { 1 << 20 } else { 0 }, ..self.pace });
            }
            Op::Reconfigure { number } => {
                self.text = configuration::text(*number);
                let primary = self.primary();
                if let Some(process) = self.processes.get_mut(&primary) {
                    process.configure(&self.database, self.now, &self.text);
                }
            }
            _ => {}
        }
        self.time_is(self.now);
    }

    /// Lets time pass: a server does what is due when it is due.
    fn let_pass(&mut self, milliseconds: u64) {
        self.go_on_to_the_end();
        let end = self.now + milliseconds;
        for _ in 0..DEADLINES {
            let deadlines = self.processes.values().filter_map(Process::next_deadline);
            let Some(next) = deadlines.filter(|at| (self.now + 1..end).contains(at)).min() else { break };
            self.time_is(next);
            // Turns take no time.
            self.go_on_to_the_end();
        }
        self.time_is(end);
    }

    fn time_is(&mut self, now: u64) {
        self.now = now;
        self.latest = self.latest.max(now);
        for process in self.processes.values_mut() {
            process.time_passes(&self.database, now);
        }
    }

    /// All processes go on in another way, and those to come.
    pub(crate) fn go_on_in(&mut self, pace: Pace) {
        self.pace = pace;
        self.processes.values_mut().for_each(|process| process.set_pace(pace));
    }

    /// Processes that have ended are gone, once their clients have read that; the last one is started again.
    pub(crate) fn bury(&mut self) -> bool {
        let ended: Vec<usize> =
            self.processes.iter().filter(|(_, process)| process.ended.is_some()).map(|(id, _)| *id).collect();
        // An old one that has not noticed yet does not become the primary again.
        let needs_another = ended.contains(&self.primary());
        for id in &ended {
            let why = self.processes.get(id).and_then(|process| process.ended);
            self.tell(|| format!("    process {id} ends: {}", why.unwrap_or_default()));
            self.kill(*id);
        }
        if needs_another {
            self.start();
        }
        !ended.is_empty()
    }
}
