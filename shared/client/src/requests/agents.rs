//! Logins and media states of the agent of this registration.

use ixn_proto::{
    AgentLoginInfo, RequestAddMedia, RequestAgentLogin, RequestAgentLogout, RequestAgentNotAvailable,
    RequestCancelNotReadyForMedia, RequestDoNotDisturbOff, RequestDoNotDisturbOn, RequestNotReadyForMedia,
    RequestRemoveMedia, client_envelope::Request,
};

use super::acknowledged;
use crate::{Client, ClientError};

/// Defines methods for requests about one medium.
macro_rules! about_a_medium {
    ($($(#[$doc:meta])* $method:ident($variant:ident);)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of [`Client::request`].
                pub async fn $method(&self, media_type: &str) -> Result<(), ClientError> {
                    let media_type_name = media_type.to_owned();
                    let request = Request::$variant($variant { media_type_name, reason: None });
                    self.acknowledged(stringify!($variant), request).await.map(drop)
                }
            )*
        }
    };
}

/// Defines methods for requests that need nothing.
macro_rules! about_the_agent {
    ($($(#[$doc:meta])* $method:ident($variant:ident);)*) => {
        impl Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of [`Client::request`].
                pub async fn $method(&self) -> Result<(), ClientError> {
                    let request = Request::$variant($variant::default());
                    self.acknowledged(stringify!($variant), request).await.map(drop)
                }
            )*
        }
    };
}

impl Client {
    /// Logs an agent in. The answer of a resumed login has his media and the interactions that he holds.
    ///
    /// # Errors
    /// Those of [`Client::request`].
    pub async fn agent_login(&self, request: RequestAgentLogin) -> Result<AgentLoginInfo, ClientError> {
        let ack = self.acknowledged("RequestAgentLogin", Request::RequestAgentLogin(request)).await?;
        Ok(ack.agent_login.unwrap_or_default())
    }
}

about_the_agent! {
    /// Logs the agent out; his interactions return.
    agent_logout(RequestAgentLogout);
    /// Ends [`Client::agent_available`].
    agent_not_available(RequestAgentNotAvailable);
    /// The agent is offered nothing more, on any medium.
    do_not_disturb_on(RequestDoNotDisturbOn);
    /// Ends [`Client::do_not_disturb_on`].
    do_not_disturb_off(RequestDoNotDisturbOff);
}

about_a_medium! {
    /// Adds a medium to the login, not ready.
    add_media(RequestAddMedia);
    /// Removes a medium from the login.
    remove_media(RequestRemoveMedia);
    /// Makes the agent not ready for a medium.
    not_ready_for_media(RequestNotReadyForMedia);
    /// Makes the agent ready for a medium.
    cancel_not_ready_for_media(RequestCancelNotReadyForMedia);
}

acknowledged! {
    /// Tells that the agent, logged in at another server, is available here.
    agent_available(RequestAgentAvailable);
    /// Changes the reason of a medium's state.
    change_media_state_reason(RequestChangeMediaStateReason);
    /// Changes the reason of the agent's state.
    change_agent_state_reason(RequestChangeAgentStateReason);
    /// A reporting engine tells how much more an agent can take.
    current_agent_status(EventCurrentAgentStatus);
}
