//! InteractionIds: 16 characters, sortable by creation, unique over restarts and failovers, made without a clock.
//!
//! A generated id is the database's prefix (6 characters, drawn once) and the interaction's key (10 characters,
//! Crockford's base 32), so that it needs neither storage nor an index of its own. A client may choose another id of up to
//! 64 bytes; it must not look like a generated one of this database.

use crate::commit::InteractionKey;

/// How long an id that a client chooses may be.
pub const MAX_BYTES: usize = 64;
/// Characters of the database's prefix.
pub const PREFIX_LENGTH: usize = 6;
const KEY_LENGTH: usize = 10;
/// How long a generated id is.
pub const GENERATED_BYTES: usize = PREFIX_LENGTH + KEY_LENGTH;
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The id that the server gives to the interaction with this key.
pub fn generate(prefix: &str, key: InteractionKey) -> String {
    let mut id = String::with_capacity(PREFIX_LENGTH + KEY_LENGTH);
    id.push_str(prefix);
    for position in (0..KEY_LENGTH).rev() {
        let digit = (key.0 >> (5 * position)) & 31;
        id.push(DIGITS[digit as usize] as char);
    }
    id
}

/// The key inside a generated id; `None` when the id was not generated with this prefix.
pub fn parse(prefix: &str, id: &str) -> Option<InteractionKey> {
    let digits = id.strip_prefix(prefix)?;
    if digits.len() != KEY_LENGTH {
        return None;
    }
    let mut key = 0u64;
    for byte in digits.bytes() {
        let digit = DIGITS.iter().position(|&d| d == byte)?;
        key = (key << 5) | digit as u64;
    }
    Some(InteractionKey(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_have_16_characters_parse_back_and_sort_by_creation() {
        let ids: Vec<String> =
            [1, 31, 32, 1_000_000, (1 << 50) - 1].map(|n| generate("03W0GH", InteractionKey(n))).into();
        assert!(ids.iter().all(|id| id.len() == 16));
        assert!(ids.is_sorted());
        assert_eq!(parse("03W0GH", &ids[3]), Some(InteractionKey(1_000_000)));
    }

    #[test]
    fn other_ids_are_not_taken_for_generated_ones() {
        for id in ["", "03W0GH", "03W0GH000000000U", "03W0GH00000000", "XXXXXX0000000001", "03W0GH00000000é"]
        {
            assert_eq!(parse("03W0GH", id), None, "{id}");
        }
    }
}
