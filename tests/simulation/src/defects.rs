//! Defects that can be planted, to show that the checks find them: a check that never fails is worth nothing.

use bytes::Bytes;
use ixn_proto::ServerEnvelope;
use ixn_proto::server_envelope::Event;
use prost::Message;

/// What a part of the server, or the database under it, does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// User data is never written.
    UserDataIsNotWritten,
    /// A change of user data is not written.
    UserDataStaysAsItWas,
    /// User data is read as if there were none.
    UserDataIsReadAsEmpty,
    /// A server that starts does not read the remembered keys.
    KeysAreForgotten,
    /// A repeated answer does not say so.
    RepeatsAreNotMarked,
    /// A subscriber's cursor stops for good after so many events.
    CursorStops,
    /// A subscriber hears each commit's events twice.
    EventsComeTwice,
    /// A full state never ends.
    StateNeverEnds,
    /// The last interaction of each page of a full state is left out.
    StateLacksInteractions,
    /// An agent of a full state has none of what he is offered.
    StateLacksOffers,
    /// A request is acknowledged, and not carried out.
    HoldsAreIgnored,
    /// An answer is lost.
    AnswerIsLost,
    /// What is put out leaves before its commit.
    LeavesTooEarly,
    /// Nobody tells the engine that the database does not answer.
    SilenceIsNotTold,
    /// A server that starts lacks an agent.
    AgentIsForgotten,
    /// The answer to a login that resumes lacks what the agent handles.
    LoginLacksInteractions,
}

impl Defect {
    /// What becomes of an envelope on its way to a client's queue; none: it is lost.
    pub(crate) fn damage(self, envelope: Bytes) -> Option<Bytes> {
        let mut envelope = ServerEnvelope::decode(envelope).ok()?;
        match (self, &mut envelope.event) {
            (Self::RepeatsAreNotMarked, _) => envelope.repeated = false,
            (Self::StateNeverEnds, Some(Event::EventReportingStateEnd(_))) => return None,
            (Self::StateLacksInteractions, Some(Event::EventReportingState(page))) => {
                page.interactions.pop();
            }
            (Self::StateLacksOffers, Some(Event::EventReportingState(page))) => {
                page.agents.iter_mut().for_each(|agent| agent.parties.retain(|party| !party.invited));
            }
            (Self::AnswerIsLost, _) if envelope.reference_id.is_multiple_of(17) => return None,
            (Self::LoginLacksInteractions, Some(Event::EventAck(ack))) => {
                if let Some(login) = &mut ack.agent_login {
                    login.interactions.clear();
                }
            }
            _ => {}
        }
        Some(envelope.encode_to_vec().into())
    }
}
