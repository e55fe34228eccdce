//! Latencies in a few figures.

use serde_json::{Value, json};

/// Latencies, milliseconds. Exact: of all that were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Quantiles {
    /// Half of them were at most this.
    pub p50: f64,
    /// 99 of 100 were at most this.
    pub p99: f64,
    /// 999 of 1,000 were at most this.
    pub p999: f64,
    /// All of them were at most this.
    pub max: f64,
}

impl Quantiles {
    /// Of latencies in microseconds; `None` = there are none.
    pub(crate) fn of(mut micros: Vec<u32>) -> Option<Self> {
        micros.sort_unstable();
        let max = f64::from(*micros.last()?) / 1e3;
        let at = |thousandths: usize| {
            let rank = (micros.len() * thousandths).div_ceil(1_000).max(1);
            micros.get(rank - 1).map_or(max, |micros| f64::from(*micros) / 1e3)
        };
        Some(Self { p50: at(500), p99: at(990), p999: at(999), max })
    }

    /// For programs.
    pub(crate) fn object(of: Option<Self>) -> Value {
        of.map_or(Value::Null, |of| json!({"p50": of.p50, "p99": of.p99, "p999": of.p999, "max": of.max}))
    }

    /// For people.
    pub(crate) fn line(of: Option<Self>) -> String {
        let Some(Self { p50, p99, p999, max }) = of else { return "none measured".to_owned() };
        format!("{p50:9.2}  {p99:9.2}  {p999:9.2}  {max:9.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_smallest_values_that_cover_their_share() {
        let all = Quantiles::of((1..=2_000).rev().map(|milliseconds| milliseconds * 1_000).collect());
        assert_eq!(all, Some(Quantiles { p50: 1000.0, p99: 1980.0, p999: 1998.0, max: 2000.0 }));
        let one = Quantiles::of(vec![1_500]);
        assert_eq!(one, Some(Quantiles { p50: 1.5, p99: 1.5, p999: 1.5, max: 1.5 }));
        assert_eq!(Quantiles::of(Vec::new()), None);
        assert_eq!(Quantiles::object(None), Value::Null);
    }
}
