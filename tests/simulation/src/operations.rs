//! What may happen in a run, and how often. An operation names what it is about by position, so that a run from which
//! others were taken out still means something.

use fastrand::Rng;

use crate::configuration;
use crate::database::Fate;
use crate::requests::AGENTS;
use crate::who::Who;

/// One thing that happens.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "a request is named as in the protocol, and its fields say who sends what about which")]
#[rustfmt::skip]
pub enum Op {
    Submit { who: Who, invoice: bool, priority: i32, hold: bool, media: usize, queue: usize, workbin: Option<usize>, key: bool },
    Login { agent: usize, desk: usize, ready: bool },
    Logout { who: Who },
    Medium { who: Who, media: usize, what: u8, key: bool },
    DoNotDisturb { who: Who, on: bool, key: bool },
    Answer { agent: usize, desk: usize, offer: usize, accept: bool, key: bool },
    Stop { who: Who, nth: usize, key: bool },
    Leave { who: Who, nth: usize, key: bool },
    Hold { who: Who, nth: usize, hold: bool, key: bool },
    PlaceInQueue { who: Who, nth: usize, queue: usize, held: bool, key: bool },
    PlaceInWorkbin { who: Who, nth: usize, owner: usize, key: bool },
    Change { who: Who, nth: usize, priority: Option<i32>, invoice: Option<bool>, online: Option<bool>, key: bool },
    PullView { who: Who, view: usize, most: u32, key: bool },
    PullIds { who: Who, nth: Vec<usize>, key: bool },
    PullWorkbin { who: Who, owner: usize, most: u32, key: bool },
    Look { who: Who, nth: usize, what: u8 },
    Status { agent: usize, media: usize, remaining: u32 },
    /// A client sends one of its last requests with a key once more.
    Again { who: Who, nth: usize },
    /// A reporting engine subscribes, from where it is or anew, to everything or to the agents that it selects.
    Report { nth: usize, resume: bool, with_interactions: bool, selected: Vec<usize> },
    Unregister { who: Who },
    /// Time passes.
    Seconds(u64),
    /// The server's clock is set back.
    ClockBack(u64),
    /// A connection breaks.
    Disconnect { who: Who },
    /// A connection is not read, or read again.
    Slow { who: Who, slow: bool },
    HoldLoads(bool),
    /// What the database does with the next thing that it is asked.
    Next(Fate),
    /// The database answers nothing, or answers again.
    Hangs(bool),
    /// What a database did late arrives.
    LateBatch,
    /// The log loses all but its newest records.
    Trim(u64),
    Heartbeat,
    /// The process is killed, another one starts.
    Kill,
    /// Another process starts while this one lives.
    TakeOver,
    /// A process that was taken over from is killed.
    KillOld,
    /// Another configuration comes into force.
    Reconfigure { number: usize },
    /// So many turns follow each input at most, and the run does not wait until nothing goes on any more; none: it does.
    Turns(Option<usize>),
    /// The next commit begins so many turns after the one before it at the earliest.
    Spacing(usize),
    /// So much of a changeover is done in one step.
    Slices(usize),
    /// User data stays at hand, or nothing that is durable does.
    KeepContents(bool),
}

fn who(rng: &mut Rng) -> Who {
    match rng.u8(0..6) {
        0 => Who::Media(rng.usize(0..2)),
        1 => Who::Router(rng.usize(0..2)),
        _ => {
            let agent = one_of_the_agents(rng);
            Who::Desk(agent, if agent == 1 { rng.usize(0..2) } else { 0 })
        }
    }
}

/// Most is done by few, so that much happens to the same.
fn one_of_the_agents(rng: &mut Rng) -> usize {
    let most = if rng.bool() { 3 } else { AGENTS.len() };
    rng.usize(0..most)
}

fn some_agents(rng: &mut Rng) -> Vec<usize> {
    let count = if one_in(rng, 3) { rng.usize(1..3) } else { 0 };
    (0..count).map(|_| one_of_the_agents(rng)).collect()
}

fn anybody(rng: &mut Rng) -> Who {
    if rng.u8(0..4) == 0 { Who::Reporter(rng.usize(0..2)) } else { who(rng) }
}

fn queue(rng: &mut Rng) -> usize {
    [0, 0, 0, 1, 3][rng.usize(0..5)]
}

fn some<T>(rng: &mut Rng, value: impl FnOnce(&mut Rng) -> T) -> Option<T> {
    (rng.u8(0..5) < 2).then(|| value(rng))
}

fn one_in(rng: &mut Rng, n: u8) -> bool {
    rng.u8(0..n) == 0
}

