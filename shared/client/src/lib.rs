//! The client of the IXN protocol: connects, registers, keeps many requests in flight over one stream, reconnects.
//!
//! ```no_run
//! use ixn_client::{Client, ClientOptions, ClientType, RequestSubmit};
//!
//! # async fn example() -> Result<(), ixn_client::ClientError> {
//! let options = ClientOptions::new("http://127.0.0.1:7120", "mail-gateway", ClientType::MediaServer);
//! let client = Client::connect(options).await?;
//! let submitted = client
//!     .submit(RequestSubmit { queue: "inbox".into(), media_type: "email".into(), ..Default::default() })
//!     .await?;
//! println!("{}", submitted.interaction_id);
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! - [`Client`] is a registration: of the connection, or of a logical client behind a Proxy connection
//!   ([`Client::logical`]). It has a method for each request; [`Client::request`] is their base.
//! - Every request has a deadline. Requests that change an interaction get an idempotency key by themselves and are sent
//!   again, with the same key, when the connection is lost before the answer: nothing is lost, nothing is done twice.
//!   What cannot be repeated safely fails with [`ClientError::OutcomeUnknown`].
//! - [`Events`] brings what comes unasked, losses and reconnects included. After a reconnect the client has registered
//!   again; logging agents in again is the application's business, for their tickets died with the connection.
//! - [`Client::trouble`] tells while the server is away or refuses for now.
//! - [`Reporting`] is the reporting stream, which resumes after the last event number by itself.
//!
//! This crate must never log an agent in by itself, repeat a request that could be carried out twice, or drop an event
//! that somebody reads.

mod answer;
mod backoff;
mod client;
mod codec;
mod connection;
mod error;
mod events;
mod options;
mod reporting;
mod request_nature;
mod requests;
mod shared;
mod state;
mod task;
mod trouble;

pub use backoff::Backoff;
pub use client::{Client, LogicalClient};
pub use error::{ClientError, Refusal};
pub use events::{ClientEvent, DisconnectReason, Events};
pub use options::{
    ClientOptions, IdempotencyKey, LogicalOptions, RequestOptions, RoutingSessions, WhenRefusedForNow,
};
pub use reporting::{Reporting, ReportingItem, ReportingOptions};
pub use requests::Submitted;
pub use trouble::Trouble;

/// The protocol: every message by its own name.
pub use ixn_proto as proto;
pub use ixn_proto::{
    ClientType, ErrorCode, KeyValueList, RegistrationInfo, RequestSubmit, ServerEnvelope,
    client_envelope::Request, server_envelope::Event,
};
