//! Variables that look like settings and are none: most likely misspelt.

use std::ffi::OsString;
use std::fmt;

use ixn_suggestion::nearest;

/// A variable that begins like a setting and sets nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The setting's variable that is probably meant.
    pub meant: Option<String>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the variable {} sets nothing", self.name)?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean {meant}?"),
            None => f.write_str(": there is no such setting, --help lists all"),
        }
    }
}

/// The variables with the prefix that are not among the known ones, by name; without those that Kubernetes sets for
/// services, and without empty ones, which set nothing anyway.
pub(crate) fn unknown_variables(
    prefix: &str,
    known: &[String],
    variables: &[(OsString, OsString)],
) -> Vec<UnknownVariable> {
    let mut unknown: Vec<UnknownVariable> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.to_str()?, value.to_string_lossy())))
        .filter(|(name, value)| name.starts_with(prefix) && !value.is_empty())
        .filter(|(name, value)| !known.iter().any(|known| known == name) && !is_of_kubernetes(name, value))
        .map(|(name, _)| UnknownVariable {
            name: name.to_owned(),
            meant: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
        })
        .collect();
    unknown.sort_by(|left, right| left.name.cmp(&right.name));
    unknown
}

/// Whether this is one of the variables that every pod has for every service: `NAME_SERVICE_HOST`,
/// `NAME_SERVICE_PORT`, `NAME_SERVICE_PORT_HTTP`, `NAME_PORT=tcp://…`, `NAME_PORT_7120_TCP` and what begins so.
fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let protocols = ["TCP", "UDP", "SCTP"];
    let of_port = |rest: &str| {
        let (port, rest) = rest.split_once('_').unwrap_or((rest, ""));
        let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        is_port && protocols.contains(&rest.split('_').next().unwrap_or_default())
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split("_PORT_").skip(1).any(of_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(variables: &[(&str, &str)]) -> Vec<String> {
        let known = ["IXN_LISTEN", "IXN_DATABASE_URL", "IXN_MAX_CONNECTIONS"].map(str::to_owned);
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        unknown_variables("IXN_", &known, &variables).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_nearest_name() {
        assert_eq!(
            told(&[
                ("IXN_LISTEN", "127.0.0.1:1"),
                ("IXN_LISTN", "127.0.0.1:1"),
                ("IXN_DATABASE-URL", "x"),
                ("IXN_COLOUR", "red"),
                ("IXN_LISTEN_PORT", "7301"),
                ("IXN_MAX_CONECTIONS", ""),
                ("LISTN", "127.0.0.1:1"),
            ]),
            [
                "the variable IXN_COLOUR sets nothing: there is no such setting, --help lists all",
                "the variable IXN_DATABASE-URL sets nothing; did you mean IXN_DATABASE_URL?",
                "the variable IXN_LISTEN_PORT sets nothing: there is no such setting, --help lists all",
                "the variable IXN_LISTN sets nothing; did you mean IXN_LISTEN?",
            ]
        );
    }

    #[test]
    fn what_kubernetes_sets_for_services_is_not_told() {
        assert_eq!(
            told(&[
                ("IXN_SERVER_SERVICE_HOST", "10.0.0.1"),
                ("IXN_SERVER_SERVICE_PORT", "7120"),
                ("IXN_SERVER_SERVICE_PORT_GRPC", "7120"),
                ("IXN_SERVER_PORT", "tcp://10.0.0.1:7120"),
                ("IXN_SERVER_PORT_7120_TCP", "tcp://10.0.0.1:7120"),
                ("IXN_SERVER_PORT_7120_TCP_ADDR", "10.0.0.1"),
                ("IXN_SERVER_PORT_7120_TCP_PORT", "7120"),
                ("IXN_SERVER_PORT_7120_TCP_PROTO", "tcp"),
                ("IXN_PORT", "udp://10.0.0.1:53"),
            ]),
            [""; 0]
        );
    }
}
