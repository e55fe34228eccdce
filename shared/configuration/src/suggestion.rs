//! "Did you mean": the known name nearest to a wrong one.

/// Names longer than this are compared by their beginning; no real name comes near it.
const COMPARED_CHARACTERS: usize = 64;

/// A name that differs by more than this is another one, however long it is.
const MOST_DIFFERENCES: usize = 3;

/// `; did you mean 'x'?`, or nothing when no known name is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

/// The known name that the wrong one most likely means, if any is near.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = folded(wrong);
    let most = (wrong.len() / 3).clamp(1, MOST_DIFFERENCES);
    known
        .into_iter()
        .map(|name| (distance(&wrong, &folded(name)), name))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Spelling that does not count as a difference: case, and which sign joins words.
fn folded(name: &str) -> Vec<char> {
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == '_' || c == ' ' { '-' } else { c }).take(COMPARED_CHARACTERS).collect()
}

/// How many single characters have to be put in, left out, replaced or swapped with the next.
fn distance(left: &[char], right: &[char]) -> usize {
    // Row i holds the distances of the first i characters of `left` to each beginning of `right`.
    let mut rows = vec![(0..=right.len()).collect::<Vec<_>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut least = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                least = least.min(rows[i - 1][j - 1] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        let known = ["inbox", "outbox", "check-interval"];
        assert_eq!(nearest("inbx", known), Some("inbox"));
        assert_eq!(nearest("Inbox", known), Some("inbox"));
        assert_eq!(nearest("check_interval", known), Some("check-interval"));
        assert_eq!(nearest("archive", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("freeze-interval", known), None);
    }

    #[test]
    fn counts_single_characters_and_swaps() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            ("emial", "email", 1),
        ] {
            assert_eq!(distance(&chars(left), &chars(right)), expected, "{left} {right}");
        }
    }
}
