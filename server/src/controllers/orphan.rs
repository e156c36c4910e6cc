//! Orphans: replica directories and processes that no resource names any more.
//!
//! Not built yet.
