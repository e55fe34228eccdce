//! What a run found, for people and for programs.

use std::time::Duration;

use ixn_proto::GetServerResponse;
use serde_json::{Value, json};

use super::ledger::{Counts, Faults};
use super::quantiles::Quantiles;

const MEBIBYTE: f64 = 1_048_576.0;

/// What a run found.
#[derive(Debug)]
pub(crate) struct Found {
    /// How far the lifecycles came.
    pub counts: Counts,
    /// What is wrong.
    pub faults: Faults,
    /// The first of the errors, as a sentence.
    pub first_error: Option<String>,
    /// From the first intended instant to the last end.
    pub time: Duration,
    /// From the intended instants to the acknowledgements.
    pub to_ack: Option<Quantiles>,
    /// From the intended instants to the first offers.
    pub to_invite: Option<Quantiles>,
    /// From the intended instants to the sendings.
    pub late: Option<Quantiles>,
    /// The processor time of the tool from the first intended instant on.
    pub tool_processor: Option<Duration>,
    /// What the server told about itself after the run.
    pub server: Option<GetServerResponse>,
}

impl Found {
    /// True when every acknowledged lifecycle came to its end exactly once and no request failed.
    pub(crate) fn is_clean(&self) -> bool {
        self.faults == Faults::default() && self.counts.errors == 0 && self.counts.gaps == 0
    }

    fn per_second(&self) -> f64 {
        let seconds = self.time.as_secs_f64();
        if seconds > 0.0 { self.counts.ended as f64 / seconds } else { 0.0 }
    }

    /// The part of one processor that the tool took.
    fn tool_share(&self) -> Option<f64> {
        let share = self.tool_processor?.as_secs_f64() / self.time.as_secs_f64();
        share.is_finite().then_some(share)
    }

    /// For programs.
    pub(crate) fn object(&self) -> Value {
        let Counts { ended, errors, missed_offers, events, gaps, .. } = self.counts;
        let Faults { lost, duplicated, double_owned } = self.faults;
        let server = self.server.as_ref();
        let round_trip = server.and_then(round_trip).map(|time| time.as_secs_f64() * 1e3);
        json!({
            "lifecycles": ended,
            "seconds": self.time.as_secs_f64(),
            "lifecycles_per_second": self.per_second(),
            "submit_to_ack_ms": Quantiles::object(self.to_ack),
            "submit_to_invite_ms": Quantiles::object(self.to_invite),
            "errors": errors,
            "first_error": self.first_error,
            "lost": lost,
            "duplicated": duplicated,
            "double_owned": double_owned,
            "missed_offers": missed_offers,
            "reporting_events": events,
            "reporting_gaps": gaps,
            "sent_late_ms": Quantiles::object(self.late),
            "tool_processor_share": self.tool_share(),
            "server_rss_bytes": server.and_then(memory_bytes),
            "database": {
                "kind": server.map(|server| server.database_kind.as_str()),
                "fsync": server.and_then(|server| server.database_fsync),
                "round_trip_ms": round_trip,
            },
        })
    }

    /// For people.
    pub(crate) fn lines(&self) -> String {
        let Counts { acknowledged, ended, errors, missed_offers, events, gaps, .. } = self.counts;
        let Faults { lost, duplicated, double_owned } = self.faults;
        let database = self.server.as_ref().map_or("-".to_owned(), database);
        let memory = self.server.as_ref().and_then(memory_bytes);
        let memory = memory.map_or("-".to_owned(), |bytes| format!("{:.0} MiB", bytes as f64 / MEBIBYTE));
        let share = self.tool_share().map_or("-".to_owned(), |share| format!("{:.0} %", share * 100.0));
        format!(
            "lifecycles        {acknowledged} submitted, {ended} ended, {:.0} a second, {:.1} s\n\
             milliseconds            p50        p99      p99.9        max\n\
             submit to ack     {}\n\
             submit to invite  {}\n\
             sent late         {}\n\
             faults            {errors} errors, {lost} lost, {duplicated} duplicated, {double_owned} double owned\n\
             reporting         {events} events, {gaps} gaps, {missed_offers} offers missed\n\
             database          {database}\n\
             server's memory   {memory}\n\
             this program      {share} of one processor",
            self.per_second(),
            self.time.as_secs_f64(),
            Quantiles::line(self.to_ack),
            Quantiles::line(self.to_invite),
            Quantiles::line(self.late),
        )
    }
}

