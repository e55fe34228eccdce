//! The stored forms that both databases share. What a released version wrote must be readable for ever: the golden
//! values in the tests say what that is.

use bytes::Bytes;
use ixn_engine::commit::{CommitBatch, Counters, IdempotencyRow, InteractionKey};

use crate::{CommitError, StoreError};

/// Below this many bytes compression gains nothing worth its time.
const COMPRESS_FROM_BYTES: usize = 256;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// The newest commit whose last event is at or before `$1`, or the oldest commit that is held when that is later:
/// `seq, first_event, last_event`. A binary search, because the log has no index but its key. Both databases take it.
pub(crate) const COMMIT_BEFORE_SQL: &str = "
WITH RECURSIVE search(low, high) AS (
    SELECT (SELECT min(seq) FROM commit_log), (SELECT max(seq) FROM commit_log)
  UNION ALL
    SELECT CASE WHEN (SELECT last_event FROM commit_log WHERE seq = (low + high + 1) / 2) <= $1
                THEN (low + high + 1) / 2 ELSE low END,
           CASE WHEN (SELECT last_event FROM commit_log WHERE seq = (low + high + 1) / 2) <= $1
                THEN high ELSE (low + high + 1) / 2 - 1 END
    FROM search WHERE low < high
)
SELECT seq, first_event, last_event FROM commit_log WHERE seq = (SELECT low FROM search WHERE low = high)";

/// What [`COMMIT_BEFORE_SQL`]'s row means for `event`.
pub(crate) fn commit_before(event: u64, seq: u64, first_event: u64, last_event: u64) -> Option<u64> {
    if last_event <= event {
        Some(seq)
    } else if first_event <= event.saturating_add(1) {
        // It holds the event's successor, so its predecessor is the answer, held or not.
        Some(seq.saturating_sub(1))
    } else {
        None
    }
}

/// A number as both databases store it. Beyond 2⁶³ they would sort it wrongly.
pub(crate) fn signed(number: u64) -> Result<i64, CommitError> {
    i64::try_from(number).map_err(|_| CommitError::Refused(format!("{number} is beyond 2^63 - 1")))
}

/// The number that [`signed`] stored.
pub(crate) fn unsigned(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged(format!("a negative number: {number}")))
}

/// A format byte and the value, compressed where that saves an eighth.
pub(crate) fn pack(value: &[u8]) -> Vec<u8> {
    if value.len() >= COMPRESS_FROM_BYTES
        && let Ok(length) = u32::try_from(value.len())
    {
        let mut packed = vec![0; 5 + lz4_flex::block::get_maximum_output_size(value.len())];
        if let Ok(written) = lz4_flex::block::compress_into(value, &mut packed[5..])
            && written + 4 <= value.len() - value.len() / 8
        {
            packed[0] = LZ4;
            packed[1..5].copy_from_slice(&length.to_le_bytes());
            packed.truncate(5 + written);
            packed.shrink_to_fit();
            return packed;
        }
    }
    let mut packed = Vec::with_capacity(1 + value.len());
    packed.push(PLAIN);
    packed.extend_from_slice(value);
    packed
}

/// The value that [`pack`] packed; `place` names it in errors.
pub(crate) fn unpack(packed: &[u8], place: &dyn Fn() -> String) -> Result<Bytes, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("{}: {what}", place()));
    match packed.split_first() {
        None => Err(damaged("an empty value without a format byte")),
        Some((&PLAIN, value)) => Ok(Bytes::copy_from_slice(value)),
        Some((&LZ4, rest)) => {
            let Some((length, compressed)) = rest.split_first_chunk::<4>() else {
                return Err(damaged("a compressed value without its length"));
            };
            let length = u32::from_le_bytes(*length) as usize;
            // LZ4 cannot do better than 255 to 1: a larger claim is damage, and must not become an allocation.
            if length > compressed.len().saturating_mul(255).saturating_add(64) {
                return Err(damaged("a compressed value with an impossible length"));
            }
            let mut value = vec![0; length];
            match lz4_flex::block::decompress_into(compressed, &mut value) {
                Ok(written) if written == length => Ok(value.into()),
                Ok(written) => Err(damaged(&format!("{written} bytes instead of {length}"))),
                Err(error) => Err(damaged(&error.to_string())),
            }
        }
        Some((format, _)) => {
            Err(StoreError::Newer(format!("{}: a value of format {format}; start a newer version", place())))
        }
    }
}

/// The counters as one value: numbers of 8 bytes, little endian.
pub(crate) fn counters_to_bytes(counters: &Counters) -> Vec<u8> {
    let Counters { next_interaction, next_place_in_queue, next_ticket, next_session } = counters;
    [next_interaction, next_place_in_queue, next_ticket, next_session]
        .into_iter()
        .flat_map(|number| number.to_le_bytes())
        .collect()
}

