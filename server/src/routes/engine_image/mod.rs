//! Engine images.
//!
//! Not served yet.
