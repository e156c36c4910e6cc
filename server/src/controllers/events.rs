//! Events: kept for a while, counted when they repeat, forgotten in time.
//!
//! Not built yet.
