//! "Did you mean …": the known name nearest to a mistyped one.

/// The longest name that is compared: the work grows with the product of the lengths.
const LONGEST_CHARS: usize = 64;

/// The candidate with the fewest edits to `name`, upper and lower case alike, when that is few enough to be a slip of
/// the fingers.
pub(crate) fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = folded(name)?;
    let most_edits = (name.len() / 3).max(1);
    candidates
        .filter_map(|candidate| Some((edits(&name, &folded(candidate)?), candidate)))
        .filter(|(edits, _)| *edits <= most_edits)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

fn folded(name: &str) -> Option<Vec<char>> {
    let chars: Vec<char> = name.chars().flat_map(char::to_lowercase).take(LONGEST_CHARS + 1).collect();
    (chars.len() <= LONGEST_CHARS).then_some(chars)
}

/// Insertions, deletions and replacements from `a` to `b`.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(b) {
            let above = *cell;
            left = (diagonal + usize::from(from != to)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(a.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_edits() {
        let count = |a: &str, b: &str| edits(&folded(a).unwrap(), &folded(b).unwrap());
        assert_eq!(count("kitten", "sitting"), 3);
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", ""), 3);
        assert_eq!(count("abc", "ABC"), 0);
    }

    #[test]
    fn finds_a_slip_and_nothing_far_away() {
        let names = ["Priority", "MediaType", "lang"];
        assert_eq!(nearest("Prioritty", names.into_iter()), Some("Priority"));
        assert_eq!(nearest("mediatyp", names.into_iter()), Some("MediaType"));
        assert_eq!(nearest("lower", names.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(1000), names.into_iter()), None);
    }
}
