//! Which client types may send which requests, and which requests change something. Until clients authenticate, anybody
//! may register as anything; the table holds from the first day.

use ixn_proto::client_envelope::Request;
use ixn_proto::{ClientType, ErrorCode};

use super::Refusal;

/// A group of requests with the same right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Registration and publish/subscribe.
    Session,
    /// What binds an agent to a client.
    Login,
    /// Agents' states, and answers to invitations.
    Agent,
    /// Work on interactions.
    Work,
    /// Looking only.
    Look,
    /// Instructions of routing engines.
    Routing,
    /// Reporting subscriptions and agent status from reporting engines.
    Reporting,
    /// External service traffic.
    ExternalService,
}

fn kind(request: &Request) -> Kind {
    use Request as R;
    match request {
        R::RequestRegisterClient(_)
        | R::RequestUnregisterClient(_)
        | R::RequestSubscribe(_)
        | R::RequestUnsubscribe(_)
        | R::RequestPublish(_) => Kind::Session,
        R::RequestAgentLogin(_)
        | R::RequestAgentLogout(_)
        | R::RequestAgentAvailable(_)
        | R::RequestAgentNotAvailable(_) => Kind::Login,
        R::RequestAddMedia(_)
        | R::RequestRemoveMedia(_)
        | R::RequestNotReadyForMedia(_)
        | R::RequestCancelNotReadyForMedia(_)
        | R::RequestChangeMediaStateReason(_)
        | R::RequestChangeAgentStateReason(_)
        | R::RequestDoNotDisturbOn(_)
        | R::RequestDoNotDisturbOff(_)
        | R::RequestAccept(_)
        | R::RequestReject(_)
        | R::RequestTransfer(_)
        | R::RequestConference(_)
        | R::RequestIntrude(_)
        | R::RequestLeaveInteraction(_) => Kind::Agent,
        R::RequestSubmit(_)
        | R::RequestChangeProperties(_)
        | R::RequestPlaceInQueue(_)
        | R::RequestPlaceInWorkbin(_)
        | R::RequestStopProcessing(_)
        | R::RequestHold(_)
        | R::RequestResume(_)
        | R::RequestPull(_)
        | R::RequestLockInteraction(_)
        | R::RequestUnlockInteraction(_)
        | R::RequestMoveInteractions(_)
        | R::RequestCustomReporting(_) => Kind::Work,
        R::RequestGetInteractionProperties(_)
        | R::RequestFindInteractions(_)
        | R::RequestGetWorkbinContent(_)
        | R::RequestWorkbinNotifications(_)
        | R::RequestWorkbinCancelNotifications(_)
        | R::RequestGetWorkbinTypesInfo(_)
        | R::RequestTakeSnapshot(_)
        | R::RequestGetSnapshotInteractions(_)
        | R::RequestReleaseSnapshot(_) => Kind::Look,
        R::RequestRouteCall(_) => Kind::Routing,
        R::RequestStartPlaceAgentStateReporting(_)
        | R::RequestStartPlaceAgentStateReportingAll(_)
        | R::RequestStopPlaceAgentStateReporting(_)
        | R::RequestStopPlaceAgentStateReportingAll(_)
        | R::EventCurrentAgentStatus(_) => Kind::Reporting,
        R::Request3rdServer(_) | R::Event3rdServerResponse(_) | R::Event3rdServerFault(_) => {
            Kind::ExternalService
        }
    }
}

/// The table.
fn may(client_type: ClientType, kind: Kind) -> bool {
    match kind {
        Kind::Session | Kind::Look => true,
        Kind::Login | Kind::Agent => matches!(client_type, ClientType::AgentApplication | ClientType::Proxy),
        Kind::Work => !matches!(client_type, ClientType::ReportingEngine),
        Kind::Routing => matches!(client_type, ClientType::RoutingEngine),
        Kind::Reporting => matches!(client_type, ClientType::ReportingEngine),
        Kind::ExternalService => matches!(client_type, ClientType::RoutingEngine | ClientType::MediaServer),
    }
}

/// Refuses what this client type may not send.
pub(super) fn check(client_type: ClientType, request: &Request) -> Result<(), Refusal> {
    if may(client_type, kind(request)) {
        return Ok(());
    }
    let text =
        format!("a client of type {client_type:?} may not send this request; register with a type that may");
    Err(Refusal::new(ErrorCode::NotPermitted, text))
}

/// Whether an idempotency key means something on this request. On a login it must not: it binds the agent to the client
/// that sends it, and the first answer to another client logs nobody in.
pub(super) fn is_mutating(request: &Request) -> bool {
    matches!(kind(request), Kind::Agent | Kind::Work | Kind::Routing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ixn_proto::{RequestAccept, RequestSubmit};

    #[test]
    fn the_table_is_kept() {
        let submit = Request::RequestSubmit(RequestSubmit::default());
        let accept = Request::RequestAccept(RequestAccept::default());
        assert!(check(ClientType::MediaServer, &submit).is_ok());
        assert_eq!(check(ClientType::ReportingEngine, &submit).unwrap_err().code, ErrorCode::NotPermitted);
        assert!(check(ClientType::AgentApplication, &accept).is_ok());
        assert_eq!(check(ClientType::MediaServer, &accept).unwrap_err().code, ErrorCode::NotPermitted);
    }
}
