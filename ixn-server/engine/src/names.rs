//! Names as small numbers: what configuration and clients name is interned once and compared, stored and indexed as a
//! typed id. Names are never forgotten while the server runs; ids mean nothing outside the process, rows store names.

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl Id for $name {
            fn from_index(index: u32) -> Self {
                Self(index)
            }
            fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

/// A typed index into one table of [`Names`].
pub trait Id: Copy {
    /// The id of a position.
    fn from_index(index: u32) -> Self;
    /// The position.
    fn index(self) -> usize;
}

id! {
    /// A queue, configured or retired.
    QueueId
}
id! {
    /// A media type.
    MediaTypeId
}
id! {
    /// An agent of the configuration, present or past.
    AgentId
}
id! {
    /// A routing strategy.
    StrategyId
}
id! {
    /// A workbin type.
    WorkbinId
}
id! {
    /// Any other short name that many rows share: interaction types, subtypes, client names, places.
    LabelId
}

/// Too many distinct names of one kind: a sign of a client that puts unique values where names belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} distinct names of this kind; use names that repeat, not unique values")]
pub struct TooManyNames {
    /// How many there may be.
    pub limit: usize,
}

/// One table of interned names.
#[derive(Clone)]
pub struct Names<I> {
    by_id: Vec<Arc<str>>,
    by_name: HashMap<Arc<str>, u32>,
    limit: usize,
    kind: PhantomData<I>,
}

impl<I: Id> Names<I> {
    /// A table that takes at most `limit` names.
    pub fn new(limit: usize) -> Self {
        Self { by_id: Vec::new(), by_name: HashMap::new(), limit, kind: PhantomData }
    }

    /// The id of a name, if it has one.
    pub fn find(&self, name: &str) -> Option<I> {
        self.by_name.get(name).map(|&index| I::from_index(index))
    }

    /// The id of a name, new or known.
    pub fn intern(&mut self, name: &str) -> Result<I, TooManyNames> {
        if let Some(id) = self.find(name) {
            return Ok(id);
        }
        if self.by_id.len() >= self.limit {
            return Err(TooManyNames { limit: self.limit });
        }
        let index = self.by_id.len() as u32;
        let shared: Arc<str> = name.into();
        self.by_id.push(Arc::clone(&shared));
        self.by_name.insert(shared, index);
        Ok(I::from_index(index))
    }

    /// The name behind an id.
    pub fn name(&self, id: I) -> &str {
        self.by_id.get(id.index()).map_or("", |name| name)
    }

    /// The name behind an id, to be kept without copying it.
    pub fn shared(&self, id: I) -> Arc<str> {
        self.by_id.get(id.index()).cloned().unwrap_or_default()
    }

    /// Whether another table has grown out of this one: the newest name tells, as tables only grow.
    pub fn is_start_of(&self, other: &Self) -> bool {
        match self.by_id.last() {
            Some(newest) => other.by_id.get(self.by_id.len() - 1) == Some(newest),
            None => true,
        }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

impl<I> fmt::Debug for Names<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.by_id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id_and_the_table_has_a_limit() {
        let mut names = Names::<QueueId>::new(2);
        let inbox = names.intern("inbox").unwrap();
        let other = names.intern("other").unwrap();
        assert_ne!(inbox, other);
        assert_eq!(names.intern("inbox"), Ok(inbox));
        assert_eq!(names.name(inbox), "inbox");
        assert_eq!(names.find("nothing"), None);
        assert_eq!(names.intern("third"), Err(TooManyNames { limit: 2 }));
    }
}
