//! How many connections to the database are open.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts them; clones share the count.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenConnections(Arc<AtomicUsize>);

/// A connection that counts as open until it is dropped.
#[derive(Debug)]
pub(crate) struct Open<C> {
    connection: C,
    _counted: Counted,
}

#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

impl OpenConnections {
    pub(crate) fn open<C>(&self, connection: C) -> Open<C> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Open { connection, _counted: Counted(Arc::clone(&self.0)) }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C> Deref for Open<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C> DerefMut for Open<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}
