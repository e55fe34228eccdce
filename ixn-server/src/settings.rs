//! The settings of ixn-server: a file, overridden by variables (`IXN_…`), overridden by flags.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Parser, Subcommand};
use ixn_settings::{ByteSize, Conflict, Secret, TimeSpan};
use ixn_store::StoreError;
use ixn_telemetry::LogOptions;

use crate::protocol::{ClientLimits, Limits, Rate, SocketLimits, TransportLimits};

/// The least that makes sense for one message and for what waits for one client: a registration, an agent's login or an
/// interaction with ordinary user data must fit, several times.
const SMALLEST: u64 = 64 << 10;
/// The least for what many share.
const MEBIBYTE: u64 = 1 << 20;

/// More than the largest answer: a page of 2 MiB is full with the interaction that goes beyond, whose user data is 1 MiB at most.
const LARGEST_ANSWER: u64 = 4 << 20;
/// Sockets beyond the streams that may be open: for inspection, and to refuse further streams with a sentence.
const SPARE_SOCKETS: usize = 1_000;
/// More than any system has.
const MAX_SOCKETS: usize = 1 << 30;

/// Keeps every open interaction, moves it between queues, routes it to agents, and tells reporting about every step.
///
/// Without any option it is a whole server: SQLite in a data directory, a sample configuration, routing on, bound to
/// this machine only.
#[derive(Clone, Debug, Parser)]
#[command(name = "ixn-server", version)]
pub struct Options {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Where clients connect (the IXN protocol, gRPC).
    #[arg(long, default_value = "127.0.0.1:7120", value_parser = ip_and_port, value_name = "IP:PORT")]
    pub listen: SocketAddr,
    /// Where health and metrics are served (HTTP).
    #[arg(long, default_value = "127.0.0.1:13131", value_parser = ip_and_port, value_name = "IP:PORT")]
    pub health_listen: SocketAddr,
    /// Listen beyond this machine although clients do not authenticate.
    #[arg(long, action = ArgAction::Set, default_value_t = false, value_name = "true|false")]
    pub allow_unauthenticated: bool,
    /// The database: postgres://USER:PASSWORD@HOST/DATABASE or sqlite://PATH. Default: SQLite in the data directory.
    #[arg(long, value_parser = database_url)]
    pub database_url: Option<String>,
    /// File that holds the database's password, which takes the place of one in --database-url; read at the start. The
    /// variable without _FILE holds the password itself.
    #[arg(long = "database-password-file", value_name = "FILE")]
    pub database_password: Option<Secret>,
    /// Use the database although it is set up to lose acknowledged work in a crash (fsync, synchronous_commit or
    /// full_page_writes off).
    #[arg(long, action = ArgAction::Set, default_value_t = false, value_name = "true|false")]
    pub allow_unsafe_durability: bool,
    /// Where the embedded database and files for support are kept.
    #[arg(long, default_value = "ixn-data")]
    pub data_dir: PathBuf,
    /// The configuration objects: queues, views, strategies, agents … (YAML). Read again when the file changes.
    /// Default: the sample that is built in.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// The tenant's short id, on every metric.
    #[arg(long, default_value = "0001", value_parser = short_id)]
    pub tenant_sid: String,
    /// The tenant's number in the protocol.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pub tenant_dbid: i32,
    /// How much may be on its way through the server before streams are read no further.
    #[arg(long, default_value = "64MiB", value_parser = at_least::<MEBIBYTE>)]
    pub waiting_limit: ByteSize,
    /// How many streams may be open; TCP connections may be 1,000 more.
    #[arg(long, default_value_t = 20_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    pub max_connections: u64,
    /// How long a new connection may stay silent, and how long a client may take to register on a new stream.
    #[arg(long, default_value = "10s", value_parser = some_time)]
    pub handshake_timeout: TimeSpan,
    /// How often a silent client is asked whether it is still there (HTTP/2 ping), and how long it has to answer.
    #[arg(long, default_value = "20s", value_parser = some_time)]
    pub keepalive: TimeSpan,
    /// How many clients may register in a second, all together; twice as many at once. More are put off, and refused when
    /// they would wait for more than 10 s. 0: any number.
    #[arg(long, default_value_t = 5_000)]
    pub registration_rate: u32,
    /// How many requests of one logical client may be without an answer; more are refused. 0: any number.
    #[arg(long, default_value_t = 1_000)]
    pub client_requests_in_flight: u32,
    /// How many requests a second one logical client may send, and how many at once; more are refused. 0: any number.
    #[arg(long, default_value_t = 20_000)]
    pub client_request_rate: u32,
    /// The largest message that a client may send; a larger one ends its stream.
    #[arg(long, default_value = "16MiB", value_parser = at_least::<SMALLEST>)]
    pub max_message: ByteSize,
    /// How much may wait for one logical client before it is dropped as too slow.
    #[arg(long, default_value = "8MiB", value_parser = at_least::<SMALLEST>)]
    pub client_queue_limit: ByteSize,
    /// How much may wait for all clients of one connection before it is closed as too slow.
    #[arg(long, default_value = "256MiB", value_parser = at_least::<LARGEST_ANSWER>)]
    pub connection_queue_limit: ByteSize,
    /// How long reporting events are kept for subscribers that resume.
    #[arg(long, default_value = "15min", value_parser = some_time)]
    pub log_retention: TimeSpan,
    /// How many bytes of reporting events are kept for subscribers that resume.
    #[arg(long, default_value = "1GiB", value_parser = at_least::<MEBIBYTE>)]
    pub log_retention_size: ByteSize,
    /// How long a shutdown may take.
    #[arg(long, default_value = "10s")]
    pub shutdown_timeout: TimeSpan,
    /// Logs.
    #[command(flatten)]
    pub logs: LogOptions,
}

