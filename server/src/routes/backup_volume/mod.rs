//! Volumes that have backups.
//!
//! Not served yet.
