//! What `/metrics` answered.

/// The text of one scrape.
#[derive(Debug)]
pub struct Scrape(pub String);

impl Scrape {
    /// The value of `name{label="value",…}`, without the prefix `ixn_` and the tenant's label; none when there is no such
    /// series.
    ///
    /// # Panics
    /// When it is there twice.
    pub fn value(&self, series: &str) -> Option<f64> {
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let wanted = sorted(labels.trim_end_matches('}'));
        let values = self.0.lines().filter_map(|line| {
            let (found, value) = line.strip_prefix("ixn_")?.rsplit_once(' ')?;
            let (found, labels) = found.split_once('{').unwrap_or((found, "}"));
            (found == name && sorted(labels.trim_end_matches('}')) == wanted).then(|| value.parse().unwrap())
        });
        let values: Vec<f64> = values.collect();
        assert!(values.len() < 2, "{series} is there {} times", values.len());
        values.first().copied()
    }

    /// The names of all metrics that the server describes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next())
    }
}

fn sorted(labels: &str) -> Vec<&str> {
    let mut labels: Vec<&str> =
        labels.split(',').filter(|label| !label.is_empty() && !label.starts_with("tenant=")).collect();
    labels.sort_unstable();
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_by_its_name_and_all_its_labels() {
        let scrape = Scrape(
            "# HELP ixn_a What.\nixn_a{tenant=\"1\",x=\"y\",b=\"c\"} 7\nixn_a{tenant=\"1\"} 3\nixn_ab{tenant=\"1\"} 4\n"
                .to_owned(),
        );
        assert_eq!(scrape.value("a{b=\"c\",x=\"y\"}"), Some(7.0));
        assert_eq!((scrape.value("a"), scrape.value("ab")), (Some(3.0), Some(4.0)));
        assert_eq!((scrape.value("a{b=\"c\"}"), scrape.value("b")), (None, None));
        assert_eq!(scrape.names().collect::<Vec<_>>(), ["ixn_a"]);
    }
}
