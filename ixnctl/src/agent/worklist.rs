//! What an agent who works by hand is offered and handles, with the numbers that he calls them by. Pure.

use ixn_proto::InteractionProperties;
use ixn_proto::server_envelope::Event;

use crate::output::or_dash;

/// One offer, or one interaction that he handles.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// Its number, counted from 1 and never given twice.
    pub number: u64,
    /// The interaction.
    pub interaction: InteractionProperties,
    /// The ticket while it is offered; `None` = he handles it.
    pub ticket_id: Option<u64>,
}

/// All of them, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Worklist {
    items: Vec<Item>,
    last_number: u64,
}

impl Worklist {
    /// All of them, the oldest first.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// Adds an offer (with a ticket) or an interaction that he handles. An interaction that is there keeps its number.
    pub(super) fn put(&mut self, interaction: InteractionProperties, ticket_id: Option<u64>) -> &Item {
        let known =
            self.items.iter().position(|item| item.interaction.interaction_id == interaction.interaction_id);
        let index = known.unwrap_or_else(|| {
            self.last_number += 1;
            self.items.push(Item {
                number: self.last_number,
                interaction: InteractionProperties::default(),
                ticket_id,
            });
            self.items.len() - 1
        });
        let item = &mut self.items[index];
        item.interaction = interaction;
        item.ticket_id = ticket_id;
        item
    }

    /// What was offered with this ticket is handled now.
    pub(super) fn accepted(&mut self, ticket_id: u64) {
        let offered = self.items.iter_mut().find(|item| item.ticket_id == Some(ticket_id));
        if let Some(item) = offered {
            item.ticket_id = None;
        }
    }

    /// Takes it off; `None` when it is not there.
    pub(super) fn remove(&mut self, interaction_id: &str) -> Option<Item> {
        let index = self.items.iter().position(|item| item.interaction.interaction_id == interaction_id)?;
        Some(self.items.remove(index))
    }

    /// Keeps what he handles after a login: offers of before are void.
    pub(super) fn replace(&mut self, handled: Vec<InteractionProperties>) {
        self.items.retain(|item| {
            handled.iter().any(|interaction| interaction.interaction_id == item.interaction.interaction_id)
        });
        for interaction in handled {
            self.put(interaction, None);
        }
    }

    /// Brings the list up to date; what to say about the event.
    pub(super) fn happened(&mut self, event: &Event) -> Option<String> {
        let id = |interaction: &Option<InteractionProperties>| {
            interaction.as_ref().map(|interaction| interaction.interaction_id.clone()).unwrap_or_default()
        };
        match event {
            Event::EventInvite(invite) => {
                let interaction = invite.interaction.clone().unwrap_or_default();
                Some(self.put(interaction, Some(invite.ticket_id)).line())
            }
            Event::EventRevoked(revoked) => {
                let item = self.remove(&id(&revoked.interaction))?;
                let reason = revoked.reason.clone().unwrap_or_default().reason_system_name;
                Some(format!(
                    "{:>3}  taken away ({})",
                    item.number,
                    if reason.is_empty() { "no reason" } else { &reason }
                ))
            }
            Event::EventPropertiesChanged(changed) => {
                let id = id(&changed.interaction);
                let item = self.items().iter().find(|item| item.interaction.interaction_id == id)?;
                Some(format!("{:>3}  changed", item.number))
            }
            Event::EventForcedAgentStateChange(change) => {
                let operation = change.agent_state_change_operation().as_str_name();
                let operation = operation.trim_start_matches("AGENT_STATE_CHANGE_OPERATION_").to_lowercase();
                Some(format!("the server says: {} {}", operation.replace('_', " "), change.media_type_name))
            }
            _ => None,
        }
    }

    /// The offer, or the interaction that he handles, that `which` names by number or id; the oldest without it.
    ///
    /// # Errors
    /// A sentence: there is none.
    pub(super) fn find(&self, offered: bool, which: Option<&str>) -> Result<Item, String> {
        let mut candidates = self.items.iter().filter(|item| item.ticket_id.is_some() == offered);
        let found = match which {
            None => candidates.next(),
            Some(which) => candidates
                .find(|item| item.number.to_string() == which || item.interaction.interaction_id == which),
        };
        let what = if offered { "offered" } else { "handled" };
        found.cloned().ok_or_else(|| match which {
            None => format!("nothing is {what}"),
            Some(which) => format!("nothing that is {what} is called {which:?}: list shows the numbers"),
        })
    }
}

impl Item {
    /// It in one line.
    pub(super) fn line(&self) -> String {
        let what = if self.ticket_id.is_some() { "offered" } else { "handled" };
        format!("{:>3}  {what}  {}", self.number, described(&self.interaction))
    }
}

/// What an interaction is about, in a few words.
pub(super) fn described(interaction: &InteractionProperties) -> String {
    let InteractionProperties { interaction_id, media_type, queue, .. } = interaction;
    let lists = [&interaction.custom_properties, &interaction.user_data];
    let text = |key| lists.iter().find_map(|list| list.as_ref().and_then(|list| list.get_text(key)));
    let from = or_dash(text("FromAddress").unwrap_or_default());
    let subject = or_dash(text("Subject").unwrap_or_default());
    format!("{media_type} {interaction_id} of {queue}, from {from}: {subject}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interaction(id: &str) -> InteractionProperties {
        InteractionProperties { interaction_id: id.to_owned(), ..Default::default() }
    }

    fn number(found: Result<Item, String>) -> Option<u64> {
        found.ok().map(|item| item.number)
    }

    #[test]
    fn things_are_found_by_number_by_id_or_as_the_oldest() {
        let mut list = Worklist::default();
        list.put(interaction("a"), Some(7));
        list.put(interaction("b"), Some(8));
        list.accepted(7);
        assert_eq!(number(list.find(true, None)), Some(2));
        assert_eq!(number(list.find(false, Some("1"))), Some(1));
        assert_eq!(number(list.find(false, Some("a"))), Some(1));
        assert!(list.find(true, Some("1")).unwrap_err().contains("offered"), "it is handled");
        list.remove("b");
        assert_eq!(list.put(interaction("c"), Some(9)).number, 3, "numbers are not given twice");
    }

    #[test]
    fn a_login_leaves_what_is_handled() {
        let mut list = Worklist::default();
        list.put(interaction("a"), None);
        list.put(interaction("b"), Some(8));
        list.put(interaction("c"), Some(9));
        list.replace(vec![interaction("a"), interaction("c")]);
        let left: Vec<(u64, Option<u64>)> =
            list.items().iter().map(|item| (item.number, item.ticket_id)).collect();
        assert_eq!(left, [(1, None), (3, None)]);
    }
}