/// The inverse of [`counters_to_bytes`].
pub(crate) fn counters_from_bytes(bytes: &[u8]) -> Result<Counters, StoreError> {
    let damaged = || StoreError::Damaged(format!("commit_log: counters of {} bytes", bytes.len()));
    let (numbers, []) = bytes.as_chunks::<8>() else { return Err(damaged()) };
    let [next_interaction, next_place_in_queue, next_ticket, next_session] = numbers else {
        return Err(damaged());
    };
    Ok(Counters {
        next_interaction: u64::from_le_bytes(*next_interaction),
        next_place_in_queue: u64::from_le_bytes(*next_place_in_queue),
        next_ticket: u64::from_le_bytes(*next_ticket),
        next_session: u64::from_le_bytes(*next_session),
    })
}

/// The keys that a batch inserts, replaces or deletes: ascending, each as the difference to the one before, in
/// variable-length form (7 bits a byte, low ones first).
pub(crate) fn changed_ids(batch: &CommitBatch) -> Vec<u8> {
    let mut keys: Vec<u64> =
        rows(&batch.hot).chain(rows(&batch.cold)).chain(batch.deleted.iter()).map(|k| k.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut bytes = Vec::with_capacity(keys.len() * 2);
    let mut previous = 0;
    for key in keys {
        let mut difference = key - previous;
        previous = key;
        while difference >= 0x80 {
            bytes.push(difference as u8 | 0x80);
            difference >>= 7;
        }
        bytes.push(difference as u8);
    }
    bytes
}

fn rows(rows: &[(InteractionKey, Bytes)]) -> impl Iterator<Item = &InteractionKey> {
    rows.iter().map(|(key, _)| key)
}

/// The idempotency keys of a batch as one value, and when the last of them expires. `None`: it has none.
pub(crate) fn idempotency_to_bytes(rows: &[IdempotencyRow]) -> Result<Option<(i64, Vec<u8>)>, CommitError> {
    let Some(expires_at_seconds) = rows.iter().map(|row| row.expires_at_seconds).max() else {
        return Ok(None);
    };
    let mut bytes = Vec::with_capacity(rows.iter().map(|row| 36 + row.answer.len()).sum());
    for row in rows {
        let length = u32::try_from(row.answer.len())
            .map_err(|_| CommitError::Refused("an answer of more than 4 GiB".to_owned()))?;
        bytes.extend_from_slice(&row.key_hash.to_le_bytes());
        bytes.extend_from_slice(&row.body_hash.to_le_bytes());
        bytes.extend_from_slice(&row.expires_at_seconds.to_le_bytes());
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&row.answer);
    }
    Ok(Some((signed(expires_at_seconds)?, pack(&bytes))))
}

/// Hands out the keys of one stored value that expire after `now_seconds`. Their answers share its memory.
pub(crate) fn idempotency_from_bytes(
    packed: &[u8],
    seq: i64,
    now_seconds: u64,
    mut key: impl FnMut(IdempotencyRow),
) -> Result<(), StoreError> {
    let place = || format!("idempotency {seq}");
    let bytes = unpack(packed, &place)?;
    let mut position = 0;
    while position < bytes.len() {
        let row = idempotency_row(&bytes, &mut position)
            .ok_or_else(|| StoreError::Damaged(format!("{}: it ends in the middle of a key", place())))?;
        if row.expires_at_seconds > now_seconds {
            key(row);
        }
    }
    Ok(())
}

