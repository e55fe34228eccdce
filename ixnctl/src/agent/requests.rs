//! What an agent sends, and how the answers and events read.

use std::str::FromStr;
use std::time::Duration;

use ixn_client::{ClientError, LogicalClient, RequestOptions};
use ixn_proto::client_envelope::Request;
use ixn_proto::server_envelope::Event;
use ixn_proto::{
    AgentLoginInfo, AgentStateChangeOperation, ErrorCode, MediaState, ReasonInfo, RequestAccept,
    RequestAddMedia, RequestAgentLogin, RequestCancelNotReadyForMedia, RequestPlaceInQueue,
    RequestStopProcessing, ServerEnvelope,
};
use ixn_suggestion::did_you_mean;
use tokio::time::{Instant, sleep};

use super::desk::{Action, Input};
use super::held::find_held;

/// How long a login is tried again after a lost connection.
pub(crate) const LOGIN_PATIENCE: Duration = Duration::from_secs(60);
/// The wait between two tries to log in.
const LOGIN_PAUSE: Duration = Duration::from_millis(250);

/// What an agent does with an interaction that he has thought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// It is stopped.
    Stop,
    /// It is placed in this queue.
    Place(String),
}

impl FromStr for Finish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("place:")) {
            ("stop", _) => Ok(Self::Stop),
            (_, Some(queue)) if !queue.is_empty() => Ok(Self::Place(queue.to_owned())),
            _ => Err("say stop, or place:QUEUE".to_owned()),
        }
    }
}

impl Finish {
    /// What it is called: `refused to stop`.
    fn order(&self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Place(_) => "place",
        }
    }

    /// The request for one interaction.
    pub(super) fn request(&self, interaction_id: String) -> Request {
        match self.clone() {
            Self::Stop => {
                Request::RequestStopProcessing(RequestStopProcessing { interaction_id, reason: None })
            }
            Self::Place(queue) => {
                let place = RequestPlaceInQueue { interaction_id, queue, ..Default::default() };
                Request::RequestPlaceInQueue(place)
            }
        }
    }
}

/// A login that is ready for these media.
pub(crate) fn login(agent_id: &str, media_list: &[String]) -> RequestAgentLogin {
    let state = |name: &String| MediaState { media_type_name: name.clone(), ready: true, reason: None };
    let media_list = media_list.iter().map(state).collect();
    RequestAgentLogin { agent_id: agent_id.to_owned(), media_list, ..Default::default() }
}

