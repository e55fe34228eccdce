//! Making a broken run short: operations are left out as long as it still breaks in the same way.

use crate::operations::Op;

/// How often a run is tried at most.
const TRIES: usize = 3000;

/// The shortest sequence found that still breaks.
pub(crate) fn shrink(mut operations: Vec<Op>, breaks: impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut tries = 0;
    let mut size = operations.len() / 2;
    while size > 0 && tries < TRIES {
        let mut start = 0;
        let mut any = false;
        while start < operations.len() && tries < TRIES {
            let mut without = operations.clone();
            without.drain(start..(start + size).min(operations.len()));
            tries += 1;
            if breaks(&without) {
                operations = without;
                any = true;
            } else {
                start += size;
            }
        }
        // Single ones are tried again for as long as that helps.
        if !any || size > 1 {
            size /= 2;
        }
    }
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_needed_stays() {
        let operations: Vec<Op> = (0..100).map(Op::Seconds).collect();
        let has = |operations: &[Op], wanted: u64| {
            operations.iter().any(|op| matches!(op, Op::Seconds(seconds) if *seconds == wanted))
        };
        let short = shrink(operations, |operations| has(operations, 17) && has(operations, 80));
        assert!(matches!(short[..], [Op::Seconds(17), Op::Seconds(80)]), "{short:?}");
    }
}
