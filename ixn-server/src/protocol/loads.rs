//! What each logical client of a connection has under way: requests that have no answer yet, and how fast they come.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::rate::Rate;

/// The number of clients from which on those with nothing under way are forgotten.
const SWEEP_CLIENTS: usize = 1024;
/// A table of more room than this is not kept when it is empty.
const KEPT_ROOM: usize = 64;

/// Bounds of one logical client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits {
    /// How many of its requests may be without an answer. 0: any number.
    pub(crate) in_flight: u32,
    /// How many requests it may send in a second, on average over a second; none: any number.
    pub(crate) rate: Option<Rate>,
}

/// What a client went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Its requests without an answer.
    InFlight,
    /// Its requests a second.
    Rate,
}

/// The logical clients of one connection. The reader begins requests, the driver ends them when their answers leave.
#[derive(Debug)]
pub(crate) struct Loads {
    limits: ClientLimits,
    clients: Mutex<Clients>,
}

#[derive(Debug)]
struct Clients {
    of: HashMap<u32, Load>,
    sweep_at: usize,
}

#[derive(Debug, Default)]
struct Load {
    /// How often each reference number is under way.
    unanswered: HashMap<u64, u32>,
    in_flight: u32,
    paid_off: Option<Instant>,
}

impl Loads {
    pub(crate) fn new(limits: ClientLimits) -> Self {
        Self { limits, clients: Mutex::new(Clients { of: HashMap::new(), sweep_at: SWEEP_CLIENTS }) }
    }

    /// A request is on its way to the engine, unless the client goes over a limit with it.
    pub(crate) fn begin(&self, client: u32, reference_id: u64, now: Instant) -> Result<(), Over> {
        let mut clients = self.clients.lock();
        clients.sweep(now);
        let load = clients.of.entry(client).or_default();
        if self.limits.in_flight != 0 && load.in_flight >= self.limits.in_flight {
            return Err(Over::InFlight);
        }
        if let Some(rate) = &self.limits.rate
            && rate.take(&mut load.paid_off, now, Duration::ZERO).is_err()
        {
            return Err(Over::Rate);
        }
        *load.unanswered.entry(reference_id).or_default() += 1;
        load.in_flight += 1;
        Ok(())
    }

    /// An answer leaves. Further pages of it, and numbers that are not known, change nothing.
    pub(crate) fn answered(&self, client: u32, reference_id: u64) {
        let mut clients = self.clients.lock();
        let Some(load) = clients.of.get_mut(&client) else { return };
        let Some(times) = load.unanswered.get_mut(&reference_id) else { return };
        *times -= 1;
        load.in_flight -= 1;
        if *times == 0 {
            load.unanswered.remove(&reference_id);
        }
        if load.unanswered.is_empty() && load.unanswered.capacity() > KEPT_ROOM {
            load.unanswered = HashMap::new();
        }
    }

    /// How many requests of a client have no answer yet.
    pub(crate) fn in_flight(&self, client: u32) -> u32 {
        self.clients.lock().of.get(&client).map_or(0, |load| load.in_flight)
    }

    /// A client is gone: what it had under way may never be answered.
    pub(crate) fn forget(&self, client: u32) {
        self.clients.lock().of.remove(&client);
    }
}

impl Clients {
    /// Numbers under which nobody ever registered must not gather.
    fn sweep(&mut self, now: Instant) {
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, load| load.in_flight > 0 || load.paid_off.is_some_and(|at| at > now));
            self.sweep_at = (2 * self.of.len()).max(SWEEP_CLIENTS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(in_flight: u32, rate: Option<Rate>) -> Loads {
        Loads::new(ClientLimits { in_flight, rate })
    }

    #[test]
    fn a_client_with_too_many_unanswered_waits_for_an_answer_and_others_do_not() {
        let loads = loads(2, None);
        let now = Instant::now();
        let begin = |client, reference_id| loads.begin(client, reference_id, now);
        assert_eq!([begin(1, 5), begin(1, 5), begin(1, 6)], [Ok(()), Ok(()), Err(Over::InFlight)]);
        assert_eq!(begin(2, 5), Ok(()));
        loads.answered(1, 6);
        assert_eq!(begin(1, 7), Err(Over::InFlight), "the refused one counts for nothing");
        loads.answered(1, 5);
        assert_eq!([begin(1, 8), begin(1, 9)], [Ok(()), Err(Over::InFlight)]);
    }

    #[test]
    fn further_pages_of_an_answer_free_nothing() {
        let loads = loads(2, None);
        let now = Instant::now();
        loads.begin(0, 1, now).unwrap();
        loads.begin(0, 2, now).unwrap();
        loads.answered(0, 1);
        loads.answered(0, 1);
        loads.begin(0, 3, now).unwrap();
        assert_eq!(loads.begin(0, 4, now), Err(Over::InFlight));
    }

    #[test]
    fn each_client_has_a_rate_of_its_own() {
        let loads = loads(0, Rate::new(1000, 2));
        let now = Instant::now();
        let begin = |client| loads.begin(client, 0, now);
        assert_eq!([begin(1), begin(1), begin(1), begin(2)], [Ok(()), Ok(()), Err(Over::Rate), Ok(())]);
        assert_eq!(loads.begin(1, 0, now + Duration::from_millis(1)), Ok(()));
    }

    #[test]
    fn numbers_that_nobody_uses_are_not_kept() {
        let loads = loads(10, Rate::new(1000, 1000));
        let began = Instant::now();
        loads.begin(u32::MAX, 1, began).unwrap();
        for client in 0..100_000 {
            let now = began + Duration::from_millis(u64::from(client));
            loads.begin(client, 7, now).unwrap();
            loads.answered(client, 7);
        }
        let clients = loads.clients.lock();
        assert!(clients.of.len() <= SWEEP_CLIENTS + 1, "{} are kept", clients.of.len());
        assert!(clients.of.contains_key(&u32::MAX), "one with a request under way is");
    }

    #[test]
    fn a_client_that_is_gone_begins_anew() {
        let loads = loads(1, None);
        loads.begin(3, 1, Instant::now()).unwrap();
        loads.forget(3);
        assert_eq!(loads.begin(3, 2, Instant::now()), Ok(()));
    }
}
