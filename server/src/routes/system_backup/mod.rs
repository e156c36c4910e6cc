//! System backups.
//!
//! Not served yet.
