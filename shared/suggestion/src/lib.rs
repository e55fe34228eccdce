//! "Did you mean …?": the known name nearest to a wrong one, for errors.
//!
//! This crate compares names, whatever they name. It must never take a suggestion for what was meant: the wrong name stays
//! wrong.

/// Names longer than this are compared by their beginning; no real name comes near it, and the work grows with the
/// product of the lengths.
const COMPARED_CHARACTERS: usize = 64;

/// A name that differs by more than this is another one, however long it is.
const MOST_DIFFERENCES: usize = 3;

/// The known name that the wrong one most likely means, if any is near. Spelling counts as no difference: case, and which
/// sign joins words. A name is never suggested for itself.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded_wrong = folded(wrong);
    let most = (folded_wrong.chars().count() / 3).clamp(1, MOST_DIFFERENCES);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&folded_wrong, &folded(name)), name))
        .filter(|(differences, _)| *differences <= most)
        .min()
        .map(|(_, name)| name)
        .filter(|name| *name != wrong)
}

/// `; did you mean 'x'?`, or nothing when no known name is near.
pub fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(wrong, known).map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}

fn folded(name: &str) -> String {
    let lower = name.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == '_' || c == ' ' { '-' } else { c }).take(COMPARED_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_slip_of_the_fingers_and_nothing_far_away() {
        let known = ["inbox", "outbox", "check-interval", "Priority", "emial"];
        for (wrong, meant) in [
            ("inbx", Some("inbox")),
            ("Inbox", Some("inbox")),
            ("check_interval", Some("check-interval")),
            ("Check Interval", Some("check-interval")),
            ("Prioritty", Some("Priority")),
            ("email", Some("emial")),
            ("archive", None),
            ("freeze-interval", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, known), meant, "{wrong}");
        }
    }

    #[test]
    fn of_equally_near_names_the_first_by_name_is_suggested_and_never_the_name_itself() {
        assert_eq!(nearest("vip", ["vir", "via"]), Some("via"));
        assert_eq!(nearest("vip", ["via", "vip"]), None);
        assert_eq!(did_you_mean("vip", ["vir"]), "; did you mean 'vir'?");
        assert_eq!(did_you_mean("vip", ["overflow"]), "");
    }

    #[test]
    fn long_names_are_compared_by_their_beginning() {
        let known = format!("{}a", "x".repeat(1000));
        assert_eq!(nearest(&"x".repeat(1_000_000), [known.as_str()]), Some(known.as_str()));
    }
}
