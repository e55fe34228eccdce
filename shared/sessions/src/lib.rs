//! The server side of a long-lived message stream: what waits to be sent to one connection, bounded in bytes per logical
//! client, packed several envelopes to a message, fair between the clients behind one connection.
//!
//! This crate knows bytes, not messages: it never decodes an envelope, never decides what is sent, and never blocks the
//! one who sends.

mod outbound;

pub use outbound::{Closed, Limits, Outbound, OutboundStream, Overflow, PushError, outbound};
