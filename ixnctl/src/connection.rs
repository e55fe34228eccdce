//! The way to the server for what is done: the protocol's stream. What is looked up goes through `inspector.rs`.

use std::time::Duration;

use ixn_client::{Client, ClientError, ClientOptions, ErrorCode};
use ixn_proto::ClientType;

use crate::arguments::Common;
use crate::exit::Failure;
use crate::first_contact::{NotReached, attempt_timeout, reach};

/// How long a request may take, a restart of the server included.
const REQUEST_DEADLINE: Duration = Duration::from_secs(60);

/// Connects and registers as `client_type`, waiting for the server as `--connect-timeout` says.
///
/// # Errors
/// The server cannot be reached or refuses the registration.
pub(crate) async fn connect(common: &Common, client_type: ClientType) -> Result<Client, Failure> {
    let options = ClientOptions {
        request_deadline: REQUEST_DEADLINE,
        ..ClientOptions::new(&common.server, &common.client_name, client_type)
    };
    connect_with(common, options).await
}

/// As [`connect`], with other options than those that all commands have.
///
/// # Errors
/// Those of [`connect`].
pub(crate) async fn connect_with(common: &Common, options: ClientOptions) -> Result<Client, Failure> {
    let options = ClientOptions {
        connect_timeout: attempt_timeout(common),
        connect_deadline: Duration::ZERO,
        ..options
    };
    reach(common, async || match Client::connect(options.clone()).await {
        Ok(client) => Ok(client),
        Err(ClientError::Unreachable { reason, .. }) => Err(NotReached::Yet(reason)),
        Err(ClientError::NotServing { refusal, .. }) => Err(NotReached::NotServing(refusal.to_string())),
        Err(error) => Err(NotReached::Ever(failure(common, error))),
    })
    .await
}

/// True when the server, not the request, is the reason.
pub(crate) fn is_unavailable(error: &ClientError) -> bool {
    use ErrorCode::{DatabaseUnavailable, NotPrimary, ShuttingDown};
    matches!(error.code(), Some(DatabaseUnavailable | NotPrimary | ShuttingDown))
        || matches!(
            error,
            ClientError::Unreachable { .. }
                | ClientError::OutcomeUnknown { .. }
                | ClientError::NotSent { .. }
                | ClientError::DeadlineExceeded { .. }
                | ClientError::Closed { .. }
        )
}

/// The end of a command because of this error.
pub(crate) fn failure(common: &Common, error: ClientError) -> Failure {
    match error {
        ClientError::InvalidOption { .. } | ClientError::TlsUnsupported { .. } => {
            Failure::Usage(error.to_string())
        }
        ClientError::Unreachable { reason, .. } => {
            Failure::Unavailable { server: common.server.clone(), reason }
        }
        error if is_unavailable(&error) && error.code().is_some() => {
            Failure::Unanswered { server: common.server.clone(), reason: error.to_string() }
        }
        error if is_unavailable(&error) => {
            Failure::Unavailable { server: common.server.clone(), reason: error.to_string() }
        }
        error => Failure::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::EventError;

    use super::*;

    #[test]
    fn a_server_without_its_database_is_unavailable_and_one_that_refuses_a_request_is_not() {
        let refused = |code: ErrorCode| {
            let refusal = EventError { error_code: code as i32, ..EventError::default() };
            ClientError::Refused(refusal.into())
        };
        assert!(is_unavailable(&refused(ErrorCode::DatabaseUnavailable)));
        assert!(!is_unavailable(&refused(ErrorCode::UnknownQueue)));
    }
}
