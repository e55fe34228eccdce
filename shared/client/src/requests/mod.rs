//! A method for each request. All of them are [`Client::request`] with the answer taken out, and fail as it does.

mod agents;
mod interactions;
mod others;
mod workbins;

use ixn_proto::{EventAck, ServerEnvelope, client_envelope::Request, server_envelope::Event};

use crate::{Client, ClientError};

pub use interactions::Submitted;

impl Client {
    /// Sends a request that is answered by `EventAck`.
    pub(crate) async fn acknowledged(
        &self,
        name: &'static str,
        request: Request,
    ) -> Result<EventAck, ClientError> {
        match self.request(request).await? {
            ServerEnvelope { event: Some(Event::EventAck(ack)), .. } => Ok(ack),
            _ => Err(ClientError::UnexpectedAnswer { request: name }),
        }
    }
}

/// Defines methods for requests that are answered by a plain `EventAck`.
macro_rules! acknowledged {
    ($($(#[$doc:meta])* $method:ident($variant:ident);)*) => {
        impl crate::Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of [`Client::request`](crate::Client::request).
                pub async fn $method(
                    &self,
                    request: ixn_proto::$variant,
                ) -> Result<(), crate::ClientError> {
                    let request = ixn_proto::client_envelope::Request::$variant(request);
                    self.acknowledged(stringify!($variant), request).await.map(drop)
                }
            )*
        }
    };
}

/// Defines methods for requests that have an answer event of their own.
macro_rules! answered {
    ($($(#[$doc:meta])* $method:ident($variant:ident) -> $answer:ident;)*) => {
        impl crate::Client {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Those of [`Client::request`](crate::Client::request).
                pub async fn $method(
                    &self,
                    request: ixn_proto::$variant,
                ) -> Result<ixn_proto::$answer, crate::ClientError> {
                    let request = ixn_proto::client_envelope::Request::$variant(request);
                    match self.request(request).await?.event {
                        Some(ixn_proto::server_envelope::Event::$answer(answer)) => Ok(answer),
                        _ => Err(crate::ClientError::UnexpectedAnswer { request: stringify!($variant) }),
                    }
                }
            )*
        }
    };
}

use {acknowledged, answered};
