//! What an agent types: one line → one order. Pure.

/// What the agent wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Accept an offer; `None` = the oldest.
    Accept(Option<String>),
    /// Reject an offer; `None` = the oldest.
    Reject(Option<String>),
    /// End an interaction; `None` = the oldest that he handles.
    Done(Option<String>),
    /// Place an interaction in a queue; `None` = the oldest that he handles.
    Transfer { queue: String, which: Option<String> },
    /// Take one interaction from a view.
    Pull { view: String },
    /// Become ready; `None` = for all media.
    Ready(Option<String>),
    /// Become not ready; `None` = for all media.
    NotReady(Option<String>),
    /// Show what is offered and handled.
    List,
    /// Show the orders.
    Help,
    /// Log out and leave.
    Quit,
    /// An empty line.
    Nothing,
}

/// The orders, for people.
pub(crate) const HELP: &str = "\
accept [N]             accept an offer; N is its number in the list, or its id; default: the oldest
reject [N]             reject an offer
done [N]               end an interaction
transfer QUEUE [N]     place an interaction in a queue
pull VIEW              take one interaction from a view
ready [MEDIA]          become ready, for one medium or all
notready [MEDIA]       become not ready
list                   show what is offered and handled
quit                   log out and leave; what is handled returns to its queue";

/// Reads one line.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn read(line: &str) -> Result<Order, String> {
    let mut words = line.split_whitespace();
    let Some(verb) = words.next() else { return Ok(Order::Nothing) };
    let mut word = || words.next().map(str::to_owned);
    let order = match verb {
        "accept" | "a" => Order::Accept(word()),
        "reject" | "r" => Order::Reject(word()),
        "done" | "d" => Order::Done(word()),
        "transfer" | "t" => {
            let queue = word().ok_or("transfer needs a queue: transfer QUEUE [N]")?;
            Order::Transfer { queue, which: word() }
        }
        "pull" | "p" => Order::Pull { view: word().ok_or("pull needs a view: pull VIEW")? },
        "ready" => Order::Ready(word()),
        "notready" => Order::NotReady(word()),
        "list" | "l" => Order::List,
        "help" | "h" | "?" => Order::Help,
        "quit" | "q" => Order::Quit,
        _ => return Err(format!("{verb:?} is not an order: help shows them")),
    };
    match words.next() {
        None => Ok(order),
        Some(word) => Err(format!("{word:?} is too much: help shows what an order takes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_long_and_short_names() {
        assert_eq!(read("accept"), Ok(Order::Accept(None)));
        assert_eq!(read(" r 2 "), Ok(Order::Reject(Some("2".into()))));
        let transfer = Order::Transfer { queue: "vip".into(), which: Some("3".into()) };
        assert_eq!(read("transfer vip 3"), Ok(transfer));
        assert_eq!(read(""), Ok(Order::Nothing));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        assert!(read("transfer").unwrap_err().contains("QUEUE"));
        assert!(read("accept 1 2").unwrap_err().contains("\"2\""));
        assert!(read("fly").unwrap_err().contains("help"));
    }

    #[test]
    fn the_help_names_every_order() {
        for verb in ["accept", "reject", "done", "transfer", "pull", "ready", "notready", "list", "quit"] {
            assert!(HELP.lines().any(|line| line.starts_with(verb)), "{verb}");
        }
    }
}