fn idempotency_row(bytes: &Bytes, position: &mut usize) -> Option<IdempotencyRow> {
    let rest = bytes.get(*position..)?;
    let (key_hash, rest) = rest.split_first_chunk::<16>()?;
    let (body_hash, rest) = rest.split_first_chunk::<8>()?;
    let (expires_at_seconds, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    if rest.len() < length {
        return None;
    }
    let start = *position + 36;
    *position = start + length;
    Some(IdempotencyRow {
        key_hash: u128::from_le_bytes(*key_hash),
        body_hash: u64::from_le_bytes(*body_hash),
        expires_at_seconds: u64::from_le_bytes(*expires_at_seconds),
        answer: bytes.slice(start..start + length),
    })
}

/// Draws the prefix of a new database's interaction ids: 6 characters of Crockford's base 32.
pub(crate) fn draw_id_prefix() -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..6).map(|_| char::from(DIGITS[fastrand::usize(..DIGITS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_place() -> String {
        "test".to_owned()
    }

    #[test]
    fn packs_and_unpacks_everything() {
        for length in [0, 1, 255, 256, 257, 5000, 1 << 20] {
            let zeros = vec![0; length];
            let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(length).collect();
            for value in [zeros, noise] {
                let packed = pack(&value);
                assert!(packed.len() <= value.len() + 1);
                assert_eq!(unpack(&packed, &no_place).unwrap(), value);
            }
        }
        assert!(pack(&vec![7; 10_000]).len() < 100);
    }

    #[test]
    fn the_first_released_formats_are_still_read() {
        assert_eq!(unpack(&[0, 1, 2, 3], &no_place).unwrap(), &[1, 2, 3][..]);
        let lz4 = [1, 44, 1, 0, 0, 31, 120, 1, 0, 255, 20, 80, 120, 120, 120, 120, 120];
        assert_eq!(unpack(&lz4, &no_place).unwrap(), vec![b'x'; 300]);

        let mut counters = [0; 32];
        (counters[0], counters[8], counters[16], counters[25]) = (1, 2, 3, 1);
        let expected =
            Counters { next_interaction: 1, next_place_in_queue: 2, next_ticket: 3, next_session: 256 };
        assert_eq!(counters_from_bytes(&counters).unwrap(), expected);
        assert_eq!(counters_to_bytes(&expected), counters);

        let mut packed = vec![0; 1 + 36];
        (packed[1], packed[17], packed[25], packed[33]) = (5, 6, 7, 2);
        packed.extend_from_slice(b"ok");
        let mut rows = Vec::new();
        idempotency_from_bytes(&packed, 1, 6, |row| rows.push(row)).unwrap();
        let answer = Bytes::from_static(b"ok");
        assert_eq!(rows, [IdempotencyRow { key_hash: 5, body_hash: 6, expires_at_seconds: 7, answer }]);
        assert_eq!(idempotency_to_bytes(&rows).unwrap(), Some((7, packed)));
    }

    #[test]
    fn damage_is_an_error_and_a_newer_format_says_so() {
        for damaged in [&[][..], &[1], &[1, 9, 9], &[1, 255, 255, 255, 255, 0], &[1, 44, 1, 0, 0, 31, 120]] {
            assert!(matches!(unpack(damaged, &no_place), Err(StoreError::Damaged(_))), "{damaged:?}");
        }
        assert!(matches!(unpack(&[2, 0], &no_place), Err(StoreError::Newer(_))));
        assert!(matches!(counters_from_bytes(&[0; 31]), Err(StoreError::Damaged(_))));
        assert!(matches!(counters_from_bytes(&[0; 40]), Err(StoreError::Damaged(_))));
        let cut = idempotency_from_bytes(&[0; 30], 3, 0, |_| {});
        assert_eq!(
            cut.unwrap_err().to_string(),
            "the database holds damaged data: idempotency 3: it ends in the middle of a key"
        );
    }

    #[test]
    fn changed_ids_are_differences() {
        let key = InteractionKey;
        let batch = CommitBatch {
            hot: vec![(key(1), Bytes::new()), (key(1000), Bytes::new())],
            cold: vec![(key(1000), Bytes::new())],
            deleted: vec![key(2)],
            ..empty_batch()
        };
        assert_eq!(changed_ids(&batch), [1, 1, 0xe6, 7]);
    }

    fn empty_batch() -> CommitBatch {
        CommitBatch {
            number: Default::default(),
            epoch: Default::default(),
            first_event: Default::default(),
            last_event: Default::default(),
            counters: Default::default(),
            at_milliseconds: 0,
            events: Bytes::new(),
            hot: Vec::new(),
            cold: Vec::new(),
            deleted: Vec::new(),
            agents: Vec::new(),
            deleted_agents: Vec::new(),
            idempotency: Vec::new(),
            hash: 0,
        }
    }

    #[test]
    fn the_commit_before_an_event() {
        // Commit 7 carries the events 20 to 25.
        assert_eq!(commit_before(25, 7, 20, 25), Some(7));
        assert_eq!(commit_before(99, 7, 20, 25), Some(7));
        assert_eq!(commit_before(24, 7, 20, 25), Some(6));
        assert_eq!(commit_before(19, 7, 20, 25), Some(6));
        assert_eq!(commit_before(18, 7, 20, 25), None);
        assert_eq!(commit_before(0, 1, 1, 3), Some(0));
    }

    #[test]
    fn a_prefix_is_six_digits() {
        let prefix = draw_id_prefix();
        assert_eq!(prefix.len(), 6);
        assert!(prefix.bytes().all(|c| c.is_ascii_alphanumeric() && !b"ILOUilou".contains(&c)), "{prefix}");
    }
}
