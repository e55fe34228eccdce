//! What each error code is called, what happened, and what its receiver should do.

use crate::v1::ErrorCode;

/// The name of a code, such as `UNKNOWN_INTERACTION`.
pub const fn name(code: ErrorCode) -> &'static str {
    row(code).0
}

/// What happened, in general, as one sentence.
pub const fn what_happened(code: ErrorCode) -> &'static str {
    row(code).1
}

/// What the receiver of a code should do, as one sentence.
pub const fn what_to_do(code: ErrorCode) -> &'static str {
    row(code).2
}

/// The table: name, what happened, what to do. A code that is missing here does not compile; the comments of the
/// `.proto` file say the same, which a test checks.
const fn row(code: ErrorCode) -> (&'static str, &'static str, &'static str) {
    match code {
        ErrorCode::Unspecified => ("UNSPECIFIED", "No error.", "Nothing has to be done."),
        ErrorCode::InternalError => (
            "INTERNAL_ERROR",
            "The server made a mistake.",
            "Report the error with the server's log of that time; do not repeat the request blindly.",
        ),
        ErrorCode::MissingValue => {
            ("MISSING_VALUE", "A required value is missing.", "Set the attribute that the description names.")
        }
        ErrorCode::InvalidValue => (
            "INVALID_VALUE",
            "A value is out of range, too long or malformed.",
            "Correct the attribute that the description names.",
        ),
        ErrorCode::NotRegistered => (
            "NOT_REGISTERED",
            "A request came before RequestRegisterClient.",
            "Send RequestRegisterClient first.",
        ),
        ErrorCode::AlreadyRegistered => (
            "ALREADY_REGISTERED",
            "This connection or logical client is registered already.",
            "Go on with the registration, or end it by RequestUnregisterClient first.",
        ),
        ErrorCode::NotPermitted => (
            "NOT_PERMITTED",
            "This client type or credential may not send this request.",
            "Register with the right type or ask the operator.",
        ),
        ErrorCode::NotImplemented => (
            "NOT_IMPLEMENTED",
            "The server knows the request but does not do it in this version.",
            "Read the capabilities that the server announces at registration.",
        ),
        ErrorCode::UnknownRequest => (
            "UNKNOWN_REQUEST",
            "The envelope holds no request that this server knows.",
            "Set the request, or use a newer server.",
        ),
        ErrorCode::NotPrimary => {
            ("NOT_PRIMARY", "This server is not the primary one.", "Connect to the primary.")
        }
        ErrorCode::UnknownProxyClient => (
            "UNKNOWN_PROXY_CLIENT",
            "The proxy_client_id is not registered on this connection.",
            "Register the logical client first.",
        ),
        ErrorCode::UnknownTenant => (
            "UNKNOWN_TENANT",
            "The server does not serve this tenant.",
            "Use the tenant's number, or 0 for the server's own.",
        ),
        ErrorCode::LimitExceeded => (
            "LIMIT_EXCEEDED",
            "The request goes over a configured limit.",
            "Make the request smaller, or raise the option that the description names.",
        ),
        ErrorCode::TooManyRequests => (
            "TOO_MANY_REQUESTS",
            "Too many requests at once, or too fast.",
            "Wait for answers, or for the time that the description names, before sending more.",
        ),
        ErrorCode::DatabaseUnavailable => (
            "DATABASE_UNAVAILABLE",
            "The database is away.",
            "Repeat the request with the same idempotency key after a while.",
        ),
        ErrorCode::ShuttingDown => {
            ("SHUTTING_DOWN", "The server is stopping.", "Connect again and repeat the request.")
        }
        ErrorCode::IdempotencyKeyReused => (
            "IDEMPOTENCY_KEY_REUSED",
            "The idempotency key was used with another request.",
            "Use a new key for each new request.",
        ),
        ErrorCode::DuplicateInteractionId => (
            "DUPLICATE_INTERACTION_ID",
            "An interaction with this id exists.",
            "Choose another id, or leave the choice to the server.",
        ),
        ErrorCode::InvalidUserData => (
            "INVALID_USER_DATA",
            "A key-value list is malformed or holds a value that cannot be stored.",
            "Correct the entry that the description names.",
        ),
        ErrorCode::LogFull => (
            "LOG_FULL",
            "The commit log is full because Kafka has been away too long.",
            "Restore Kafka; submit again later.",
        ),
        ErrorCode::UnknownQueue => ("UNKNOWN_QUEUE", "No queue has this name.", "Use a configured queue."),
        ErrorCode::UnknownAgent => ("UNKNOWN_AGENT", "No agent has this id.", "Use a configured agent."),
        ErrorCode::UnknownPlace => {
            ("UNKNOWN_PLACE", "No place has this id.", "Use a place where somebody is logged in.")
        }
        ErrorCode::UnknownMediaType => {
            ("UNKNOWN_MEDIA_TYPE", "No media type has this name.", "Use a configured media type.")
        }
        ErrorCode::UnknownView => ("UNKNOWN_VIEW", "No view has this name.", "Use a configured view."),
        ErrorCode::UnknownStrategy => {
            ("UNKNOWN_STRATEGY", "No strategy has this name.", "Use a configured strategy.")
        }
        ErrorCode::UnknownWorkbin => (
            "UNKNOWN_WORKBIN",
            "No workbin type has this name, or its owner is missing or unknown.",
            "Use a configured workbin type and the kind of owner that the type asks for.",
        ),
        ErrorCode::QueueRetired => (
            "QUEUE_RETIRED",
            "The queue was deleted from the configuration and takes no new interactions.",
            "Submit to another queue.",
        ),
        ErrorCode::InvalidCondition => (
            "INVALID_CONDITION",
            "The condition or order cannot be understood.",
            "Correct the text at the position that the description names.",
        ),
        ErrorCode::AgentNotLoggedIn => (
            "AGENT_NOT_LOGGED_IN",
            "No agent is logged in through this client.",
            "Send RequestAgentLogin first.",
        ),
        ErrorCode::AgentAlreadyLoggedIn => (
            "AGENT_ALREADY_LOGGED_IN",
            "The agent is logged in already.",
            "Log the agent out first, or go on with that login.",
        ),
        ErrorCode::MediaNotAdded => {
            ("MEDIA_NOT_ADDED", "The agent's login does not have this medium.", "Send RequestAddMedia first.")
        }
        ErrorCode::UnknownInteraction => {
            ("UNKNOWN_INTERACTION", "No interaction has this id.", "Treat the interaction as ended.")
        }
        ErrorCode::WrongState => (
            "WRONG_STATE",
            "The interaction is not in a state that allows this.",
            "Read the properties of the interaction and decide again.",
        ),
        ErrorCode::NotAParty => (
            "NOT_A_PARTY",
            "The client is not a party of the interaction.",
            "Pull or accept the interaction first.",
        ),
        ErrorCode::UnknownTicket => (
            "UNKNOWN_TICKET",
            "No offer has this ticket; it was answered, withdrawn or made before a restart.",
            "Drop the offer.",
        ),
        ErrorCode::InteractionHeld => {
            ("INTERACTION_HELD", "The interaction is on hold.", "Resume the interaction first.")
        }
        ErrorCode::InteractionLocked => (
            "INTERACTION_LOCKED",
            "A snapshot has the interaction locked.",
            "Wait until the snapshot is released.",
        ),
        ErrorCode::InvitationRejected => {
            ("INVITATION_REJECTED", "The invited agent said no.", "Choose another agent.")
        }
        ErrorCode::InvitationExpired => {
            ("INVITATION_EXPIRED", "The invited agent did not answer in time.", "Choose another agent.")
        }
        ErrorCode::AgentNotAvailable => (
            "AGENT_NOT_AVAILABLE",
            "The agent is not logged in, not ready or full.",
            "Choose another agent or wait.",
        ),
        ErrorCode::StaleInstruction => (
            "STALE_INSTRUCTION",
            "The instruction's fencing or instruction number is older than the server's.",
            "Drop the instruction: a newer one was carried out.",
        ),
        ErrorCode::UnknownSession => (
            "UNKNOWN_SESSION",
            "No routing session has this number.",
            "Drop the session: its interaction went elsewhere.",
        ),
        ErrorCode::NotExecutor => (
            "NOT_EXECUTOR",
            "The strategy is run by another executor.",
            "Pull for strategies whose executor this client is.",
        ),
        ErrorCode::UnknownSnapshot => {
            ("UNKNOWN_SNAPSHOT", "No snapshot has this number for this client.", "Take a new snapshot.")
        }
        ErrorCode::NotSubscribed => {
            ("NOT_SUBSCRIBED", "The client has no such subscription.", "Nothing has to be ended.")
        }
        ErrorCode::ExternalServiceUnavailable => (
            "EXTERNAL_SERVICE_UNAVAILABLE",
            "No external service of this name or type is connected.",
            "Start the service, or call another one.",
        ),
        ErrorCode::ExternalServiceTimeout => (
            "EXTERNAL_SERVICE_TIMEOUT",
            "The external service did not answer in time.",
            "Repeat the call if the service bears repeats.",
        ),
        ErrorCode::InvitationRevoked => (
            "INVITATION_REVOKED",
            "The invitation was withdrawn because the interaction was stopped or moved.",
            "Read the properties of the interaction and decide again.",
        ),
        ErrorCode::AlreadyAParty => (
            "ALREADY_A_PARTY",
            "The agent takes part in the interaction or is invited to it already.",
            "Nothing has to be done.",
        ),
        ErrorCode::DuplicateSnapshotId => (
            "DUPLICATE_SNAPSHOT_ID",
            "A snapshot with this number exists for this client.",
            "Release that snapshot first, or choose another number.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_code_has_its_name_and_the_sentences_of_its_comment() {
        let descriptors = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let file = descriptors.file.iter().find(|file| file.name() == "ixn/v1/error_code.proto").unwrap();
        let codes = &file.enum_type[0];
        assert!(codes.value.len() > 40, "found {} codes", codes.value.len());
        for (index, value) in codes.value.iter().enumerate() {
            let code = ErrorCode::try_from(value.number()).unwrap();
            assert_eq!(format!("ERROR_CODE_{}", name(code)), value.name());
            // Field 5 of the file is its enums, field 2 of an enum its values.
            let path = [5, 0, 2, i32::try_from(index).unwrap()];
            let locations = file.source_code_info.iter().flat_map(|info| &info.location);
            let comment = locations
                .filter(|location| location.path == path)
                .map(|location| location.leading_comments());
            let sentences = format!("{} {}", what_happened(code), what_to_do(code));
            assert_eq!(comment.map(str::trim).collect::<Vec<_>>(), [sentences]);
            assert!(!what_happened(code).is_empty() && !what_to_do(code).is_empty(), "{}", value.name());
        }
    }

    #[test]
    fn public_numbers_stay() {
        assert_eq!(ErrorCode::MissingValue as i32, 2);
        assert_eq!(ErrorCode::UnknownInteraction as i32, 43);
    }
}
