//! What goes wrong in which round: the same seed, the same plan.

use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;

use crate::stage::DatabaseKind;

/// What can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The server gets SIGKILL and is started again; some get it once more while they start.
    Kill,
    /// All processes of PostgreSQL get SIGKILL, and it is started again; sometimes the server goes with it.
    PgKill,
    /// PostgreSQL is stopped in order and started again.
    PgStop,
    /// PostgreSQL is stopped at once and started again.
    PgImmediate,
    /// The server's connections to PostgreSQL are cut, and for a while none come through.
    Cut,
    /// Nothing comes through between server and PostgreSQL for a while; then it does, or the connections are cut.
    Freeze,
    /// The database's disk is full for a while.
    DiskFull,
    /// The power under the database's files is cut: what was not synced is gone.
    PowerCut,
    /// The server sleeps (SIGSTOP), or is parted from the database, while another takes over; then it comes back.
    Fence,
    /// A second server is started beside the first, and takes over when that is killed.
    TwoServers,
    /// The configuration file is replaced a few times, also by ones that cannot be used; some servers are killed meanwhile.
    Configuration,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Kill,
        Self::PgKill,
        Self::PgStop,
        Self::PgImmediate,
        Self::Cut,
        Self::Freeze,
        Self::DiskFull,
        Self::PowerCut,
        Self::Fence,
        Self::TwoServers,
        Self::Configuration,
    ];

    /// Whether it can happen to this database.
    pub fn suits(self, kind: DatabaseKind) -> bool {
        kind == DatabaseKind::Postgres
            || matches!(
                self,
                Self::Kill | Self::DiskFull | Self::PowerCut | Self::TwoServers | Self::Configuration
            )
    }

    /// Whether the database's files must lie on a file system of our own.
    pub fn takes_a_disk(self) -> bool {
        matches!(self, Self::DiskFull | Self::PowerCut)
    }
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// What goes wrong.
    pub fault: Fault,
    /// When: each time so many of the round's submits are acknowledged, in thousandths, and a little later.
    pub hits: Vec<Hit>,
    /// For the randomness within.
    pub seed: u64,
}

/// One instant at which it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Thousandths of the round's submits.
    pub at_thousandths: u32,
    /// And so much later.
    pub later: Duration,
}

/// What goes wrong in a round (from 0). Every fault has its turn before one comes again.
pub fn round(seed: u64, number: u32, faults: &[Fault]) -> Round {
    let count = faults.len().max(1) as u32;
    let mut order = faults.to_vec();
    Rng::with_seed(seed ^ 0x5eed ^ (u64::from(number / count) << 20)).shuffle(&mut order);
    let fault = order.get((number % count) as usize).copied().unwrap_or(Fault::Kill);
    let mut random = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(number));
    let most = match fault {
        Fault::Kill | Fault::PgKill | Fault::Cut => 3,
        _ => 1,
    };
    let hit = |_| Hit {
        at_thousandths: random.u32(20..950),
        later: Duration::from_micros(u64::from(random.u32(..20_000))),
    };
    let mut hits: Vec<Hit> =
        (0..fastrand::Rng::with_seed(seed ^ u64::from(number)).u32(1..=most)).map(hit).collect();
    hits.sort();
    Round { fault, hits, seed: seed ^ (u64::from(number) << 32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_has_the_same_plan_and_every_fault_its_turn() {
        let plan = |seed| -> Vec<Round> { (0..22).map(|number| round(seed, number, &Fault::ALL)).collect() };
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        for turn in plan(7).chunks(Fault::ALL.len()) {
            let mut faults: Vec<Fault> = turn.iter().map(|round| round.fault).collect();
            faults.sort();
            assert_eq!(faults, Fault::ALL);
        }
    }
}
