//! What may happen in a random run, and how often.

use proptest::prelude::*;

/// Who sends: an agent on one of his desks, or a media server.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Desk(usize, usize),
    Media(usize),
}

#[derive(Clone, Debug)]
pub enum Op {
    Submit {
        who: Who,
        invoice: bool,
        priority: i32,
        hold: bool,
        media: usize,
        queue: usize,
        workbin: Option<usize>,
        key: bool,
    },
    Login {
        agent: usize,
        desk: usize,
        ready: bool,
    },
    Logout {
        who: Who,
    },
    Medium {
        who: Who,
        media: usize,
        what: u8,
    },
    DoNotDisturb {
        who: Who,
        on: bool,
    },
    Answer {
        agent: usize,
        desk: usize,
        offer: usize,
        accept: bool,
    },
    Stop {
        who: Who,
        nth: usize,
    },
    Leave {
        who: Who,
        nth: usize,
    },
    Hold {
        who: Who,
        nth: usize,
        hold: bool,
    },
    PlaceInQueue {
        who: Who,
        nth: usize,
        queue: usize,
        held: bool,
    },
    PlaceInWorkbin {
        who: Who,
        nth: usize,
        owner: usize,
    },
    Change {
        who: Who,
        nth: usize,
        priority: Option<i32>,
        invoice: Option<bool>,
        online: Option<bool>,
        key: bool,
    },
    PullView {
        who: Who,
        view: usize,
        most: u32,
        key: bool,
    },
    PullIds {
        who: Who,
        nth: Vec<usize>,
        key: bool,
    },
    PullWorkbin {
        who: Who,
        owner: usize,
        most: u32,
        key: bool,
    },
    Look {
        who: Who,
        nth: usize,
        what: u8,
    },
    Status {
        agent: usize,
        media: usize,
        remaining: u32,
    },
    Again {
        who: Who,
    },
    Seconds(u64),
    ClockBack(u64),
    Disconnect {
        who: Who,
    },
    DeliverLoads,
    HoldLoads(bool),
    Restart,
    Reconfigure {
        other: bool,
    },
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        4 => (0..3usize, 0..2usize).prop_map(|(agent, desk)| Who::Desk(agent, desk.min(agent % 2))),
        1 => (0..2usize).prop_map(Who::Media),
    ]
}

fn queue() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0usize), 1 => Just(1usize), 1 => Just(3usize)]
}

fn some<S: Strategy>(strategy: S) -> impl Strategy<Value = Option<S::Value>> {
    proptest::option::weighted(0.4, strategy)
}

pub fn op() -> impl Strategy<Value = Op> {
    let nth = || 0..8usize;
    let flag = any::<bool>;
    prop_oneof![
        22 => (who(), flag(), 0..3i32, proptest::bool::weighted(0.1), 0..2usize, queue(), proptest::option::weighted(0.2, 0..3usize), flag())
            .prop_map(|(who, invoice, priority, hold, media, queue, workbin, key)| {
                Op::Submit { who, invoice, priority, hold, media, queue, workbin, key }
            }),
        2 => (0..3usize, 0..2usize, proptest::bool::weighted(0.8)).prop_map(|(agent, desk, ready)| Op::Login { agent, desk, ready }),
        1 => who().prop_map(|who| Op::Logout { who }),
        4 => (who(), 0..2usize, 0..6u8).prop_map(|(who, media, what)| Op::Medium { who, media, what }),
        1 => (who(), flag()).prop_map(|(who, on)| Op::DoNotDisturb { who, on }),
        16 => (0..3usize, 0..2usize, prop_oneof![4 => Just(0usize), 1 => 1..3usize], proptest::bool::weighted(0.7))
            .prop_map(|(agent, desk, offer, accept)| Op::Answer { agent, desk, offer, accept }),
        4 => (who(), nth()).prop_map(|(who, nth)| Op::Stop { who, nth }),
        2 => (who(), nth()).prop_map(|(who, nth)| Op::Leave { who, nth }),
        2 => (who(), nth(), flag()).prop_map(|(who, nth, hold)| Op::Hold { who, nth, hold }),
        3 => (who(), nth(), 0..4usize, proptest::bool::weighted(0.2)).prop_map(|(who, nth, queue, held)| Op::PlaceInQueue { who, nth, queue, held }),
        4 => (who(), nth(), 0..3usize).prop_map(|(who, nth, owner)| Op::PlaceInWorkbin { who, nth, owner }),
        4 => (who(), nth(), some(0..4i32), some(flag()), some(flag()), flag())
            .prop_map(|(who, nth, priority, invoice, online, key)| Op::Change { who, nth, priority, invoice, online, key }),
        4 => (who(), 0..3usize, 0..4u32, flag()).prop_map(|(who, view, most, key)| Op::PullView { who, view, most, key }),
        5 => (who(), proptest::collection::vec(nth(), 1..4), flag()).prop_map(|(who, nth, key)| Op::PullIds { who, nth, key }),
        4 => (who(), 0..3usize, 0..4u32, flag()).prop_map(|(who, owner, most, key)| Op::PullWorkbin { who, owner, most, key }),
        3 => (who(), nth(), 0..7u8).prop_map(|(who, nth, what)| Op::Look { who, nth, what }),
        1 => (0..3usize, 0..2usize, 0..3u32).prop_map(|(agent, media, remaining)| Op::Status { agent, media, remaining }),
        3 => who().prop_map(|who| Op::Again { who }),
        6 => prop_oneof![Just(1), Just(9), Just(31), Just(61), Just(301), Just(11_000), Just(50_000u64)].prop_map(Op::Seconds),
        1 => (1..5000u64).prop_map(Op::ClockBack),
        2 => who().prop_map(|who| Op::Disconnect { who }),
        8 => Just(Op::DeliverLoads),
        2 => proptest::bool::weighted(0.7).prop_map(Op::HoldLoads),
        1 => Just(Op::Restart),
        1 => flag().prop_map(|other| Op::Reconfigure { other }),
    ]
}
