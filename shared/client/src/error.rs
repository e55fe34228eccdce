//! What can go wrong, and what to do about it.

use std::time::Duration;

use ixn_proto::{ErrorCode, EventError, error_code};

/// Why a client could not connect, or a request did not succeed. The text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// An option cannot be used.
    #[error("option `{option}`: {problem}")]
    InvalidOption {
        /// The field of the options.
        option: &'static str,
        /// What is wrong, and what it should be.
        problem: String,
    },
    /// The address asks for TLS.
    #[error("`{server}` asks for TLS, which this client does not speak yet: use an http:// address")]
    TlsUnsupported {
        /// The address.
        server: String,
    },
    /// Nobody could be reached.
    #[error("cannot connect to `{server}`: {reason}: check the address, and that the server is running")]
    Unreachable {
        /// The address.
        server: String,
        /// What happened at the last attempt.
        reason: String,
    },
    /// A server could be reached, and refuses for now: its database is away, it is ending, it waits to take over.
    #[error("`{server}` refuses to serve for now: {refusal}: wait until it does")]
    NotServing {
        /// The address.
        server: String,
        /// What it said at the last attempt.
        refusal: Refusal,
    },
    /// The server refused the registration.
    #[error("the server refused to register `{client_name}`: {refusal}")]
    RegistrationRefused {
        /// The name to be registered.
        client_name: String,
        /// Why.
        refusal: Refusal,
    },
    /// The server refused the request; nothing was changed.
    #[error("the server refused the request: {0}")]
    Refused(Refusal),
    /// The request was sent, and the connection or the time was over before its answer came. It may have been
    /// carried out, or not.
    #[error(
        "it is unknown whether the request was carried out ({reason}): \
         {}", if idempotency_key.is_empty() { "read the state before doing it again" } else { "send it again with the same idempotency key" }
    )]
    OutcomeUnknown {
        /// What happened.
        reason: String,
        /// The key it was sent with; empty = none.
        idempotency_key: String,
    },
    /// The connection was lost before the request was sent, or before it was repeated after a refusal, and it makes no
    /// sense on another one. Nothing was changed.
    #[error("the connection was lost before the request was sent ({reason}): log in again, then repeat it")]
    NotSent {
        /// What happened.
        reason: String,
    },
    /// The time was over. Nothing was changed: the request only reads, or was never sent.
    #[error("no answer within {waited:?}, and nothing was changed: {hint}")]
    DeadlineExceeded {
        /// The deadline.
        waited: Duration,
        /// The likely cause, and what to do.
        hint: &'static str,
    },
    /// The request is larger than the server accepts.
    #[error("the request has {bytes} bytes, the server accepts {limit}: send less user data")]
    TooLarge {
        /// The size of the encoded request, bytes.
        bytes: usize,
        /// The server's limit for a message, bytes.
        limit: usize,
    },
    /// The server answered with something that does not answer this request.
    #[error("{request} was answered by an unexpected event: use a client and a server of the same version")]
    UnexpectedAnswer {
        /// The request.
        request: &'static str,
    },
    /// The client was closed, or gave up for good.
    #[error("the client is closed: {reason}")]
    Closed {
        /// Why.
        reason: String,
    },
}

impl ClientError {
    /// The server's error code, when the server refused and this version knows the code.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused(refusal)
            | Self::RegistrationRefused { refusal, .. }
            | Self::NotServing { refusal, .. } => ErrorCode::try_from(refusal.code).ok(),
            _ => None,
        }
    }

    /// Whether the request may have been carried out all the same.
    pub fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::OutcomeUnknown { .. })
    }

    /// Whether a request that belongs to its session, such as a login, failed because the session is gone, unless its
    /// deadline came first. The events tell of that too, and of the next session.
    pub fn session_was_lost(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::OutcomeUnknown { .. })
    }

    pub(crate) fn closed(reason: impl Into<String>) -> Self {
        Self::Closed { reason: reason.into() }
    }
}

/// An error code of the server with its sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({code}): {description}")]
pub struct Refusal {
    /// The stable number of the error.
    pub code: i32,
    /// Its name, such as `NOT_PERMITTED`.
    pub name: String,
    /// Which value is wrong and what to do.
    pub description: String,
}

impl Refusal {
    pub(crate) fn new(code: i32, description: String) -> Self {
        let name = match ErrorCode::try_from(code) {
            Ok(code) => error_code::name(code).to_owned(),
            Err(_) => "UNKNOWN_ERROR_CODE".to_owned(),
        };
        Self { code, name, description }
    }

    /// Whether the same request can succeed a little later.
    pub fn is_for_now(&self) -> bool {
        use ErrorCode::{DatabaseUnavailable, NotPrimary, ShuttingDown, TooManyRequests};
        let code = ErrorCode::try_from(self.code);
        matches!(code, Ok(DatabaseUnavailable | NotPrimary | ShuttingDown | TooManyRequests))
    }

    /// Whether the client sent too much, rather than the server being unable.
    pub(crate) fn is_about_load(&self) -> bool {
        ErrorCode::try_from(self.code) == Ok(ErrorCode::TooManyRequests)
    }

    /// Whether the same registration can succeed a little later.
    pub(crate) fn is_for_now_at_registration(&self) -> bool {
        use ErrorCode::{AlreadyRegistered, InternalError};
        let code = ErrorCode::try_from(self.code);
        self.is_for_now() || matches!(code, Ok(AlreadyRegistered | InternalError))
    }
}

impl From<EventError> for Refusal {
    fn from(event: EventError) -> Self {
        Self::new(event.error_code, event.error_description)
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_code_name_and_sentence() {
        let event =
            EventError { error_code: 20, error_description: "no queue `inbux`: use one of …".to_owned() };
        let error = ClientError::from(Refusal::from(event));
        assert_eq!(error.code(), Some(ErrorCode::UnknownQueue));
        assert_eq!(
            error.to_string(),
            "the server refused the request: UNKNOWN_QUEUE (20): no queue `inbux`: use one of …"
        );
    }

    #[test]
    fn a_registration_over_a_limit_is_refused_for_good() {
        let refusal = |code| Refusal::new(code as i32, String::new());
        assert!(refusal(ErrorCode::AlreadyRegistered).is_for_now_at_registration());
        assert!(!refusal(ErrorCode::LimitExceeded).is_for_now_at_registration());
    }

    #[test]
    fn a_code_of_a_newer_server_keeps_its_number() {
        let error = ClientError::from(Refusal::new(9999, "new".to_owned()));
        assert_eq!(error.code(), None);
        assert!(error.to_string().contains("9999"), "{error}");
    }

    #[test]
    fn an_unknown_outcome_says_what_to_do() {
        let unknown = |key: &str| {
            let reason = "the server went away".to_owned();
            ClientError::OutcomeUnknown { reason, idempotency_key: key.to_owned() }.to_string()
        };
        assert!(unknown("k").ends_with("send it again with the same idempotency key"));
        assert!(unknown("").ends_with("read the state before doing it again"));
    }
}
