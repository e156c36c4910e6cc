//! Restores of system backups.
//!
//! Not served yet.
