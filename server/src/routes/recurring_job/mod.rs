//! Recurring jobs.
//!
//! Not served yet.