/// Logs in. `None` = the session was lost meanwhile; the client's events tell of the next one. A refusal that a lost
/// connection leaves behind for a while, because the server may not have noticed the loss yet, is tried again for as
/// long as `patience`.
///
/// # Errors
/// The server refuses.
pub(crate) async fn log_in(
    client: &LogicalClient,
    login: RequestAgentLogin,
    patience: Duration,
) -> Result<Option<AgentLoginInfo>, ClientError> {
    let give_up = Instant::now() + patience;
    let session = client.session();
    while client.session() == session {
        match client.agent_login(login.clone()).await {
            Ok(login) => return Ok(Some(login)),
            Err(error) if error.session_was_lost() => return Ok(None),
            Err(error)
                if error.code() == Some(ErrorCode::AgentAlreadyLoggedIn) && Instant::now() < give_up =>
            {
                sleep(LOGIN_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Why an agent cannot log in, with the agent of the configuration who is probably meant, or how to name the media.
pub(super) fn login_refused(error: &ClientError, agent_id: &str, known_agents: &[String]) -> String {
    let known = known_agents.iter().map(String::as_str);
    match error.code() {
        Some(ErrorCode::UnknownAgent) => format!("{error}{}", did_you_mean(agent_id, known)),
        Some(ErrorCode::UnknownMediaType) => format!(
            "{error}: name the media with --media, or the server's configuration file with --config; without \
             either they are those of the built-in sample"
        ),
        _ => error.to_string(),
    }
}

/// What a login says to the desk. A resumed login keeps the media of before, whatever was asked for.
pub(super) fn logged_in(login: AgentLoginInfo, wanted: &[String]) -> Input {
    let is_ready =
        |name: &String| login.media_list.iter().any(|media| media.ready && media.media_type_name == *name);
    let not_ready = wanted.iter().filter(|name| !is_ready(name)).cloned().collect();
    let interactions = login.interactions.into_iter().filter_map(|held| held.interaction);
    let held = interactions.map(|interaction| interaction.interaction_id).collect();
    Input::LoggedIn { held, more: login.more_interactions, not_ready }
}

/// Sends what the desk says, again and again under the same key until it is answered: an answer that was given up could
/// tell that it was done. The answer is what the desk is told. `refused` hears of refusals. `Think` sends nothing.
pub(super) async fn carry_out(
    client: LogicalClient,
    agent_id: String,
    action: Action,
    finish: Finish,
    refused: impl Fn(&'static str, &ClientError),
) -> Option<Input> {
    // After a lost connection it must not come before the login.
    let client = client.with(RequestOptions { after_login: true, ..RequestOptions::until_answered() });
    match action {
        Action::Think { .. } => None,
        Action::Accept { ticket_id, interaction_id } => {
            let accept = RequestAccept { ticket_id, interaction_id: interaction_id.clone() };
            Some(match client.request(Request::RequestAccept(accept)).await {
                Ok(answer) => Input::Accepted { ticket_id, interaction_id, repeated: answer.repeated },
                Err(error) => {
                    refused("accept", &error);
                    Input::NotAccepted { ticket_id }
                }
            })
        }
        Action::Finish { interaction_id } => {
            Some(match client.request(finish.request(interaction_id.clone())).await {
                Ok(_) => Input::Finished { interaction_id },
                Err(error) => {
                    let gone = error.code() == Some(ErrorCode::UnknownInteraction);
                    refused(finish.order(), &error);
                    Input::NotFinished { interaction_id, gone }
                }
            })
        }
        Action::FindHeld => match find_held(&client, &agent_id).await {
            Ok(held) => {
                let held = held.into_iter().map(|interaction| interaction.interaction_id).collect();
                Some(Input::Found { held })
            }
            Err(error) => {
                refused("find what he holds", &error);
                None
            }
        },
        Action::BecomeReady { media_type } => {
            if let Err(error) = become_ready(&client, media_type).await {
                refused("become ready", &error);
            }
            None
        }
    }
}

/// Becomes ready for a medium, which is added when the login does not have it.
async fn become_ready(client: &LogicalClient, media_type: String) -> Result<(), ClientError> {
    let add = RequestAddMedia { media_type_name: media_type.clone(), reason: None };
    let ready = RequestCancelNotReadyForMedia { media_type_name: media_type, reason: None };
    let ready = Request::RequestCancelNotReadyForMedia(ready);
    match client.request(ready.clone()).await {
        Err(error) if error.code() == Some(ErrorCode::MediaNotAdded) => {}
        answer => return answer.map(drop),
    }
    client.request(Request::RequestAddMedia(add)).await?;
    client.request(ready).await.map(drop)
}

/// What an event means to the desk; `None` = nothing.
///
/// # Errors
/// A sentence: the login was ended by somebody else.
pub(super) fn happened(envelope: ServerEnvelope) -> Result<Option<Input>, String> {
    let interaction_id = |interaction: Option<ixn_proto::InteractionProperties>| {
        interaction.map(|interaction| interaction.interaction_id).unwrap_or_default()
    };
    Ok(match envelope.event {
        Some(Event::EventInvite(invite)) => {
            let ticket_id = invite.ticket_id;
            Some(Input::Invited { ticket_id, interaction_id: interaction_id(invite.interaction) })
        }
        Some(Event::EventRevoked(revoked)) => {
            Some(Input::Revoked { interaction_id: interaction_id(revoked.interaction) })
        }
        Some(Event::EventForcedAgentStateChange(change)) => match change.agent_state_change_operation() {
            AgentStateChangeOperation::NotReadyForMedia => {
                Some(Input::MadeNotReady { media_type: change.media_type_name })
            }
            AgentStateChangeOperation::Logout => return Err(logged_out(change.reason)),
            _ => None,
        },
        Some(Event::EventAgentConnectionClosed(closed)) => return Err(logged_out(closed.reason)),
        _ => None,
    })
}

/// That his login was ended, in the server's words.
fn logged_out(reason: Option<ReasonInfo>) -> String {
    let ReasonInfo { reason_system_name: name, reason_description: why, .. } = reason.unwrap_or_default();
    match (name.as_str(), why.as_str()) {
        ("", "") => "the server ended his login and does not say why".to_owned(),
        (said, "") | ("", said) => format!("the server ended his login: {said}"),
        (name, why) => format!("the server ended his login: {why} ({name})"),
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::EventAgentConnectionClosed;

    use super::*;

    #[test]
    fn why_a_login_was_ended_is_what_the_server_says() {
        let reason = ReasonInfo {
            reason_system_name: "AgentDeleted".to_owned(),
            reason_description: "the agent is no longer configured".to_owned(),
            ..Default::default()
        };
        let said = |reason| {
            let closed = EventAgentConnectionClosed { reason, ..Default::default() };
            let event = Some(Event::EventAgentConnectionClosed(closed));
            happened(ServerEnvelope { event, ..Default::default() }).unwrap_err()
        };
        assert_eq!(
            said(Some(reason)),
            "the server ended his login: the agent is no longer configured (AgentDeleted)"
        );
        assert_eq!(said(None), "the server ended his login and does not say why");
    }

    #[test]
    fn the_end_of_work_is_a_stop_or_a_place_in_a_queue() {
        assert_eq!("stop".parse(), Ok(Finish::Stop));
        assert_eq!("place:done".parse(), Ok(Finish::Place("done".to_owned())));
        for wrong in ["place:", "place", "", "throw"] {
            assert!(wrong.parse::<Finish>().is_err(), "{wrong}");
        }
    }
}
