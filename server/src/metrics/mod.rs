//! Metrics for Prometheus, with the names and labels of Longhorn's.
//!
//! Not built yet.
