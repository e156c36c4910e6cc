//! Support bundles.
//!
//! Not served yet.