/// Draws the operations of a run. One in three goes on in few turns and small slices from its beginning, and its configuration
/// changes often, so that much comes between two slices.
pub fn draw_all(rng: &mut Rng, count: usize) -> Vec<Op> {
    let mut operations = Vec::with_capacity(count);
    let is_slow = one_in(rng, 3);
    if is_slow {
        operations.extend([Op::Turns(Some(rng.usize(0..3))), Op::Slices(1), Op::Spacing(rng.usize(0..3))]);
    }
    while operations.len() < count {
        operations.push(match is_slow && one_in(rng, 12) {
            true => Op::Reconfigure { number: rng.usize(0..configuration::COUNT) },
            false => draw(rng),
        });
    }
    operations
}

/// Draws the next operation.
#[rustfmt::skip]
fn draw(rng: &mut Rng) -> Op {
    let agent = one_of_the_agents;
    let nth = |rng: &mut Rng| rng.usize(0..8);
    let desk = |rng: &mut Rng| usize::from(one_in(rng, 4));
    match rng.u16(0..1000) {
        0..180 => Op::Submit {
            who: who(rng), invoice: rng.bool(), priority: rng.i32(0..3), hold: one_in(rng, 10), media: rng.usize(0..2),
            queue: queue(rng), workbin: one_in(rng, 5).then(|| agent(rng)), key: rng.bool(),
        },
        180..210 => Op::Login { agent: agent(rng), desk: desk(rng), ready: !one_in(rng, 5) },
        210..218 => Op::Logout { who: who(rng) },
        218..250 => Op::Medium { who: who(rng), media: rng.usize(0..2), what: rng.u8(0..6), key: rng.bool() },
        250..258 => Op::DoNotDisturb { who: who(rng), on: rng.bool(), key: rng.bool() },
        258..400 => Op::Answer { agent: agent(rng), desk: desk(rng), offer: if one_in(rng, 5) { 1 } else { 0 }, accept: !one_in(rng, 3), key: rng.bool() },
        400..450 => Op::Stop { who: who(rng), nth: nth(rng), key: rng.bool() },
        450..465 => Op::Leave { who: who(rng), nth: nth(rng), key: rng.bool() },
        465..485 => Op::Hold { who: who(rng), nth: nth(rng), hold: rng.bool(), key: rng.bool() },
        485..510 => Op::PlaceInQueue { who: who(rng), nth: nth(rng), queue: rng.usize(0..4), held: one_in(rng, 5), key: rng.bool() },
        510..540 => Op::PlaceInWorkbin { who: who(rng), nth: nth(rng), owner: agent(rng), key: rng.bool() },
        540..570 => Op::Change {
            who: who(rng), nth: nth(rng), priority: some(rng, |rng| rng.i32(0..4)), invoice: some(rng, Rng::bool),
            online: some(rng, Rng::bool), key: rng.bool(),
        },
        570..600 => Op::PullView { who: who(rng), view: rng.usize(0..3), most: rng.u32(0..4), key: rng.bool() },
        600..630 => {
            let count = rng.usize(1..4);
            Op::PullIds { who: who(rng), nth: (0..count).map(|_| nth(rng)).collect(), key: rng.bool() }
        }
        630..655 => Op::PullWorkbin { who: who(rng), owner: agent(rng), most: rng.u32(0..4), key: rng.bool() },
        655..680 => Op::Look { who: who(rng), nth: nth(rng), what: rng.u8(0..6) },
        680..688 => Op::Status { agent: agent(rng), media: rng.usize(0..2), remaining: rng.u32(0..3) },
        688..718 => Op::Again { who: who(rng), nth: rng.usize(0..3) },
        718..740 => Op::Report { nth: rng.usize(0..2), resume: !one_in(rng, 3), with_interactions: rng.bool(), selected: some_agents(rng) },
        740..744 => Op::Unregister { who: anybody(rng) },
        744..790 => Op::Seconds([1, 1, 9, 31, 61, 301, 11_000, 50_000][rng.usize(0..8)]),
        790..795 => Op::ClockBack(rng.u64(1..5000)),
        795..812 => Op::Disconnect { who: anybody(rng) },
        812..830 => Op::Slow { who: anybody(rng), slow: one_in(rng, 2) },
        830..845 => Op::HoldLoads(!one_in(rng, 3)),
        845..905 => Op::Next(match rng.u8(0..20) {
            0..6 => Fate::BreaksBefore,
            6..12 => Fate::BreaksAfter,
            12..15 => Fate::Declines,
            15..19 => Fate::DoesItLate,
            _ => Fate::Refuses,
        }),
        905..930 => Op::Hangs(one_in(rng, 3)),
        930..940 => Op::LateBatch,
        940..946 => Op::Trim(rng.u64(1..20)),
        946..952 => Op::Heartbeat,
        952..960 => Op::Kill,
        960..967 => Op::TakeOver,
        967..974 => Op::KillOld,
        974..986 => Op::Reconfigure { number: rng.usize(0..configuration::COUNT) },
        986..992 => Op::Turns(rng.bool().then(|| rng.usize(0..3))),
        992..995 => Op::Spacing(rng.usize(0..4)),
        995..998 => Op::Slices([1, 2, 50][rng.usize(0..3)]),
        _ => Op::KeepContents(rng.bool()),
    }
}