/// What ixn-server can do besides serving.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check the settings and the configuration objects, name every mistake, look at the database, and leave.
    ///
    /// Give it what the server is given. It binds no port and changes nothing; a server may be running beside it. It exits
    /// with 0 when a server could start, with 64 when there are mistakes, with 69 when the database cannot be used.
    CheckConfig,
    /// Print the sample configuration, a good example to copy, and leave.
    SampleConfig,
    /// Print the JSON Schema of the configuration file, and leave.
    ConfigSchema,
}

impl Options {
    /// The database's address, with the password.
    pub fn database(&self) -> String {
        match (&self.database_url, &self.database_password) {
            (Some(url), Some(password)) => with_password(url, password),
            (Some(url), None) => url.clone(),
            (None, _) => format!("sqlite://{}", self.data_dir.join("ixn.db").display()),
        }
    }

    /// What bounds the sessions.
    pub(crate) fn session_limits(&self) -> Limits {
        Limits {
            handshake: self.handshake_timeout.into(),
            outbound: ixn_sessions::Limits {
                client_bytes: self.client_queue_limit.as_usize(),
                connection_bytes: self.connection_queue_limit.as_usize(),
                ..ixn_sessions::Limits::default()
            },
            connections: self.max_connections,
            client: ClientLimits {
                in_flight: self.client_requests_in_flight,
                rate: Rate::new(self.client_request_rate, self.client_request_rate),
            },
            registrations: Rate::new(self.registration_rate, self.registration_rate.saturating_mul(2)),
        }
    }

    /// What bounds the transport below them.
    pub(crate) fn transport_limits(&self) -> TransportLimits {
        let connections = usize::try_from(self.max_connections).unwrap_or(usize::MAX);
        TransportLimits {
            sockets: SocketLimits {
                handshake: self.handshake_timeout.into(),
                sockets: connections.saturating_add(SPARE_SOCKETS).min(MAX_SOCKETS),
            },
            keepalive: self.keepalive.into(),
            message_bytes: self.max_message.as_usize(),
        }
    }

