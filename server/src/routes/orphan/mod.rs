//! Orphans.
//!
//! Not served yet.
