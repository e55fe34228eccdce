//! "Did you mean": the known name nearest to a wrong one.

/// A name that differs by more than this is another one, however long it is.
const MOST_DIFFERENCES: usize = 3;

/// The known name that the wrong one most likely means, if any is near. Case and which sign joins words do not count.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |name: &str| name.to_lowercase().replace('_', "-");
    let wrong = folded(wrong);
    let most = (wrong.chars().count() / 3).clamp(1, MOST_DIFFERENCES);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&wrong, &folded(name)), name))
        .filter(|(differences, _)| *differences <= most)
        .min()
        .map(|(_, name)| name)
}
