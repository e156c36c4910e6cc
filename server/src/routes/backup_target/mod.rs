//! Backup targets.
//!
//! Not served yet.
