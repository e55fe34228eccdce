//! The wall clock, as the engine takes it.

use std::time::{SystemTime, UNIX_EPOCH};

use ixn_engine::time::Milliseconds;

/// Now.
pub(crate) fn now() -> Milliseconds {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Milliseconds(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