    /// Options that cannot be used together.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut found = Vec::new();
        let Self { listen, health_listen, .. } = self;
        let scheme =
            self.database_url.as_deref().and_then(|url| url.split_once("://")).map(|(scheme, _)| scheme);
        let is_postgres = matches!(scheme, Some("postgres" | "postgresql"));
        if self.database_password.is_some() && !is_postgres {
            let message = "only PostgreSQL has a password; give a postgres:// address, or no password";
            let options = &["database-password-file", "database-url"];
            found.push(Conflict { options, message: message.to_owned() });
        }
        if !listen.ip().is_loopback() && !self.allow_unauthenticated {
            let message = format!(
                "{listen} is reachable from other machines and clients do not authenticate; listen on 127.0.0.1, or say \
                 --allow-unauthenticated=true"
            );
            found.push(Conflict { options: &["listen", "allow-unauthenticated"], message });
        }
        if listen == health_listen && listen.port() != 0 {
            let message = format!("{listen} is the address of --listen already; choose another port");
            found.push(Conflict { options: &["health-listen", "listen"], message });
        }
        let Self { client_queue_limit, connection_queue_limit, .. } = self;
        if client_queue_limit.bytes() > connection_queue_limit.bytes() {
            let message = format!(
                "{connection_queue_limit} for a connection is less than the {client_queue_limit} for one client of it, which \
                 would never be reached; write as much, or less for a client"
            );
            let options = &["connection-queue-limit", "client-queue-limit"];
            found.push(Conflict { options, message });
        }
        found
    }
}

/// Variables that begin with `IXN_` and are read by other programs than this one.
pub const VARIABLES_OF_OTHERS: [&str; 2] = ["IXN_SERVER", "IXN_CLIENT_NAME"];

fn ip_and_port(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let port = text.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(7120_u16);
        format!(
            "write an IP address and a port, such as 127.0.0.1:{port} or [::1]:{port} (names are not looked up)"
        )
    })
}

