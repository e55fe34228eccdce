//! The few ways in which rows change: through these, views, counters, the journal and the reporting events stay right.

use ixn_proto::{InteractionProperties, ServerEnvelope, server_envelope::Event};
use prost::Message;

use crate::commit::InteractionKey;
use crate::engine::{Engine, Output};
use crate::interaction::Interaction;
use crate::names::AgentId;
use crate::sessions::ClientRef;

impl Engine {
    /// Takes a new interaction in.
    pub(crate) fn insert(&mut self, interaction: Interaction) {
        let key = interaction.key;
        self.show(&interaction);
        self.interactions.insert(interaction);
        self.journal.interactions.insert(key);
        self.journal.born.insert(key);
    }

    /// Changes a row. Does nothing when there is none.
    pub(crate) fn change<R>(
        &mut self,
        key: InteractionKey,
        change: impl FnOnce(&mut Interaction) -> R,
    ) -> Option<R> {
        let result = self.change_unsaved(key, change);
        self.journal.interactions.insert(key);
        result
    }

    /// Changes what need not outlive the server.
    pub(crate) fn change_unsaved<R>(
        &mut self,
        key: InteractionKey,
        change: impl FnOnce(&mut Interaction) -> R,
    ) -> Option<R> {
        self.hide(key);
        let result = self.interactions.change(key, change);
        self.show_changed(key);
        result
    }

    /// Looks again in which views and workbins an interaction shows.
    pub(crate) fn reindex(&mut self, key: InteractionKey) {
        self.hide(key);
        self.show_changed(key);
    }

    /// Whether a view's condition still holds for what it shows: one that looks at the clock may have become false since,
    /// when many do at once and are looked at again in slices.
    pub(crate) fn still_shows(&self, view: usize, key: InteractionKey) -> bool {
        let (Some(view), Some(row)) = (self.setup.views.get(view), self.interactions.get(key)) else {
            return false;
        };
        let now_seconds = (self.now.0 / 1000) as i64;
        !view.condition.depends_on_time()
            || view.condition.evaluate(&row.facts(&self.vocabulary), now_seconds).is_true()
    }

    fn hide(&mut self, key: InteractionKey) {
        if let Some(row) = self.interactions.get(key) {
            self.views.remove(&self.setup, &self.vocabulary, row);
            self.workbins.contents.remove(&self.setup, &self.vocabulary, row);
        }
    }

    fn show_changed(&mut self, key: InteractionKey) {
        if let Some(row) = self.interactions.get(key) {
            self.workbins.contents.add(&self.setup, &self.vocabulary, row);
            let shown_in = self.views.add(&self.setup, &self.vocabulary, row, self.now);
            self.wake.views.extend(shown_in);
        }
    }

    /// Takes an interaction into the views and workbins where it shows.
    pub(crate) fn show(&mut self, interaction: &Interaction) {
        self.workbins.contents.add(&self.setup, &self.vocabulary, interaction);
        let shown_in = self.views.add(&self.setup, &self.vocabulary, interaction, self.now);
        self.wake.views.extend(shown_in);
    }

    /// Ends an interaction: the row goes.
    pub(crate) fn delete(&mut self, key: InteractionKey) {
        self.hide(key);
        self.interactions.remove(key);
        self.contents.forget(key);
        self.journal.delete(key);
    }

    /// Reports an event about an interaction.
    pub(crate) fn report(
        &mut self,
        key: InteractionKey,
        event: impl FnOnce(InteractionProperties, &Self) -> Event,
    ) {
        let Some(row) = self.interactions.get(key) else { return };
        let event = event(self.properties(row), self);
        let number = self.journal.report(self.now, event);
        if let Some(row) = self.interactions.get_mut(key) {
            row.last_event = number;
        }
        self.journal.interactions.insert(key);
    }

    /// Reports an event about an agent.
    pub(crate) fn report_agent(&mut self, agent: AgentId, event: Event) {
        let number = self.journal.report(self.now, event);
        if let Some(state) = self.agents.get_mut(&agent) {
            state.last_event = number;
        }
        self.journal.agents.insert(agent);
    }

    /// Sends an unsolicited event to a client.
    pub(crate) fn send(&mut self, client: ClientRef, event: Event) {
        let envelope = ServerEnvelope {
            proxy_client_id: client.proxy_client_id,
            event_time_milliseconds: self.now.0 as i64,
            event: Some(event),
            ..ServerEnvelope::default()
        };
        self.output(Output::Send { client, envelope: envelope.encode_to_vec().into() });
    }

    /// Sends an unsolicited event to the agents who handle an interaction, but for the client that caused it.
    pub(crate) fn tell_parties(&mut self, key: InteractionKey, event: &Event, but: Option<ClientRef>) {
        let agents = self.interactions.get(key).into_iter().flat_map(|row| row.agents());
        let clients: Vec<ClientRef> = agents
            .filter_map(|party| self.agents.get(&party.agent))
            .flat_map(|state| state.clients.iter().copied())
            .filter(|client| Some(*client) != but)
            .collect();
        for client in clients {
            self.send(client, event.clone());
        }
    }

    /// Sends an unsolicited event to an agent, on every connection where he is logged in.
    pub(crate) fn send_agent(&mut self, agent: AgentId, event: &Event) {
        let clients = self.agents.get(&agent).map(|state| state.clients.clone()).unwrap_or_default();
        for client in clients {
            self.send(client, event.clone());
        }
    }
}
