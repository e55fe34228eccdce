//! Log lines on standard error: text for people, JSON for collectors.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// The options of a service's log, for `#[command(flatten)]`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogOptions {
    /// What log lines look like; auto is text on a terminal, else JSON.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// Which lines are logged: off, error, warn, info, debug or trace, or for parts: "info,ixn_server=debug".
    #[arg(long, global = true, default_value_t = LogFilter::default())]
    pub log_level: LogFilter,
}

/// What log lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text when standard error is a terminal, else JSON.
    Auto,
    /// One line of text each.
    Text,
    /// One JSON object each: `timestamp`, `level`, `target`, `message`, and the fields of the event.
    Json,
}

/// Which lines are logged, in the directives of `tracing_subscriber::EnvFilter`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// A text that is no [`LogFilter`].
#[derive(Debug, thiserror::Error)]
#[error("write a level (off, error, warn, info, debug, trace) or target=level, separated by commas: {0}")]
pub struct ParseLogFilterError(String);

impl From<tracing_subscriber::filter::ParseError> for ParseLogFilterError {
    fn from(error: tracing_subscriber::filter::ParseError) -> Self {
        Self(error.to_string())
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum InitLogsError {
    /// The filter is wrong.
    #[error(transparent)]
    Filter(#[from] ParseLogFilterError),
    /// The process has a log already.
    #[error("this process has a log already, initialise it once: {0}")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

impl FromStr for LogFilter {
    type Err = ParseLogFilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        EnvFilter::try_new(text)?;
        // A word alone would count as a target with all its lines, so that a misspelt level silences everything else.
        let is_level = |word: &str| word.contains(['=', '[']) || LevelFilter::from_str(word).is_ok();
        match text.split(',').map(str::trim).find(|word| word.is_empty() || !is_level(word)) {
            Some("") => return Err(ParseLogFilterError("there is nothing".to_owned())),
            Some(word) => return Err(ParseLogFilterError(format!("'{word}' is no level"))),
            None => {}
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl LogOptions {
    /// Starts the log of this process, on standard error. A panic becomes a log line too; where the filter lets none of
    /// these through, it is told as it was before.
    ///
    /// # Errors
    /// The process has a log already.
    pub fn init(&self) -> Result<(), InitLogsError> {
        let terminal = std::io::stderr().is_terminal();
        self.subscriber(std::io::stderr, terminal)?.try_init()?;
        let without_log = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !tracing::enabled!(tracing::Level::ERROR) {
                return without_log(panic);
            }
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("");
            let backtrace = std::backtrace::Backtrace::capture();
            tracing::error!(place, %backtrace, "panic: {message}");
        }));
        Ok(())
    }

    fn subscriber<W>(
        &self,
        writer: W,
        terminal: bool,
    ) -> Result<Box<dyn Subscriber + Send + Sync>, ParseLogFilterError>
    where
        W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
    {
        let filter = EnvFilter::try_new(&self.log_level.0)?;
        // What cannot be written is dropped: complaining about it on the same broken pipe would panic.
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .with_ansi(terminal)
            .log_internal_errors(false);
        let json = match self.log_format {
            LogFormat::Auto => !terminal,
            LogFormat::Text => false,
            LogFormat::Json => true,
        };
        Ok(if json {
            Box::new(lines.json().flatten_event(true).with_span_list(false).finish())
        } else {
            Box::new(lines.finish())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log_format: LogFormat, log_level: &str, terminal: bool, log: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let options = LogOptions { log_format, log_level: log_level.parse().unwrap() };
        let subscriber = options.subscriber(move || writer.clone(), terminal).unwrap();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = captured.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn two_lines() {
        tracing::info!(queue = "inbox", count = 3, "moved \"all\"\nof them");
        tracing::debug!("not at this level");
        tracing::info_span!("commit", number = 7).in_scope(|| tracing::warn!("slow"));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogFormat::Json, "info", true, two_lines);
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!(lines[0]["level"], "INFO");
        assert_eq!(lines[0]["message"], "moved \"all\"\nof them");
        assert_eq!(lines[0]["queue"], "inbox");
        assert_eq!(lines[0]["count"], 3);
        assert_eq!(lines[0]["target"], "ixn_telemetry::logs::tests");
        assert!(lines[0]["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "{text}");
        assert_eq!(lines[1]["span"], serde_json::json!({ "name": "commit", "number": 7 }));
    }

    #[test]
    fn auto_is_text_on_a_terminal_and_json_elsewhere() {
        let text = logged(LogFormat::Auto, "info", true, two_lines);
        assert!(text.contains('\u{1b}') && text.contains("inbox"), "{text}");
        let json = logged(LogFormat::Auto, "info", false, two_lines);
        assert!(json.starts_with('{'), "{json}");
        let text = logged(LogFormat::Text, "info", false, two_lines);
        assert!(!text.contains('\u{1b}') && !text.starts_with('{'), "{text}");
    }

    #[test]
    fn the_filter_is_by_level_and_target() {
        assert_eq!(logged(LogFormat::Json, "debug", false, two_lines).lines().count(), 3);
        assert_eq!(logged(LogFormat::Json, "warn", false, two_lines).lines().count(), 1);
        assert_eq!(logged(LogFormat::Json, "off,ixn_telemetry=info", false, two_lines).lines().count(), 2);
        let refusal = "ixn=loud".parse::<LogFilter>().unwrap_err().to_string();
        assert!(refusal.starts_with("write a level (off, error,"), "{refusal}");
        for (text, why) in [
            ("bogus", "'bogus' is no level"),
            ("info,ixn_server", "'ixn_server' is no level"),
            ("", "there is nothing"),
        ] {
            let refusal = text.parse::<LogFilter>().unwrap_err().to_string();
            assert!(refusal.ends_with(why), "{text:?}: {refusal}");
        }
        for text in ["off", "INFO", "warn,ixn_server=debug", "ixn_server[commit]=trace,error"] {
            assert_eq!(text.parse::<LogFilter>().unwrap().to_string(), text);
        }
    }
}
