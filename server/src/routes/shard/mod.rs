//! Shards and shard groups of the second data engine.
//!
//! Not served yet.
