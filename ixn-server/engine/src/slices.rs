//! How much one step does of what concerns many: no step may take longer than a millisecond.

use crate::engine::Engine;

/// How much one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    /// Of a changed configuration: agents who find their new places, or are logged out.
    pub agents: usize,
    /// Of a changed configuration: interactions that wait for an agent and are offered again.
    pub offers: usize,
    /// Of a changed configuration: rows that views and workbins take in.
    pub rows: usize,
    /// Of a pull: interactions whose user data is asked for, and interactions that the agent is given.
    pub pulled: usize,
    /// Of what an agent has who is logged out or gone: offers that are withdrawn, and interactions that return.
    pub returned: usize,
    /// Of a connection that is gone: clients that are forgotten.
    pub clients: usize,
}

impl Default for Slices {
    fn default() -> Self {
        Self { agents: 50, offers: 50, rows: 250, pulled: 32, returned: 50, clients: 200 }
    }
}

impl Slices {
    /// The same for everything.
    pub fn of(size: usize) -> Self {
        Self { agents: size, offers: size, rows: size, pulled: size, returned: size, clients: size }
    }
}

impl Engine {
    /// Sets how much one step does.
    pub fn set_slices(&mut self, slices: Slices) {
        self.slices = slices;
    }
}
