//! Tags of nodes and disks.
//!
//! Not served yet.