/// The memory of the server, if it tells.
fn memory_bytes(server: &GetServerResponse) -> Option<u64> {
    Some(server.resident_memory_bytes).filter(|bytes| *bytes > 0)
}

/// How long the database takes for a commit, if the server tells.
fn round_trip(server: &GetServerResponse) -> Option<Duration> {
    Some(Duration::from_micros(server.database_round_trip_microseconds)).filter(|time| !time.is_zero())
}

/// The database, for people.
fn database(server: &GetServerResponse) -> String {
    let fsync = match server.database_fsync {
        Some(true) => ", fsync",
        Some(false) => ", no fsync: a crash loses commits",
        None => "",
    };
    let round_trip = round_trip(server)
        .map_or(String::new(), |time| format!(", {:.1} ms a commit", time.as_secs_f64() * 1e3));
    format!("{}{fsync}{round_trip}", server.database_kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> Found {
        Found {
            counts: Counts { ended: 500, ..Counts::default() },
            faults: Faults::default(),
            first_error: None,
            time: Duration::from_secs(2),
            to_ack: Quantiles::of(vec![1_000]),
            to_invite: None,
            late: None,
            tool_processor: Some(Duration::from_secs(1)),
            server: Some(GetServerResponse { database_kind: "sqlite".to_owned(), ..Default::default() }),
        }
    }

    #[test]
    fn programs_get_every_key_and_null_for_what_is_not_known() {
        let object = found().object();
        assert_eq!(object["lifecycles_per_second"], 250.0);
        assert_eq!(object["submit_to_ack_ms"]["p999"], 1.0);
        assert_eq!(object["submit_to_invite_ms"], Value::Null);
        assert_eq!(object["tool_processor_share"], 0.5);
        assert_eq!(object["database"]["kind"], "sqlite");
        assert_eq!(object["server_rss_bytes"], Value::Null);
        assert_eq!(object["database"]["fsync"], Value::Null);
        assert_eq!(object["database"]["round_trip_ms"], Value::Null);
    }

    #[test]
    fn what_the_server_tells_of_itself_is_in_the_result() {
        let server = GetServerResponse {
            database_kind: "postgresql".to_owned(),
            database_fsync: Some(true),
            database_round_trip_microseconds: 2_500,
            resident_memory_bytes: 64 << 20,
            ..Default::default()
        };
        let found = Found { server: Some(server), ..found() };
        let object = found.object();
        assert_eq!(object["server_rss_bytes"], 64 << 20);
        assert_eq!(object["database"], json!({"kind": "postgresql", "fsync": true, "round_trip_ms": 2.5}));
        let lines = found.lines();
        assert!(lines.contains("database          postgresql, fsync, 2.5 ms a commit\n"), "{lines}");
        assert!(lines.contains("server's memory   64 MiB\n"), "{lines}");
    }

    #[test]
    fn a_fault_or_an_error_or_a_gap_is_not_clean() {
        assert!(found().is_clean());
        let lost = Faults { lost: 1, ..Faults::default() };
        assert!(!Found { faults: lost, ..found() }.is_clean());
        let gap = Counts { gaps: 1, ..Counts::default() };
        assert!(!Found { counts: gap, ..found() }.is_clean());
        let error = Counts { errors: 1, ..Counts::default() };
        assert!(!Found { counts: error, ..found() }.is_clean());
    }
}
