//! Who wants to hear what happens in which workbin.

use std::collections::{BTreeMap, BTreeSet};

use super::contents::PlaceId;
use crate::sessions::ClientRef;

/// What a subscriber hears beside comings and goings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Changes of properties.
    pub property_changes: bool,
    /// EventProcessingStopped.
    pub processing_stopped: bool,
}

/// All subscriptions to workbins.
#[derive(Debug, Default)]
pub struct WorkbinSubscribers {
    by_place: BTreeMap<PlaceId, BTreeMap<ClientRef, Wanted>>,
    by_client: BTreeMap<ClientRef, BTreeSet<PlaceId>>,
}

impl WorkbinSubscribers {
    /// Subscribes a client; a subscription of before is replaced.
    pub fn subscribe(&mut self, client: ClientRef, place: PlaceId, wanted: Wanted) {
        self.by_place.entry(place).or_default().insert(client, wanted);
        self.by_client.entry(client).or_default().insert(place);
    }

    /// Ends a subscription; answers whether there was one.
    pub fn cancel(&mut self, client: ClientRef, place: PlaceId) -> bool {
        let Some(places) = self.by_client.get_mut(&client) else { return false };
        let had = places.remove(&place);
        if places.is_empty() {
            self.by_client.remove(&client);
        }
        self.remove(client, place);
        had
    }

    /// Ends all subscriptions of a client.
    pub fn forget(&mut self, client: ClientRef) {
        for place in self.by_client.remove(&client).unwrap_or_default() {
            self.remove(client, place);
        }
    }

    fn remove(&mut self, client: ClientRef, place: PlaceId) {
        if let Some(subscribers) = self.by_place.get_mut(&place) {
            subscribers.remove(&client);
            if subscribers.is_empty() {
                self.by_place.remove(&place);
            }
        }
    }

    /// Who subscribed to a workbin.
    pub fn of(&self, place: PlaceId) -> Vec<(ClientRef, Wanted)> {
        self.by_place.get(&place).into_iter().flatten().map(|(client, wanted)| (*client, *wanted)).collect()
    }

    /// How many subscriptions a client has.
    pub fn count(&self, client: ClientRef) -> usize {
        self.by_client.get(&client).map_or(0, BTreeSet::len)
    }
}
