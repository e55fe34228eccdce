//! What is submitted: one request with its idempotency key, however it was written down.

mod fields;
mod json;
mod line;
pub(crate) mod source;
mod user_data;

use ixn_proto::RequestSubmit;

pub(crate) use line::read_line;

/// One interaction to submit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Submission {
    /// The request.
    pub request: RequestSubmit,
    /// The key that makes a repeat safe, at most 128 bytes; `None` = a new one for this submit alone.
    pub idempotency_key: Option<String>,
}
