//! A batch as the values of the commit's statement. The next commit waits for this, so `benches/encode.rs` measures it.

use std::sync::Arc;

use bytes::Bytes;
use ixn_engine::commit::{CommitBatch, InteractionKey};
use sqlx::Arguments;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;

use crate::CommitError;
use crate::format::{idempotency_to_bytes, pack, signed};
use crate::record::{LOG_FORMAT, NewRecord};

/// Larger batches are packed on a thread that may be busy for a while.
const PACK_ELSEWHERE_BYTES: usize = 256 << 10;

/// What of a batch must be made before it can be bound.
pub(super) struct Packed {
    pub(super) record: NewRecord,
    hot_keys: Vec<i64>,
    cold_keys: Vec<i64>,
    cold: Vec<Vec<u8>>,
    deleted: Vec<i64>,
    idempotency: Option<(i64, Vec<u8>)>,
}

impl Packed {
    pub(super) fn of(batch: &CommitBatch) -> Result<Self, CommitError> {
        Ok(Self {
            record: NewRecord::of_batch(batch)?,
            hot_keys: numbers(batch.hot.iter().map(|(key, _)| key))?,
            cold_keys: numbers(batch.cold.iter().map(|(key, _)| key))?,
            cold: batch.cold.iter().map(|(_, user_data)| pack(user_data)).collect(),
            deleted: numbers(batch.deleted.iter())?,
            idempotency: idempotency_to_bytes(&batch.idempotency)?,
        })
    }

    /// As [`Packed::of`], away from threads that others wait for when it takes long.
    pub(super) async fn of_any(batch: &CommitBatch) -> Result<Self, CommitError> {
        let bytes: usize =
            batch.events.len() + batch.cold.iter().map(|(_, user_data)| user_data.len()).sum::<usize>();
        if bytes < PACK_ELSEWHERE_BYTES {
            return Self::of(batch);
        }
        let batch = Arc::new(batch.clone());
        match tokio::task::spawn_blocking(move || Self::of(&batch)).await {
            Ok(packed) => packed,
            Err(error) => Err(CommitError::Unavailable(format!("packing the batch ended early: {error}"))),
        }
    }

    /// The statement's values, in its order. The batch is the one that was packed.
    pub(super) fn arguments(&self, batch: &CommitBatch) -> Result<PgArguments, CommitError> {
        self.bind(batch).map_err(|error| CommitError::Refused(error.to_string()))
    }

    fn bind(&self, batch: &CommitBatch) -> Result<PgArguments, BoxDynError> {
        let record = &self.record;
        let mut arguments = PgArguments::default();
        arguments.add(record.seq)?;
        arguments.add(record.epoch)?;
        arguments.add(record.hash)?;
        arguments.add(record.first_event)?;
        arguments.add(record.last_event)?;
        arguments.add(&record.counters)?;
        arguments.add(&record.changed_ids)?;
        arguments.add(&record.events)?;
        arguments.add(record.events_bytes)?;
        arguments.add(LOG_FORMAT)?;
        arguments.add(record.at)?;
        arguments.add(&self.hot_keys)?;
        arguments.add(values(&batch.hot))?;
        arguments.add(&self.cold_keys)?;
        arguments.add(&self.cold)?;
        arguments.add(&self.deleted)?;
        arguments.add(batch.agents.iter().map(|(agent, _)| agent.as_str()).collect::<Vec<_>>())?;
        arguments.add(values(&batch.agents))?;
        arguments.add(&batch.deleted_agents)?;
        arguments.add(self.idempotency.as_ref().map(|(expires_at, _)| *expires_at))?;
        arguments.add(self.idempotency.as_ref().map(|(_, entries)| entries.as_slice()))?;
        Ok(arguments)
    }
}

fn numbers<'a>(keys: impl Iterator<Item = &'a InteractionKey>) -> Result<Vec<i64>, CommitError> {
    keys.map(|key| signed(key.0)).collect()
}

fn values<K>(rows: &[(K, Bytes)]) -> Vec<&[u8]> {
    rows.iter().map(|(_, row)| &row[..]).collect()
}
