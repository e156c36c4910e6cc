//! What a node can do, what it lacks, and what to install.
//!
//! Not built yet.
