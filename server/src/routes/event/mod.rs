//! Events.
//!
//! Not served yet.
