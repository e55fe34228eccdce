//! What an agent types: one line → one order. Pure.

use super::workbins::WorkbinName;

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
    /// Place an interaction in a workbin; `None` = the oldest that he handles.
    Put { workbin: WorkbinName, which: Option<String> },
    /// Show what a workbin has.
    Workbin(WorkbinName),
    /// Take an interaction from a workbin, by its id; `None` = the first.
    Take { workbin: WorkbinName, interaction_id: Option<String> },
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
accept, a [N]            accept an offer; N is its number in the list, or its id; default: the oldest
reject, r [N]            reject an offer
done, d [N]              end an interaction
transfer, t QUEUE [N]    place an interaction in a queue
pull, p VIEW             take one interaction from a view
put WORKBIN [N]          place an interaction in a workbin: drafts is your own, drafts/bob is bob's
workbin, w WORKBIN       show what a workbin has
take WORKBIN [ID]        take an interaction from a workbin; default: the first
ready [MEDIA]            become ready, for one medium or all
notready [MEDIA]         become not ready
list, l                  show what is offered and handled
help, h, ?               show this
quit, q                  log out and leave; what is handled returns to its queue
A name with blanks stands in double quotation marks.";

/// Reads one line.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn read(line: impl AsRef<[u8]>) -> Result<Order, String> {
    let line = std::str::from_utf8(line.as_ref())
        .map_err(|error| format!("the line is not UTF-8 after {} bytes", error.valid_up_to()))?;
    let mut words = words(line)?.into_iter();
    let Some(verb) = words.next() else { return Ok(Order::Nothing) };
    let mut word = || words.next();
    let order = match verb.as_str() {
        "accept" | "a" => Order::Accept(word()),
        "reject" | "r" => Order::Reject(word()),
        "done" | "d" => Order::Done(word()),
        "transfer" | "t" => {
            let queue = word().ok_or("transfer needs a queue: transfer QUEUE [N]")?;
            Order::Transfer { queue, which: word() }
        }
        "pull" | "p" => Order::Pull { view: word().ok_or("pull needs a view: pull VIEW")? },
        "put" => {
            let workbin = word().ok_or("put needs a workbin: put WORKBIN [N]")?;
            Order::Put { workbin: WorkbinName::read(&workbin), which: word() }
        }
        "workbin" | "w" => {
            let workbin = word().ok_or("workbin needs a name: workbin WORKBIN")?;
            Order::Workbin(WorkbinName::read(&workbin))
        }
        "take" => {
            let workbin = word().ok_or("take needs a workbin: take WORKBIN [ID]")?;
            Order::Take { workbin: WorkbinName::read(&workbin), interaction_id: word() }
        }
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

/// The words of a line; what stands in double quotation marks is one.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                quoted.split_once('"').ok_or("a quotation mark has no second one: write \"a name\"")?
            }
            None => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    Ok(words)
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
    fn workbins_have_three_orders_and_names_may_have_blanks() {
        let drafts = WorkbinName { workbin_type_id: "drafts".into(), owner: None };
        assert_eq!(read("put drafts 3"), Ok(Order::Put { workbin: drafts.clone(), which: Some("3".into()) }));
        assert_eq!(read("take drafts"), Ok(Order::Take { workbin: drafts, interaction_id: None }));
        let team = WorkbinName { workbin_type_id: "returned".into(), owner: Some("Team 1".into()) };
        assert_eq!(read("w \"returned/Team 1\""), Ok(Order::Workbin(team)));
        assert!(read("pull \"my view").unwrap_err().contains("quotation mark"));
    }

    #[test]
    fn what_is_missing_or_too_much_is_said() {
        assert!(read("transfer").unwrap_err().contains("QUEUE"));
        assert!(read("put").unwrap_err().contains("WORKBIN"));
        assert!(read("accept 1 2").unwrap_err().contains("\"2\""));
        assert!(read("fly").unwrap_err().contains("help"));
        assert!(read(b"accept \xff").unwrap_err().contains("UTF-8 after 7 bytes"));
    }

    #[test]
    fn the_help_names_every_order_and_each_is_one() {
        let listed: Vec<&str> = HELP
            .lines()
            .filter(|line| !line.starts_with('A'))
            .flat_map(|line| line[..25].split_whitespace())
            .filter(|word| !word.contains(|letter: char| letter.is_ascii_uppercase()))
            .map(|word| word.trim_end_matches(','))
            .collect();
        for verb in [
            "accept", "reject", "done", "transfer", "pull", "put", "workbin", "take", "ready", "notready",
            "list", "help", "quit",
        ] {
            assert!(listed.contains(&verb), "{verb}: {listed:?}");
        }
        for verb in listed {
            assert!(!read(verb).is_err_and(|problem| problem.contains("is not an order")), "{verb}");
        }
    }
}
