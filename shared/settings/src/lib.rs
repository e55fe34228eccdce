//! Where a service's settings come from: one YAML file, overridden by environment variables,
//! overridden by flags.
//!
//! There is one table of options: the `clap` struct that the service derives. Everything else
//! follows from an option's long name:
//!
//! | option | variable (prefix `IXN_`) | in the file |
//! | --- | --- | --- |
//! | `--database-url` | `IXN_DATABASE_URL` | `database: { url: … }` or `database-url: …` |
//!
//! ```
//! use clap::Parser;
//! use ixn_settings::{ByteSize, Secret, TimeSpan};
//!
//! /// Keeps interactions.
//! #[derive(Parser)]
//! struct Options {
//!     /// Where clients connect.
//!     #[arg(long, default_value = "127.0.0.1:7120")]
//!     listen: std::net::SocketAddr,
//!     /// How long an agent may stay away.
//!     #[arg(long, default_value = "60s")]
//!     agent_reconnect_timeout: TimeSpan,
//!     /// How much may wait for the database.
//!     #[arg(long, default_value = "64MiB")]
//!     waiting_limit: ByteSize,
//!     /// File that holds the database password.
//!     #[arg(long = "database-password-file")]
//!     database_password: Option<Secret>,
//! }
//!
//! let flags = ["ixn-server", "--waiting-limit", "1GiB"].map(Into::into);
//! let variables = [("IXN_LISTEN".into(), "127.0.0.1:0".into())];
//! let checked = ixn_settings::check::<Options>("IXN_", flags, &variables, |_| Vec::new())?;
//! let settings = checked.without_problems()?;
//! assert_eq!(settings.options.waiting_limit.bytes(), 1 << 30);
//! assert_eq!(settings.origin("listen").to_string(), "variable IXN_LISTEN");
//! # Ok::<(), ixn_settings::SettingsError>(())
//! ```
//!
//! Two flags are added to every service: `--settings FILE` names the file, `--print-settings` prints
//! every effective value with where it came from. `--help` lists every option with its default and
//! its variable. Wrong settings end the process with exit code [`EXIT_CODE`] and one line for each
//! mistake; a mistake in the file is reported as `FILE:LINE:COLUMN`.
//!
//! Rules that a service keeps when it declares its options:
//! - A switch that can be turned off again takes a value (`action = ArgAction::Set` on a `bool`).
//! - A list option has `value_delimiter = ','`, so that its variable can hold several values; in the
//!   file it is a YAML list. The highest layer that names a list replaces it whole.
//! - A password is a [`Secret`] and its option ends in `-file`.
//! - What one value says is checked by the option's value parser, so that it is told with all other mistakes; what several
//!   say together is a [`Conflict`].
//! - A name other than the usual one for the variable is given with `env = "…"`.
//!
//! What this crate must never do: print, log or keep in an error the content of a [`Secret`]; take a
//! secret from a flag; ignore a key of the file that it does not know.

mod byte_size;
mod conflict;
mod error;
mod file;
mod layers;
mod load;
mod origin;
mod print;
mod secret;
mod time_span;
mod variables;

pub use byte_size::{ByteSize, ParseByteSizeError};
pub use conflict::{Conflict, Conflicts};
pub use error::{EXIT_CODE, Problem, SettingsError};
pub use load::{Checked, Settings, check, from_process};
pub use origin::{Origin, Position};
pub use print::{EffectiveSetting, EffectiveSettings};
pub use secret::{Secret, SecretError};
pub use time_span::{ParseTimeSpanError, TimeSpan};
pub use variables::UnknownVariable;
