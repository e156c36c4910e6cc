//! Backups of backing images.
//!
//! Not served yet.
