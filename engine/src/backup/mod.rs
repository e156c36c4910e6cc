//! Backups and what can be done with them.
//!
//! [`browse`] reads files out of a file system inside a snapshot or a backup.

pub mod browse;
