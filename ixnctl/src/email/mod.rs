//! Real e-mail: where it lies ([`sources`]) and what of it becomes an interaction ([`message`]).
//!
//! Bodies never become user data: they belong to the content server of the installation.

mod mbox;
pub(crate) mod message;
pub(crate) mod sources;
