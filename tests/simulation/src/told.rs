//! What an acknowledgement promises reporting: an event about the same interaction or agent, of the kind that fits the request.

use std::mem::{Discriminant, discriminant};

use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;

/// A kind of event, and the interaction or agent that it is about.
pub type Told = (Discriminant<Event>, String);

/// The event that must tell of a request when that was carried out for this agent; none: it need not be told.
pub fn by(request: &Request, agent: &str) -> Option<Told> {
    let (event, subject) = match request {
        Request::RequestAccept(request) => {
            (Event::EventPartyAdded(Default::default()), &*request.interaction_id)
        }
        Request::RequestReject(request) => {
            (Event::EventRejected(Default::default()), &*request.interaction_id)
        }
        Request::RequestHold(request) => (Event::EventHeld(Default::default()), &*request.interaction_id),
        Request::RequestResume(request) => {
            (Event::EventResumed(Default::default()), &*request.interaction_id)
        }
        Request::RequestLeaveInteraction(request) => {
            (Event::EventPartyRemoved(Default::default()), &*request.interaction_id)
        }
        Request::RequestPlaceInQueue(request) => {
            (Event::EventPlacedInQueue(Default::default()), &*request.interaction_id)
        }
        Request::RequestPlaceInWorkbin(request) => {
            (Event::EventPlacedInWorkbin(Default::default()), &*request.interaction_id)
        }
        Request::RequestChangeProperties(request) => {
            (Event::EventPropertiesChanged(Default::default()), &*request.interaction_id)
        }
        Request::RequestStopProcessing(request) => {
            (Event::EventProcessingStopped(Default::default()), &*request.interaction_id)
        }
        Request::RequestCustomReporting(request) => {
            (Event::EventCustomReporting(Default::default()), &*request.interaction_id)
        }
        Request::RequestAgentLogin(request) => {
            (Event::EventAgentLogin(Default::default()), &*request.agent_id)
        }
        Request::RequestAgentLogout(_) => (Event::EventAgentLogout(Default::default()), agent),
        Request::RequestRemoveMedia(_) => (Event::EventMediaRemoved(Default::default()), agent),
        _ => return None,
    };
    // Not those that are acknowledged where there is nothing to do, as adding a medium that he has.
    Some((discriminant(&event), subject.to_owned()))
}
