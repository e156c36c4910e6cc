//! Backing images.
//!
//! Not served yet.
