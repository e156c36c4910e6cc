//! Engine images: which engines there are, where, and who uses them.
//!
//! Not built yet.
