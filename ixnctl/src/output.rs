//! What people and programs read: tables and sentences, or one JSON object a line.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use serde_json::Value;

/// Where results go: standard output. Remarks and progress go to standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Output for programs when `json` is true, for people otherwise.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// True when every line must be a JSON object.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Writes one line at once.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(crate) fn line(self, line: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Writes one JSON object as a line.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(crate) fn object(self, object: &Value) -> io::Result<()> {
        self.line(&object.to_string())
    }

    /// Writes one line or the other, whichever is wanted.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub(crate) fn either(
        self,
        people: impl FnOnce() -> String,
        json: impl FnOnce() -> Value,
    ) -> io::Result<()> {
        if self.json { self.object(&json()) } else { self.line(&people()) }
    }

    /// Writes a remark to standard error, above a progress bar when there is one.
    pub(crate) fn remark(self, bar: &ProgressBar, remark: &str) {
        let remark = format!("ixnctl: {}", printable(remark));
        // A hidden bar would swallow it. A closed standard error is nobody's loss.
        if bar.is_hidden() {
            let _ = writeln!(io::stderr(), "{remark}");
        } else {
            bar.suspend(|| {
                let _ = writeln!(io::stderr(), "{remark}");
            });
        }
    }

    /// A progress bar for `total` steps; it draws nothing with `--json` or without a terminal.
    pub(crate) fn progress(self, total: u64) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total);
        let template = "{bar:40} {human_pos}/{human_len} {per_sec} {eta_precise}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    }
}

/// Remarks above one progress bar, from any task.
#[derive(Clone, Debug)]
pub(crate) struct Remarks {
    output: Output,
    bar: ProgressBar,
}

impl Remarks {
    /// Remarks above this bar, which may be hidden.
    pub(crate) fn new(output: Output, bar: &ProgressBar) -> Self {
        Self { output, bar: bar.clone() }
    }

    /// Writes one to standard error.
    pub(crate) fn say(&self, remark: &str) {
        self.output.remark(&self.bar, remark);
    }
}

/// A table with aligned columns: numbers to the right, text to the left.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    columns: usize,
}

impl Table {
    /// An empty table with these headings.
    pub(crate) fn new(headings: &[&str]) -> Self {
        Self {
            rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()],
            columns: headings.len(),
        }
    }

    /// Appends a row. Missing cells are empty.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().take(self.columns).map(|cell| printable(&cell)).collect());
    }

    /// The lines, headings first.
    pub(crate) fn lines(&self) -> Vec<String> {
        let cell = |row: &Vec<String>, column: usize| row.get(column).cloned().unwrap_or_default();
        let layout: Vec<(usize, bool)> = (0..self.columns)
            .map(|column| {
                let width = self.rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
                let mut cells = self.rows.iter().skip(1).map(|row| cell(row, column));
                (width, self.rows.len() > 1 && cells.all(|cell| is_number(&cell)))
            })
            .collect();
        self.rows
            .iter()
            .map(|row| {
                let mut line = String::new();
                for (column, (width, is_number)) in layout.iter().copied().enumerate() {
                    let cell = cell(row, column);
                    let gap = if column == 0 { "" } else { "  " };
                    // Writing to a string cannot fail.
                    let _ = if is_number {
                        write!(line, "{gap}{cell:>width$}")
                    } else {
                        write!(line, "{gap}{cell:<width$}")
                    };
                }
                line.trim_end().to_owned()
            })
            .collect()
    }
}

fn is_number(cell: &str) -> bool {
    !cell.is_empty() && cell.chars().all(|character| character.is_ascii_digit())
}

/// The text without control characters: what others wrote must not drive the reader's terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Unix seconds as ISO 8601, UTC; 0 is `-`.
pub(crate) fn time(unix_seconds: i64) -> String {
    match (unix_seconds, Timestamp::from_second(unix_seconds)) {
        (0, _) => "-".to_owned(),
        (_, Ok(time)) => time.to_string(),
        (_, Err(_)) => unix_seconds.to_string(),
    }
}

/// Unix milliseconds as ISO 8601 with milliseconds, UTC; 0 is `-`.
pub(crate) fn time_with_milliseconds(unix_milliseconds: i64) -> String {
    match (unix_milliseconds, Timestamp::from_millisecond(unix_milliseconds)) {
        (0, _) => "-".to_owned(),
        (_, Ok(time)) => format!("{time:.3}"),
        (_, Err(_)) => unix_milliseconds.to_string(),
    }
}

/// The text, or `-` when it is empty.
pub(crate) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_to_the_right() {
        let mut table = Table::new(&["queue", "waiting", "note"]);
        table.row(["inbox".into(), "7".into(), "a".into()]);
        table.row(["überlauf".into(), "1200".into()]);
        assert_eq!(table.lines(), ["queue     waiting  note", "inbox           7  a", "überlauf     1200"]);
    }

    #[test]
    fn an_empty_table_is_its_headings() {
        assert_eq!(Table::new(&["queue", "waiting"]).lines(), ["queue  waiting"]);
    }

    #[test]
    fn control_characters_never_reach_a_terminal() {
        let mut table = Table::new(&["subject"]);
        table.row(["\u{1b}[2Jgone\r\n".into()]);
        assert_eq!(table.lines().last().map(String::as_str), Some(" [2Jgone"));
    }

    #[test]
    fn times_are_iso_8601_in_utc() {
        assert_eq!(time(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(0), "-");
        assert_eq!(time_with_milliseconds(1_700_000_000_120), "2023-11-14T22:13:20.120Z");
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}
