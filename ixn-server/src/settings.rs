//! The settings of ixn-server: a file, overridden by variables (`IXN_…`), overridden by flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};
use ixn_settings::{ByteSize, TimeSpan};
use ixn_telemetry::LogOptions;

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
    #[arg(long, default_value = "127.0.0.1:7120")]
    pub listen: SocketAddr,
    /// Where health and metrics are served (HTTP).
    #[arg(long, default_value = "127.0.0.1:13131")]
    pub health_listen: SocketAddr,
    /// Listen beyond this machine although clients do not authenticate.
    #[arg(long, action = ArgAction::Set, default_value_t = false, value_name = "true|false")]
    pub allow_unauthenticated: bool,
    /// The database: postgres://USER:PASSWORD@HOST/DATABASE or sqlite://PATH. Default: SQLite in the data directory.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Use the database although it is set up to lose acknowledged work in a crash (fsync or synchronous_commit off).
    #[arg(long, action = ArgAction::Set, default_value_t = false, value_name = "true|false")]
    pub allow_unsafe_durability: bool,
    /// Where the embedded database and files for support are kept.
    #[arg(long, default_value = "ixn-data")]
    pub data_dir: PathBuf,
    /// The configuration objects: queues, views, strategies, agents … (YAML). Read again when the file changes.
    /// Default: the sample that is built in.
    #[arg(long, global = true)]
    pub config: Option<PathBuf>,
    /// The tenant's short id, on every metric.
    #[arg(long, default_value = "0001")]
    pub tenant_sid: String,
    /// The tenant's number in the protocol.
    #[arg(long, default_value_t = 1)]
    pub tenant_dbid: i32,
    /// How much may be on its way through the server before streams are read no further.
    #[arg(long, default_value = "64MiB")]
    pub waiting_limit: ByteSize,
    /// How many connections may be open.
    #[arg(long, default_value_t = 20_000)]
    pub max_connections: u64,
    /// How long a new stream may stay silent.
    #[arg(long, default_value = "10s")]
    pub handshake_timeout: TimeSpan,
    /// The largest message that a client may send; a larger one ends its stream.
    #[arg(long, default_value = "16MiB")]
    pub max_message: ByteSize,
    /// How much may wait for one logical client before it is dropped as too slow.
    #[arg(long, default_value = "8MiB")]
    pub client_queue_limit: ByteSize,
    /// How much may wait for all clients of one connection before it is closed as too slow.
    #[arg(long, default_value = "256MiB")]
    pub connection_queue_limit: ByteSize,
    /// How long reporting events are kept for subscribers that resume.
    #[arg(long, default_value = "15min")]
    pub log_retention: TimeSpan,
    /// How many bytes of reporting events are kept for subscribers that resume.
    #[arg(long, default_value = "1GiB")]
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
    /// Check the settings and the configuration objects, name every mistake, and leave.
    CheckConfig,
    /// Print the sample configuration, a good example to copy, and leave.
    SampleConfig,
    /// Print the JSON Schema of the configuration file, and leave.
    ConfigSchema,
}

impl Options {
    /// The database's address.
    pub fn database(&self) -> String {
        match &self.database_url {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", self.data_dir.join("ixn.db").display()),
        }
    }

    /// Why these options cannot be used together: the option and a sentence.
    pub fn mistake(&self) -> Option<(&'static str, String)> {
        for (name, address) in [("listen", self.listen), ("health-listen", self.health_listen)] {
            if name == "listen" && !address.ip().is_loopback() && !self.allow_unauthenticated {
                return Some((
                    name,
                    format!(
                        "{address} is reachable from other machines and clients do not authenticate; listen on \
                         127.0.0.1, or say --allow-unauthenticated=true"
                    ),
                ));
            }
        }
        if self.tenant_dbid < 1 {
            return Some(("tenant-dbid", "a tenant's number is 1 or more".into()));
        }
        None
    }
}
