//! The IXN protocol, version 1: messages, client and server code, error codes and key-value lists.
//!
//! The `.proto` files under `ixn/v1` are the source; `build.rs` compiles them without `protoc`. What is generated
//! stands in [`v1`] and is re-exported here. Two things are our own:
//!
//! - [`KeyValueList`] keeps its *encoded* bytes. It is decoded by a bounded walker only, so that a deep or huge list
//!   can never kill a stream before a limit answers, and user data is never encoded anew.
//! - [`encoded`] is the server side of `Connect` for a server that encodes each event once and sends the bytes to
//!   whoever wants them.
//!
//! This crate must never do I/O, hold state, or decide what a request means.

pub mod encoded;
pub mod error_code;
pub mod key_value_list;
#[cfg(test)]
mod message_tests;

pub use key_value_list::KeyValueList;
pub use v1::*;

/// Everything generated from the `.proto` files.
// Comments become docs as they stand in the .proto files; variants differ in size as the messages do, and are
// matched far more often than moved.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used)]
pub mod v1 {
    tonic::include_proto!("ixn.v1");
}

/// The encoded `google.protobuf.FileDescriptorSet` of the protocol, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ixn.v1.descriptors.bin"));
