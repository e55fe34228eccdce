//! What may be done with a request whose answer did not come.

use ixn_proto::{client_envelope::Request, request_route_call::Route};

/// What a repeat of a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    /// It only reads: repeated freely.
    Read,
    /// It changes an interaction: repeated under an idempotency key.
    Change,
    /// It carries a routing instruction's number, by which the server knows a repeat.
    Instruction,
    /// It belongs to this registration on this connection: a login, a media state, a subscription, a pull. On another
    /// connection it would mean something else.
    Session,
}

/// The nature of a request. What a version does not know is bound to its connection.
pub(crate) fn nature(request: &Request) -> Nature {
    match request {
        Request::RequestGetInteractionProperties(_)
        | Request::RequestFindInteractions(_)
        | Request::RequestGetWorkbinContent(_)
        | Request::RequestGetWorkbinTypesInfo(_) => Nature::Read,
        Request::RequestRouteCall(_) => Nature::Instruction,
        Request::RequestSubmit(_)
        | Request::RequestChangeProperties(_)
        | Request::RequestPlaceInQueue(_)
        | Request::RequestPlaceInWorkbin(_)
        | Request::RequestStopProcessing(_)
        | Request::RequestLeaveInteraction(_)
        | Request::RequestHold(_)
        | Request::RequestResume(_)
        | Request::RequestAccept(_)
        | Request::RequestReject(_)
        | Request::RequestCustomReporting(_) => Nature::Change,
        _ => Nature::Session,
    }
}

/// What a request has to do with the login of its registration's agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Login {
    /// Nothing.
    #[default]
    Unconcerned,
    /// It logs the agent in.
    Begins,
    /// It logs him out.
    Ends,
    /// It is sent only while he is logged in.
    Needed,
}

/// What a request has to do with a login, when its options do not say that it needs one.
pub(crate) fn login(request: &Request) -> Login {
    match request {
        Request::RequestAgentLogin(_) => Login::Begins,
        Request::RequestAgentLogout(_) => Login::Ends,
        _ => Login::Unconcerned,
    }
}

/// Whether a person decides when the answer comes.
pub(crate) fn waits_for_a_person(request: &Request) -> bool {
    match request {
        Request::RequestTransfer(_) | Request::RequestConference(_) | Request::RequestIntrude(_) => true,
        Request::RequestRouteCall(call) => matches!(call.route, Some(Route::Deliver(_))),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_repeat_would_do_decides() {
        let cases = [
            (Request::RequestSubmit(Default::default()), Nature::Change),
            (Request::RequestAccept(Default::default()), Nature::Change),
            (Request::RequestFindInteractions(Default::default()), Nature::Read),
            (Request::RequestRouteCall(Default::default()), Nature::Instruction),
            (Request::RequestAgentLogin(Default::default()), Nature::Session),
            (Request::RequestPull(Default::default()), Nature::Session),
            (Request::Request3rdServer(Default::default()), Nature::Session),
        ];
        for (request, expected) in cases {
            assert_eq!(nature(&request), expected, "{request:?}");
        }
    }
}
