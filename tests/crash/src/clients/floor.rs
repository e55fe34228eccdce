//! What all clients of a run share: the ledger, how far to go, and when to be quiet.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ixn_client::{Client, ClientError, ClientOptions, ClientType};
use tokio::sync::{RwLock, watch};

use crate::ledger::{Id, Ledger, Operation, Phase, Record};
use crate::names;

/// How long a request may take, outages included: longer than any fault, so that hardly any outcome stays unknown.
const REQUEST_DEADLINE: Duration = Duration::from_secs(600);
/// The pause before a client tries again what did not succeed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Where the clients meet.
#[derive(Debug)]
pub struct Floor {
    /// The server's address.
    pub url: String,
    /// Names this run in client names and idempotency keys.
    pub run: String,
    /// Agents work while they can read it: who holds it for writing has quiet.
    pub gate: RwLock<()>,
    /// Submitters go up to this number.
    pub limit: watch::Sender<u32>,
    next: AtomicU32,
    done: AtomicU32,
    acknowledged: AtomicU64,
    values: AtomicU32,
    ledger: Mutex<Ledger>,
    refusals: Mutex<BTreeMap<String, u64>>,
    failure: Mutex<Option<String>>,
}

impl Floor {
    /// An empty one.
    pub fn new(url: String, run: String, ledger: Ledger) -> Self {
        Self {
            url,
            run,
            gate: RwLock::new(()),
            limit: watch::Sender::new(0),
            next: AtomicU32::new(0),
            done: AtomicU32::new(0),
            acknowledged: AtomicU64::new(0),
            values: AtomicU32::new(0),
            ledger: Mutex::new(ledger),
            refusals: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// The ledger. Hold it briefly.
    pub fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many submits were acknowledged, also those whose follow-up is on its way.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// How many interactions their submitter has finished with.
    pub fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// Why the clients cannot go on.
    pub fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The clients cannot go on.
    pub fn fail(&self, reason: String) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
    }

    /// The refusals and losses since the last call, by their name.
    pub fn take_refusals(&self) -> BTreeMap<String, u64> {
        std::mem::take(&mut *self.refusals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next number to submit; `None` when the limit is reached.
    pub(super) fn take_number(&self) -> Option<u32> {
        let limit = *self.limit.borrow();
        let next = |next| (next < limit).then_some(next + 1);
        self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()
    }

    pub(super) fn count_acknowledged(&self) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// A value that no change has set before.
    pub(super) fn new_value(&self) -> u32 {
        self.values.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn note_refusal(&self, error: &ClientError) {
        let name = match error {
            ClientError::Refused(refusal) => refusal.name.clone(),
            other => format!("{other:?}").split([' ', '{', '(']).next().unwrap_or_default().to_owned(),
        };
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    pub(super) fn write(&self, phase: Phase, deed: &Deed, id: Id) {
        let Deed { operation, actor, number, value } = *deed;
        let record = Record { phase, operation, actor, number, value, id };
        if let Err(error) = self.ledger().write(&record) {
            self.fail(format!("the ledger cannot be written: {error}"));
        }
    }

    /// Does something with the ledger kept. `true` = the server acknowledged it.
    pub(super) async fn carry_out(
        &self,
        deed: Deed,
        id: &str,
        request: impl Future<Output = Result<(), ClientError>>,
    ) -> bool {
        let id = names::id(id);
        self.write(Phase::Sent, &deed, id);
        let error = match request.await {
            Ok(()) => {
                self.write(Phase::Acknowledged, &deed, id);
                return true;
            }
            Err(error) => error,
        };
        self.note_refusal(&error);
        // These say that nothing was changed.
        let changed_nothing = matches!(
            error,
            ClientError::Refused { .. } | ClientError::NotSent { .. } | ClientError::DeadlineExceeded { .. }
        );
        self.write(if changed_nothing { Phase::Refused } else { Phase::Unknown }, &deed, id);
        if matches!(error, ClientError::Closed { .. }) {
            self.fail(format!("a client was closed: {error}"));
        }
        false
    }

    /// Connects, whatever it takes; `None` = the run is over.
    pub async fn connect(&self, name: &str, client_type: ClientType) -> Option<Client> {
        loop {
            let options = ClientOptions {
                request_deadline: REQUEST_DEADLINE,
                keepalive_interval: Duration::from_secs(2),
                keepalive_timeout: Duration::from_secs(2),
                ..ClientOptions::new(&self.url, format!("{}-{name}", self.run), client_type)
            };
            match Client::connect(options).await {
                Ok(client) => return Some(client),
                Err(error @ ClientError::InvalidOption { .. }) => {
                    self.fail(error.to_string());
                    return None;
                }
                Err(error) => self.note_refusal(&error),
            }
            if self.failure().is_some() {
                return None;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

/// What a client is about to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed {
    pub operation: Operation,
    /// An agent's number, 0 = the submitter.
    pub actor: u16,
    pub number: u32,
    pub value: u32,
}
