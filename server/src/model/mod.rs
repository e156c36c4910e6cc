//! The store's objects in memory, kept up to date, for reading by volume, node, disk and label.
//!
//! Not built yet.
