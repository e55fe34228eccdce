//! What keeps requests from being answered for the moment, for those who want to tell their users.

use std::fmt;

use tokio::sync::watch;

use crate::{DisconnectReason, Refusal};

/// Why requests of a connection are not answered at this moment. The client goes on trying by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is lost; the client is making it again.
    Away(DisconnectReason),
    /// The server answers, but refuses for now what it would do otherwise: its database is away, it is stopping, it
    /// is not the primary. Too many requests at once are no trouble.
    Refusing(Refusal),
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(reason) => reason.fmt(formatter),
            Self::Refusing(refusal) => write!(formatter, "the server refuses for now: {refusal}"),
        }
    }
}

/// The trouble of one connection, and who watches it.
#[derive(Debug)]
pub(crate) struct Troubles(watch::Sender<Option<Trouble>>);

impl Troubles {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Trouble>> {
        self.0.subscribe()
    }

    pub(crate) fn lost(&self, reason: DisconnectReason) {
        self.0.send_replace(Some(Trouble::Away(reason)));
    }

    pub(crate) fn connected(&self) {
        self.0.send_replace(None);
    }

    /// A request was refused for now.
    pub(crate) fn refused(&self, refusal: &Refusal) {
        if refusal.is_about_load() {
            return;
        }
        self.0.send_if_modified(|trouble| {
            let is_new = trouble.is_none();
            if is_new {
                *trouble = Some(Trouble::Refusing(refusal.clone()));
            }
            is_new
        });
    }

    /// A request was answered, or refused for good.
    pub(crate) fn answered(&self) {
        // Every answer comes by here: look before taking the lock that wakes.
        if !matches!(*self.0.borrow(), Some(Trouble::Refusing(_))) {
            return;
        }
        self.0.send_if_modified(|trouble| {
            let is_over = matches!(trouble, Some(Trouble::Refusing(_)));
            if is_over {
                *trouble = None;
            }
            is_over
        });
    }
}

#[cfg(test)]
mod tests {
    use ixn_proto::ErrorCode;

    use super::*;

    fn refusal(code: ErrorCode) -> Refusal {
        Refusal::new(code as i32, String::new())
    }

    #[test]
    fn an_answer_ends_a_refusal_and_only_a_connection_ends_a_loss() {
        let troubles = Troubles::new();
        let watch = troubles.watch();
        let away = refusal(ErrorCode::DatabaseUnavailable);
        troubles.refused(&away);
        assert_eq!(*watch.borrow(), Some(Trouble::Refusing(away.clone())));
        troubles.answered();
        assert_eq!(*watch.borrow(), None);
        let lost = DisconnectReason::Lost("x".to_owned());
        troubles.lost(lost.clone());
        troubles.answered();
        troubles.refused(&away);
        assert_eq!(*watch.borrow(), Some(Trouble::Away(lost)));
        troubles.connected();
        assert_eq!(*watch.borrow(), None);
    }

    #[test]
    fn too_many_requests_are_no_trouble() {
        let troubles = Troubles::new();
        troubles.refused(&refusal(ErrorCode::TooManyRequests));
        assert_eq!(*troubles.watch().borrow(), None);
    }
}