fn database_url(text: &str) -> Result<String, String> {
    match ixn_store::check_address(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(StoreError::Address(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    }
}

/// The address with this password instead of one that may be in it: a parameter counts more than what stands before '@'.
fn with_password(url: &str, password: &Secret) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    let mut address = format!("{}{sign}password=", url.split('#').next().unwrap_or_default());
    for byte in password.expose().bytes() {
        if byte.is_ascii_alphanumeric() {
            address.push(char::from(byte));
        } else {
            // A text takes whatever is written to it.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

fn short_id(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("write the tenant's short id, without blanks, such as 0001".to_owned());
    }
    Ok(text.to_owned())
}

fn some_time(text: &str) -> Result<TimeSpan, String> {
    let time: TimeSpan = text.parse().map_err(|error: ixn_settings::ParseTimeSpanError| error.to_string())?;
    if std::time::Duration::from(time).is_zero() { Err("write more than 0".to_owned()) } else { Ok(time) }
}

/// A size of `LEAST` bytes or more, with its unit: who forgets it means mebibytes and says bytes.
fn at_least<const LEAST: u64>(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse().map_err(|error: ixn_settings::ParseByteSizeError| error.to_string())?;
    let least = ByteSize::new(LEAST);
    let number = text.trim();
    if size.bytes() == 0 {
        return Err(format!("write {least} or more"));
    }
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("write the unit too, such as {number}MiB ({number}B are bytes)"));
    }
    if size.bytes() < LEAST {
        return Err(format!("it is too little to work with; write {least} or more"));
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about these flags, one line each.
    fn refusals(flags: &[&str]) -> Vec<String> {
        let arguments = std::iter::once("ixn-server").chain(flags.iter().copied()).map(Into::into);
        let checked = ixn_settings::check::<Options>("IXN_", arguments, &[], Options::conflicts).unwrap();
        checked.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let refused = refusals(&[
            "--log-level=bogus",
            "--log-retention=0",
            "--tenant-sid=",
            "--tenant-dbid=0",
            "--listen=localhost:7301",
            "--health-listen=7302",
            "--max-message=0",
            "--database-url=mysql://host/db",
        ]);
        let expected = [
            "--listen: \"localhost:7301\" is not accepted: write an IP address and a port, such as 127.0.0.1:7301 or \
             [::1]:7301 (names are not looked up)",
            "--health-listen: \"7302\" is not accepted: write an IP address and a port, such as 127.0.0.1:7120",
            "--database-url: \"mysql://host/db\" is not accepted: give postgres://",
            "--tenant-sid: \"\" is not accepted: write the tenant's short id",
            "--tenant-dbid: \"0\" is not accepted: 0 is not in 1..",
            "--max-message: \"0\" is not accepted: write 64KiB or more",
            "--log-retention: \"0\" is not accepted: write more than 0",
            "--log-level: \"bogus\" is not accepted: write a level (off, error, warn, info, debug, trace)",
        ];
        assert_eq!(refused.len(), expected.len(), "{refused:#?}");
        for (refused, expected) in refused.iter().zip(expected) {
            assert!(refused.starts_with(expected), "{refused:?} is not {expected:?}");
        }
    }

    #[test]
    fn a_size_without_its_unit_or_too_small_to_work_is_refused() {
        for (flag, expected) in [
            ("--max-message=3", "write the unit too, such as 3MiB (3B are bytes)"),
            ("--log-retention-size=1073741824", "write the unit too, such as 1073741824MiB"),
            ("--max-message=63KiB", "it is too little to work with; write 64KiB or more"),
            ("--client-queue-limit=1B", "it is too little to work with; write 64KiB or more"),
            ("--waiting-limit=64KiB", "it is too little to work with; write 1MiB or more"),
            ("--connection-queue-limit=1MiB", "it is too little to work with; write 4MiB or more"),
            ("--log-retention-size=0MiB", "write 1MiB or more"),
        ] {
            let refused = refusals(&[flag]);
            assert!(refused.len() == 1 && refused[0].contains(expected), "{flag}: {refused:?}");
        }
        assert_eq!(refusals(&["--max-message=64KiB", "--log-retention-size=1073741824B"]), [""; 0]);
    }

    #[test]
    fn the_password_of_a_file_takes_the_place_of_the_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "p/a?s&s#w:o@r+d ä\n").unwrap();
        let file = format!("--database-password-file={}", file.display());
        for url in ["postgres://ixn:old@db/ixn", "postgresql://ixn@db/ixn?password=old&application_name=x"] {
            let options = Options::try_parse_from(["ixn-server", &file, "--database-url", url]).unwrap();
            let address: sqlx::postgres::PgConnectOptions = options.database().parse().unwrap();
            let shown = format!("{address:?}");
            assert!(shown.contains("p/a?s&s#w:o@r+d ä") && !shown.contains("old"), "{shown}");
            assert!(!format!("{options:?}").contains("p/a?s"), "{options:?}");
        }
        let refused = refusals(&[&file, "--database-url=sqlite://ixn.db"]);
        assert!(refused.len() == 1 && refused[0].contains("only PostgreSQL has a password"), "{refused:?}");
    }

    #[test]
    fn what_options_say_together_is_told_too() {
        let refused =
            refusals(&["--listen=0.0.0.0:7120", "--health-listen=0.0.0.0:7120", "--shutdown-timeout=0"]);
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(
            refused[0].starts_with("--listen: 0.0.0.0:7120 is reachable from other machines"),
            "{refused:?}"
        );
        assert!(
            refused[1].starts_with("--health-listen: 0.0.0.0:7120 is the address of --listen"),
            "{refused:?}"
        );
        let refused = refusals(&["--connection-queue-limit=4MiB"]);
        let expected = "--connection-queue-limit: 4MiB for a connection is less than the 8MiB for one client";
        assert!(refused.len() == 1 && refused[0].starts_with(expected), "{refused:?}");
        assert_eq!(refusals(&["--connection-queue-limit=4MiB", "--client-queue-limit=4MiB"]), [""; 0]);
        // Both may be any free port; and what is not known to be wanted is no conflict.
        assert_eq!(refusals(&["--listen=127.0.0.1:0", "--health-listen=127.0.0.1:0"]), [""; 0]);
        assert_eq!(refusals(&["--listen=0.0.0.0:7120", "--allow-unauthenticated=perhaps"]).len(), 1);
    }
}
