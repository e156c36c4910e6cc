//! What a device tells of the space it takes.

/// Whether a range takes space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    /// There may be data; it may be zeros all the same.
    Data,
    /// Takes no space, and reads as zeros until it is written.
    Hole,
}

/// A range that follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Bytes, at least one.
    pub length: u64,
    pub state: Allocation,
}
