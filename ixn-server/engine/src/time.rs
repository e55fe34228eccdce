//! Time inside the engine: Unix time in milliseconds for what happens, in seconds for properties (the product's precision).

use std::time::Duration;

/// Unix time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Milliseconds(pub u64);

impl Milliseconds {
    /// This time plus a duration.
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The same instant as a property holds it.
    pub fn seconds(self) -> Timestamp {
        Timestamp(u32::try_from(self.0 / 1000).unwrap_or(u32::MAX))
    }
}

/// A timestamp property: Unix seconds, 0 = not set; holds 1970-01-01 to 2106-02-07.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// Not set.
    pub const NONE: Self = Self(0);

    /// A timestamp from the protocol's Unix seconds; `None` when it is out of range.
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        u32::try_from(seconds).ok().map(Self)
    }

    /// The value, when set.
    pub fn get(self) -> Option<i64> {
        (self.0 != 0).then_some(i64::from(self.0))
    }

    /// As the protocol writes it: Unix seconds, 0 = not set.
    pub fn to_protocol(self) -> i64 {
        i64::from(self.0)
    }
}
